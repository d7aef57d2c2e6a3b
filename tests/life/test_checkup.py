"""The self-check over fakes: when it runs, what each kind of trouble comes to, what is told, what operators see."""

from datetime import UTC, datetime, timedelta

import pytest

from shared.checkup import NotReadable, NotThere
from shared.errors import BusUnavailable, Halted, Later, LedgerUnavailable, Reason
from shared.findings import Check
from tests.fakes.checkup import FakeReports, Surroundings, checkup
from tests.fakes.clock import FakeClock
from tests.fakes.door import READER, Door

NOW = datetime(2026, 12, 1, 7, tzinfo=UTC)
HOUR = timedelta(hours=1)


@pytest.fixture
def around() -> Surroundings:
    return Surroundings(FakeClock(NOW))


async def found(around: Surroundings, check: Check) -> tuple[str, str, str]:
    """What one check comes to."""
    report = await checkup(around, FakeReports()).run()
    (one,) = [finding for finding in report.findings if finding.check is check]
    return one.verdict, one.code, one.detail


async def test_all_is_well_where_all_is_as_it_should_be(around: Surroundings) -> None:
    reports = FakeReports()
    report = await checkup(around, reports).run()
    assert [one.check for one in report.findings] == list(Check)
    assert {one.verdict for one in report.findings} == {"good"}
    assert reports.kept == report


@pytest.mark.parametrize(
    ("method", "trouble", "check", "expected"),
    [
        ("granted", Halted(Reason.GRAPH_DENIED), Check.ROLES, ("failed", "denied", "graph-denied")),
        ("pass_policy", Later(Reason.GRAPH_THROTTLED, HOUR), Check.POLICY, ("unknown", "no-answer", "graph-throttled")),
        ("access_policies", NotReadable(), Check.ACCESS, ("unknown", "not-readable", "")),
        ("queues", NotThere("joiners"), Check.QUEUES, ("failed", "queue-missing", "joiners")),
        ("queues", BusUnavailable("bus-denied"), Check.QUEUES, ("failed", "denied", "bus-denied")),
        ("queues", BusUnavailable("bus-unavailable"), Check.QUEUES, ("unknown", "no-answer", "bus-unavailable")),
        ("tables", LedgerUnavailable("ledger-denied"), Check.TABLES, ("failed", "denied", "ledger-denied")),
        ("log_in", Halted(Reason.TWILIO_DENIED), Check.LOGIN, ("failed", "denied", "twilio-denied")),
        ("countries", NotReadable(), Check.COUNTRIES, ("unknown", "not-readable", "")),
        (
            "door",
            NotThere("ClientConnectorError"),
            Check.PUBLIC_URL,
            ("failed", "url-unreachable", "ClientConnectorError"),
        ),
        ("time", TimeoutError(), Check.CLOCK, ("unknown", "no-answer", "")),
        ("sms_sender", ZeroDivisionError("+12025550100"), Check.SENDER, ("unknown", "bug", "")),
    ],
)
async def test_trouble_with_one_check_is_that_checks_alone(
    around: Surroundings, method: str, trouble: Exception, check: Check, expected: tuple[str, str, str]
) -> None:
    around.troubles[method] = trouble
    assert await found(around, check) == expected
    assert around.fired == [method]
    report = await checkup(around, FakeReports()).run()
    assert {one.verdict for one in report.findings if one.check is not check} == {"good"}


async def test_another_site_at_the_public_address_is_not_ours(around: Surroundings) -> None:
    around.status = 200
    assert await found(around, Check.PUBLIC_URL) == ("failed", "url-not-ours", "status 200")
    around.status = None
    assert await found(around, Check.PUBLIC_URL) == ("good", "not-used", "")


async def test_what_is_not_in_use_is_not_checked(around: Surroundings) -> None:
    around.whatsapp = None
    assert await found(around, Check.WHATSAPP) == ("good", "not-used", "")
    around.sender = None
    assert await found(around, Check.SENDER) == ("unknown", "sender-by-name", "")


async def test_asking_twilio_to_discard_texts_cannot_be_checked(around: Surroundings) -> None:
    report = await checkup(around, FakeReports(), discards_content=True).run()
    assert ("twilio-redaction", "unknown") in {(one.check, one.verdict) for one in report.findings}


async def test_a_clock_that_is_wrong_is_seen_by_entras_time(around: Surroundings) -> None:
    around.their_time = NOW + timedelta(minutes=6)
    assert await found(around, Check.CLOCK) == ("failed", "clock-off", "360 seconds")


async def test_it_runs_once_an_hour_and_when_somebody_asks(around: Surroundings) -> None:
    reports = FakeReports()
    one = checkup(around, reports)
    await one.when_due()
    assert reports.kept
    assert reports.kept.at == NOW
    around.clock.set_now(NOW + HOUR - timedelta(seconds=1))
    await one.when_due()
    assert reports.kept.at == NOW
    await reports.ask(around.clock.now())
    around.clock.set_now(NOW + HOUR + timedelta(minutes=1))
    await one.when_due()
    assert reports.kept.at == NOW + HOUR + timedelta(minutes=1)
    await one.when_due()  # the wish is granted
    around.clock.set_now(NOW + 3 * HOUR)
    await one.when_due()
    assert reports.kept.at == NOW + 3 * HOUR


async def test_with_no_hour_it_runs_only_when_somebody_asks(around: Surroundings) -> None:
    reports = FakeReports()
    one = checkup(around, reports, every=timedelta(0))
    await one.when_due()
    assert reports.kept is None
    await reports.ask(NOW)
    await one.when_due()
    assert reports.kept


async def test_what_changes_is_told_once_and_so_is_its_end(
    around: Surroundings, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO", logger="firstpass")
    one, good = checkup(around, FakeReports()), around.roles

    def told() -> list[tuple[str, str, str, str]]:
        events = [record.firstpass for record in caplog.records]  # type: ignore[attr-defined]
        levels = [record.levelname for record in caplog.records]
        caplog.clear()
        return [
            (level, str(event["detail"]), str(event["state"]), str(event["reason"]))
            for level, event in zip(levels, events, strict=True)
            if event["event"] == "checkup-changed"
        ]

    await one.run()
    assert told() == []
    around.roles = frozenset()
    await one.run()
    assert told() == [("ERROR", "graph-roles", "failed", "roles-missing")]
    await one.run()
    assert told() == []
    around.roles = good
    await one.run()
    assert told() == [("INFO", "graph-roles", "good", "roles-missing")]


async def test_operators_see_the_newest_and_ask_for_another() -> None:
    door = Door()
    none = await door.ask("checkup", who=READER)
    assert (none.status, none.json["at"], none.json["findings"]) == (200, None, [])
    asked = await door.ask("checkup", {}, who=READER)
    assert asked.json["askedAt"] == none.json["now"]
