import asyncio
import logging
import time
import traceback
from collections.abc import Awaitable, Callable
from datetime import timedelta

import pytest

from functions.settle import GIVE_BACK_AFTER, RunFailed, each_settled, settled
from shared.errors import Halted, IllegalMove, Later, Moved, Reason, Refused, Unconfirmed
from shared.onboarding import RUN_SECONDS

AT_ONCE, SOON, NEVER = 0.0, 0.05, 3600.0
"""Seconds until a failed run gives its message back."""
DELIVERIES, LOCK = 10, timedelta(minutes=5)
"""What the queue of joiners grants a message."""
TEXT = "ann@contoso.com +491713920001 Qx7+tP%9"


def failing(error: BaseException) -> Callable[[], Awaitable[None]]:
    """Work that raises `error` from a cause, in the context of another error, three calls down."""

    async def deepest() -> None:
        body = TEXT
        try:
            raise KeyError(body)
        except KeyError:
            raise error from ValueError(body)

    async def work() -> None:
        await deepest()

    return work


ERRORS: list[tuple[Callable[[], BaseException], str]] = [
    (lambda: ValueError(TEXT), "ValueError"),
    (lambda: UnicodeDecodeError("utf-8", TEXT.encode(), 0, 1, TEXT), "UnicodeDecodeError"),
    (lambda: OSError(5, TEXT, TEXT), "OSError"),
    (lambda: ExceptionGroup(TEXT, [ValueError(TEXT)]), "ExceptionGroup"),
    (lambda: IllegalMove(TEXT), "IllegalMove"),
    (Moved, "case-moved"),
    (lambda: Refused(Reason.MOBILE_INVALID, TEXT), "mobile-invalid"),
    (lambda: Later(Reason.PAUSED, timedelta(minutes=1)), "paused"),
    (lambda: Halted(Reason.GRAPH_DENIED), "graph-denied"),
    (lambda: Unconfirmed(Reason.MESSAGE_UNCONFIRMED), "message-unconfirmed"),
    (lambda: asyncio.CancelledError(TEXT), "CancelledError"),
    (lambda: SystemExit(TEXT), "SystemExit"),
    (lambda: KeyboardInterrupt(TEXT), "KeyboardInterrupt"),
    (lambda: MemoryError(TEXT), "MemoryError"),
]


@pytest.mark.parametrize(("error", "code"), ERRORS, ids=[code for _, code in ERRORS])
async def test_an_error_leaves_as_its_code_and_nothing_else(
    error: Callable[[], BaseException], code: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(RunFailed) as failed:
        await settled(failing(error()), AT_ONCE)
    assert failed.value.args == (code,)
    assert failed.value.__cause__ is None
    assert failed.value.__context__ is None
    printed = "".join(traceback.TracebackException.from_exception(failed.value, capture_locals=True).format())
    assert "RunFailed" in printed
    for told in (printed, repr(failed.value), caplog.text, *(str(vars(it)) for it in caplog.records)):
        assert TEXT not in told
        for part in TEXT.split():
            assert part not in told


async def test_the_failure_is_told_once_with_its_code_and_the_way_it_came(caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(RunFailed):
        await settled(failing(ValueError(TEXT)), AT_ONCE)
    (record,) = caplog.records
    fields = vars(record)["firstpass"]
    assert (record.levelno, fields["event"], fields["reason"]) == (logging.ERROR, "run-failed", "ValueError")
    assert fields["error"].startswith("ValueError at settle.py:")
    assert fields["error"].count("test_settle.py:") == 2


# --- when the message comes again ---


async def test_a_failed_run_keeps_its_message_for_a_while() -> None:
    """Else ten deliveries of an outage would be over within seconds."""
    began = time.monotonic()
    with pytest.raises(RunFailed, match=r"^ValueError$"):
        await settled(failing(ValueError(TEXT)), SOON)
    assert time.monotonic() - began >= SOON


def test_that_while_is_long_enough_to_matter_and_ends_before_the_messages_lock() -> None:
    assert timedelta(minutes=3) <= DELIVERIES * timedelta(seconds=GIVE_BACK_AFTER)
    assert timedelta(seconds=RUN_SECONDS + GIVE_BACK_AFTER) <= LOCK / 2


async def test_a_run_whose_case_moved_gives_its_message_back_at_once_and_is_no_failure(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.DEBUG), pytest.raises(RunFailed, match=r"^case-moved$"):
        await asyncio.wait_for(settled(failing(Moved()), NEVER), 5)
    (record,) = caplog.records
    fields = vars(record)["firstpass"]
    assert (record.levelno, fields["event"], fields["reason"]) == (logging.INFO, "run-yielded", "case-moved")


@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, KeyboardInterrupt])
async def test_a_run_that_is_told_to_stop_waits_for_nothing(error: type[BaseException]) -> None:
    with pytest.raises(RunFailed, match=f"^{error.__name__}$"):
        await asyncio.wait_for(settled(failing(error()), NEVER), 5)


async def test_a_host_that_stops_does_not_wait_for_a_failed_run() -> None:
    run = asyncio.ensure_future(settled(failing(ValueError(TEXT)), NEVER))
    await asyncio.sleep(0)
    run.cancel()
    await asyncio.wait({run}, timeout=5)
    assert run.done()


async def test_work_that_ends_well_is_told_by_nobody(caplog: pytest.LogCaptureFixture) -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("done")

    with caplog.at_level(logging.DEBUG):
        await settled(work, NEVER)
    assert (done, caplog.records) == (["done"], [])


async def test_cancelling_a_run_fails_it_so_that_its_message_comes_again() -> None:
    began = asyncio.Event()

    async def work() -> None:
        began.set()
        await asyncio.Event().wait()

    run = asyncio.ensure_future(settled(work, NEVER))
    await began.wait()
    run.cancel()
    with pytest.raises(RunFailed, match=r"^CancelledError$"):
        await run


async def test_each_work_is_done_whatever_became_of_those_before_it() -> None:
    done: list[str] = []

    async def work() -> None:
        done.append("work")

    with pytest.raises(RunFailed, match=r"^graph-denied$"):
        await each_settled(failing(Halted(Reason.GRAPH_DENIED)), work, failing(ValueError(TEXT)), work)
    assert done == ["work", "work"]
    await each_settled(work)
    assert len(done) == 3
