"""A cohort file: the world a demo runs in, and the events it sends."""

import json
from pathlib import Path
from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError


class CohortError(Exception):
    """The file cannot be run; the text says where it is wrong."""


class Cohort(BaseModel):
    """Every key but `events` may be left out; `users`, `policy` and `phones` go to the stand-ins as they are."""

    model_config = ConfigDict(extra="forbid")

    now: AwareDatetime | None = None
    settings: dict[str, str] = {}
    policy: dict[str, Any] = {}
    users: list[dict[str, Any]] = []
    phones: dict[str, dict[str, str]] = {}
    events: list[dict[str, Any] | str]

    def world(self) -> dict[str, Any]:
        """What the directory is told."""
        return {"users": self.users} | ({"policy": self.policy} if self.policy else {})

    def bodies(self) -> list[bytes]:
        """The events as they go onto the queue: objects as JSON, strings as they are."""
        return [
            event.encode("utf-8", "surrogatepass") if isinstance(event, str) else json.dumps(event).encode()
            for event in self.events
        ]


def read_cohort(path: Path) -> Cohort:
    """Read a cohort file.

    Raises:
        CohortError: it cannot be read, is not JSON, or has a wrong field.
    """
    try:
        return Cohort.model_validate_json(path.read_bytes())
    except OSError as error:
        raise CohortError(f"{path}: {error.strerror}") from None
    except ValidationError as wrong:
        places = ("  " + ".".join(map(str, error["loc"])) + ": " + error["msg"] for error in wrong.errors())
        raise CohortError(f"{path} is not a cohort:\n" + "\n".join(places)) from None
