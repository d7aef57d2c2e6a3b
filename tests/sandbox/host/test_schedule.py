"""When a timer fires next, against a calendar read by hand."""

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.host.schedule import next_occurrence, parse_schedule

NOW = "2026-11-23T10:59:59"  # a Monday


@pytest.mark.parametrize(
    ("expression", "moment", "expected"),
    [
        ("* * * * * *", NOW, "2026-11-23T11:00:00"),
        ("0 */5 * * * *", NOW, "2026-11-23T11:00:00"),
        ("0 */5 * * * *", "2026-11-23T11:00:00", "2026-11-23T11:05:00"),
        ("0 */5 * * * *", "2026-11-23T11:04:59.999999", "2026-11-23T11:05:00"),
        ("30 59 10 * * *", NOW, "2026-11-24T10:59:30"),
        ("0 0 9 * * *", NOW, "2026-11-24T09:00:00"),
        ("0 30 8-10,18 * * *", NOW, "2026-11-23T18:30:00"),
        ("0 30 8-10,18 * * *", "2026-11-23T18:30:00", "2026-11-24T08:30:00"),
        ("0 0 6 * * Mon-Fri", "2026-11-27T07:00:00", "2026-11-30T06:00:00"),
        ("0 0 6 * * Sunday", NOW, "2026-11-29T06:00:00"),
        ("0 0 0 1 * *", NOW, "2026-12-01T00:00:00"),
        ("0 0 0 31 * *", "2026-12-31T00:00:00", "2027-01-31T00:00:00"),
        ("0 0 0 31 * *", "2027-01-31T00:00:00", "2027-03-31T00:00:00"),
        ("0 0 0 1 Jan,Jul *", NOW, "2027-01-01T00:00:00"),
        ("59 59 23 31 12 *", "2026-12-31T23:59:58", "2026-12-31T23:59:59"),
        ("59 59 23 31 12 *", "2026-12-31T23:59:59", "2027-12-31T23:59:59"),
        ("0 0 0 29 2 *", NOW, "2028-02-29T00:00:00"),
        ("0 0 0 13 * Fri", NOW, "2027-08-13T00:00:00"),
        ("0 0 0 29 2 Mon", NOW, "2044-02-29T00:00:00"),
        ("0 0 0 29 2 Mon", "2072-02-29T00:00:00", "2112-02-29T00:00:00"),
        ("0 0 0 30 2 *", NOW, "9999-12-31T23:59:59"),
    ],
)
def test_the_next_one(expression: str, moment: str, expected: str) -> None:
    found = next_occurrence(parse_schedule(expression), datetime.fromisoformat(moment).replace(tzinfo=UTC))
    assert found == datetime.fromisoformat(expected).replace(tzinfo=UTC)


def test_the_moment_may_be_told_in_any_zone() -> None:
    moment = datetime(2026, 11, 23, 23, 30, tzinfo=timezone(timedelta(hours=-5)))
    assert next_occurrence(parse_schedule("0 0 5 * * *"), moment) == datetime(2026, 11, 24, 5, tzinfo=UTC)


@given(
    st.tuples(
        *(st.sampled_from(["*", "0", "*/7", "5,50", "20-40"]) for _ in range(2)), st.sampled_from(["*", "0", "23"])
    ),
    st.datetimes(datetime(2024, 1, 1), datetime(2024, 12, 31), timezones=st.just(UTC)),  # noqa: DTZ001 - zone added
)
def test_nothing_lies_between_a_moment_and_the_next_one(times: tuple[str, str, str], moment: datetime) -> None:
    schedule = parse_schedule(f"{' '.join(times)} * * *")
    found = next_occurrence(schedule, moment)

    def on_time(one: datetime) -> bool:
        return all(part in values for part, values in zip((one.second, one.minute, one.hour), schedule, strict=False))

    assert found > moment
    assert on_time(found)
    seconds = int((found - moment).total_seconds())
    sampled = {*range(1, min(seconds, 300)), *range(max(1, seconds - 300), seconds)}
    assert not any(on_time(found - timedelta(seconds=back)) for back in sampled)
