"""The step table, row by row: what each state can need next, when, and what comes first."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from shared.case import LEASE, STEPS, Case, Held
from shared.errors import Reason
from shared.states import PUT_OFF, Act, State, Step, Text
from tests.builders import NOW, case_in

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
SOON, LATER = NOW + MINUTE, NOW + DAY

AT_REST = (Act.REVOKE, Act.REDACT, Act.WIPE, Act.FORGET)
NEEDS: dict[State, tuple[Act, ...]] = {
    State.ANNOUNCED: (Act.REVOKE, Act.ISSUE, Act.REDACT),
    State.ISSUING: (Act.ISSUE, Act.REDACT),
    State.SENT: (Act.GUARD, Act.LOOK, Act.ASK, Act.CHECK, Act.REDACT),
    State.REFUSED: (Act.GUARD, *AT_REST),
    State.CANCELLED: AT_REST,
    State.ONBOARDED: AT_REST,
    State.GAVE_UP: AT_REST,
}
"""In the order in which they are done when several are due since the same moment."""
ROWS = [(state, act) for state, acts in NEEDS.items() for act in acts]
NOT_BEFORE_DELETION = {Act.ISSUE, Act.WIPE}


def due(state: State, act: Act, at: Any) -> dict[str, Any]:
    """The fields that make `act` due at a moment in a state."""
    if act is Act.ISSUE:
        return {"lease_until" if state is State.ISSUING else "deliver_at": at}
    if act is Act.REVOKE:
        return {"deletions_left": 1, "delete_at": at}
    return {"texts": (Text("SM1", at),)} if act is Act.REDACT else {PUT_OFF[act]: at}


def quiet(state: State) -> Case:
    """A case that needs nothing but, where its state promises that, an issue the day after."""
    nothing: dict[str, Any] = {**dict.fromkeys(PUT_OFF.values()), "lease_until": None, "texts": (), "deletions_left": 0}
    waits = due(state, Act.ISSUE, LATER) if Act.ISSUE in NEEDS[state] else {}
    return replace(case_in(state), **(nothing | waits))


def test_the_table_has_these_rows_and_no_others() -> None:
    assert {state: tuple(row) for state, row in STEPS.items()} == NEEDS


@pytest.mark.parametrize("state", State)
def test_a_quiet_case_needs_nothing_but_to_issue(state: State) -> None:
    assert quiet(state).next_step() == (Step(Act.ISSUE, LATER) if Act.ISSUE in NEEDS[state] else None)


@pytest.mark.parametrize(("state", "act"), ROWS)
def test_each_step_alone(state: State, act: Act) -> None:
    assert replace(quiet(state), **due(state, act, SOON)).next_step() == Step(act, SOON)


@pytest.mark.parametrize(("state", "act"), ROWS)
def test_each_step_in_company_when_it_is_the_earliest(state: State, act: Act) -> None:
    head = replace(quiet(state), user_id="somebody")
    for other in NEEDS[state]:
        if not (other is Act.REVOKE and act in NOT_BEFORE_DELETION):
            head = replace(head, **due(state, other, LATER))
    assert replace(head, **due(state, act, SOON)).next_step() == Step(act, SOON)


@pytest.mark.parametrize("state", State)
def test_steps_due_at_once_keep_the_order_of_the_table(state: State) -> None:
    acts = NEEDS[state]
    for n, first in enumerate(acts):
        head = quiet(state)
        for act in acts[n:]:
            head = replace(head, **due(state, act, SOON))
        assert head.next_step() == Step(first, SOON)


@pytest.mark.parametrize(("state", "act"), [(State.ANNOUNCED, Act.ISSUE), *((it, Act.WIPE) for it in list(State)[3:])])
def test_what_waits_for_a_deletion_waits_however_late_it_is(state: State, act: Act) -> None:
    head = replace(quiet(state), **due(state, act, NOW - DAY), **due(state, Act.REVOKE, SOON))
    assert head.next_step() == Step(Act.REVOKE, SOON)
    assert head.passes_deleted(NOW).next_step() == Step(act, NOW - DAY)


@pytest.mark.parametrize(("state", "act"), ROWS)
def test_only_passes_wait_for_the_lease(state: State, act: Act) -> None:
    head = replace(quiet(state), lease_until=NOW + LEASE)
    waits = act in {Act.REVOKE, Act.ISSUE} and state is not State.ISSUING
    expected = NOW + LEASE if waits else SOON
    assert replace(head, **due(state, act, SOON)).next_step() == Step(act, expected)


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, Act.WIPE),
        ({"event": None}, Act.WIPE),
        ({"user_id": None}, Act.WIPE),
        ({"event": None, "user_id": None}, Act.FORGET),
    ],
)
def test_nothing_is_wiped_of_nobody(changes: dict[str, Any], expected: Act) -> None:
    head = replace(quiet(State.GAVE_UP), user_id="somebody", wipe_at=SOON, forget_at=LATER)
    step = replace(head, **changes).next_step()
    assert step is not None
    assert step.act is expected


def test_of_several_texts_the_earliest_that_is_still_there() -> None:
    texts = (Text("SM1", None), Text("SM2", LATER), Text("SM3", SOON), Text("SM4", None))
    head = replace(quiet(State.SENT), texts=texts)
    assert head.next_step() == Step(Act.REDACT, SOON)
    assert replace(head, texts=tuple(replace(it, redact_at=None) for it in texts)).next_step() is None


@pytest.mark.parametrize(("state", "act"), [row for row in ROWS if row[1] in PUT_OFF])
def test_a_step_put_off_comes_later_and_nothing_else_changes(state: State, act: Act) -> None:
    before = replace(quiet(state), reason=Reason.PRIVILEGED, **due(state, act, NOW))
    after = before.put_off(act, Reason.GRAPH_THROTTLED, SOON, held=Held())
    assert after == replace(before, waits=1, moves=before.moves + 1, **{PUT_OFF[act]: SOON})
    assert after.next_step() == Step(act, SOON)


def test_every_step_can_be_put_off() -> None:
    """An issue waits by `not_before`; a redaction by its text, which redact() sees to itself."""
    assert PUT_OFF.keys() == set(Act) - {Act.ISSUE, Act.REDACT}
