"""What an act is about, as it stands in the audit: enough to know it again, and nothing personal. Pure."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shared.errors import Reason
from shared.events import DevicePath, Purpose
from shared.states import CASE_ID

LONGEST: Final = 8_000
"""Characters; a hundred cases are 3,400."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Targets:
    """Writes down what is asked for. People stand there as the ledger names them, hires as their cases."""

    name_case: Callable[[str, str], str]
    name_person: Callable[[str], str]

    def of(self, given: Mapping[str, Any]) -> str:
        """What a request is about, also one that is refused: what is no input of ours is left out."""
        told: Mapping[str, Callable[[Any], str]] = {
            "caseId": _case_id,
            "user": lambda user: f"person {self.name_person(user)}",
            "purpose": Purpose,
            "devicePaths": lambda paths: " ".join(map(DevicePath, paths)),
            "code": Reason,
            "issuance": lambda number: f"issuance {_whole(number)}",
            "minutes": lambda number: f"{_whole(number)} minutes",
            "sequences": lambda numbers: "letters " + " ".join(map(_whole, numbers)),
            "force": lambda is_forced: "forced" if is_forced is True else "",
            "run": lambda run: f"run {_case_id(run)}",
            "events": lambda events: "cases " + " ".join(map(self._case_of, events)),
        }
        parts = (_or_nothing(write, given[name]) for name, write in told.items() if name in given)
        return ", ".join(filter(None, parts))[:LONGEST]

    def _case_of(self, event: Mapping[str, Any]) -> str:
        return self.name_case(event["source"], event["subject"])


def _or_nothing(write: Callable[[Any], str], value: object) -> str:
    try:
        return write(value)
    except (TypeError, ValueError, KeyError, AttributeError):
        return ""


def _case_id(text: Any) -> str:  # noqa: ANN401 - whatever was sent
    """A case's id, or a run's: they have the same form."""
    if not CASE_ID.fullmatch(text):
        raise ValueError
    return text


def _whole(number: Any) -> str:  # noqa: ANN401 - whatever was sent
    if type(number) is not int:
        raise TypeError
    return str(number)
