"""Codes in words, and times as operators give and read them."""

import subprocess
import sys
from datetime import UTC, datetime, timedelta

import pytest

from cli.exits import CommandError
from cli.moments import ago, both, here, moment
from cli.words import WHY
from shared.errors import Reason

NOW = datetime(2026, 11, 30, 7, tzinfo=UTC)


def test_every_reason_has_words_that_fit_a_line() -> None:
    assert set(WHY) == {None, *Reason}
    assert all(words and len(words) <= 55 for words in WHY.values())


@pytest.mark.parametrize(
    ("text", "back"),
    [("30s", timedelta(seconds=30)), ("2h", timedelta(hours=2)), ("3d", timedelta(days=3)), ("1w", timedelta(weeks=1))],
)
def test_an_age_is_a_moment(text: str, back: timedelta) -> None:
    assert moment(text, NOW) == NOW - back


@pytest.mark.parametrize("text", ["2", "h", "-2h", "2 h", "soon", "2026-13-01", "9999999h", "999999w"])
def test_what_is_no_time_is_said_to_be_none(text: str) -> None:
    with pytest.raises(CommandError, match="is no time"):
        moment(text, NOW)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [
        (0, "0 s ago"),
        (119, "119 s ago"),
        (120, "2 min ago"),
        (7200, "2 h ago"),
        (200000, "2 d ago"),
        (-300, "in 5 min"),
    ],
)
def test_how_long_ago(seconds: int, words: str) -> None:
    assert ago(NOW - timedelta(seconds=seconds), NOW) == words


def test_a_zone_this_machine_does_not_know_leaves_the_operators_own_time() -> None:
    assert both(NOW, "Europe/Nowhere") == here(NOW) != ""
    assert "Asia/Tokyo" in both(NOW, "Asia/Tokyo")


def test_help_does_not_wait_for_any_sdk() -> None:
    heavy = "{'azure', 'msgraph', 'twilio', 'aiohttp', 'httpx'}"
    program = f"import sys, cli.__main__; print(*({heavy} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)  # noqa: S603
    assert done.stdout == "\n"
