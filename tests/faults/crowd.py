"""Two hundred joiners: who they are, what HR sends about them, and what each of them is to come to."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

from shared.states import State
from tests.acceptance.people import hired, mobile, user

HELLO: Final = "#microsoft.graph.windowsHelloForBusinessAuthenticationMethod"
TUESDAY, WEDNESDAY, LATER = "2026-12-01", "2026-12-02", "2026-12-14"
"""Of the Tuesday's joiners the message is due on Monday at 16:00 in Amsterdam; the pass opens on Tuesday at 08:00."""


@dataclass(frozen=True, slots=True, eq=False)
class Kind:
    """A sort of joiner. `comes` is the day they first try to sign in; `dates` are the hire dates HR gives in turn."""

    name: str
    ends: frozenset[State]
    comes: str = ""
    dates: tuple[str, ...] = (TUESDAY,)
    reason: str | None = None
    person: Mapping[str, Any] = field(default_factory=dict[str, Any])
    data: Mapping[str, Any] = field(default_factory=dict[str, Any])
    cancelled: str = ""
    """When HR calls it off: before the message is due, or after."""


ONBOARDED = frozenset({State.ONBOARDED})
REFUSED = frozenset({State.REFUSED})
WHATSAPP = {"channel": "whatsapp"}

KINDS: Final[Mapping[Kind, int]] = {
    Kind("plain", ONBOARDED, comes=TUESDAY): 105,
    Kind("whatsapp", ONBOARDED, comes=TUESDAY, data=WHATSAPP): 16,
    Kind("no whatsapp", ONBOARDED, comes=TUESDAY, data=WHATSAPP): 4,
    Kind("moved", ONBOARDED, comes=WEDNESDAY, dates=(TUESDAY, WEDNESDAY)): 12,
    Kind("late", ONBOARDED, comes=WEDNESDAY): 8,
    Kind("never", frozenset({State.GAVE_UP}), reason="passes-exhausted"): 4,
    Kind("far", frozenset({State.ANNOUNCED}), dates=(LATER,)): 10,
    Kind("cancelled", frozenset({State.CANCELLED}), cancelled="before"): 9,
    Kind("withdrawn", frozenset({State.CANCELLED}), cancelled="after"): 6,
    Kind("registered", REFUSED, reason="already-registered", person={"methods": [HELLO]}): 8,
    Kind("admin", REFUSED, reason="privileged", person={"roles": ["Global Administrator"]}): 5,
    Kind("eligible", REFUSED, reason="privileged", person={"eligibleRoles": ["User Administrator"]}): 5,
    Kind("no number", REFUSED, reason="mobile-missing", person={"mobilePhone": None}): 8,
}
"""How many there are of each: 200 in all."""
MALFORMED: Final = 6
DUPLICATES: Final = 30


@dataclass(frozen=True, slots=True)
class Joiner:
    """One of them; `number` leads to their names and their phone."""

    number: int
    kind: Kind

    @property
    def person(self) -> dict[str, Any]:
        """The user in the directory, with what HR says last."""
        return user(self.number, **{"employeeHireDate": f"{self.kind.dates[-1]}T00:00:00Z", **self.kind.person})

    @property
    def events(self) -> list[dict[str, Any]]:
        """What HR sends about them before anything is due."""
        said = [self._hired(date, turn) for turn, date in enumerate(self.kind.dates)]
        return said + ([self.called_off] if self.kind.cancelled == "before" else [])

    @property
    def called_off(self) -> dict[str, Any]:
        """The event that takes it all back."""
        event = {name: value for name, value in hired(self.number).items() if name != "data"}
        return event | {"type": "joiner.cancelled.v1", "id": f"off-{self.number}", "time": "2026-11-30T07:00:00Z"}

    def _hired(self, date: str, turn: int) -> dict[str, Any]:
        event = hired(self.number, {"hireDate": date, **self.kind.data}, time=f"2026-11-2{7 + turn}T09:00:00Z")
        if self.kind.name == "no number":
            del event["data"]["mobilePhone"]
        return event | {"id": f"evt-{self.number}-{turn}"}


@dataclass(frozen=True, slots=True)
class Crowd:
    """Everybody, and the events as they go onto the queue: `first` in any order, `later` on Monday evening."""

    joiners: list[Joiner]
    first: list[bytes]
    later: list[bytes]

    @property
    def events(self) -> list[bytes]:
        """Everything that was sent."""
        return self.first + self.later

    @property
    def fates(self) -> dict[str, dict[str, str]]:
        """Phones that do not just take what comes."""
        return {mobile(each.number): {"whatsapp": "63003"} for each in self.joiners if each.kind.name == "no whatsapp"}


def crowd(seed: int) -> Crowd:
    """All of them, malformed events and duplicates mixed in."""
    kinds = [kind for kind, count in KINDS.items() for _ in range(count)]
    joiners = [Joiner(number, kind) for number, kind in enumerate(kinds, 1)]
    events = [event for joiner in joiners for event in joiner.events]
    events += [hired(len(joiners) + extra, {"hireDate": f"soon {extra}"}) for extra in range(1, MALFORMED + 1)]
    chance = Random(seed)  # noqa: S311 - repeatable is the point
    events += chance.sample(events[:-MALFORMED], DUPLICATES)
    chance.shuffle(events)
    later = [joiner.called_off for joiner in joiners if joiner.kind.cancelled == "after"]
    return Crowd(joiners, [json.dumps(event).encode() for event in events], [json.dumps(one).encode() for one in later])
