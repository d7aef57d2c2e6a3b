"""A pass for somebody who works here and lost their means: what differs from a joiner's, and what never does."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from shared.api_models import OpenWish
from shared.contract import parse
from shared.errands import Errands
from shared.errors import Reason
from shared.events import Channel, EventRules, HireEvent, Purpose
from shared.permitted import NotAllowed
from shared.principal import OperatorRole, Principal
from shared.states import State
from shared.wishes import Unable
from tests.builders import NUMBER, USER_ID, body, facts, hired, policy
from tests.fakes import door
from tests.fakes.door import Door
from tests.fakes.house import House

MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)
NOW = datetime(2026, 12, 10, 9, tzinfo=UTC)
OPERATOR = Principal("aaaaaaaa-0000-4000-8000-000000000001", frozenset({OperatorRole.OPERATOR}))
APPROVER = Principal("aaaaaaaa-0000-4000-8000-000000000002", frozenset({OperatorRole.APPROVER}))
VETERAN: dict[str, Any] = {
    "employee_hire_date": datetime(2019, 3, 1, tzinfo=UTC),
    "methods": ("password", "microsoftAuthenticator", "phone"),
}


def staff(**changes: Any) -> House:
    house = House(NOW)
    house.directory.tenant = policy(minimum_lifetime_in_minutes=10, maximum_lifetime_in_minutes=1440)
    house.directory.add(facts(**VETERAN | changes))
    return house


async def opened(house: House, purpose: str, who: Principal = OPERATOR, **wish: Any) -> None:
    errands = Errands(
        ledger=house.ledger,
        clock=house.clock,
        rules=replace(
            house.onboarding.outside.rules,
            single_day_passes=wish.pop("single_day_passes", False),
            rehearsal=wish.pop("rehearsal", False),
        ),
        time_zone="Europe/Amsterdam",
        name_case=house.onboarding.name_case,
    )
    asked = OpenWish.model_validate({"purpose": purpose, "user": USER_ID.upper(), "reason": "lost the phone", **wish})
    house.case_id = (await errands.open_case(who, asked)).case_id


async def test_a_spare_key_pass_works_once_within_the_hour_and_goes_by_sms() -> None:
    house = staff()
    await opened(house, "spare-key")
    await house.live(NOW + 5 * MINUTE)
    (tap,) = house.directory.created
    assert (tap.lifetime_in_minutes, tap.is_usable_once) == (60, True)
    assert [(sent.number, sent.channel) for sent in house.courier.sent] == [(NUMBER, Channel.SMS)]
    assert house.directory.works(USER_ID, house.texts[-1])


async def test_it_is_done_when_a_new_key_is_there_whatever_they_had_before() -> None:
    house = staff(methods=("password", "fido2"))
    await opened(house, "spare-key")
    await house.live(NOW + 10 * MINUTE)
    assert house.case.state is State.SENT
    house.directory.people[USER_ID].facts = facts(**VETERAN | {"methods": ("password", "fido2", "fido2")})
    await house.live(NOW + 2 * HOUR)
    assert (house.case.state, house.reasons) == (State.ONBOARDED, [])


async def test_what_they_had_before_does_not_end_it() -> None:
    house = staff()
    await opened(house, "spare-key")
    await house.live(NOW + 2 * HOUR)
    assert (house.case.state, house.reasons) == (State.GAVE_UP, ["passes-exhausted"])
    assert len(house.texts) == 1, "one wish, one pass"


@pytest.mark.parametrize(("kind", "made_it"), [("phone", False), ("softwareOath", True), ("fido2", True)])
async def test_security_info_is_done_with_any_new_method(kind: str, made_it: bool) -> None:
    house = staff()
    await opened(house, "security-info")
    await house.live(NOW + 10 * MINUTE)
    house.register(kind)  # they had a phone before: the same one registered again is nothing new
    house.directory.people[USER_ID].registered_at.pop(kind)
    await house.live(NOW + 2 * HOUR)
    assert (house.case.state is State.ONBOARDED) is made_it


async def test_devices_are_sized_as_a_joiners_and_begun_within_the_hour() -> None:
    house = staff()
    await opened(house, "devices", devicePaths=["apple-business-manager", "autopilot"])
    await house.live(NOW + 5 * MINUTE)
    (tap,) = house.directory.created
    assert (tap.lifetime_in_minutes, tap.is_usable_once) == (255, False)


async def test_a_single_day_wants_the_setting_and_an_approver() -> None:
    house = staff()
    with pytest.raises(Unable, match="single-day-off"):
        await opened(house, "single-day", APPROVER)
    with pytest.raises(NotAllowed):
        await opened(house, "single-day", OPERATOR, single_day_passes=True)
    await opened(house, "single-day", APPROVER, single_day_passes=True)
    await house.live(NOW + 5 * MINUTE)
    (tap,) = house.directory.created
    assert (tap.lifetime_in_minutes, tap.is_usable_once) == (540, False)


@pytest.mark.parametrize(("longest", "lasts"), [(480, [480]), (240, [240]), (225, [])])
async def test_a_single_day_is_as_long_as_the_tenant_allows(longest: int, lasts: list[int]) -> None:
    house = staff()
    house.directory.tenant = policy(minimum_lifetime_in_minutes=10, maximum_lifetime_in_minutes=longest)
    await opened(house, "single-day", APPROVER, single_day_passes=True)
    await house.live(NOW + 5 * MINUTE)
    assert [tap.lifetime_in_minutes for tap in house.directory.created] == lasts
    assert house.reasons == ([] if lasts else ["policy-too-short"])


async def test_in_rehearsal_nobody_is_promised_a_pass() -> None:
    house = staff()
    with pytest.raises(Unable, match="rehearsal"):
        await opened(house, "spare-key", rehearsal=True)
    assert house.ledger.cases == {}


@pytest.mark.parametrize("purpose", ["spare-key", "security-info", "authenticator", "devices", "single-day"])
async def test_nobody_privileged_gets_one_whoever_asks(purpose: str) -> None:
    house = staff(has_role=True)
    devices = {"devicePaths": ["autopilot"]} if purpose == "devices" else {}
    await opened(house, purpose, APPROVER, single_day_passes=True, **devices)
    await house.live(NOW + HOUR)
    assert (house.reasons, house.texts, house.directory.created) == (["privileged"], [], [])


async def test_the_number_is_the_directorys_and_must_be_known_as_ever() -> None:
    house = staff(mobile_phone=None)
    await opened(house, "spare-key")
    await house.live(NOW + HOUR)
    assert house.reasons == ["mobile-missing"]
    other = staff()
    await other.ledger.meet(USER_ID, "+12025550147", "0" * 32)
    await opened(other, "spare-key")
    await other.live(NOW + HOUR)
    assert other.reasons == ["mobile-changed"]


async def test_a_policy_that_forces_one_time_passes_fits_where_one_sign_in_is_enough() -> None:
    house = staff()
    house.directory.tenant = policy(minimum_lifetime_in_minutes=10, is_usable_once=True)
    await opened(house, "spare-key")
    await house.live(NOW + 5 * MINUTE)
    assert len(house.texts) == 1


async def test_a_wish_that_could_not_be_met_in_hours_is_dropped() -> None:
    house = staff(account_enabled=False)
    await opened(house, "spare-key")
    await house.live(NOW + 5 * HOUR)
    assert house.reasons == [Reason.EVENT_TOO_OLD]


@pytest.mark.parametrize(
    ("wish", "code"),
    [({"purpose": "devices"}, "devices-missing"), ({"purpose": "spare-key", "devicePaths": ["autopilot"]}, "devices-")],
)
async def test_a_wish_that_does_not_fit_says_so(wish: dict[str, Any], code: str) -> None:
    with pytest.raises(Unable, match=code):
        await opened(staff(), **wish)


def test_no_event_of_hr_can_ask_for_another_purpose() -> None:
    asked = hired({"purpose": "single-day"}, purpose="single-day")
    event = parse(body(asked), EventRules(), NOW)
    assert isinstance(event, HireEvent)
    assert event.purpose is Purpose.ONBOARDING


async def test_onboarding_is_not_a_purpose_to_ask_for() -> None:
    with pytest.raises(ValueError, match="purpose"):
        await opened(staff(), "onboarding")


async def asks(house: House, act: str, who: str, *, single_day_passes: bool) -> str:
    """What becomes of an operator's act on the case, as a code or the state after it."""
    door = Door(house, single_day_passes=single_day_passes)
    said = await door.act(act, who)
    return said.json.get("code") or said.json["state"]


async def test_another_day_wants_an_approver_and_the_setting_again() -> None:
    house = staff()
    await opened(house, "single-day", APPROVER, single_day_passes=True)
    await house.live(NOW + 5 * MINUTE)
    assert await asks(house, "reissue", door.OPERATOR, single_day_passes=True) == "role-missing"
    assert await asks(house, "reissue", door.APPROVER, single_day_passes=False) == "single-day-off"
    assert house.directory.works(USER_ID, house.texts[-1])
    assert await asks(house, "reissue", door.APPROVER, single_day_passes=True) == "announced"


async def test_an_old_wish_keeps_the_pass_it_has() -> None:
    house = staff()
    await opened(house, "devices", devicePaths=["autopilot", "apple-business-manager"])
    await house.live(NOW + 4 * HOUR + MINUTE)
    assert await asks(house, "reissue", door.OPERATOR, single_day_passes=False) == "event-too-old"
    assert house.directory.works(USER_ID, house.texts[-1])
