"""When a pass opens, when its message goes out, and how long it lasts: pure, and the only place with local time."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

from shared.errors import Reason, Refused
from shared.events import DevicePath, HireEvent, Purpose

ROUND_TO = 15
"""Minutes; a lifetime is a multiple of this."""

ABSOLUTE_LIFETIME = (10, 43_200)
"""Minutes Graph accepts at all, whatever the policy says (Graph, temporaryAccessPassAuthenticationMethod)."""

START_MARGIN = timedelta(minutes=2)
"""Graph refuses a start in the past; an opening closer than this is an opening now."""

LAST_DELIVERY = timedelta(minutes=30)
"""Before opening: from here on quiet hours no longer hold a message back, so that nobody is made late."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing a joiner does on a device path, and the minutes it may take."""

    name: str
    minutes: int


@dataclass(frozen=True, slots=True)
class PathNeeds:
    """What a device path asks of its pass. `rank` orders the paths: the phone first, it then signs in the others."""

    steps: tuple[Step, ...]
    one_time_allowed: bool
    rank: int


PATHS: Mapping[DevicePath, PathNeeds] = {
    DevicePath.APPLE_BUSINESS_MANAGER: PathNeeds(
        (
            Step("setup-assistant", 15),
            Step("apps", 30),
            Step("company-portal-sign-in", 20),
            Step("authenticator", 15),
        ),
        one_time_allowed=False,
        rank=1,
    ),
    DevicePath.ZERO_TOUCH: PathNeeds(
        (Step("sign-in", 10), Step("work-profile", 30), Step("apps", 15), Step("authenticator", 15)),
        one_time_allowed=False,
        rank=2,
    ),
    DevicePath.AUTHENTICATOR: PathNeeds((Step("authenticator", 15),), one_time_allowed=True, rank=3),
    DevicePath.AUTOPILOT: PathNeeds(
        (
            Step("sign-in", 10),
            Step("device-set-up", 45),
            Step("restart-and-second-sign-in", 20),
            Step("windows-hello", 15),
            Step("security-info", 15),
        ),
        one_time_allowed=False,
        rank=4,
    ),
    DevicePath.SECURITY_INFO: PathNeeds((Step("security-info", 15),), one_time_allowed=True, rank=5),
}
"""Minutes are ours (no vendor publishes any) and settable; a device that signs in twice never gets a one-time pass."""


@dataclass(frozen=True, slots=True)
class Errand:
    """What a pass for somebody who works here lasts, in minutes, how little would do, and whether it works once."""

    minutes: int
    least: int
    is_usable_once: bool


ERRANDS: Mapping[Purpose, Errand] = {
    Purpose.SPARE_KEY: Errand(60, 60, is_usable_once=True),
    Purpose.SECURITY_INFO: Errand(60, 60, is_usable_once=True),
    Purpose.AUTHENTICATOR: Errand(60, 60, is_usable_once=True),
    Purpose.SINGLE_DAY: Errand(9 * 60, 4 * 60, is_usable_once=False),
}
"""The other purposes are sized by their device paths. Registering must end ten minutes after a one-time sign-in, and no
pass lasts longer than eight hours unless the tenant raises its maximum (Microsoft Learn, "Configure Temporary Access
Pass")."""

BEGUN_WITHIN = timedelta(hours=1)
"""How late somebody who works here may begin with new devices: they have called, and need not arrive first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanRules:
    """The deployer's choices. Times of day are the joiner's local time; weekdays count from Monday = 0."""

    working_days: frozenset[int] = frozenset(range(5))
    opens_before: timedelta = timedelta(minutes=60)
    deliver_before: timedelta = timedelta(hours=16)
    delivery_spread: timedelta = timedelta(0)
    arrival_window: timedelta = timedelta(hours=6)
    quiet_until: time = time(8)
    quiet_from: time = time(20)
    one_time_where_possible: bool = False
    step_minutes: Mapping[tuple[DevicePath, str], int] = field(default_factory=dict[tuple[DevicePath, str], int])


@dataclass(frozen=True, slots=True)
class When:
    """UTC moments: the pass opens, the message goes out."""

    opens_at: datetime
    deliver_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """The tenant's Temporary Access Pass policy (Graph, temporaryAccessPassAuthenticationMethodConfiguration)."""

    enabled: bool
    minimum_lifetime_in_minutes: int
    maximum_lifetime_in_minutes: int
    is_usable_once: bool
    include_targets: frozenset[str]
    """Ids of groups and users, or `all_users`."""
    exclude_targets: frozenset[str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    """What is asked of Graph. No start means at once. `cut` says that the policy shortened the arrival window.

    `steps_in_minutes` is what the steps alone take: the time to see whether they are done.
    """

    start_date_time: datetime | None
    lifetime_in_minutes: int
    is_usable_once: bool
    cut: bool = False
    steps_in_minutes: int = 0


def in_order(paths: Iterable[DevicePath]) -> tuple[DevicePath, ...]:
    """The paths in the order the joiner should take them."""
    return tuple(sorted(paths, key=lambda path: PATHS[path].rank))


def steps_minutes(paths: Iterable[DevicePath], rules: PlanRules) -> int:
    """Minutes all steps of all paths may take together."""
    steps = ((path, step) for path in set(paths) for step in PATHS[path].steps)
    return sum(rules.step_minutes.get((path, step.name), step.minutes) for path, step in steps)


def longest_minutes(paths: Iterable[DevicePath], rules: PlanRules) -> tuple[int, int]:
    """Minutes of the steps and of the pass of whoever has every device, or `paths` where these take longer."""
    devices = {path for path, needs in PATHS.items() if not needs.one_time_allowed}
    steps = max(steps_minutes(devices, rules), steps_minutes(paths, rules))
    return steps, _up(steps + int(rules.arrival_window.total_seconds()) // 60)


def first_day(event: HireEvent, rules: PlanRules) -> date:
    """The first day at work: as given, else the hire date moved on to a working day."""
    day = event.first_day or event.hire_date
    while event.first_day is None and day.weekday() not in rules.working_days:
        day += timedelta(days=1)
    return day


def when(event: HireEvent, rules: PlanRules, now: datetime) -> When:
    """When the pass of `event` opens and when its message goes out, seen from `now` (UTC).

    A start time that daylight saving skips is read an hour later, one that it repeats as the first of the two, as
    zoneinfo reads them with fold 0.
    """
    zone, opens_at = ZoneInfo(event.time_zone), _opens_at(event, first_day(event, rules), rules)
    latest = opens_at - LAST_DELIVERY
    earliest = opens_at - rules.deliver_before
    spread = min(earliest + _spread(event, rules), max(earliest, latest))
    return When(opens_at, _deliver_at(max(spread, now), opens_at, zone, rules))


def may_send(event: HireEvent, opens_at: datetime, rules: PlanRules, now: datetime) -> datetime:
    """The first moment from `now` (UTC) on at which a message may go out; what was put off must not wake anybody."""
    return _deliver_at(now, opens_at, ZoneInfo(event.time_zone), rules)


def next_morning(event: HireEvent, rules: PlanRules, now: datetime) -> When:
    """When the next pass opens after one came to nothing: the next working morning, and the message goes out then."""
    day = local_date(event, now)
    while day.weekday() not in rules.working_days or (opens_at := _opens_at(event, day, rules)) <= now:
        day += timedelta(days=1)
    return When(opens_at, opens_at)


def once_more(event: HireEvent, opens_at: datetime, rules: PlanRules, earliest: datetime) -> When:
    """When another message for the same opening goes out, from `earliest` (UTC) on: by the same hours as the first.

    Whose time to begin is over gets it at once in the hours of a working day, else with the next working morning.
    """
    at = _deliver_at(earliest, opens_at, ZoneInfo(event.time_zone), rules)
    if at <= opens_at + rules.arrival_window:
        return When(opens_at, at)
    morning, day = next_morning(event, rules, earliest), local_date(event, at)
    at_once = at == earliest and day.weekday() in rules.working_days and local_date(event, morning.opens_at) > day
    return When(opens_at, at) if at_once else morning


def _opens_at(event: HireEvent, day: date, rules: PlanRules) -> datetime:
    starts_work = datetime.combine(day, event.start_time, ZoneInfo(event.time_zone)).astimezone(UTC)
    return starts_work - rules.opens_before


def _spread(event: HireEvent, rules: PlanRules) -> timedelta:
    """A share of the spread, the same for every event of one hire."""
    digest = hashlib.sha256(f"{event.source}\n{event.subject}".encode()).digest()
    return rules.delivery_spread * (int.from_bytes(digest[:4]) / 2**32)


def _deliver_at(earliest: datetime, opens_at: datetime, zone: ZoneInfo, rules: PlanRules) -> datetime:
    """The first moment from `earliest` on that lies in the day's hours or in the time around the opening."""
    if opens_at - LAST_DELIVERY <= earliest <= opens_at + rules.arrival_window:
        return earliest
    at = earliest if _is_daytime(earliest, zone, rules) else _next_morning(earliest, zone, rules)
    return min(at, opens_at - LAST_DELIVERY) if earliest < opens_at - LAST_DELIVERY else at


def _is_daytime(moment: datetime, zone: ZoneInfo, rules: PlanRules) -> bool:
    return rules.quiet_until <= moment.astimezone(zone).time() < rules.quiet_from


def _next_morning(moment: datetime, zone: ZoneInfo, rules: PlanRules) -> datetime:
    """The next time quiet hours end. A zone that skips the whole day (Samoa, 2011) only makes it a day later."""
    day = moment.astimezone(zone).date()
    morning = datetime.combine(day, rules.quiet_until, zone).astimezone(UTC)
    return (
        morning
        if morning > moment
        else datetime.combine(day + timedelta(days=1), rules.quiet_until, zone).astimezone(UTC)
    )


def fit(event: HireEvent, opens_at: datetime, policy: Policy, rules: PlanRules, now: datetime) -> Terms:
    """The pass to ask for now: long enough for every step begun late in the arrival window, inside the policy.

    Raises:
        Refused: `policy-too-short` when the steps themselves do not fit into the longest pass the tenant allows.
    """
    needed, wanted, once = needs(event, rules)
    shortest = _up(max(policy.minimum_lifetime_in_minutes, ABSOLUTE_LIFETIME[0]))
    longest = _down(min(policy.maximum_lifetime_in_minutes, ABSOLUTE_LIFETIME[1]))
    if longest < max(needed, shortest):
        raise Refused(Reason.POLICY_TOO_SHORT, f"needs {_up(needed)} minutes, the policy allows {longest}")
    return Terms(
        start_date_time=opens_at if opens_at > now + START_MARGIN else None,
        lifetime_in_minutes=min(max(wanted, shortest), longest),
        is_usable_once=once,
        cut=wanted > longest,
        steps_in_minutes=needed,
    )


def needs(event: HireEvent, rules: PlanRules) -> tuple[int, int, bool]:
    """Minutes at least, minutes wanted, and whether once is enough: before the tenant's policy has a say."""
    if errand := ERRANDS.get(event.purpose):
        return errand.least, errand.minutes, errand.is_usable_once
    needed = steps_minutes(event.device_paths, rules)
    window = BEGUN_WITHIN if event.purpose is Purpose.DEVICES else rules.arrival_window
    once = rules.one_time_where_possible and all(PATHS[path].one_time_allowed for path in event.device_paths)
    return needed, _up(needed + window // timedelta(minutes=1)), once


def _up(minutes: int) -> int:
    return -(-minutes // ROUND_TO) * ROUND_TO


def _down(minutes: int) -> int:
    return minutes // ROUND_TO * ROUND_TO


def local_date(event: HireEvent, moment: datetime) -> date:
    """The calendar day it is for the joiner at `moment`."""
    return moment.astimezone(ZoneInfo(event.time_zone)).date()


def local_words(event: HireEvent, moment: datetime) -> str:
    """A moment as the joiner would say it."""
    return f"{moment.astimezone(ZoneInfo(event.time_zone)):%a %d %b %H:%M} {event.time_zone}"


def today(time_zone: str, now: datetime) -> date:
    """The calendar day in a zone."""
    return now.astimezone(ZoneInfo(time_zone)).date()
