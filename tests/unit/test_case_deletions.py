"""Passes that must not stay: when a case has some to delete, how often, and what it is afterwards."""

from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

import pytest

from shared.case import DELETIONS, LEASE, SECOND_DELETION, Case, Held
from shared.errors import Reason
from shared.events import Channel, UserRef
from shared.fields import GUARD_BEFORE
from shared.recording import record_cancellation, record_hire
from shared.states import Act, State, Step
from tests.builders import CASE_ID, NOW, RULES, cancellation, case, case_in, claimed, hire_event, plan, sent, version

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
DUE = NOW + 5 * HOUR
"""The message of builders.hire_event() is due by then."""
AT_REST = [State.REFUSED, State.CANCELLED, State.ONBOARDED, State.GAVE_UP]
ENDING = [State.ANNOUNCED, *AT_REST]


def certain(after: Case | None) -> Case:
    assert after is not None
    return after


def next_but_redact(head: Case) -> Step:
    """The next step, redactions aside: they go on whatever becomes of the passes."""
    step = replace(head, texts=()).next_step()
    assert step is not None
    return step


def rehired(before: Case, at: datetime, minutes: int = 3, **changes: Any) -> Case:
    event = hire_event(version=version(minutes), **changes)
    return certain(record_hire(before, CASE_ID, event, plan(event, at), at))


def ending(state: State) -> Case:
    """A case with passes to delete, in one of the states that may have some."""
    postponed = {"hire_date": date(2026, 12, 8)}
    return rehired(sent(), NOW, 2, **postponed) if state is State.ANNOUNCED else case_in(state)


# --- who has passes to delete ---


@pytest.mark.parametrize(
    ("head", "reason", "times"),
    [
        (claimed(), Reason.MOBILE_MISSING, DELETIONS),
        (claimed().intended("tap-1"), Reason.OPTED_OUT, DELETIONS),
        (sent(), Reason.UNDELIVERABLE, DELETIONS),
        (claimed().put_off(Act.ISSUE, Reason.PAUSED, NOW, held=Held()), Reason.PRIVILEGED, DELETIONS),
        (claimed().put_off(Act.ISSUE, Reason.PAUSED, NOW, held=Held(lease=True)), Reason.PRIVILEGED, 0),
        (case(), Reason.PRIVILEGED, 0),
        (claimed().intended("tap-1"), Reason.SEND_UNCONFIRMED, 0),
    ],
)
def test_a_refused_case_deletes_what_it_may_have_made_unless_the_joiner_may_have_it(
    head: Case, reason: Reason, times: int
) -> None:
    after = replace(head.refused(reason, RULES, NOW, held=Held(lease=True)), guard_at=None)
    rests = Step(Act.WIPE, NOW + RULES.keep_contact)
    assert (after.deletions_left, next_but_redact(after)) == (times, Step(Act.REVOKE, NOW) if times else rests)


def test_a_pass_that_may_be_on_a_phone_is_looked_at_again_before_it_opens() -> None:
    opens = NOW + DAY
    head = replace(claimed().intended("tap-1"), pass_starts_at=opens)
    unsure = head.refused(Reason.SEND_UNCONFIRMED, RULES, NOW, held=Held(lease=True))
    assert unsure.next_step() == Step(Act.GUARD, opens - GUARD_BEFORE)
    assert head.refused(Reason.SEND_UNCONFIRMED, RULES, opens, held=Held(lease=True)).guard_at is None
    refused = unsure.refused(Reason.PRIVILEGED, RULES, opens - GUARD_BEFORE, held=Held())
    assert (refused.deletions_left, refused.guard_at, refused.spent) == (DELETIONS, None, unsure.spent), "counted once"


@pytest.mark.parametrize("state", State)
def test_a_cancelled_case_deletes_what_it_may_have_made(state: State) -> None:
    before = case_in(state)
    after = certain(record_cancellation(before, CASE_ID, cancellation(2), RULES, NOW))
    assert after.deletions_left == (DELETIONS if before.claims else 0)
    assert (next_but_redact(after).act is Act.REVOKE) == bool(before.claims)


def test_a_claim_that_made_nothing_leaves_nothing_to_delete() -> None:
    before = claimed().put_off(Act.ISSUE, Reason.GRAPH_THROTTLED, NOW, held=Held(lease=True))
    after = certain(record_cancellation(before, CASE_ID, cancellation(2), RULES, NOW))
    assert (after.deletions_left, after.next_step()) == (0, Step(Act.WIPE, NOW + RULES.keep_contact))


ANOTHER = UserRef("employeeId", "7")
POSTPONED = date(2026, 12, 8)
REPLACED: dict[str, tuple[Case, datetime, dict[str, Any], int]] = {
    "the new pass replaces the old": (sent(), DUE, {"channel": Channel.WHATSAPP}, 0),
    "the new pass comes later today": (sent(), NOW, {"channel": Channel.WHATSAPP}, 1),
    "the new pass comes next week": (sent(), DUE, {"hire_date": POSTPONED}, 1),
    "the new pass is for another reference": (sent(), DUE, {"user": ANOTHER}, 1),
    "deletions were pending, cancelled": (case_in(State.CANCELLED), DUE, {}, 1),
    "deletions were pending, refused": (case_in(State.REFUSED), DUE, {}, 1),
    "deletions were pending, announced": (ending(State.ANNOUNCED), DUE, {}, 1),
    "one of two was done": (case_in(State.CANCELLED).passes_deleted(NOW), DUE, {}, 1),
    "all were done": (case_in(State.CANCELLED).passes_deleted(NOW).passes_deleted(NOW), NOW, {}, 0),
    "there is no pass": (case(), NOW, {"hire_date": POSTPONED, "user": ANOTHER}, 0),
    "the joiner may have it": (claimed().refused(Reason.SEND_UNCONFIRMED, RULES, NOW, held=Held()), DUE, {}, 0),
}


@pytest.mark.parametrize(("before", "at", "changes", "times"), REPLACED.values(), ids=REPLACED)
def test_a_hire_deletes_an_older_pass_that_no_new_one_replaces_at_once(
    before: Case, at: datetime, changes: dict[str, Any], times: int
) -> None:
    after = rehired(before, at, **changes)
    assert (after.state, after.deletions_left, after.delete_at) == (State.ANNOUNCED, times, at if times else None)
    assert next_but_redact(after).act is (Act.REVOKE if times else Act.ISSUE)


# --- how they go ---


@pytest.mark.parametrize("state", ENDING)
def test_a_deletion_waits_for_the_lease_of_a_run_under_way(state: State) -> None:
    head = replace(ending(state), lease_until=NOW + LEASE)
    assert head.next_step() == Step(Act.REVOKE, NOW + LEASE)


def test_nothing_is_issued_before_the_old_passes_are_gone() -> None:
    head = replace(ending(State.ANNOUNCED), deliver_at=NOW - DAY, not_before=None)
    assert head.next_step() == Step(Act.REVOKE, NOW)
    assert head.passes_deleted(NOW).next_step() == Step(Act.ISSUE, NOW - DAY)


@pytest.mark.parametrize("state", [State.REFUSED, State.CANCELLED])
def test_a_case_that_ended_deletes_twice_and_then_rests(state: State) -> None:
    first = case_in(state)
    assert first.next_step() == Step(Act.REVOKE, NOW)
    second = first.passes_deleted(NOW + MINUTE)
    assert second.next_step() == Step(Act.REVOKE, NOW + MINUTE + SECOND_DELETION)
    assert (second.user_id, second.claims) == (first.user_id, first.claims), "who it is about is still needed"
    rests = second.passes_deleted(NOW + HOUR)
    assert (rests.state, rests.deletions_left, rests.delete_at) == (state, 0, None)
    assert next_but_redact(rests) == Step(Act.WIPE, NOW + RULES.keep_contact)


def test_a_joiner_who_made_it_loses_the_pass_once_and_then_what_we_know_of_them() -> None:
    first = case_in(State.ONBOARDED)
    assert (first.deletions_left, first.next_step()) == (1, Step(Act.REVOKE, NOW))
    after = first.passes_deleted(NOW + MINUTE)
    assert (after.deletions_left, next_but_redact(after)) == (0, Step(Act.WIPE, NOW))


@pytest.mark.parametrize("state", ENDING)
def test_after_the_last_deletion_a_case_has_made_nothing_and_is_pinned_to_nobody(state: State) -> None:
    head = replace(ending(state), pass_id="tap-1", deletions_left=1)
    assert head.known().pinned_user_id
    after = head.passes_deleted(NOW)
    known = after.known()
    assert (known.pinned_user_id, known.pass_id, known.claims) == (None, None, ())
    assert (after.state, after.event, after.version, after.reason) == (state, head.event, head.version, head.reason)
    cancelled = certain(record_cancellation(after, CASE_ID, cancellation(9), RULES, NOW))
    assert cancelled.deletions_left == 0, "nothing is left to delete"


@pytest.mark.parametrize("state", ENDING)
@pytest.mark.parametrize("times", [1, 2])
def test_a_deletion_put_off_comes_later_and_nothing_else_changes(state: State, times: int) -> None:
    head = replace(ending(state), deletions_left=times, not_before=NOW + DAY)
    after = head.put_off(Act.REVOKE, Reason.GRAPH_THROTTLED, NOW + HOUR, held=Held())
    assert after == replace(head, delete_at=NOW + HOUR, waits=1, moves=head.moves + 1), "also why it was refused stays"
    assert after.next_step() == Step(Act.REVOKE, NOW + HOUR)
