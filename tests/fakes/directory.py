"""Microsoft Entra in memory: the Directory port with the same outcomes, and its state for all to see."""

import asyncio
import secrets
import uuid
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Literal

from shared.errors import FirstpassError, Halted, Later, Reason, Refused
from shared.events import UserRef
from shared.guard_rails import Facts, LivePass
from shared.methods import Method
from shared.plan import Policy, Terms
from shared.ports import Clock, Pass
from shared.secret import Secret

TENANT = Policy(
    enabled=True,
    minimum_lifetime_in_minutes=60,
    maximum_lifetime_in_minutes=480,
    is_usable_once=False,
    include_targets=frozenset({"all_users"}),
    exclude_targets=frozenset(),
)
"""The policy of a new tenant."""


@dataclass(slots=True, kw_only=True)
class FakePass:
    id: str
    user_id: str
    code: str
    created_at: datetime
    start: datetime
    lifetime_in_minutes: int
    is_usable_once: bool

    @property
    def end(self) -> datetime:
        return self.start + timedelta(minutes=self.lifetime_in_minutes)


@dataclass(slots=True)
class FakePerson:
    """`facts.methods` are those besides the pass; `facts.live_pass` is worked out.

    `registered_at` is since when the person has a kind of method; Entra does not say so of the others.
    """

    facts: Facts
    user_principal_name: str | None = None
    employee_id: str | None = None
    tap: FakePass | None = None
    registered_at: dict[str, datetime] = field(default_factory=dict[str, datetime])


@dataclass(slots=True)
class Fault:
    """The next call of `method` raises `error`, before or after it takes effect."""

    method: str
    error: BaseException
    when: Literal["before", "after"]
    fired: bool = False


@dataclass(slots=True)
class FakeDirectory:
    clock: Clock
    tenant: Policy = TENANT
    people: dict[str, FakePerson] = field(default_factory=dict[str, FakePerson])
    calls: list[str] = field(default_factory=list[str])
    created: list[FakePass] = field(default_factory=list[FakePass])
    faults: list[Fault] = field(default_factory=list[Fault])
    _policy: tuple[datetime, Policy] | None = None

    # --- arranging and looking ---

    def add(self, facts: Facts, user_principal_name: str | None = None, employee_id: str | None = None) -> FakePerson:
        """A person; one of the same id keeps the pass, and the times of methods that stay."""
        person = FakePerson(facts, user_principal_name, employee_id)
        if before := self.people.get(facts.user_id):
            person.tap, person.registered_at = before.tap, before.registered_at
        self.people[facts.user_id] = person
        return person

    def register(self, user_id: str, kind: str, at: datetime | None = None) -> None:
        """The person has a method of this kind since `at`, or now."""
        person = self.people[user_id]
        if kind not in person.facts.methods:
            person.facts = replace(person.facts, methods=(*person.facts.methods, kind))
        person.registered_at[kind] = at or self.clock.now()

    def fail(self, method: str, error: BaseException, when: Literal["before", "after"] = "before") -> Fault:
        self.faults.append(Fault(method, error, when))
        return self.faults[-1]

    def works(self, user_id: str, code: str) -> bool:
        """Whether the person could sign in with `code` now."""
        person = self.people[user_id]
        tap = person.tap
        if tap is None or tap.code != code or self._dead(person, tap):
            return False
        return person.facts.account_enabled and tap.start <= self.clock.now()

    # --- the port ---

    async def facts(self, user: UserRef, stop_at: float) -> Facts | None:
        with self._call("facts", stop_at):
            await asyncio.sleep(0)
            found = [person for person in self.people.values() if _is(person, user)]
            if len(found) > 1:
                raise Refused(Reason.USER_AMBIGUOUS)
            return self._facts(found[0]) if found else None

    async def policy(self, stop_at: float) -> Policy:
        if self._policy and self.clock.now() - self._policy[0] < timedelta(minutes=15):
            return self._policy[1]
        with self._call("policy", stop_at):
            await asyncio.sleep(0)
            self._policy = self.clock.now(), self.tenant
            return self.tenant

    async def create_pass(self, user_id: str, terms: Terms, stop_at: float) -> Pass:
        with self._call("create_pass", stop_at):
            await asyncio.sleep(0)
            person = self.people.get(user_id)
            if person is None:
                raise Later(Reason.USER_NOT_FOUND, timedelta(minutes=15))
            self._refuse(person, terms)
            person.tap = self._make(user_id, terms)
            if self._dead(person, person.tap):
                person.tap = None
                raise Refused(Reason.PASS_UNUSABLE)
            return Pass(person.tap.id, Secret(person.tap.code))

    async def passes(self, user_id: str, stop_at: float) -> list[LivePass]:
        with self._call("passes", stop_at):
            await asyncio.sleep(0)
            person = self.people.get(user_id)
            live = self._live(person) if person else None
            return [live] if live else []

    async def delete_pass(self, user_id: str, pass_id: str, stop_at: float) -> None:
        with self._call("delete_pass", stop_at):
            await asyncio.sleep(0)
            person = self.people.get(user_id)
            if person and person.tap and person.tap.id == pass_id:
                person.tap = None

    async def methods(self, user_id: str, stop_at: float) -> list[Method]:
        with self._call("methods", stop_at):
            await asyncio.sleep(0)
            person = self.people.get(user_id)
            return _methods(person) if person else []

    async def close(self) -> None:
        pass

    # --- Graph's rules ---

    @contextmanager
    def _call(self, method: str, stop_at: float) -> Generator[None]:
        if self.clock.monotonic() >= stop_at:
            raise Later(Reason.OUT_OF_TIME, timedelta(minutes=1))
        self.calls.append(method)
        self._strike(method, "before")
        yield
        self._strike(method, "after")

    def _strike(self, method: str, when: str) -> None:
        for fault in self.faults:
            if (fault.method, fault.when, fault.fired) == (method, when, False):
                fault.fired = True
                raise fault.error

    def _facts(self, person: FakePerson) -> Facts:
        methods = tuple(method.kind for method in _methods(person))
        return replace(person.facts, methods=methods, live_pass=self._live(person))

    def _refuse(self, person: FakePerson, terms: Terms) -> None:
        low, high = self.tenant.minimum_lifetime_in_minutes, self.tenant.maximum_lifetime_in_minutes
        once = self.tenant.is_usable_once and not terms.is_usable_once
        changed = once or not low <= terms.lifetime_in_minutes <= high
        past = terms.start_date_time is not None and terms.start_date_time < self.clock.now()
        rules: tuple[tuple[bool, FirstpassError], ...] = (
            (person.facts.is_external_guest, Refused(Reason.EXTERNAL_GUEST)),
            (not self.tenant.enabled, Halted(Reason.POLICY_DISABLED)),
            (changed or past, Later(Reason.GRAPH_UNAVAILABLE, timedelta(minutes=1))),
        )
        if changed:
            self._policy = None
        for broken, error in rules:
            if broken:
                raise error

    def _make(self, user_id: str, terms: Terms) -> FakePass:
        now = self.clock.now()
        self.created.append(
            FakePass(
                id=str(uuid.uuid4()),
                user_id=user_id,
                code=secrets.token_hex(4).upper(),
                created_at=now,
                start=terms.start_date_time or now,
                lifetime_in_minutes=terms.lifetime_in_minutes,
                is_usable_once=terms.is_usable_once,
            )
        )
        return self.created[-1]

    def _live(self, person: FakePerson) -> LivePass | None:
        tap = person.tap
        return LivePass(id=tap.id, created_at=tap.created_at) if tap and not self._dead(person, tap) else None

    def _dead(self, person: FakePerson, tap: FakePass) -> bool:
        circles = person.facts.groups | {person.facts.user_id}
        included = "all_users" in self.tenant.include_targets or bool(circles & self.tenant.include_targets)
        allowed = self.tenant.enabled and included and not circles & self.tenant.exclude_targets
        once = self.tenant.is_usable_once and not tap.is_usable_once
        return not allowed or once or self.clock.now() >= tap.end


def _methods(person: FakePerson) -> list[Method]:
    tap = [Method("temporaryAccessPass", person.tap.created_at)] if person.tap else []
    return [Method(kind, person.registered_at.get(kind)) for kind in person.facts.methods] + tap


def _is(person: FakePerson, user: UserRef) -> bool:
    has = {
        "id": person.facts.user_id,
        "userPrincipalName": person.user_principal_name,
        "employeeId": person.employee_id,
    }[user.by]
    return has is not None and has.lower() == user.value.lower()
