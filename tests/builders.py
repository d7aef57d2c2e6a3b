"""Valid examples of everything the rules speak of; a test overrides what it is about."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from typing import Any

from shared.case import Case, Held
from shared.errors import Reason
from shared.events import Cancellation, Channel, DevicePath, HireEvent, Message, UserRef, Version
from shared.guard_rails import Facts, GuardRules, Known, LivePass, NumberSource, Person
from shared.plan import PlanRules, Policy, Terms, When, when
from shared.recording import record_cancellation, record_hire
from shared.states import CaseRules, State

NOW = datetime(2026, 11, 30, 12, tzinfo=UTC)
"""A Monday, the day before HIRE_DATE."""
SENT = datetime(2026, 11, 20, 9, 12, tzinfo=UTC)
"""When HR wrote the event."""
HIRE_DATE = date(2026, 12, 1)
USER_ID = "0f8fad5b-d9cb-469f-a165-70867728950e"
GROUP_ID = "7d444840-9dc0-11d1-b245-5ffdce74fad2"
CASE_ID = "00112233445566778899aabbccddeeff"
NUMBER = "+491713920001"
RULES = CaseRules()


# --- on the wire ---


def hired(data: dict[str, Any] | None = None, /, **envelope: Any) -> dict[str, Any]:
    """A `joiner.hired.v1` document: `data` overrides fields of data, keywords those of the envelope."""
    return {
        "specversion": "1.0",
        "id": "evt-1",
        "source": "/hr/workday",
        "type": "joiner.hired.v1",
        "subject": "W-10427",
        "time": "2026-11-20T09:12:00Z",
        "data": {
            "user": {"id": USER_ID},
            "hireDate": "2026-12-01",
            "startTime": "09:00",
            "timeZone": "Europe/Amsterdam",
            "devicePaths": ["apple-business-manager", "autopilot"],
            "mobilePhone": NUMBER,
            "channel": "whatsapp",
            "locale": "nl",
            **(data or {}),
        },
        **envelope,
    }


def cancelled(**envelope: Any) -> dict[str, Any]:
    document = hired(type="joiner.cancelled.v1", **envelope)
    document.pop("data")
    return document


def without(document: dict[str, Any], *path: str) -> dict[str, Any]:
    """A copy of `document` that lacks the field at `path`."""
    *parents, last = path
    copy = json.loads(json.dumps(document))
    place = copy
    for parent in parents:
        place = place[parent]
    del place[last]
    return copy


def body(document: object) -> bytes:
    return json.dumps(document).encode()


# --- in our words ---


def hire_event(**changes: Any) -> HireEvent:
    event = HireEvent(
        source="/hr/workday",
        subject="W-10427",
        version=Version(SENT, "evt-1"),
        user=UserRef("id", USER_ID),
        hire_date=HIRE_DATE,
        first_day=None,
        start_time=time(9),
        time_zone="Europe/Amsterdam",
        device_paths=(DevicePath.AUTHENTICATOR,),
        mobile_phone=NUMBER,
        channel=Channel.SMS,
        locale="nl",
    )
    return replace(event, **changes)


def version(minutes: int, name: str = "evt") -> Version:
    """A version sent that many minutes after the first."""
    return Version(SENT + timedelta(minutes=minutes), name)


def cancellation(minutes: int = 1) -> Cancellation:
    return Cancellation(source="/hr/workday", subject="W-10427", version=version(minutes))


def policy(**changes: Any) -> Policy:
    tenant = Policy(
        enabled=True,
        minimum_lifetime_in_minutes=60,
        maximum_lifetime_in_minutes=480,
        is_usable_once=False,
        include_targets=frozenset({"all_users"}),
        exclude_targets=frozenset(),
    )
    return replace(tenant, **changes)


def terms(**changes: Any) -> Terms:
    return replace(Terms(start_date_time=None, lifetime_in_minutes=375, is_usable_once=False), **changes)


def facts(**changes: Any) -> Facts:
    """A joiner whom every rail lets through."""
    joiner = Facts(
        user_id=USER_ID,
        account_enabled=True,
        is_external_guest=False,
        mobile_phone=NUMBER,
        employee_hire_date=datetime(2026, 12, 1, tzinfo=UTC),
        methods=("password",),
    )
    return replace(joiner, **changes)


def guard_rules(**changes: Any) -> GuardRules:
    rules = GuardRules(number_source=NumberSource.BOTH, allowed_countries=frozenset({"DE", "US"}))
    return replace(rules, **changes)


def known(**changes: Any) -> Known:
    return replace(Known(deliver_at=NOW), **changes)


def live_pass(**changes: Any) -> LivePass:
    return replace(LivePass(id="tap-1", created_at=NOW), **changes)


def person(**changes: Any) -> Person:
    return replace(Person(other_case_open=False, number="n-1", is_first_number=True, number_first_seen=NOW), **changes)


def plan(event: HireEvent | None = None, now: datetime = NOW) -> When:
    return when(event or hire_event(), PlanRules(), now)


def case(event: HireEvent | None = None, now: datetime = NOW, **changes: Any) -> Case:
    """A case just announced."""
    event = event or hire_event()
    announced = record_hire(None, CASE_ID, event, plan(event, now), now)
    assert announced is not None
    return replace(announced, **changes)


def claimed(**changes: Any) -> Case:
    return replace(case().claimed(USER_ID, terms(), NOW), **changes)


def sent(**changes: Any) -> Case:
    return replace(claimed().intended("tap-1").sent(Message("SM1", Channel.SMS), RULES, NOW), **changes)


def case_in(state: State) -> Case:
    """A case in a state, by moves where the rules have moves that lead there."""
    ways: dict[State, Callable[[], Case | None]] = {
        State.ANNOUNCED: case,
        State.ISSUING: claimed,
        State.SENT: sent,
        State.REFUSED: lambda: claimed().refused(Reason.MOBILE_MISSING, RULES, NOW, held=Held(lease=True)),
        State.CANCELLED: lambda: record_cancellation(sent(), CASE_ID, cancellation(), RULES, NOW),
        State.ONBOARDED: lambda: sent().onboarded(RULES, NOW),
        State.GAVE_UP: lambda: sent().refused(Reason.PASSES_EXHAUSTED, RULES, NOW, held=Held()),
    }
    found = ways[state]()
    assert found is not None
    return found
