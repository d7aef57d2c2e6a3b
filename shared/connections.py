"""How the SDKs' clients and our keys are made from settings: the one place that looks inside a Credential."""

import base64
from collections.abc import Callable
from typing import TYPE_CHECKING

from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.data.tables.aio import TableServiceClient
    from azure.servicebus.aio import ServiceBusClient

    from shared.adapters.seal import Fingerprints, Seal
    from shared.adapters.twilio import Senders, TwilioAccount
    from shared.adapters.twilio_receipts import TwilioReceipts

type Identity = Callable[[], "AsyncTokenCredential"]
"""Gives the app's identity, when a connection string does not stand in for it."""


def tables(chosen: Settings, identity: Identity) -> "TableServiceClient":
    """Azure Table Storage."""
    from azure.data.tables.aio import TableServiceClient  # noqa: PLC0415 - SDKs load when first needed, see wiring.py

    if connection := chosen["LedgerConnection"]:
        return TableServiceClient.from_connection_string(connection.open())
    return TableServiceClient(chosen["LedgerConnection__tableServiceUri"], credential=identity())


def service_bus(chosen: Settings, identity: Identity) -> "ServiceBusClient":
    """The adapter repeats what may be repeated; the SDK's own retries on top would outlast a run."""
    from azure.servicebus.aio import ServiceBusClient  # noqa: PLC0415 - as above

    if connection := chosen["ServiceBusConnection"]:
        return ServiceBusClient.from_connection_string(connection.open(), try_timeout=10, retry_total=0)
    namespace = chosen["ServiceBusConnection__fullyQualifiedNamespace"]
    return ServiceBusClient(namespace, identity(), try_timeout=10, retry_total=0)


def twilio_account(chosen: Settings) -> "TwilioAccount":
    """Whose account, and its key."""
    from shared.adapters.twilio_line import TwilioAccount  # noqa: PLC0415 - as above

    return TwilioAccount(
        account_sid=chosen["TWILIO_ACCOUNT_SID"],
        api_key_sid=chosen["TWILIO_API_KEY_SID"],
        api_key_secret=chosen["TWILIO_API_KEY_SECRET"].open(),
        base_url=chosen["TWILIO_URL"],
        discard_content=chosen["TWILIO_DISCARD_CONTENT"],
    )


def senders(chosen: Settings, callback_url: str | None) -> "Senders":
    """What messages are sent from, and where receipts go."""
    from shared.adapters.twilio import Senders  # noqa: PLC0415 - as above

    return Senders(
        sms_from=chosen["TWILIO_FROM"],
        messaging_service_sid=chosen["TWILIO_MESSAGING_SERVICE_SID"],
        whatsapp_from=chosen["WHATSAPP_FROM"],
        templates=chosen["WHATSAPP_TEMPLATES"] or {},
        callback_url=callback_url,
        validity=chosen["MESSAGE_VALIDITY"],
    )


def receipts(chosen: Settings, callback_url: str) -> "TwilioReceipts":
    """Who reads Twilio's reports, by the token in force or the next one."""
    from shared.adapters.twilio_receipts import TwilioReceipts  # noqa: PLC0415 - as above

    names = "TWILIO_AUTH_TOKEN", "TWILIO_AUTH_TOKEN_NEXT"
    return TwilioReceipts([chosen[name].open() for name in names if chosen[name]], callback_url)


def fingerprints(chosen: Settings) -> "Fingerprints":
    """The names of cases, people and numbers."""
    from shared.adapters.seal import Fingerprints  # noqa: PLC0415 - as above

    return Fingerprints(base64.b64decode(chosen["CASE_KEY"].open()))


def seal(chosen: Settings) -> "Seal":
    """What seals contacts."""
    from shared.adapters.seal import Seal  # noqa: PLC0415 - as above

    return Seal([key.strip() for key in chosen["SEAL_KEYS"].open().split(",")])
