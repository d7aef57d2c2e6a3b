"""What happens to a joiner, as scenarios: the real flow, with everything around it arranged."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.api_models import ActOnCase
from shared.events import Channel
from shared.letter_models import ReplayWish
from shared.letters import DeadLetters
from shared.operations import Operations
from shared.principal import OperatorRole, Principal
from shared.states import State
from shared.wishes import Unable
from tests.builders import NUMBER, cancelled, facts, hired
from tests.fakes.door import operations_of
from tests.fakes.house import DUE
from tests.fakes.letters import FakeLetters, FakeReplayIds, FakeTurns
from tests.fakes.overview import FakeAudit, FakeOverview
from tests.fakes.queues import FakeGauge
from tests.faults.world import LOCK, World

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
OPENS = datetime(2026, 12, 1, 7, tzinfo=UTC)
"""08:00 in Amsterdam: the pass of builders.hired() opens."""
NIGHT = datetime(2026, 12, 1, 1, 0, 30, tzinfo=UTC)
"""The message is out and looked after; nothing is due."""
REST = DUE + 20 * DAY
"""The case has ended."""
OPERATOR = Principal("aaaaaaaa-0000-4000-8000-000000000001", frozenset({OperatorRole.OPERATOR}))
LATER: Mapping[str, Any] = {"id": "evt-2", "time": "2026-11-30T09:00:00Z"}


@dataclass(frozen=True, slots=True)
class Scenario:
    """`happens` arranges it. Without faults it takes `messages` to the joiner, and ends as `ends`."""

    happens: Callable[[World], None]
    ends: State = State.ONBOARDED
    messages: int = 1
    start: datetime = DUE


def hire(data: dict[str, Any] | None = None, /, **envelope: Any) -> dict[str, Any]:
    return hired({"channel": "sms", **(data or {})}, **envelope)


OTHER_DEVICE = hire({"devicePaths": ["autopilot"]}, **LATER)
CALLED_OFF = cancelled(**LATER)


# --- HR ---


def _tells(*documents: dict[str, Any], at: datetime = DUE) -> Callable[[World], None]:
    """Messages that come at the same moment."""
    return lambda world: world.at(at, lambda: world.tell(*documents))


def _both(*happens: Callable[[World], None]) -> Callable[[World], None]:
    def together(world: World) -> None:
        for happen in happens:
            happen(world)

    return together


PLAIN = _tells(hire())
EARLY = DUE - 2 * HOUR
PLANNED = _tells(hire(), at=EARLY)
"""Announced before its time: an hour and a half of waiting for the timer."""


# --- the directory ---


def _promoted(at: datetime) -> Callable[[World], None]:
    return lambda world: world.at(at, lambda: _set_role(world, has_role=True))


def _set_role(world: World, *, has_role: bool) -> None:
    world.directory.add(facts(has_role=has_role))


# --- Twilio and the queue ---


def _reports_late(world: World) -> None:
    """When the next attempt has been, if there is one."""
    world.reports_after = 8 * MINUTE


def _reports_anywhere(world: World) -> None:
    world.workers.reports_anywhere = True


def _whatsapp_is_silent(world: World) -> None:
    world.house.phones[NUMBER, Channel.WHATSAPP] = None


def _locks_end_at_once(world: World) -> None:
    """With the connection of who held them, not after five minutes."""
    world.lock = timedelta(0)


def _fails_for_long(world: World) -> None:
    """Every fault lasts until its message was given ten times."""
    world.workers.outages = True


# --- operators ---


def _operations(world: World) -> Operations:
    rules = world.house.onboarding.outside.rules
    usual = operations_of(world.house, FakeOverview(world.ledger, world.clock), FakeGauge(world.clock), rules)
    return replace(usual, ledger=world.outside.ledger)


def _reissued(world: World) -> None:
    operations = _operations(world)
    wish = ActOnCase(case_id=world.house.case_id, reason="lost the message")
    world.at(DUE + HOUR, lambda: world.ask(lambda: operations.reissue(OPERATOR, wish)))


def _called_off(world: World) -> None:
    operations = _operations(world)
    wish = ActOnCase(case_id=world.house.case_id, reason="the contract is void")

    async def cancel() -> None:
        with suppress(Unable):  # asked again, it is done already
            await operations.cancel(OPERATOR, wish)

    world.at(DUE + HOUR, lambda: world.ask(cancel))


def _refused_and_replayed(world: World) -> None:
    """Taken for an administrator; put right, and the dead letter replayed."""
    _set_role(world, has_role=True)
    world.at(DUE + HOUR, lambda: _set_role(world, has_role=False))
    world.at(DUE + HOUR, lambda: _replay(world))


def _replay(world: World) -> None:
    letters, turns = FakeLetters(world.clock), FakeTurns(world.clock)
    numbers = [letters.put(letter.body, letter.reason) for letter in world.bus.letters]
    if not numbers:
        return
    acts = DeadLetters(
        letters=letters,
        turns=turns,
        replay_ids=FakeReplayIds(),
        ledger=world.outside.ledger,
        audit=FakeAudit(),
        clock=world.clock,
        rules=world.outside.rules,
    )
    wish = ReplayWish(sequences=numbers, reason="directory corrected", run="0" * 32)

    async def replay() -> None:
        await acts.replay_letters(OPERATOR, wish)

    def again() -> None:
        world.asked_again -= 1
        if letters.there:
            world.ask(replay)

    world.asked_again += 1
    world.ask(replay)
    world.after(LOCK, lambda: letters.locked.clear())  # noqa: PLW0108 - what waits in a lambda can be looked at
    world.after(LOCK + MINUTE, again)


ONE_WORKER: Mapping[str, Scenario] = {
    "a plain hire": Scenario(PLAIN),
    "a hire that waits for its time": Scenario(PLANNED, start=EARLY),
    "a later event in between": Scenario(_both(PLAIN, _tells(OTHER_DEVICE, at=DUE + HOUR)), messages=2),
    "a cancellation in between": Scenario(_both(PLAIN, _tells(CALLED_OFF, at=DUE + HOUR)), ends=State.CANCELLED),
    "locks that end at once": Scenario(_both(PLAIN, _locks_end_at_once)),
    "receipts of old attempts": Scenario(_both(PLAIN, _reports_late)),
    "WhatsApp that stays silent": Scenario(_both(_tells(hired()), _whatsapp_is_silent), messages=2),
    "made an administrator while waiting": Scenario(
        _both(PLANNED, _promoted(DUE - HOUR - MINUTE)), ends=State.REFUSED, messages=0, start=EARLY
    ),
    "made an administrator with a pass": Scenario(_both(PLAIN, _promoted(DUE + 2 * HOUR)), ends=State.REFUSED),
    "reissued by an operator": Scenario(_both(PLAIN, _reissued), messages=2),
    "called off by an operator": Scenario(_both(PLAIN, _called_off), ends=State.CANCELLED),
    "refused and replayed": Scenario(_both(PLAIN, _refused_and_replayed)),
}
RECEIPTS_ANYWHERE = Scenario(_both(PLAIN, _reports_anywhere))
OUTAGES: Mapping[str, Scenario] = {
    name: replace(ONE_WORKER[name], happens=_both(ONE_WORKER[name].happens, _fails_for_long))
    for name in ("a hire that waits for its time", "a cancellation in between")
}
TWO_WORKERS: Mapping[str, Scenario] = {
    "the same event twice": Scenario(_tells(hire(), hire())),
    "a hire and its cancellation": Scenario(_tells(hire(), CALLED_OFF), ends=State.CANCELLED),
    "a hire and a later event": Scenario(_tells(hire(), OTHER_DEVICE), messages=2),
    "a later event and a cancellation": Scenario(
        _both(PLAIN, _tells(OTHER_DEVICE, cancelled(id="evt-3", time="2026-11-30T10:00:00Z"), at=DUE + HOUR)),
        ends=State.CANCELLED,
        messages=2,
    ),
}
