"""What operators did, and were not allowed to do: the audit, for whoever has to look."""

from dataclasses import asdict, dataclass
from datetime import timedelta
from typing import Final

from shared.oversight import Audit
from shared.ports import Clock
from shared.principal import Principal
from shared.record_models import AuditPage, AuditQuery, AuditView

USUALLY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """Reads the audit. Looking at it is no change, and stands in no audit."""

    audit: Audit
    clock: Clock

    async def list_audit(self, _: Principal, asked: AuditQuery) -> AuditPage:
        """What operators did, oldest first, a page at a time: since yesterday, unless told."""
        since = asked.since_utc or self.clock.now() - USUALLY
        found = await self.audit.entries(since, asked.after, asked.limit)
        more = found[-1][0] if len(found) == asked.limit else None
        return AuditPage(entries=[AuditView(**asdict(entry)) for _, entry in found], next_after=more)
