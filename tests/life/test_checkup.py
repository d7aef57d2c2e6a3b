"""The self-check over fakes: when it runs, what each kind of trouble comes to, what is told, what operators see."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from functions.settle import RunFailed, each_settled
from shared.access import AccessPolicy
from shared.checkup_ports import NotReadable, NotThere
from shared.errors import BusUnavailable, Halted, Later, LedgerUnavailable, Reason
from shared.findings import Check
from shared.report import Wish
from tests.fakes.checkup import EXPECTED, FakeReports, Surroundings, checkup, policy
from tests.fakes.clock import FakeClock
from tests.fakes.door import READER, Door
from tests.fakes.house import DUE, House

NOW = datetime(2026, 12, 1, 7, tzinfo=UTC)
SECOND, MINUTE, HOUR, DAY = (timedelta(seconds=seconds) for seconds in (1, 60, 3600, 86400))


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
        ("queues", BusUnavailable("bus-unavailable"), Check.QUEUES, ("failed", "no-answer", "bus-unavailable")),
        ("queues", TimeoutError(), Check.QUEUES, ("failed", "no-answer", "")),
        (
            "tables",
            LedgerUnavailable("ledger-unavailable"),
            Check.TABLES,
            ("failed", "no-answer", "ledger-unavailable"),
        ),
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


async def test_a_country_that_is_none_is_named(around: Surroundings) -> None:
    around.open_to |= {"UK", "GB"}
    report = await checkup(around, FakeReports(), expected=replace(EXPECTED, countries=frozenset({"UK", "GB"}))).run()
    told = [(one.verdict, one.code, one.detail) for one in report.findings if one.check is Check.SETTINGS]
    assert told == [("failed", "countries-unknown", "UK")]


async def test_a_clock_that_is_wrong_is_seen_by_entras_time(around: Surroundings) -> None:
    around.their_time = NOW + timedelta(minutes=6)
    assert await found(around, Check.CLOCK) == ("failed", "clock-off", "360 seconds")


async def test_a_group_inside_the_included_one_is_in_scope(around: Surroundings) -> None:
    around.policy = replace(around.policy, policy=policy(include_targets=frozenset({"all-staff"})))
    assert await found(around, Check.POLICY) == ("failed", "policy-misses-joiners", "")
    around.above = frozenset({"all-staff"})
    assert await found(around, Check.POLICY) == ("good", "fine", "")


async def test_where_groups_cannot_be_seen_the_scope_is_a_warning(around: Surroundings) -> None:
    around.policy = replace(around.policy, policy=policy(include_targets=frozenset({"all-staff"})))
    around.access.append(
        AccessPolicy(id="2", users=frozenset(), groups=frozenset({"all-staff"}), controls=frozenset({"block"}))
    )
    around.troubles["circles"] = Halted(Reason.GRAPH_DENIED)
    assert await found(around, Check.POLICY) == ("warning", "policy-may-miss-joiners", "")
    assert await found(around, Check.ACCESS) == ("warning", "access-may-refuse", "2")
    assert set(around.fired) == {"circles"}


# --- when it runs ---


async def test_it_runs_once_an_hour_and_when_somebody_asks(around: Surroundings) -> None:
    reports = FakeReports()
    one = checkup(around, reports)
    await one.when_due()
    assert made_at(reports) == NOW
    around.clock.set_now(NOW + HOUR - timedelta(seconds=1))
    await one.when_due()
    assert made_at(reports) == NOW
    await reports.ask(Wish("first", around.clock.now()))
    around.clock.set_now(NOW + HOUR - timedelta(seconds=1) + MINUTE)
    await one.when_due()
    assert made_at(reports) == around.clock.now()
    around.clock.advance(MINUTE)
    await one.when_due()  # the wish is granted
    assert made_at(reports) == around.clock.now() - MINUTE
    around.clock.set_now(NOW + 3 * HOUR)
    await one.when_due()
    assert made_at(reports) == NOW + 3 * HOUR


def made_at(reports: FakeReports) -> datetime:
    assert reports.kept
    return reports.kept.at


async def test_with_no_hour_it_runs_only_when_somebody_asks(around: Surroundings) -> None:
    reports = FakeReports()
    one = checkup(around, reports, every=timedelta(0))
    await one.when_due()
    assert reports.kept is None
    await reports.ask(Wish("first", NOW))
    await one.when_due()
    assert reports.kept


async def test_a_report_is_of_the_moment_it_began_and_grants_the_wish_it_knew_of(around: Surroundings) -> None:
    """The wish comes while a check is under way, from a machine whose clock is behind."""
    reports, slow = FakeReports(), Slow(around)
    one = checkup(around, reports, plumbing=slow)
    slow.meanwhile = lambda: reports.ask(Wish("second", NOW - HOUR))
    await one.when_due()
    assert reports.kept
    assert (reports.kept.at, reports.kept.answers) == (NOW, None)
    slow.meanwhile = None
    await one.when_due()
    assert (reports.kept.at, reports.kept.answers) == (NOW + 20 * SECOND, "second")


class Slow:
    """Plumbing whose tables take twenty seconds, in which something else happens."""

    def __init__(self, around: Surroundings) -> None:
        self.around, self.queues, self.door = around, around.queues, around.door
        self.meanwhile: Callable[[], Awaitable[None]] | None = None

    async def tables(self) -> None:
        if self.meanwhile:
            await self.meanwhile()
        self.around.clock.advance(20 * SECOND)


async def test_the_check_is_made_above_all_when_the_sweep_fails(around: Surroundings) -> None:
    house, reports = House(DUE - DAY), FakeReports()
    await house.hire()
    house.clock.set_now(DUE + MINUTE)
    house.bus.fail_next("nudge")
    around.troubles["queues"] = BusUnavailable("bus-unavailable")
    with pytest.raises(RunFailed, match="bus-unavailable"):
        await each_settled(house.agenda.sweep, checkup(around, reports).when_due)
    assert house.bus.fired == [("nudge", "before")]
    assert reports.kept
    failed = [one for one in reports.kept.findings if one.verdict == "failed"]
    assert [(one.check, one.code, one.detail) for one in failed] == [("service-bus", "no-answer", "bus-unavailable")]


# --- what is told ---


@pytest.fixture
def log(caplog: pytest.LogCaptureFixture) -> Callable[[], list[tuple[str, ...]]]:
    """What was told of changes since the last look."""
    caplog.set_level("INFO", logger="firstpass")

    def told() -> list[tuple[str, ...]]:
        events = [(record.levelname, record.firstpass) for record in caplog.records]  # type: ignore[attr-defined]
        caplog.clear()
        return [
            (level, *(str(event[name]) for name in ("check", "state", "reason", "detail")))
            for level, event in events
            if event["event"] == "checkup-changed"
        ]

    return told


type Log = Callable[[], list[tuple[str, ...]]]


async def test_what_changes_is_told_once_and_so_is_its_end(around: Surroundings, log: Log) -> None:
    one, good = checkup(around, FakeReports()), around.roles
    await one.run()
    assert log() == []
    around.roles = good - {"User.Read.All"}
    await one.run()
    assert log() == [("ERROR", "graph-roles", "failed", "roles-missing", "User.Read.All")]
    await one.run()
    assert log() == []
    around.roles = good - {"User.Read.All", "GroupMember.Read.All"}
    await one.run()
    both = "User.Read.All, GroupMember.Read.All"
    assert log() == [("ERROR", "graph-roles", "failed", "roles-missing", both)]
    around.roles = good
    await one.run()
    assert log() == [("INFO", "graph-roles", "good", "roles-missing", both)]


async def test_one_check_that_saw_nothing_hides_no_recovery_and_repeats_no_alert(
    around: Surroundings, log: Log
) -> None:
    one, good = checkup(around, FakeReports()), around.roles
    around.roles = frozenset(good - {"User.Read.All"})
    await one.run()
    assert len(log()) == 1
    around.troubles["granted"] = Later(Reason.GRAPH_UNAVAILABLE, MINUTE)
    await one.run()
    del around.troubles["granted"]
    await one.run()
    assert (log(), around.fired) == ([], ["granted"])
    around.troubles["granted"] = Later(Reason.GRAPH_UNAVAILABLE, MINUTE)
    await one.run()
    del around.troubles["granted"]
    around.roles = good
    await one.run()
    assert log() == [("INFO", "graph-roles", "good", "roles-missing", "User.Read.All")]


async def test_what_is_wrong_is_told_once_also_while_the_ledger_is_away(around: Surroundings, log: Log) -> None:
    reports = FakeReports()
    one = checkup(around, reports)
    await one.when_due()
    reports.gone = True
    around.troubles["tables"] = LedgerUnavailable("ledger-unavailable")
    around.clock.advance(HOUR)
    for minute in range(3):
        if minute == 0:
            with pytest.raises(LedgerUnavailable):
                await one.when_due()
        else:
            await one.when_due()
        around.clock.advance(MINUTE)
    assert log() == [("ERROR", "tables", "failed", "no-answer", "ledger-unavailable")]
    assert reports.refused > 3
    reports.gone = False
    del around.troubles["tables"]
    around.clock.advance(HOUR)
    await one.when_due()
    assert log() == [("INFO", "tables", "good", "no-answer", "ledger-unavailable")]


async def test_operators_see_the_newest_and_ask_for_another(around: Surroundings) -> None:
    door = Door()
    none = await door.ask("checkup", who=READER)
    assert (none.status, none.json["at"], none.json["findings"]) == (200, None, [])
    asked = await door.ask("checkup", {}, who=READER)
    assert asked.json["askedAt"] == none.json["now"]
    assert asked.json["asked"]
    around.roles = frozenset()
    one = checkup(around, door.reports, every=2 * HOUR)
    await one.when_due()
    around.troubles["granted"] = Later(Reason.GRAPH_UNAVAILABLE, MINUTE)
    await one.run()
    told = (await door.ask("checkup", who=READER)).json
    assert (told["answers"], told["everySeconds"]) == (asked.json["asked"], 7200)
    assert [(one["check"], one["code"]) for one in told["lastKnown"]] == [("graph-roles", "roles-missing")]
