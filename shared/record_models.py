"""What operators get of the audit, as JSON."""

from datetime import UTC, datetime

from pydantic import Field

from shared.api_fields import Figure, Model, Moment


class AuditQuery(Model):
    """Which entries: from a time on, or from the one after the key `after` on."""

    since: Moment | None = None
    after: str | None = Field(default=None, pattern="^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:.]{15}-[0-9a-f]{32}$")
    limit: Figure = Field(default=100, ge=1, le=500)

    @property
    def since_utc(self) -> datetime | None:
        """Without a zone it is UTC."""
        if self.since is None:
            return None
        return self.since if self.since.tzinfo else self.since.replace(tzinfo=UTC)


class AuditView(Model):
    """What somebody (Entra object id) asked for: before it happened, and once more when it did not come about."""

    at: datetime
    who: str
    act: str
    target: str
    """What it is about: a case, a person as the ledger names them, every letter and run."""
    allowed: bool
    why: str | None
    ended: str | None
    """The code of what kept it from happening; None before that is known."""


class AuditPage(Model):
    """Some entries; `next_after` goes into the next query, None at the end."""

    entries: list[AuditView]
    next_after: str | None
