"""Whether two moments of two stories are one: all that can matter to what follows, in a few bytes.

Everything that can be reached counts, also what waits in closures. Left out is only what nothing reads: UNREAD. Names
that are drawn at random or counted up stand for nothing but themselves, so the first one met is 1.
"""

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import is_dataclass
from datetime import date, time, timedelta, tzinfo
from enum import Enum
from functools import cache
from hashlib import blake2b
from types import CodeType, FunctionType, MethodType, NoneType
from typing import Any, Final

from shared.ports import Move
from tests.fakes.bus import FakeBus
from tests.fakes.courier import FakeCourier
from tests.fakes.directory import FakeDirectory
from tests.fakes.house import House
from tests.fakes.ledger import FakeLedger
from tests.fakes.letters import FakeLetters
from tests.faults.workers import Workers
from tests.faults.world import World

UNREAD: Final[dict[type, frozenset[str]]] = {
    FakeBus: frozenset({"calls", "fired"}),
    FakeCourier: frozenset({"calls", "called"}),
    FakeDirectory: frozenset({"calls"}),
    FakeLedger: frozenset({"calls", "fired", "beats", "_writes"}),
    FakeLetters: frozenset({"calls", "fired"}),
    Move: frozenset({"at"}),
    House: frozenset({"onboarding", "rules"}),
    Workers: frozenset({"points", "fired", "dead", "_faults", "_to_come"}),
    World: frozenset({"was_trodden", "onboarding", "outside"}),
}
"""Notes for assertions of other tests; what only led to this moment; what is the same in every story of a search."""
DRAWN: Final = re.compile("etag-[0-9]+|[0-9a-f]{64}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9A-F]{8}")
PLAIN: Final = (int, float, bytes, date, time, timedelta, tzinfo, Enum, type, CodeType, NoneType)


def digest(*roots: object) -> bytes:
    """Of everything that can be reached from there.

    Raises:
        TypeError: something is under way, and where it stands cannot be told.
    """
    walk = Walk()
    walk.each(roots)
    return blake2b(repr(walk.told).encode(), digest_size=16).digest()


class Walk:
    """Once through the objects, `told` in the order they are met."""

    def __init__(self) -> None:
        self.told: list[object] = []
        self._met: dict[int, int] = {}
        self._drawn: dict[str, int] = {}

    def each(self, things: Iterable[object]) -> None:
        """These, one after the other."""
        for thing in things:
            way_of(type(thing))(self, thing)

    def plain(self, thing: object) -> None:
        """It is what it shows."""
        self.told.append(thing)

    def text(self, text: str) -> None:
        """Text as it is, or the number of a drawn name."""
        self.told.append(("drawn", self._drawn.setdefault(text, len(self._drawn))) if DRAWN.fullmatch(text) else text)

    def row(self, things: tuple[object, ...]) -> None:
        """It is what it holds."""
        self.told.append(len(things))
        self.each(things)

    def bag(self, things: frozenset[object] | set[object]) -> None:
        """What has no order."""
        self.row(tuple(sorted(things, key=repr)))

    def sequence(self, things: list[object]) -> None:
        """What may change, and is the same wherever it is met."""
        if self._is_new(things):
            self.row(tuple(things))

    def mapping(self, things: dict[object, object]) -> None:
        """In the order things were put there."""
        if self._is_new(things):
            self.row(tuple(part for entry in things.items() for part in entry))

    def function(self, function: FunctionType) -> None:
        """Its text, and what it has taken along."""
        if self._is_new(function):
            cells = [cell.cell_contents for cell in function.__closure__ or ()]
            self.row((function.__code__, function.__defaults__, function.__kwdefaults__, *cells))

    def method(self, method: MethodType) -> None:
        """Its text, and whose it is."""
        self.row((method.__func__, method.__self__))

    def value(self, thing: object) -> None:
        """An object that never changes: its class, and all it has."""
        self.row((type(thing), *self._parts(thing)))

    def entity(self, thing: object) -> None:
        """As above, and the same wherever it is met."""
        if self._is_new(thing):
            self.value(thing)

    def _parts(self, thing: object) -> Iterator[object]:
        left_out = UNREAD.get(type(thing), frozenset())
        names = (*slots_of(type(thing)), *getattr(thing, "__dict__", {}))
        return (getattr(thing, name, None) for name in names if name not in left_out)

    def _is_new(self, thing: object) -> bool:
        is_new = id(thing) not in self._met
        self.told.append(self._met.setdefault(id(thing), len(self._met)))
        return is_new


WAYS: Final[dict[type, Callable[[Walk, Any], None]]] = {
    str: Walk.text,
    tuple: Walk.row,
    list: Walk.sequence,
    dict: Walk.mapping,
    set: Walk.bag,
    frozenset: Walk.bag,
    FunctionType: Walk.function,
    MethodType: Walk.method,
}


@cache
def way_of(kind: type) -> Callable[[Walk, Any], None]:
    """How to walk through what is of this class."""
    if issubclass(kind, PLAIN):
        return Walk.plain
    if kind in WAYS:
        return WAYS[kind]
    if kind.__module__.startswith(("shared.", "tests.", "functions.")) or kind is object:
        return Walk.value if is_frozen(kind) else Walk.entity
    raise TypeError(f"cannot tell where a {kind.__qualname__} stands")


def is_frozen(kind: type) -> bool:
    """A dataclass whose fields stay what they are."""
    return is_dataclass(kind) and "__setattr__" in vars(kind)


@cache
def slots_of(kind: type) -> tuple[str, ...]:
    """The names a class has room for."""
    return tuple(name for base in reversed(kind.__mro__) for name in getattr(base, "__slots__", ()))
