"""How many schedules were played is told at the end, by scenario."""

import gc
import logging
from collections import Counter
from collections.abc import Callable, Iterator

import pytest

PLAYED = "schedules played"


@pytest.fixture
def silence() -> Iterator[None]:
    """Thousands of stories log nothing, and leave nothing that is worth a search for cycles."""
    logger, level = logging.getLogger("firstpass"), logging.getLogger("firstpass").level
    logger.setLevel(logging.CRITICAL)
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()
    logger.setLevel(level)


@pytest.fixture
def count(record_property: Callable[[str, object], None]) -> Callable[[str, int], None]:
    """Note how many schedules of what were played: that none was would be a search that found nothing."""

    def note(what: str, played: int) -> None:
        assert played > 1
        record_property(PLAYED, (what, played))

    return note


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    schedules, seconds = Counter[str](), Counter[str]()
    for report in terminalreporter.getreports("passed"):
        for name, value in report.user_properties:
            if name == PLAYED:
                what, played = value  # pyright: ignore[reportGeneralTypeIssues] - as noted above
                schedules[what] += played
                seconds[what] += report.duration
    for what, played in schedules.items():
        terminalreporter.write_line(f"{played:8} schedules in {seconds[what]:6.1f} s  {what}")
