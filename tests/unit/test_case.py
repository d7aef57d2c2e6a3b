from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shared.case import CLAIMS_KEPT, LEASE, Case, Held
from shared.errors import IllegalMove, Reason
from shared.events import Channel, HireEvent, Message, UserRef
from shared.states import LEGAL, Act, State, Step
from tests.builders import CASE_ID, NOW, RULES, USER_ID, case, case_in, claimed, hire_event, sent, terms

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


# --- the moves ---


def test_every_state_is_reached_and_has_its_row() -> None:
    assert {case_in(state).state for state in State} == set(State)
    assert set(LEGAL) == {None, *State}
    assert set().union(*LEGAL.values()) == set(State), "a state nobody can reach"


A, I, S, R, C, O, G = (  # noqa: E741 - one letter a state, for the table
    State.ANNOUNCED, State.ISSUING, State.SENT, State.REFUSED, State.CANCELLED, State.ONBOARDED, State.GAVE_UP,
)  # fmt: skip
MAY_GO = {
    A: {A, I, O, R, C, G}, I: {I, A, S, O, R, C, G}, S: {S, A, O, R, C, G},
    R: {R, A, C}, C: {C, A}, O: {O, A, C}, G: {G, A, C},
}  # fmt: skip


@pytest.mark.parametrize("origin", State)
def test_a_case_moves_only_as_the_table_says(origin: State) -> None:
    before = case_in(origin)
    for target in MAY_GO[origin]:
        after = before.moved(target)
        assert (after.state, after.moves) == (target, before.moves + 1)
    for target in set(State) - MAY_GO[origin]:
        with pytest.raises(IllegalMove, match=f"^{origin} to {target}$"):
            before.moved(target)


@pytest.mark.parametrize("origin", [R, C, O, G])
def test_nothing_is_issued_or_sent_from_a_state_at_rest(origin: State) -> None:
    head = case_in(origin)
    moves: list[Callable[[], Case]] = [
        lambda: head.claimed(USER_ID, terms(), NOW),
        lambda: head.intended("tap-2"),
        lambda: head.sent(Message("SM2", Channel.SMS), RULES, NOW),
    ]
    for move in moves:
        with pytest.raises(IllegalMove):
            move()


def test_a_claim_takes_the_lease_and_a_new_attempt() -> None:
    put_off = case(reason=Reason.PAUSED, not_before=NOW, attempt=2)
    after = put_off.claimed(USER_ID, terms(start_date_time=NOW + HOUR, lifetime_in_minutes=90), NOW)
    assert (after.state, after.lease_until, after.attempt) == (I, NOW + timedelta(seconds=180), 3)
    assert (after.user_id, after.claims, after.reason, after.not_before) == (USER_ID, (NOW,), None, None)
    assert (after.pass_starts_at, after.pass_ends_at) == (NOW + HOUR, NOW + HOUR + 90 * MINUTE)
    at_once = case().claimed(USER_ID, terms(start_date_time=None, lifetime_in_minutes=90), NOW)
    assert (at_once.pass_starts_at, at_once.pass_ends_at) == (NOW, NOW + 90 * MINUTE)


def test_the_newest_claims_are_kept() -> None:
    it = case()
    for n in range(CLAIMS_KEPT + 3):
        it = it.claimed(USER_ID, terms(), NOW + n * HOUR)
    assert len(it.claims) == CLAIMS_KEPT
    assert it.claims[-1] == NOW + (CLAIMS_KEPT + 2) * HOUR


def test_a_send_is_counted_before_it_happens_and_ends_the_lease_when_done() -> None:
    intended = claimed().intended("tap-1")
    assert (intended.state, intended.sends, intended.pass_id) == (I, 1, "tap-1")
    assert intended.lease_until == NOW + LEASE
    after = intended.sent(Message("SM1", Channel.WHATSAPP), RULES, NOW + MINUTE)
    assert (after.state, after.sends, after.lease_until) == (S, 1, None)
    assert (after.message_id, after.channel, after.sent_at) == ("SM1", Channel.WHATSAPP, NOW + MINUTE)


@pytest.mark.parametrize(
    ("held", "lease", "sends", "claims"),
    [
        (Held(), NOW + LEASE, 1, (NOW - DAY, NOW)),
        (Held(lease=True), None, 1, (NOW - DAY,)),
        (Held(lease=True, intended=1), None, 0, (NOW - DAY, NOW)),
    ],
    ids=["nothing", "a claim that made nothing", "a pass not sent"],
)
def test_a_case_put_off_gives_back_what_the_run_held(held: Held, lease: Any, sends: int, claims: Any) -> None:
    before = claimed(attempt=1, claims=(NOW - DAY, NOW)).intended("tap-1")
    after = before.put_off(Act.ISSUE, Reason.TWILIO_BUSY, NOW + HOUR, held=held)
    assert (after.state, after.reason, after.not_before) == (A, Reason.TWILIO_BUSY, NOW + HOUR)
    assert (after.lease_until, after.sends, after.attempt, after.claims) == (lease, sends, 1, claims)
    assert after.issuance == before.issuance


def test_claims_that_made_nothing_push_none_out_that_may_have() -> None:
    it = claimed()
    for n in range(2 * CLAIMS_KEPT):
        it = it.put_off(Act.ISSUE, Reason.GRAPH_THROTTLED, NOW, held=Held(lease=n > 0)).claimed(
            USER_ID, terms(), NOW + n * HOUR
        )
    assert it.claims[0] == NOW
    assert len(it.claims) == 2


def test_a_refused_case_gives_back_a_lease_it_held() -> None:
    assert claimed().refused(Reason.PRIVILEGED, RULES, NOW, held=Held(lease=True)).lease_until is None
    kept = claimed(not_before=NOW).refused(Reason.PRIVILEGED, RULES, NOW, held=Held())
    assert (kept.state, kept.lease_until, kept.reason, kept.not_before) == (R, NOW + LEASE, Reason.PRIVILEGED, None)


def test_a_reference_names_nobody() -> None:
    assert claimed().ref == f"{CASE_ID}-1-1"


# --- what comes next ---


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (case(deliver_at=NOW), Step(Act.ISSUE, NOW)),
        (case(deliver_at=NOW, not_before=NOW + HOUR), Step(Act.ISSUE, NOW + HOUR)),
        (case(deliver_at=NOW, not_before=NOW - HOUR), Step(Act.ISSUE, NOW)),
        (case(deliver_at=NOW, lease_until=NOW + MINUTE), Step(Act.ISSUE, NOW + MINUTE)),
        (case(deliver_at=NOW, not_before=NOW + HOUR, lease_until=NOW + DAY), Step(Act.ISSUE, NOW + DAY)),
        (claimed(), Step(Act.ISSUE, NOW + LEASE)),
        (claimed(deliver_at=NOW + DAY), Step(Act.ISSUE, NOW + LEASE)),
        (case_in(O), Step(Act.REVOKE, NOW)),
        (case_in(G), Step(Act.REVOKE, NOW)),
    ],
)
def test_the_next_step_and_when(head: Case, expected: Step) -> None:
    assert head.next_step() == expected


def test_guard_rails_learn_what_the_case_knows() -> None:
    known = sent().known()
    assert (known.pinned_user_id, known.pass_id, known.claims) == (USER_ID, "tap-1", (NOW,))
    assert known.deliver_at == case().deliver_at
    assert known.number_changed_at is None
    assert sent(number_changed_at=NOW).known().number_changed_at == NOW


def test_a_case_that_was_never_planned_cannot_be_issued() -> None:
    unplanned = case(deliver_at=None)
    for ask in (unplanned.known, unplanned.next_step):
        with pytest.raises(IllegalMove):
            ask()


def test_where_a_head_was_read_from_does_not_make_it_another_case() -> None:
    assert case(etag="1", woken_at=NOW) == case(etag="2")
    assert case(attempt=1) != case()


def test_a_case_prints_neither_number_nor_user() -> None:
    printed = repr(case(hire_event(user=UserRef("userPrincipalName", "ann@contoso.com"))))
    for personal in ("+49", "contoso", "W-10427"):
        assert personal not in printed


def test_the_builders_case_is_about_a_hire() -> None:
    assert isinstance(case().event, HireEvent)
