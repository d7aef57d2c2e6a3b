"""Which of a person's sign-in methods count, and since when. Pure."""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final

from shared.events import Purpose

PASSWORDLESS: Final = frozenset({"fido2", "windowsHelloForBusiness", "microsoftAuthenticator", "platformCredential"})
"""Whoever has one of these has made it."""
NO_METHODS: Final = frozenset({"password", "temporaryAccessPass"})
CLOCKS_DIFFER: Final = timedelta(minutes=5)
"""Graph's clock and ours."""


@dataclass(frozen=True, slots=True)
class Method:
    """One way a person can sign in: its type name as in `Facts.methods`, and since when (UTC), where Entra says so."""

    kind: str
    created_at: datetime | None = None


COUNTS: Final[Mapping[Purpose, Callable[[str], bool]]] = {
    **dict.fromkeys(Purpose, PASSWORDLESS.__contains__),
    Purpose.SECURITY_INFO: lambda kind: kind not in NO_METHODS,
}
"""What a pass for a purpose is meant to lead to."""


def beyond(kinds: Iterable[str], had: Iterable[str]) -> Counter[str]:
    """What there is more of than there was, and how much more: the same phone registered again is nothing new."""
    return Counter(kinds) - Counter(had)


def registered(kinds: Iterable[str], ignored: frozenset[str]) -> frozenset[str]:
    """The methods that stand against a first pass: all but password, pass and the ignored ones; unknown types too."""
    return frozenset(kinds) - NO_METHODS - ignored


def has_new(kinds: Sequence[str], had: Sequence[str], purpose: Purpose) -> bool:
    """Whether somebody has a method that counts and that they did not have before."""
    return any(map(COUNTS[purpose], beyond(kinds, had)))


def made_since(
    methods: Sequence[Method], had: Sequence[str], purpose: Purpose, starts_at: datetime, otherwise: datetime
) -> datetime | None:
    """Since when somebody has a new method that counts, `otherwise` where Entra does not say; None when they have none.

    New is what there is more of than there was (`had`), and what is younger than the opening of the pass.
    """
    more = beyond((method.kind for method in methods), had)
    found = [method for kind in more if COUNTS[purpose](kind) for method in _youngest(methods, kind, more[kind])]
    young = [one for one in methods if one.created_at and one.created_at >= starts_at - CLOCKS_DIFFER]
    found += [method for method in young if COUNTS[purpose](method.kind)]
    return min((method.created_at or otherwise for method in found), default=None)


def _youngest(methods: Sequence[Method], kind: str, count: int) -> list[Method]:
    """The last `count` of a kind; one of unknown age may be the youngest."""
    latest = datetime.max.replace(tzinfo=UTC)
    return sorted((one for one in methods if one.kind == kind), key=lambda one: one.created_at or latest)[-count:]
