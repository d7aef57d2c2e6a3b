"""What the self-check reaches: the tenant, the account, what the app stands on, and where reports are kept."""

from datetime import datetime
from typing import Protocol

from shared.access import AccessPolicy, Circles
from shared.checks import PassPolicy, SmsSender, WhatsAppSender
from shared.report import Report, Wish


class NotReadable(Exception):  # noqa: N818 - as the errors of errors.py
    """Our identity may not look at this, which nothing but this check needs."""


class NotThere(Exception):  # noqa: N818 - as above
    """What should be there is not; the text names what, and is nothing personal."""


class Tenant(Protocol):
    """What Entra shows of the tenant. Raises Halted (`graph-denied`) and Later as Directory does."""

    async def granted(self, stop_at: float) -> frozenset[str]:
        """The app roles in our own token."""
        ...

    async def pass_policy(self, stop_at: float) -> PassPolicy:
        """The pass policy as it is now."""
        ...

    async def access_policies(self, stop_at: float) -> list[AccessPolicy]:
        """The Conditional Access policies on registering security information or on all apps.

        Raises:
            NotReadable: that needs the app role Policy.Read.ConditionalAccess.
        """
        ...

    async def circles(self, group: str, stop_at: float) -> Circles:
        """A group and all groups it is in, directly or not."""
        ...

    async def time(self, stop_at: float) -> datetime:
        """What time Graph has it (UTC), to a second."""
        ...


class Account(Protocol):
    """What Twilio shows of the account. Raises Halted (`twilio-denied`), Later, or NotReadable: a restricted key."""

    async def log_in(self, stop_at: float) -> None:
        """Nothing, when Twilio takes our key for the account's messages."""
        ...

    async def sms_sender(self, stop_at: float) -> SmsSender | None:
        """The sender of SMS; None when it is a name, which no list shows."""
        ...

    async def whatsapp_sender(self, stop_at: float) -> WhatsAppSender | None:
        """The sender of WhatsApp messages and its templates; None when there is none."""
        ...

    async def countries(self, stop_at: float) -> frozenset[str]:
        """The countries (two letters) the account may send SMS to."""
        ...


class Plumbing(Protocol):
    """Queues, tables, and our own door. Raises Unavailable, and NotThere."""

    async def queues(self) -> None:
        """Nothing, when we can receive events, send nudges and send dead letters."""
        ...

    async def tables(self) -> None:
        """Nothing, when every table can be read."""
        ...

    async def door(self) -> int | None:
        """The status with which the receipts' door answers HEAD over its public address; None without an address.

        Raises:
            NotThere: nothing answers there.
        """
        ...


class Reports(Protocol):
    """Where the newest report is kept, and whether somebody asked for another. Raises LedgerUnavailable."""

    async def newest(self) -> Report | None:
        """The newest report; None before the first one, and for one that nobody can read."""
        ...

    async def keep(self, report: Report) -> None:
        """Keep a report in place of the one before."""
        ...

    async def wish(self) -> Wish | None:
        """The newest wish for a report; None for one that nobody can read."""
        ...

    async def ask(self, wish: Wish) -> None:
        """Ask for a report."""
        ...
