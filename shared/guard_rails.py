"""Who may get a pass: facts about a person in, the first outcome that stops it out. Pure.

Every rail fails closed: what is unknown counts as no. The order of RAILS is the order in which an operator would want
to hear about it; docs/runbook.md says what to do for each reason.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from shared.errors import FirstpassError, Halted, Later, Reason, Refused
from shared.events import HireEvent, Purpose
from shared.methods import beyond, registered
from shared.plan import Policy, local_date

NOT_FOUND_FOR = timedelta(hours=48)
"""From the planned delivery on: how long a user may be missing before a human must look."""
LOOK_AGAIN = timedelta(minutes=15)
LOOK_AGAIN_FOR_FOREIGN_PASS = timedelta(hours=1)
HIRE_DATE_BEHIND, HIRE_DATE_AHEAD = timedelta(days=7), timedelta(days=30)
"""Calendar days: the time part of employeeHireDate means nothing."""
HIRE_DATE_TOLERANCE = timedelta(days=1)
ERRAND_LASTS = timedelta(hours=4)
"""After this an operator's wish is no wish any more."""
CLAIM_LASTS = timedelta(minutes=3)
CLOCKS_DIFFER = timedelta(minutes=5)
"""Graph's clock and ours: how far a creation time may lie outside a claim and still be that claim's."""


class NumberSource(StrEnum):
    """Whose word on the joiner's number counts."""

    DIRECTORY = "directory"
    EVENT = "event"
    BOTH = "both"


class JoinerEvidence(StrEnum):
    """What proves that somebody is a joiner."""

    EITHER = "either"
    GROUP = "group"
    HIRE_DATE = "hire-date"


class DisabledAccount(StrEnum):
    """What to do when the hire date has come and the account is still disabled."""

    WAIT = "wait"
    ISSUE = "issue"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardRules:
    """The deployer's choices (settings of the same names)."""

    number_source: NumberSource
    allowed_countries: frozenset[str]
    joiners_group: str | None = None
    joiner_evidence: JoinerEvidence = JoinerEvidence.EITHER
    disabled_account: DisabledAccount = DisabledAccount.WAIT
    methods_ignored: frozenset[str] = frozenset({"email"})
    break_glass_ids: frozenset[str] = frozenset()
    """Object ids in lower case."""
    mobile_hold: timedelta = timedelta(hours=72)
    max_event_age: timedelta = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class LivePass:
    """A pass Entra holds for a person that is usable now or will be."""

    id: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """What the directory says about one person, complete: a missing answer never becomes a Facts."""

    user_id: str
    account_enabled: bool
    is_external_guest: bool
    mobile_phone: str | None = field(default=None, repr=False)
    employee_hire_date: datetime | None = None
    groups: frozenset[str] = frozenset()
    has_role: bool = False
    """Active, eligible, or in (or owner of) any group that can hold roles."""
    methods: tuple[str, ...] = ()
    """Type names as in Graph without prefix and suffix: `password`, `fido2`, `temporaryAccessPass`, …"""
    live_pass: LivePass | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Known:
    """What the ledger knows of this case. Times are UTC."""

    deliver_at: datetime
    pinned_user_id: str | None = None
    pass_id: str | None = None
    claims: tuple[datetime, ...] = ()
    number_changed_at: datetime | None = None
    number_approved_at: datetime | None = None
    number_approved: str | None = None
    methods_approved: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Person:
    """What the ledger knows of this person across cases, once the `number` (a fingerprint) was shown to it.

    `other_case_ending`: another case holds them no more, but has passes to delete. An operator may have forgotten them.
    """

    other_case_open: bool
    other_case_ending: bool = False
    number: str = field(compare=False)
    is_first_number: bool
    number_first_seen: datetime
    forgotten_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """Everything a rail may look at."""

    facts: Facts
    policy: Policy
    event: HireEvent
    known: Known
    rules: GuardRules
    now: datetime


@dataclass(frozen=True, slots=True)
class Rail:
    """A reason, when it applies, and what it leads to."""

    reason: Reason
    applies: Callable[[View], bool]
    outcome: Callable[[Reason], FirstpassError] = Refused


def guard(
    facts: Facts | None, policy: Policy, event: HireEvent, known: Known, rules: GuardRules, now: datetime
) -> Facts:
    """Pass `facts` on when every rail lets this person through.

    Raises:
        Refused, Later, Halted: the outcome of the first rail that stops.
    """
    if facts is None:
        raise _not_found(known, now)
    view = View(facts=facts, policy=policy, event=event, known=known, rules=rules, now=now)
    for rail in RAILS:
        if rail.reason not in PASSED_OVER[event.purpose] and rail.applies(view):
            raise rail.outcome(rail.reason)
    return facts


def guard_event(event: HireEvent, opens_at: datetime, rules: GuardRules, now: datetime) -> None:
    """The rail that needs nothing but the event and the opening, and so also ends what could never be asked.

    Raises:
        Refused: `event-too-old`.
    """
    age = local_date(event, now) - local_date(event, opens_at)
    over = age > rules.max_event_age if event.purpose is Purpose.ONBOARDING else now - event.version.time > ERRAND_LASTS
    if over:
        raise Refused(Reason.EVENT_TOO_OLD)


def rules_for(event: HireEvent, rules: GuardRules) -> GuardRules:
    """The deployer's choices for this event: an operator's wish names no number, the directory's word counts."""
    if event.purpose is Purpose.ONBOARDING:
        return rules
    return replace(rules, number_source=NumberSource.DIRECTORY)


def guard_person(person: Person, facts: Facts, known: Known, rules: GuardRules, now: datetime) -> None:
    """The rails that need the ledger's memory of this person and of this case.

    Raises:
        Refused: `another-case-open`; `mobile-changed`, a number new for somebody who already had another.
        Later: `another-case-open`, while that case still deletes its passes; `foreign-pass`, a live pass that is not
            this case's.
    """
    if person.other_case_open:
        raise Refused(Reason.ANOTHER_CASE_OPEN)
    if person.other_case_ending:
        raise Later(Reason.ANOTHER_CASE_OPEN, LOOK_AGAIN)
    if facts.live_pass is not None and not is_ours(facts.live_pass, known):
        raise Later(Reason.FOREIGN_PASS, LOOK_AGAIN_FOR_FOREIGN_PASS)
    since = _number_known_since(person, known, rules)
    if now - since < rules.mobile_hold and not _is_approved(person, known, since):
        raise Refused(Reason.MOBILE_CHANGED)


def _is_approved(person: Person, known: Known, since: datetime) -> bool:
    """Whether somebody vouched for this very number, and it did not go and come back after that."""
    approved_at = known.number_approved_at
    return approved_at is not None and since <= approved_at and person.number == known.number_approved


def _number_known_since(person: Person, known: Known, rules: GuardRules) -> datetime:
    """Since when this number is this person's; the first one always was, unless HR gave this case another before.

    Not the first one after they were forgotten: that must not be a way around the hold.
    """
    forgotten = person.forgotten_at and person.number_first_seen - person.forgotten_at < rules.mobile_hold
    always = person.is_first_number and not forgotten
    since = datetime.min.replace(tzinfo=UTC) if always else person.number_first_seen
    if rules.number_source is NumberSource.DIRECTORY or known.number_changed_at is None:
        return since
    return max(since, known.number_changed_at)


def is_ours(live: LivePass, known: Known) -> bool:
    """Whether a live pass came from this case: by id, or made while one of its claims ran and its id was lost."""
    if live.id == known.pass_id:
        return True
    made, margin = live.created_at, CLOCKS_DIFFER
    return made is not None and any(at - margin <= made <= at + CLAIM_LASTS + margin for at in known.claims)


# --- the rails ---


def _not_found(known: Known, now: datetime) -> FirstpassError:
    waiting = now < known.deliver_at + NOT_FOUND_FOR
    return Later(Reason.USER_NOT_FOUND, LOOK_AGAIN) if waiting else Refused(Reason.USER_NOT_FOUND)


def _later(after: timedelta) -> Callable[[Reason], FirstpassError]:
    return lambda reason: Later(reason, after)


def _changed(view: View) -> bool:
    return view.known.pinned_user_id not in (None, view.facts.user_id)


def _privileged(view: View) -> bool:
    return view.facts.has_role or view.facts.user_id.lower() in view.rules.break_glass_ids


def _registered(view: View) -> bool:
    """Not by what somebody vouched for; one method more than that is news."""
    more = beyond(view.facts.methods, view.known.methods_approved)
    return bool(registered(more, view.rules.methods_ignored))


def _not_a_joiner(view: View) -> bool:
    hired, today = view.facts.employee_hire_date, local_date(view.event, view.now)
    in_group = view.rules.joiners_group is not None and view.rules.joiners_group in view.facts.groups
    in_time = hired is not None and today - HIRE_DATE_BEHIND <= hired.date() <= today + HIRE_DATE_AHEAD
    return not {
        JoinerEvidence.EITHER: in_group or in_time,
        JoinerEvidence.GROUP: in_group,
        JoinerEvidence.HIRE_DATE: in_time,
    }[view.rules.joiner_evidence]


def _hire_date_differs(view: View) -> bool:
    hired = view.facts.employee_hire_date
    return hired is not None and abs(hired.date() - view.event.hire_date) > HIRE_DATE_TOLERANCE


def _excluded(view: View) -> bool:
    circles = view.facts.groups | {view.facts.user_id, "all_users"}
    return not circles & view.policy.include_targets or bool(circles & view.policy.exclude_targets)


def _still_disabled(view: View) -> bool:
    due = local_date(view.event, view.now) >= view.event.hire_date
    return due and not view.facts.account_enabled and view.rules.disabled_account is DisabledAccount.WAIT


RAILS: tuple[Rail, ...] = (
    Rail(Reason.POLICY_DISABLED, lambda view: not view.policy.enabled, Halted),
    Rail(Reason.POLICY_ONE_TIME_ONLY, lambda view: view.policy.is_usable_once, Halted),
    Rail(Reason.PRIVILEGED, _privileged),
    Rail(Reason.EXTERNAL_GUEST, lambda view: view.facts.is_external_guest),
    Rail(Reason.USER_CHANGED, _changed),
    Rail(Reason.NOT_A_JOINER, _not_a_joiner),
    Rail(Reason.HIRE_DATE_MISMATCH, _hire_date_differs),
    Rail(Reason.ALREADY_REGISTERED, _registered),
    Rail(Reason.POLICY_EXCLUDES_USER, _excluded),
    Rail(Reason.ACCOUNT_DISABLED, _still_disabled, _later(LOOK_AGAIN)),
)

_OF_JOINERS = frozenset({Reason.NOT_A_JOINER, Reason.HIRE_DATE_MISMATCH, Reason.ALREADY_REGISTERED})

PASSED_OVER: Mapping[Purpose, frozenset[Reason]] = {
    **dict.fromkeys(Purpose, _OF_JOINERS | {Reason.POLICY_ONE_TIME_ONLY}),
    **dict.fromkeys((Purpose.SINGLE_DAY, Purpose.DEVICES), _OF_JOINERS),
    Purpose.ONBOARDING: frozenset(),
}
"""Rails that mean nothing for somebody who works here already. Privileged people are refused whatever it is for."""
