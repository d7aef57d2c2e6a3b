"""A case as a row of table storage, and back."""

from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.case_rows import UnreadableRow, case_of, head_row
from shared.adapters.seal import Seal
from shared.case import Case
from shared.errors import Reason
from shared.events import Channel, Delivery, DevicePath, HireEvent, UserRef, Version
from shared.states import State, Text
from tests.contract.ledger_cases import ALICE, waiting
from tests.contract.ledger_worlds import KEY

# --- any case there can be ---

MOMENTS = st.datetimes(timezones=st.just(UTC))
WORDS = st.text(st.characters(codec="utf-8"), max_size=40)
COUNTS = st.integers(0, 10_000)
VERSIONS = st.builds(Version, MOMENTS, WORDS)
EVENTS = st.builds(
    HireEvent,
    source=WORDS,
    subject=WORDS,
    version=VERSIONS,
    user=st.builds(UserRef, st.sampled_from(["id", "userPrincipalName", "employeeId"]), WORDS),
    hire_date=st.dates(),
    first_day=st.none() | st.dates(),
    start_time=st.times(),
    time_zone=WORDS,
    device_paths=st.lists(st.sampled_from(DevicePath)).map(tuple),
    mobile_phone=st.none() | WORDS,
    channel=st.sampled_from(Channel),
    locale=st.none() | WORDS,
)
FIELDS: dict[str, st.SearchStrategy[Any]] = {
    "id": st.uuids().map(lambda u: u.hex),
    "state": st.sampled_from(State),
    "version": VERSIONS,
    "event": st.none() | EVENTS,
    "user_id": st.none() | WORDS,
    "user_seen": st.none() | WORDS,
    "hire_date": st.none() | st.dates(),
    "claims": st.lists(MOMENTS, max_size=4).map(tuple),
    "reason": st.none() | st.sampled_from(Reason),
    "pass_id": st.none() | WORDS,
    "message_id": st.none() | WORDS,
    "number_shown": st.none() | WORDS,
    "number_approved": st.none() | WORDS,
    "receipt": st.none() | st.sampled_from(Delivery),
    "failure": st.none() | st.sampled_from(Reason),
    "by_sms": st.booleans(),
    "unused_before": st.booleans(),
    "replaced": st.booleans(),
    "number_sent": st.none() | WORDS,
    **dict.fromkeys(("had", "methods_shown", "methods_approved"), st.lists(WORDS, max_size=3).map(tuple)),
    "texts": st.lists(st.builds(Text, WORDS, st.none() | MOMENTS, COUNTS), max_size=3).map(tuple),
    "channel": st.none() | st.sampled_from(Channel),
    "is_usable_once": st.none() | st.booleans(),
    **dict.fromkeys(("issuance", "attempt", "sends", "waits", "spent", "asks", "deletions_left", "moves"), COUNTS),
    **dict.fromkeys(
        (
            *("opens_at", "deliver_at", "not_before", "lease_until", "pass_starts_at", "pass_ends_at"),
            *(
                "sent_at",
                "delete_at",
                "woken_at",
                "number_changed_at",
                "number_approved_at",
                "first_opens_at",
                "guard_at",
                "look_at",
            ),
            *("ask_at", "check_at", "registered_at", "rested_at", "wipe_at", "forget_at"),
        ),
        st.none() | MOMENTS,
    ),
    "etag": st.none(),
}
CASES = st.fixed_dictionaries(FIELDS).map(lambda values: Case(**values))
SEAL = Seal([KEY])


def test_the_cases_below_vary_every_field_there_is() -> None:
    assert {field.name for field in fields(Case)} == set(FIELDS)


@given(CASES)
def test_a_case_survives_being_a_row(case: Case) -> None:
    read = case_of(head_row(case, SEAL), None, SEAL)
    assert read == case
    assert read.woken_at == case.woken_at


@given(CASES)
def test_a_row_says_nothing_of_what_is_under_the_seal(case: Case) -> None:
    told = replace(case, event=None, user_id=None, user_seen=None)
    shown = head_row(case, SEAL)
    shown.pop("contact", None)
    assert shown == head_row(told, SEAL)


ROW = head_row(waiting(user_id=ALICE), SEAL)
OTHER = head_row(waiting(user_id=ALICE), SEAL)


@pytest.mark.parametrize(
    "damage",
    [
        {"state": "lost"},
        {"state": 3},
        {"state": None},
        {"moves": True},
        {"moves": "1"},
        {"deliver_at": "soon"},
        {"deliver_at": "2026-12-01T07:00:00"},
        {"deliver_at": datetime(2026, 12, 1, tzinfo=UTC)},
        {"claims": 3},
        {"claims": "2026-12-01T07:00:00+00:00 x"},
        {"reason": "because"},
        {"is_usable_once": 1},
        {"version_time": None},
        {"version_id": 4},
        {"contact": "gAAAA"},
        {"contact": 5},
        {"contact": SEAL.seal(b"no json")},
        {"contact": SEAL.seal(b"[]")},
        {"contact": SEAL.seal(b"{}")},
        {
            "contact": SEAL.seal(
                b'{"case": "%b", "event": {"subject": "W-1"}, "user_id": null}' % ROW["PartitionKey"].encode()
            )
        },
        {"contact": SEAL.seal(b'{"case": "%b", "event": null, "user_id": 4}' % ROW["PartitionKey"].encode())},
        {"contact": OTHER["contact"]},
        {"opens_at": "0001-01-01T00:00:00+23:59"},  # no such moment in UTC
        {"contact": Seal([Fernet.generate_key().decode()]).seal(b"{}")},
    ],
)
def test_a_row_that_cannot_be_read_is_a_code(damage: dict[str, object]) -> None:
    with pytest.raises(UnreadableRow) as caught:
        case_of({**ROW, **damage}, None, SEAL)
    assert str(caught.value) == "row-unreadable"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("missing", ["state", "version_time", "version_id", "PartitionKey"])
def test_a_row_that_lacks_something_cannot_be_read(missing: str) -> None:
    with pytest.raises(UnreadableRow):
        case_of({name: value for name, value in ROW.items() if name != missing}, None, SEAL)


def test_a_column_of_another_version_is_left_alone() -> None:
    assert case_of({**ROW, "nova": 1}, None, SEAL).id == ROW["PartitionKey"]
