"""The Directory port: what the flow may rely on, held by the fake and by the real adapter on the sandbox alike."""

import uuid
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.errors import Halted, Later, Reason, Refused, Unconfirmed
from shared.events import UserRef
from shared.guard_rails import Facts
from shared.plan import Policy
from tests.contract.directory_worlds import (
    TERMS,
    Privilege,
    World,
    call,
    reference,
    sandbox,
    service,
    soon,
    user_id,
    world,
)
from tests.fakes.directory import TENANT

pytestmark = pytest.mark.filterwarnings("ignore:This class is deprecated:DeprecationWarning")

__all__ = ["sandbox", "service", "user_id", "world"]  # fixtures

# --- facts ---


async def test_a_person_is_found_by_object_id_user_principal_name_and_employee_id(world: World, user_id: str) -> None:
    await world.person(user_id, name="Sin\u00e9ad.O'Neil#1+x@sandbox.example", employee_id="E '42'/&?")
    by: list[UserRef] = [
        reference(user_id),
        UserRef("userPrincipalName", "Sin\u00e9ad.O'Neil#1+x@sandbox.example"),
        UserRef("employeeId", "E '42'/&?"),
    ]
    found = [await world.directory.facts(one, soon(world)) for one in by]
    assert [facts and facts.user_id for facts in found] == [user_id] * 3


async def test_nobody_is_none_however_asked(world: World, user_id: str) -> None:
    await world.person(user_id, name="someone@sandbox.example", employee_id="E1")
    for one in (
        reference(str(uuid.uuid4())),
        UserRef("userPrincipalName", "someone.else@sandbox.example"),
        UserRef("userPrincipalName", "x' or userPrincipalName eq 'someone@sandbox.example"),
        UserRef("employeeId", "E2"),
    ):
        assert await world.directory.facts(one, soon(world)) is None


async def test_two_people_with_one_employee_id_are_ambiguous(world: World) -> None:
    await world.person(str(uuid.uuid4()), employee_id="E1")
    await world.person(str(uuid.uuid4()), employee_id="E1")
    with pytest.raises(Refused) as refused:
        await world.directory.facts(UserRef("employeeId", "E1"), soon(world))
    assert refused.value.reason is Reason.USER_AMBIGUOUS


async def test_facts_say_what_the_directory_holds(world: World, user_id: str) -> None:
    hired = datetime(2026, 12, 1, tzinfo=UTC)
    groups = [str(uuid.uuid4()) for _ in range(2)]
    await world.person(user_id, mobile="+49 171 392 0001", hired=hired, enabled=False, groups=groups, fido2=True)
    assert await world.directory.facts(reference(user_id), soon(world)) == Facts(
        user_id=user_id,
        account_enabled=False,
        is_external_guest=False,
        mobile_phone="+49 171 392 0001",
        employee_hire_date=hired,
        groups=frozenset(groups),
        has_role=False,
        methods=("password", "fido2"),
    )


@pytest.mark.parametrize("privilege", ["role", "eligible", "member", "owner"])
async def test_every_kind_of_privilege_is_seen(world: World, user_id: str, privilege: Privilege) -> None:
    await world.person(user_id, privilege=privilege)
    facts = await world.directory.facts(reference(user_id), soon(world))
    assert facts
    assert facts.has_role


async def test_an_external_guest_is_seen(world: World, user_id: str) -> None:
    await world.person(user_id, guest=True)
    facts = await world.directory.facts(reference(user_id), soon(world))
    assert facts
    assert facts.is_external_guest


async def test_a_pass_that_waits_or_works_is_live_and_one_that_is_over_is_not(world: World, user_id: str) -> None:
    await world.person(user_id)
    opens = world.clock.now() + timedelta(hours=3)
    made = await world.directory.create_pass(user_id, replace(TERMS, start_date_time=opens), soon(world))
    for wait, live in ((timedelta(0), True), (timedelta(hours=4), True), (timedelta(hours=2), False)):
        world.clock.advance(wait)
        facts = await world.directory.facts(reference(user_id), soon(world))
        assert facts
        assert "temporaryAccessPass" in facts.methods
        assert (facts.live_pass.id if facts.live_pass else None) == (made.id if live else None)
        assert [one.id for one in await world.directory.passes(user_id, soon(world))] == ([made.id] if live else [])


async def test_the_creation_time_of_a_live_pass_is_known(world: World, user_id: str) -> None:
    await world.person(user_id)
    before = world.clock.now()
    await world.directory.create_pass(user_id, TERMS, soon(world))
    (live,) = await world.directory.passes(user_id, soon(world))
    assert live.created_at
    assert abs(live.created_at - before) < timedelta(minutes=1)


# --- policy ---


async def test_the_policy_is_the_tenants(world: World) -> None:
    policy = Policy(
        enabled=False,
        minimum_lifetime_in_minutes=30,
        maximum_lifetime_in_minutes=1440,
        is_usable_once=True,
        include_targets=frozenset({str(uuid.uuid4()), str(uuid.uuid4())}),
        exclude_targets=frozenset({str(uuid.uuid4())}),
    )
    await world.tenant(policy)
    assert await world.directory.policy(soon(world)) == policy


async def test_the_policy_is_kept_for_15_minutes_and_no_longer(world: World) -> None:
    await world.directory.policy(soon(world))
    changed = replace(TENANT, maximum_lifetime_in_minutes=600)
    await world.tenant(changed)
    world.clock.advance(timedelta(minutes=14))
    assert await world.directory.policy(soon(world)) == TENANT
    world.clock.advance(timedelta(minutes=2))
    assert await world.directory.policy(soon(world)) == changed


# --- create ---


async def test_a_pass_without_a_start_works_at_once(world: World, user_id: str) -> None:
    await world.person(user_id)
    made = await world.directory.create_pass(user_id, TERMS, soon(world))
    assert await world.works(user_id, made.secret.reveal())
    assert await world.works(user_id, made.secret.reveal())  # and again: multi-use


async def test_a_pass_with_a_start_works_from_then_until_its_lifetime_is_over(world: World, user_id: str) -> None:
    await world.person(user_id)
    opens = world.clock.now() + timedelta(days=7)
    made = await world.directory.create_pass(user_id, replace(TERMS, start_date_time=opens), soon(world))
    for at, works in ((-1, False), (1, True), (119, True), (121, False)):
        world.clock.set_now(opens + timedelta(minutes=at))
        assert await world.works(user_id, made.secret.reveal()) is works


async def test_a_new_pass_replaces_the_old_one(world: World, user_id: str) -> None:
    await world.person(user_id)
    old = await world.directory.create_pass(user_id, TERMS, soon(world))
    new = await world.directory.create_pass(user_id, TERMS, soon(world))
    assert [one.id for one in await world.directory.passes(user_id, soon(world))] == [new.id]
    assert old.secret.reveal() != new.secret.reveal()
    assert not await world.works(user_id, old.secret.reveal())
    assert await world.works(user_id, new.secret.reveal())


async def test_a_user_who_is_not_there_yet_is_waited_for(world: World, user_id: str) -> None:
    with pytest.raises(Later) as later:
        await world.directory.create_pass(user_id, TERMS, soon(world))
    assert (later.value.reason, later.value.after) == (Reason.USER_NOT_FOUND, timedelta(minutes=15))


async def test_an_external_guest_is_refused(world: World, user_id: str) -> None:
    await world.person(user_id, guest=True)
    with pytest.raises(Refused) as refused:
        await world.directory.create_pass(user_id, TERMS, soon(world))
    assert refused.value.reason is Reason.EXTERNAL_GUEST


async def test_a_disabled_policy_halts(world: World, user_id: str) -> None:
    await world.person(user_id)
    await world.tenant(replace(TENANT, enabled=False))
    with pytest.raises(Halted) as halted:
        await world.directory.create_pass(user_id, TERMS, soon(world))
    assert halted.value.reason is Reason.POLICY_DISABLED


@pytest.mark.parametrize(
    "changed",
    [
        replace(TENANT, maximum_lifetime_in_minutes=90),
        replace(TENANT, minimum_lifetime_in_minutes=180),
        replace(TENANT, is_usable_once=True),
    ],
    ids=["shorter", "longer", "one-time"],
)
async def test_a_policy_changed_meanwhile_is_read_again_and_no_pass_stays(
    world: World, user_id: str, changed: Policy
) -> None:
    await world.person(user_id)
    await world.directory.policy(soon(world))
    await world.tenant(changed)
    with pytest.raises(Later) as later:
        await world.directory.create_pass(user_id, TERMS, soon(world))
    assert (later.value.reason, later.value.after) == (Reason.GRAPH_UNAVAILABLE, timedelta(minutes=1))
    assert await world.directory.policy(soon(world)) == changed
    assert await world.directory.passes(user_id, soon(world)) == []


async def test_a_start_that_has_passed_is_tried_again_later(world: World, user_id: str) -> None:
    await world.person(user_id)
    past = replace(TERMS, start_date_time=world.clock.now() - timedelta(hours=1))
    with pytest.raises(Later) as later:
        await world.directory.create_pass(user_id, past, soon(world))
    assert later.value.reason is Reason.GRAPH_UNAVAILABLE
    assert await world.created() == 0


async def test_a_pass_the_policy_does_not_let_them_use_is_deleted_and_refused(world: World, user_id: str) -> None:
    group = str(uuid.uuid4())
    await world.person(user_id, groups=[group])
    await world.tenant(replace(TENANT, exclude_targets=frozenset({group})))
    with pytest.raises(Refused) as refused:
        await world.directory.create_pass(user_id, TERMS, soon(world))
    assert refused.value.reason is Reason.PASS_UNUSABLE
    assert await world.created() == 1
    await world.tenant(TENANT)
    assert await world.directory.passes(user_id, soon(world)) == []


# --- passes and delete ---


async def test_a_deleted_pass_no_longer_works_and_deleting_again_is_fine(world: World, user_id: str) -> None:
    await world.person(user_id)
    made = await world.directory.create_pass(user_id, TERMS, soon(world))
    for _ in range(2):
        await world.directory.delete_pass(user_id, made.id, soon(world))
    assert not await world.works(user_id, made.secret.reveal())
    assert await world.directory.passes(user_id, soon(world)) == []


async def test_another_pass_of_theirs_is_not_deleted(world: World, user_id: str) -> None:
    await world.person(user_id)
    old = await world.directory.create_pass(user_id, TERMS, soon(world))
    new = await world.directory.create_pass(user_id, TERMS, soon(world))
    await world.directory.delete_pass(user_id, old.id, soon(world))
    assert await world.works(user_id, new.secret.reveal())


async def test_somebody_gone_has_no_passes(world: World, user_id: str) -> None:
    await world.person(user_id)
    made = await world.directory.create_pass(user_id, TERMS, soon(world))
    await world.forget(user_id)
    assert await world.directory.passes(user_id, soon(world)) == []
    await world.directory.delete_pass(user_id, made.id, soon(world))


# --- when things go wrong ---

METHODS = ["facts", "policy", "create_pass", "passes", "delete_pass", "methods"]


@pytest.mark.parametrize("method", METHODS)
async def test_nothing_is_started_after_stop_at(world: World, user_id: str, method: str) -> None:
    await world.person(user_id)
    with pytest.raises(Later) as later:
        await call(world, method, user_id, world.clock.monotonic() - 0.001)
    assert (later.value.reason, later.value.after) == (Reason.OUT_OF_TIME, timedelta(minutes=1))
    assert await world.created() == 0


@pytest.mark.parametrize("method", METHODS)
async def test_throttling_waits_as_long_as_graph_says(world: World, user_id: str, method: str) -> None:
    await world.person(user_id)
    await world.trouble(method, "throttled")
    with pytest.raises(Later) as later:
        await call(world, method, user_id, soon(world))
    assert (later.value.reason, later.value.after) == (Reason.GRAPH_THROTTLED, timedelta(seconds=30))
    assert await world.troubled()
    assert await world.created() == 0


@pytest.mark.parametrize("method", METHODS)
async def test_a_denial_halts(world: World, user_id: str, method: str) -> None:
    await world.person(user_id)
    await world.trouble(method, "denied")
    with pytest.raises(Halted) as halted:
        await call(world, method, user_id, soon(world))
    assert halted.value.reason is Reason.GRAPH_DENIED
    assert await world.troubled()
    assert await world.created() == 0


@pytest.mark.parametrize("method", [one for one in METHODS if one != "create_pass"])
async def test_a_graph_that_stays_broken_is_unavailable(world: World, user_id: str, method: str) -> None:
    await world.person(user_id)
    await world.trouble(method, "broken")
    with pytest.raises(Later) as later:
        await call(world, method, user_id, soon(world))
    assert (later.value.reason, later.value.after) == (Reason.GRAPH_UNAVAILABLE, timedelta(minutes=1))
    assert await world.troubled()


async def test_a_lost_answer_to_a_create_is_unconfirmed_and_the_next_create_replaces_it(
    world: World, user_id: str
) -> None:
    await world.person(user_id)
    await world.trouble("create_pass", "lost")
    with pytest.raises(Unconfirmed) as unconfirmed:
        await world.directory.create_pass(user_id, TERMS, soon(world))
    assert unconfirmed.value.reason is Reason.PASS_UNCONFIRMED
    assert await world.troubled()
    assert await world.created() == 1
    made = await world.directory.create_pass(user_id, TERMS, soon(world))
    assert [one.id for one in await world.directory.passes(user_id, soon(world))] == [made.id]
