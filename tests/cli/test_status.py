"""How it goes, in a terminal and for a gate: the queues and the budget."""

from datetime import timedelta
from typing import Any

import pytest

from cli.exits import Exit
from shared.api_models import Done, DueView, ForecastView, PauseView, SelfCheckView, StatusView
from tests.cli import made_up
from tests.cli.conftest import Command
from tests.cli.made_up import FORECAST, HOUR, NOW, queue
from tests.cli.standin import StandIn

MINUTE, DAY = timedelta(minutes=1), timedelta(days=1)
LATE = FORECAST.model_copy(update={"planned": 900, "busiest_planned": 700, "late": 500, "through_by": NOW + 5 * HOUR})
NOTHING = ForecastView(planned=0, busiest_hour=None, busiest_planned=0, late=0, after_opening=0, through_by=None)


def status(**changes: Any) -> StatusView:
    return made_up.status().model_copy(update=changes)


FINDINGS: dict[str, tuple[StatusView, list[str]]] = {
    "all is well": (status(), []),
    "events wait for a quarter of an hour": (status(joiners_queue=queue(3, age=15 * MINUTE)), []),
    "and longer": (
        status(joiners_queue=queue(3, age=16 * MINUTE)),
        ["events wait on their queue since Mon 30 Nov 07:44: does the worker take them?"],
    ),
    "seen a while ago, when none waited long": (status(joiners_queue=queue(3, age=MINUTE, seen=9 * MINUTE)), []),
    "not seen lately": (
        status(joiners_queue=queue(0, seen=11 * MINUTE)), ["the queue of events is not being looked at"],
    ),
    "never seen": (status(joiners_queue=None), ["the queue of events is not being looked at"]),
    "a rehearsal": (status(rehearsal=True), ["rehearsal: nothing is sent (REHEARSAL, as the worker said last)"]),
    "who is due is not woken": (
        status(next_wake=NOW - 20 * MINUTE),
        ["the agenda is behind: who was due at Mon 30 Nov 07:40 was not woken (run-failed in the log)"],
    ),
    "who is due was just not woken": (status(next_wake=NOW - 9 * MINUTE), []),
    "nobody reads the agenda": (
        status(next_wake=NOW - 20 * MINUTE, heartbeat=NOW - 11 * MINUTE), ["the agenda is not being read"],
    ),
    "overdue": (
        status(due=DueView(count=7, overdue=3, overdue_since=NOW - 20 * MINUTE)),
        ["3 cases are overdue, since Mon 30 Nov 07:40"],
    ),
    "a failing self-check": (
        status(self_check=SelfCheckView(at=NOW, failing=["service-bus (no-answer)", "clock (clock-off)"])),
        ["the self-check fails: service-bus (no-answer), clock (clock-off): ./firstpass doctor"],
    ),
    "a pause that began by itself": (
        status(pause=PauseView(until=NOW + HOUR, reason="graph-denied", by="firstpass")),
        ["paused until Mon 30 Nov 09:00: graph-denied"],
    ),
    "dead letters": (status(dead_letters=queue(2, age=HOUR)), ["2 dead letters wait: ./firstpass dlq list --group"]),
    "forgotten ones": (
        status(dead_letters=queue(1_000, age=8 * DAY, is_more=True)),
        ["1,000+ dead letters wait", "the oldest dead letter lies there since Sun 22 Nov 08:00"],
    ),
    "dead letters out of sight": (status(dead_letters=None), ["the dead letters cannot be looked at"]),
    "after their opening": (
        status(forecast=FORECAST.model_copy(update={"after_opening": 4})),
        ["4 passes of the next 24 hours go out when they should have opened already"],
    ),
    "more than two weeks of budgets": (
        status(forecast=LATE.model_copy(update={"through_by": None})),
        ["they go out late, the last not within two weeks"],
    ),
    "more than the budget": (
        status(forecast=LATE),
        ["500 passes of the next 24 hours are more than HOURLY_BUDGET allows: they go out late, the last by Mon"],
    ),
}  # fmt: skip


@pytest.mark.parametrize(("found", "findings"), FINDINGS.values(), ids=FINDINGS)
def test_what_wants_a_look_is_told_and_ends_the_gate(
    api: StandIn, firstpass: Command, found: StatusView, findings: list[str]
) -> None:
    api.answers["GET status"] = found
    out = firstpass("status", COLUMNS="200").out
    told = out.partition("Wants a look\n")[2].splitlines()
    assert len(told) == len(findings)
    for line, finding in zip(told, findings, strict=True):
        assert finding in line
    assert firstpass("status", "--gate").code == (Exit.FINDINGS if findings else Exit.DONE)


ROWS: dict[str, tuple[StatusView, str]] = {
    "as of another moment": (
        status(joiners_queue=queue(12, age=2 * HOUR, seen=3 * MINUTE)),
        "events waiting  12, the oldest 2 h old (3 min ago)",
    ),
    "nobody looked further": (status(joiners_queue=queue(1_000, is_more=True)), "events waiting  1,000+"),
    "never seen": (status(joiners_queue=None), "events waiting  not known"),
    "letters": (status(dead_letters=queue(2, age=3 * DAY)), "dead letters    2, the oldest 3 d old"),
    "the budget": (status(spent_this_hour=1_200, hourly_budget=2_000), "this hour       1,200 of 2,000 passes"),
    "no budget": (status(hourly_budget=0), "this hour       no limit (HOURLY_BUDGET is 0)"),
    "nothing planned": (status(forecast=NOTHING), "next 24 hours   0 passes planned\n"),
    "late": (
        status(forecast=LATE),
        "900 passes planned, 700 of them in the hour from Mon 30 Nov 09:00; all through by Mon 30 Nov 13:00",
    ),
}


@pytest.mark.parametrize(("found", "line"), ROWS.values(), ids=ROWS)
def test_queues_and_budget_in_a_line_each(api: StandIn, firstpass: Command, found: StatusView, line: str) -> None:
    api.answers["GET status"] = found
    assert line in firstpass("status", COLUMNS="200").out


def test_a_pause_says_until_when_it_holds_also_where_a_longer_one_stands(api: StandIn, firstpass: Command) -> None:
    api.answers["POST pause"] = Done(until=NOW + 5 * HOUR)
    ran = firstpass("pause", "--minutes", "10", "--reason", "wrong events")
    assert (ran.code, ran.out) == (Exit.DONE, "")
    assert "paused until Mon 30 Nov 13:00" in ran.err


@pytest.mark.parametrize("reason", ["why", "    y    ", "x" * 501], ids=["short", "blank", "long"])
@pytest.mark.parametrize("command", [("pause", "--minutes", "10"), ("resume",), ("cases", "cancel", "a" * 32, "--yes")])
def test_a_reason_that_the_app_would_refuse_is_a_wrong_option(
    api: StandIn, firstpass: Command, command: tuple[str, ...], reason: str
) -> None:
    ran = firstpass(*command, "--reason", reason)
    assert ran.code == Exit.USAGE
    assert "between 5 and 500 characters" in ran.err
    assert "Traceback" not in ran.err
    assert api.asked == []
