"""The audit in a terminal and for a program: what was asked for, why, and what came of it."""

import json

from cli.exits import Exit
from shared.record_models import AuditPage, AuditView
from tests.cli import made_up
from tests.cli.conftest import Command
from tests.cli.standin import StandIn

SOMEBODY, ANOTHER = (f"acce0000-0000-4000-8000-00000000000{digit}" for digit in "12")
RUN = "a" * 32


def entry(act: str, who: str, target: str, *, ended: str | None = None, allowed: bool = True) -> AuditView:
    return AuditView(
        at=made_up.NOW, who=who, act=act, target=target, allowed=allowed, why="lost on the way", ended=ended
    )


ENTRIES = [
    entry("reissue", SOMEBODY, made_up.ID),
    entry("cancel", ANOTHER, made_up.ID, allowed=False, ended="role-missing"),
    entry("discard_letters", ANOTHER, f"letters 3 50, run {RUN}"),
    entry("discard_letters", ANOTHER, f"letters 3 50, run {RUN}", ended="another-run"),
]


def answers(api: StandIn) -> None:
    api.answers["GET audit"] = AuditPage(entries=ENTRIES, next_after=None)


def test_what_operators_did_is_told(api: StandIn, firstpass: Command) -> None:
    answers(api)
    ran = firstpass("audit", COLUMNS="150")
    assert ran.code == Exit.DONE
    told = " ".join(ran.out.split())
    for words in (
        "denied",
        "role-missing",
        "did not happen",
        "another-run",
        "let in",
        SOMEBODY,
        "lost on the way",
        RUN,
    ):
        assert words in told


def test_only_what_names_something_or_was_asked_by_somebody(api: StandIn, firstpass: Command) -> None:
    answers(api)

    def acts(*options: str) -> list[str]:
        return [one["act"] for one in json.loads(firstpass("audit", "-o", "json", *options).out)]

    assert acts("--about", made_up.ID) == ["reissue", "cancel"]
    assert acts("--about", "50") == acts("--about", RUN) == ["discard_letters"] * 2
    assert acts("--about", "5") == []
    assert acts("--who", SOMEBODY) == ["reissue"]
    assert acts("--limit", "1") == ["reissue"]


def test_a_time_travels_in_utc(api: StandIn, firstpass: Command) -> None:
    answers(api)
    firstpass("audit", "--since", "2026-11-30T08:00")
    (query,) = [asked for what, asked, _ in api.asked if what == "GET audit"]
    assert query["since"] == "2026-11-30T07:00:00Z"
