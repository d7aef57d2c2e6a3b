"""Any history of one joiner keeps every promise; one that does not is printed as a program that can be run."""

import re
import textwrap

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule, run_state_machine_as_test

from shared.events import Delivery
from tests.faults.history import History
from tests.faults.invariants import Seen, check, check_rest

READS = st.sampled_from(("facts", "policy", "create_pass", "passes", "delete_pass", "methods"))
ASKED = st.sampled_from(("load", "save", "meet", "admit", "spend", "wake", "due", "done", "beat"))
MINUTES = st.sampled_from((1, 5, 16, 60, 240, 1000, 3000))


class Joiner(RuleBasedStateMachine):
    """One joiner. The names of the rules are those of History."""

    def __init__(self) -> None:
        super().__init__()
        self.history = History()
        self.seen = Seen(self.history)

    @rule(day=st.integers(1, 4), number=st.sampled_from((0, 0, 0, 1)), late=st.sampled_from((0, 0, 1)))
    def hire(self, day: int, number: int, late: int) -> None:
        self.history.hire(day, number, late=late)

    @rule()
    def hire_by_sms(self) -> None:
        self.history.hire(1, channel="sms")

    @rule()
    def call_off(self) -> None:
        self.history.call_off()

    @rule(which=st.integers(0, 5))
    def again(self, which: int) -> None:
        self.history.again(which)

    @rule()
    def nudge(self) -> None:
        self.history.nudge()

    @rule(minutes=MINUTES)
    def wait(self, minutes: int) -> None:
        self.history.wait(minutes)

    @rule(minutes=MINUTES)
    def go_on(self, minutes: int) -> None:
        self.history.wait(minutes)

    @rule(channel=st.sampled_from(("sms", "whatsapp")), word=st.sampled_from(("silence", "off", "delivered")))
    def phone(self, channel: str, word: str) -> None:
        self.history.phone(channel, word)

    @rule(message=st.integers(0, 5), word=st.sampled_from([str(word) for word in Delivery]))
    def receipt(self, message: int, word: str) -> None:
        self.history.receipt(message, word)

    @rule(method=READS, error=st.sampled_from(("throttled", "unavailable", "denied", "lost")))
    def graph_fails(self, method: str, error: str) -> None:
        self.history.graph_fails(method, error)

    @rule(error=st.sampled_from(("busy", "account", "undeliverable", "lost")))
    def courier_fails(self, error: str) -> None:
        self.history.courier_fails("send", error)

    @rule(method=st.sampled_from(("look_up", "redact")), error=st.sampled_from(("busy", "account")))
    def twilio_keeps_silent(self, method: str, error: str) -> None:
        self.history.courier_fails(method, error)

    @rule(method=ASKED, when=st.sampled_from(("before", "after")))
    def ledger_fails(self, method: str, when: str) -> None:
        self.history.ledger_fails(method, when)

    @rule(kind=st.sampled_from(("windowsHelloForBusiness", "fido2", "phone")))
    def registers(self, kind: str) -> None:
        self.history.registers(kind)

    @rule(what=st.sampled_from(("role", "guest", "none", "none")))
    def becomes(self, what: str) -> None:
        self.history.becomes(what)

    @rule(number=st.sampled_from((0, 0, 1)))
    def directory_number(self, number: int) -> None:
        self.history.directory_number(number)

    @rule(act=st.sampled_from(("reissue", "cancel", "approve", "pause", "resume")))
    def operator(self, act: str) -> None:
        self.history.operator(act)

    @rule(letter=st.integers(0, 3))
    def reopen(self, letter: int) -> None:
        self.history.reopen(letter)

    @invariant()
    def promises(self) -> None:
        check(self.seen)

    def teardown(self) -> None:
        self.history.come_to_rest()
        check_rest(self.seen)


FEW = settings(max_examples=60, stateful_step_count=25, derandomize=True, deadline=None, database=None)
MANY = settings(FEW, max_examples=1000, stateful_step_count=40, suppress_health_check=[HealthCheck.too_slow])


@pytest.mark.parametrize("examples", [FEW, pytest.param(MANY, marks=pytest.mark.exhaustive)], ids=["few", "many"])
def test_every_history_keeps_the_promises(examples: settings) -> None:
    run_state_machine_as_test(Joiner, settings=examples)


# --- a failure is a program ---


class Careless(Joiner):
    """A courier that says every message twice: as if a POST were repeated."""

    @invariant()
    def twice(self) -> None:
        sent = self.history.house.courier.sent
        if sent and len(sent) == len({one.id for one in sent}):
            sent.append(sent[-1])


def printed() -> str:
    """What Hypothesis says about the failure, as the program in it."""
    examples = settings(FEW, max_examples=1000, stateful_step_count=16, phases=[Phase.generate])  # as found, not shrunk
    with pytest.raises(AssertionError) as failed:
        run_state_machine_as_test(Careless, settings=examples)
    notes = "\n".join(failed.value.__notes__)
    return "\n".join(re.findall(r"^state.*$", textwrap.dedent(notes), re.MULTILINE))


def test_a_failing_history_is_printed_as_a_program_that_fails_again() -> None:
    program = printed()
    assert program.startswith("state = Careless()")
    assert "state.hire" in program
    with pytest.raises(AssertionError, match="I4: more messages than faults"):
        exec(compile(program, "history", "exec"), {"Careless": Careless})  # noqa: S102 - our own words
