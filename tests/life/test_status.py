"""How it goes as a whole: how deep the queues are, and whether what waits fits the budget."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest

from shared.states import State
from tests.builders import case, case_in
from tests.fakes.door import READER, WHY, Door
from tests.fakes.house import DUE, House

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
SIX = DUE + 14 * HOUR
"""The next morning."""


async def status(door: Door) -> dict[str, Any]:
    said = await door.ask("status", who=READER)
    assert said.status == 200
    return said.json


def when(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None


# --- the queues ---


async def test_what_the_worker_saw_at_its_last_sweep_is_told_with_its_time() -> None:
    door = Door()
    assert (await status(door))["joinersQueue"] is None
    door.house.joiners_queue.put(3)
    door.house.clock.advance(20 * MINUTE)
    await door.house.sweep()
    door.house.clock.advance(MINUTE)
    told = (await status(door))["joinersQueue"]
    assert (told["count"], told["isMore"], when(told["oldest"]), when(told["asOf"])) == (
        3, False, DUE, DUE + 20 * MINUTE,
    )  # fmt: skip


async def test_a_thousand_is_as_far_as_anybody_looks() -> None:
    door = Door()
    door.house.joiners_queue.put(4_000)
    await door.house.sweep()
    told = (await status(door))["joinersQueue"]
    assert (told["count"], told["isMore"]) == (1_000, True)


@pytest.mark.parametrize("gone", ["bus", "ledger"])
async def test_a_look_that_fails_is_told_and_keeps_no_joiner_waiting(
    gone: str, caplog: pytest.LogCaptureFixture
) -> None:
    door = Door(House(DUE - DAY))
    await door.house.hire()
    await door.house.sweep()
    door.house.joiners_queue.gone, door.house.depth_notes.gone = gone == "bus", gone == "ledger"
    await door.house.live(DUE + 5 * MINUTE)
    assert door.house.newest_works()
    assert door.house.joiners_queue.readings > 1
    assert "queue-not-seen" in {record.message for record in caplog.records}
    assert when((await status(door))["joinersQueue"]["asOf"]) == DUE - DAY, "the last that was seen"


async def test_nothing_is_looked_at_before_everybody_due_was_nudged() -> None:
    house = House(DUE - DAY)
    await house.hire()
    house.clock.set_now(DUE + MINUTE)
    house.joiners_queue.gone = True
    house.bus.fail_next("nudge")
    with pytest.raises(Exception, match="bus-unavailable"):
        await house.sweep()
    assert (house.bus.fired, house.joiners_queue.readings) == ([("nudge", "before")], 0)


async def test_dead_letters_are_counted_now() -> None:
    door = Door()
    empty = (await status(door))["deadLetters"]
    assert (empty["count"], empty["oldest"]) == (0, None)
    door.dead_letters.put(2)
    door.house.clock.advance(DAY)
    told = (await status(door))["deadLetters"]
    assert (told["count"], when(told["oldest"]), when(told["asOf"])) == (2, DUE, DUE + DAY)


async def test_the_rest_is_told_also_when_dead_letters_cannot_be_seen() -> None:
    door = Door()
    door.dead_letters.gone = True
    told = await status(door)
    assert (told["deadLetters"], told["cases"]) == (None, {})
    assert door.dead_letters.readings == 1


# --- the budget ---


def budgeted(hourly: int, **due: int) -> Door:
    """So many cases due in so many hours from six in the morning on (`h0=3`)."""
    door = Door(House(budget=hourly))
    one = case()
    for hours, count in due.items():
        for number in range(count):
            case_id = f"{hours[1:]:>08}{number:024x}"
            door.house.ledger.cases[case_id] = replace(one, id=case_id, deliver_at=SIX + int(hours[1:]) * HOUR)
    return door


async def test_the_budget_of_this_hour_and_what_is_spent_of_it() -> None:
    door = Door(House(budget=5))
    await door.house.hire()
    assert door.house.case.state is State.SENT
    told = await status(door)
    assert (told["hourlyBudget"], told["spentThisHour"]) == (5, 1)
    door.house.clock.advance(HOUR)
    assert (await status(door))["spentThisHour"] == 0


async def test_what_waits_is_played_against_the_budget() -> None:
    told = (await status(budgeted(5, h0=8, h2=4)))["forecast"]
    assert (told["planned"], told["busiestPlanned"], told["late"]) == (12, 8, 3)
    assert (when(told["busiestHour"]), when(told["throughBy"])) == (SIX, SIX + 3 * HOUR)


async def test_during_a_pause_it_all_comes_at_its_end() -> None:
    door = budgeted(5, h0=2, h1=2, h3=2)
    await door.ask("pause", {"minutes": 16 * 60 + 30, "reason": WHY})
    told = (await status(door))["forecast"]
    assert (told["busiestPlanned"], when(told["busiestHour"])) == (4, SIX + 2 * HOUR)


async def test_only_what_waits_to_be_made_is_planned() -> None:
    door = budgeted(5)
    waits = replace(case(), deliver_at=DUE)
    held: dict[str, Any] = {
        **{str(state): case_in(state) for state in State if state is not State.ANNOUNCED},
        "put off": replace(waits, not_before=SIX),
        "put off beyond": replace(waits, not_before=DUE + 2 * DAY),
        "without a time": replace(waits, deliver_at=None, opens_at=None),
    }
    for number, one in enumerate(held.values()):
        case_id = f"{number:032x}"
        door.house.ledger.cases[case_id] = replace(one, id=case_id)
    told = (await status(door))["forecast"]
    assert (told["planned"], when(told["busiestHour"])) == (1, SIX)


async def test_what_spills_over_into_the_night_waits_for_the_morning() -> None:
    """Due at seven in the evening of the joiner, one an hour: nobody is woken at eight and later for want of budget."""
    door, one = Door(House(budget=1)), case()
    for number in range(3):
        case_id = f"{number:032x}"
        late = replace(one, id=case_id, deliver_at=DUE + 2 * HOUR)
        door.house.ledger.cases[case_id] = late
    told = (await status(door))["forecast"]
    through, opens_at = when(told["throughBy"]), one.opens_at
    assert (told["planned"], told["late"]) == (3, 2)
    assert told["afterOpening"] == 1
    assert through
    assert opens_at
    assert through > opens_at
