"""Timer functions on the sandbox's clock: real processes, real runtime."""

import asyncio
import json
import os
import signal
import time
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from sandbox.clock import SandboxClock
from sandbox.process import Service
from tests.sandbox.host.apps import App, until

NOBODY = "Endpoint=sb://localhost:1;SharedAccessKeyName=a;SharedAccessKey=s"
AT_NINE = """
    @app.timer_trigger("timer", schedule="0 0 9 * * *", run_on_startup=os.environ.get("AT_ONCE") == "1")
    async def agenda(timer: func.TimerRequest):
        note(begun=timer.to_dict())
        await asyncio.sleep(float(os.environ.get("TAKES", "0")))
        note(ended=True)
        if os.environ.get("FAILS"):
            raise ValueError("boom")
"""
SEVEN, NINE, MORROW = "2026-11-23T07:00:00+00:00", "2026-11-23T09:00:00+00:00", "2026-11-24T09:00:00+00:00"
NEVER = "0001-01-01T00:00:00+00:00"


class TimedApp(App):
    """An app with a clock of its own."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, NOBODY)
        self.clock = SandboxClock(folder / "clock")
        self.clock.set_now(datetime.fromisoformat(SEVEN))

    def run(self, **settings: str) -> Service:
        return self.start("--clock", str(self.folder / "clock"), settings=settings)

    def begun(self) -> list[dict[str, Any]]:
        return [note["begun"] for note in self.notes if "begun" in note]


@pytest.fixture
def app(tmp_path: Path) -> Iterator[TimedApp]:
    app = TimedApp(tmp_path / "app")
    app.write(AT_NINE)
    yield app
    app.stop()


def agenda(host: Service) -> dict[str, Any]:
    with urlopen(f"{host.url}/sandbox/timers", timeout=5) as answer:  # noqa: S310 - our own loopback address
        return json.load(answer)["agenda"]


def caught_up(app: TimedApp, host: Service) -> bool:
    """What whoever leaps the clock waits for."""
    known = agenda(host)
    return not known["running"] and datetime.fromisoformat(known["next"]) > app.clock.now()


async def test_a_timer_fires_at_its_time(app: TimedApp) -> None:
    host = app.run()
    assert agenda(host) == {"next": NINE, "last": None, "runs": 0, "running": False}
    app.clock.set_now(datetime.fromisoformat(NINE) - timedelta(seconds=0.5))
    await until(lambda: agenda(host)["runs"] == 1)
    (seen,) = app.begun()
    status = {"Last": NEVER, "Next": NINE, "LastUpdated": NEVER}
    assert seen == {"past_due": False, "schedule_status": status, "schedule": {"AdjustForDST": True}}
    known = agenda(host)
    assert (known["next"], known["running"]) == (MORROW, False)
    assert known["last"] >= NINE
    assert "agenda [timer, on time] Succeeded in" in app.log


async def test_a_leap_of_three_weeks_fires_it_once_and_past_due(app: TimedApp) -> None:
    host = app.run(TAKES="1")
    app.clock.advance(timedelta(weeks=3))
    assert not caught_up(app, host), "nobody may believe that all is done"
    await until(lambda: caught_up(app, host))
    assert [seen["past_due"] for seen in app.begun()] == [True]
    known = agenda(host)
    assert (known["runs"], known["next"]) == (1, "2026-12-14T09:00:00+00:00")
    app.clock.advance(timedelta(days=1))
    await until(lambda: caught_up(app, host))
    assert [seen["schedule_status"]["Last"] for seen in app.begun()] == [NEVER, known["last"]]


async def test_a_failing_timer_is_logged_and_fires_again(app: TimedApp) -> None:
    host = app.run(FAILS="1")
    for day in (1, 2):
        app.clock.advance(timedelta(days=1))
        await until(lambda: caught_up(app, host))
        assert agenda(host)["runs"] == day
    assert app.log.count("agenda [timer, past due] Failed in") == 2
    assert "ValueError: boom" in app.log


async def test_while_it_runs_it_is_neither_done_nor_started_again(app: TimedApp) -> None:
    host = app.run(TAKES="1")
    app.clock.advance(timedelta(days=1))
    await until(lambda: agenda(host)["running"])
    app.clock.advance(timedelta(days=2))
    assert not caught_up(app, host)
    await until(lambda: caught_up(app, host))
    assert [next(iter(note)) for note in app.notes] == ["begun", "ended"] * 2
    assert agenda(host)["next"] == "2026-11-26T09:00:00+00:00"


async def test_of_two_hosts_one_runs_it_and_the_other_takes_over(app: TimedApp) -> None:
    first, second = app.run(TAKES="1"), app.run(TAKES="1")
    app.clock.advance(timedelta(days=1))
    await until(lambda: caught_up(app, first) and caught_up(app, second))
    assert len(app.begun()) == 1
    app.clock.advance(timedelta(days=1))
    await until(lambda: agenda(second)["running"])
    first.kill()
    await until(lambda: agenda(second)["runs"] == 2)
    assert [next(iter(note)) for note in app.notes] == ["begun", "ended", "begun", "begun", "ended"]


async def test_run_on_startup_fires_at_once_and_then_at_its_times(app: TimedApp) -> None:
    host = app.run(AT_ONCE="1")
    await until(lambda: not agenda(host)["running"])
    assert [seen["past_due"] for seen in app.begun()] == [False]
    assert (agenda(host)["runs"], agenda(host)["next"]) == (1, NINE)


async def test_what_was_missed_while_no_host_ran_comes_at_the_next_start(app: TimedApp) -> None:
    app.run().stop()
    app.clock.advance(timedelta(days=3))
    host = app.run()
    await until(lambda: caught_up(app, host))
    assert [seen["past_due"] for seen in app.begun()] == [True]


async def test_a_clock_set_back_does_not_silence_it(app: TimedApp) -> None:
    app.clock.advance(timedelta(days=3650))
    host = app.run()
    app.clock.set_now(datetime.fromisoformat(NINE) - timedelta(seconds=0.5))
    await until(lambda: agenda(host)["runs"] == 1)
    assert agenda(host)["next"] == MORROW


async def test_at_sigterm_it_has_the_grace_time(app: TimedApp) -> None:
    host = app.run(TAKES="0.5")
    app.clock.advance(timedelta(days=1))
    await until(lambda: app.notes)
    host.child.send_signal(signal.SIGTERM)
    assert await asyncio.to_thread(host.child.wait, 4) == 0
    assert [next(iter(note)) for note in app.notes] == ["begun", "ended"]
    assert json.loads((app.folder / "timer-agenda.json").read_text())["runs"] == 1


async def test_function_timeout_is_a_failure_and_not_the_end_of_the_timer(app: TimedApp) -> None:
    app.write(AT_NINE, {"functionTimeout": "00:00:01"})
    host = app.run(TAKES="60")
    for runs in (1, 2):
        app.clock.advance(timedelta(days=1))
        await until(lambda runs=runs: agenda(host)["runs"] == runs)
    assert app.log.count("Timeout value of 1 s was exceeded") == 2


async def test_without_a_clock_it_is_real_time(app: TimedApp) -> None:
    source = AT_NINE.replace("0 0 9 * * *", "* * * * * *")
    host = app.write(source).start()
    await until(lambda: agenda(host)["runs"] >= 2)
    assert agenda(host)["last"][:4] == str(time.gmtime().tm_year)
    assert not (app.folder / "timer-agenda.json").exists()
    assert os.listdir(app.folder).count("clock") == 1, "the test's own"  # noqa: PTH208
