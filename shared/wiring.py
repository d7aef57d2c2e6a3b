"""The composition root: the one place that builds concrete things, once per process, when first needed.

Importing this module is light, and so is `settings`: the SDKs load with the first message, not at indexing.
"""

import os
import time
from datetime import UTC, datetime
from functools import cache
from typing import TYPE_CHECKING, Final

from shared import connections, telemetry
from shared.settings import Settings

if TYPE_CHECKING:
    from azure.core.credentials_async import AsyncTokenCredential
    from azure.data.tables.aio import TableServiceClient
    from azure.servicebus.aio import ServiceBusClient

    from shared.adapters.entra import EntraDirectory
    from shared.adapters.seal import Fingerprints, Seal
    from shared.adapters.service_bus import ServiceBusBus
    from shared.adapters.tables import TableLedger
    from shared.adapters.twilio import TwilioCourier
    from shared.agenda import Agenda
    from shared.api import Api
    from shared.checkup import Checkup
    from shared.letters import DeadLetters
    from shared.onboarding import Onboarding
    from shared.ports import Clock
    from shared.receipts import Receipts
    from shared.run import Rules
    from shared.watch import Watch


RECEIPTS_PATH: Final = "/api/receipts"
"""Where the door functions/receipts.py stands, below PUBLIC_URL."""


class SystemClock:
    """The machine's own time."""

    def now(self) -> datetime:
        """The present, in UTC."""
        return datetime.now(UTC)

    def monotonic(self) -> float:
        """Seconds since some moment, never going back."""
        return time.monotonic()


_clock: "Clock" = SystemClock()


def use_clock(clock: "Clock") -> None:
    """Take another clock, before anything is built. Called by the sandbox's host only: no setting can move time."""
    global _clock  # noqa: PLW0603 - a process has one clock
    _clock = clock


@cache
def settings() -> Settings:
    """This process's settings.

    Raises:
        SettingsError: naming everything that is missing or wrong.
    """
    return Settings(os.environ)


@cache
def onboarding() -> "Onboarding":
    """The flow over the real adapters. Call it inside the event loop that will run it."""
    from shared.onboarding import Onboarding  # noqa: PLC0415 - built lazily, see the module's docstring
    from shared.run import Outside  # noqa: PLC0415 - as above

    telemetry.install()
    outside = Outside(
        directory=directory(),
        courier=courier(),
        ledger=ledger(),
        bus=bus(),
        clock=_clock,
        rules=_rules(),
    )
    return Onboarding(outside=outside, name_case=fingerprints().case_id)


@cache
def agenda() -> "Agenda":
    """The timer's work. Call it inside the event loop that will run it."""
    from shared.agenda import Agenda  # noqa: PLC0415 - as above

    telemetry.install()
    return Agenda(ledger=ledger(), bus=bus(), clock=_clock, watch=_watch())


def _watch() -> "Watch":
    from shared.adapters.depth_row import TableDepthNotes  # noqa: PLC0415 - as above
    from shared.adapters.gauge import ServiceBusGauge  # noqa: PLC0415 - as above
    from shared.watch import Watch  # noqa: PLC0415 - as above

    gauge = ServiceBusGauge(_service_bus, settings()["JOINERS_QUEUE"], _clock)
    return Watch(gauge=gauge, notes=TableDepthNotes(_table_service()), clock=_clock)


@cache
def checkup() -> "Checkup":
    """The worker's self-check. Call it inside the event loop that will run it."""
    from shared.adapters.checkup_table import TableReports  # noqa: PLC0415 - as above
    from shared.adapters.entra_tenant import EntraTenant  # noqa: PLC0415 - as above
    from shared.adapters.plumbing import AppPlumbing  # noqa: PLC0415 - as above
    from shared.adapters.twilio_account import TwilioAccountView  # noqa: PLC0415 - as above
    from shared.checkup import Checkup  # noqa: PLC0415 - as above

    chosen, tables = settings(), _table_service()
    queues, door = (chosen["JOINERS_QUEUE"], chosen["DEAD_LETTERS_QUEUE"]), _receipts_url()
    return Checkup(
        tenant=EntraTenant(
            chosen["GRAPH_URL"] or chosen.graph_root(), _credential(), _clock, audience=chosen.graph_root()
        ),
        account=TwilioAccountView(
            connections.twilio_account(settings()), connections.senders(settings(), _receipts_url()), _clock
        ),
        plumbing=AppPlumbing(_service_bus, *queues, tables, door),
        reports=TableReports(tables),
        clock=_clock,
        expected=chosen.expected(),
        discards_content=chosen["TWILIO_DISCARD_CONTENT"],
        every=chosen["CHECKUP_EVERY"],
    )


@cache
def receipts() -> "Receipts":
    """Where Twilio's callbacks go; it needs no right in Entra. Call it inside the event loop that will run it."""
    from shared.receipts import Receipts  # noqa: PLC0415 - as above

    telemetry.install()
    chosen = settings()
    reader = connections.receipts(chosen, _receipts_url() or "")
    return Receipts(reader=reader, ledger=ledger(), clock=_clock, rules=chosen.case_rules())


@cache
def api() -> "Api":
    """What operators may do; it needs no right in Entra. Call it inside the event loop that will run it."""
    from shared.acts import every_act  # noqa: PLC0415 - as above
    from shared.adapters.checkup_table import TableReports  # noqa: PLC0415 - as above
    from shared.adapters.depth_row import TableDepthNotes  # noqa: PLC0415 - as above
    from shared.adapters.gauge import ServiceBusGauge  # noqa: PLC0415 - as above
    from shared.adapters.overview import TableAudit, TableOverview  # noqa: PLC0415 - as above
    from shared.api import Api  # noqa: PLC0415 - as above
    from shared.api_document import with_document  # noqa: PLC0415 - as above
    from shared.audited import Targets  # noqa: PLC0415 - as above
    from shared.doctor import Doctor  # noqa: PLC0415 - as above
    from shared.errands import Errands  # noqa: PLC0415 - as above
    from shared.operations import Operations  # noqa: PLC0415 - as above
    from shared.records import Records  # noqa: PLC0415 - as above
    from shared.sendings import Sendings  # noqa: PLC0415 - as above

    telemetry.install()
    chosen, tables = settings(), _table_service()
    operations = Operations(
        ledger=ledger(),
        overview=TableOverview(ledger(), tables, _seal(), fingerprints(), _clock),
        clock=_clock,
        rules=_rules(),
        hourly_budget=chosen["HOURLY_BUDGET"],
        joiners_queue=TableDepthNotes(tables),
        dead_letters=ServiceBusGauge(_service_bus, chosen["DEAD_LETTERS_QUEUE"], _clock),
        reports=TableReports(tables),
        name_case=fingerprints().case_id,
    )
    errands = Errands(
        ledger=ledger(),
        clock=_clock,
        rules=_rules(),
        time_zone=chosen["TIME_ZONE"],
        name_case=fingerprints().case_id,
    )
    sendings = Sendings(bus=bus(), ledger=ledger(), clock=_clock, rules=_rules(), name_case=fingerprints().case_id)
    vouches = os.environ.get("WEBSITE_AUTH_ENABLED", "").lower() == "true"
    doctor, audit = Doctor(reports=TableReports(tables), clock=_clock), TableAudit(tables)
    records = Records(audit=audit, clock=_clock)
    acts = every_act(operations, dead_letters(), errands, sendings, doctor, records)
    targets = Targets(name_case=fingerprints().case_id, name_person=fingerprints().person)
    return Api(acts=with_document(acts), audit=audit, targets=targets, clock=_clock, platform_vouches=vouches)


@cache
def dead_letters() -> "DeadLetters":
    """What operators may do with dead letters. Call it inside the event loop that will run it."""
    from shared.adapters.letter_runs import TableReplayIds, TableTurns  # noqa: PLC0415 - as above
    from shared.adapters.letters import ServiceBusLetters  # noqa: PLC0415 - as above
    from shared.adapters.overview import TableAudit  # noqa: PLC0415 - as above
    from shared.letters import DeadLetters  # noqa: PLC0415 - as above

    chosen = settings()
    queues = chosen["DEAD_LETTERS_QUEUE"], chosen["JOINERS_QUEUE"]
    return DeadLetters(
        letters=ServiceBusLetters(_service_bus, queues[0], _clock, events_queue=queues[1]),
        turns=TableTurns(_table_service(), _clock),
        replay_ids=TableReplayIds(_table_service()),
        ledger=ledger(),
        audit=TableAudit(_table_service()),
        clock=_clock,
        rules=_rules(),
    )


@cache
def directory() -> "EntraDirectory":
    """Microsoft Entra through Graph."""
    from shared.adapters.entra import EntraDirectory  # noqa: PLC0415 - as above

    chosen = settings()
    return EntraDirectory(
        chosen["GRAPH_URL"] or chosen.graph_root(),
        _credential(),
        _clock,
        audience=chosen.graph_root(),
        number_attribute=chosen["DIRECTORY_NUMBER"],
    )


@cache
def courier() -> "TwilioCourier":
    """Twilio."""
    from shared.adapters.twilio import TwilioCourier  # noqa: PLC0415 - as above

    return TwilioCourier(
        connections.twilio_account(settings()), connections.senders(settings(), _receipts_url()), _clock
    )


@cache
def ledger() -> "TableLedger":
    """Azure Table Storage."""
    from shared.adapters.tables import TableLedger  # noqa: PLC0415 - as above

    budget = settings()["HOURLY_BUDGET"]
    return TableLedger(_table_service(), _seal(), fingerprints(), _clock, hourly_budget=budget)


@cache
def bus() -> "ServiceBusBus":
    """The queues of dead letters and of events."""
    from shared.adapters.service_bus import ServiceBusBus  # noqa: PLC0415 - as above

    chosen = settings()
    return ServiceBusBus(_service_bus, chosen["DEAD_LETTERS_QUEUE"], _clock, events_queue=chosen["JOINERS_QUEUE"])


@cache
def fingerprints() -> "Fingerprints":
    """Names for cases, people and numbers that say nothing about them."""
    return connections.fingerprints(settings())


def _rules() -> "Rules":
    from shared.run import Rules  # noqa: PLC0415 - as above

    chosen = settings()
    return Rules(
        chosen.event_rules(),
        chosen.plan_rules(),
        chosen.guard_rules(),
        chosen.case_rules(),
        rehearsal=chosen["REHEARSAL"],
        single_day_passes=chosen["SINGLE_DAY_PASSES"],
    )


def _receipts_url() -> str | None:
    """Where the receipts' door stands for the outside, if anywhere."""
    public = settings()["PUBLIC_URL"]
    return public and f"{public}{RECEIPTS_PATH}"


@cache
def _credential() -> "AsyncTokenCredential":
    """In Azure the app's identity (AZURE_TOKEN_CREDENTIALS and AZURE_CLIENT_ID choose), else the developer's."""
    from azure.identity.aio import DefaultAzureCredential  # noqa: PLC0415 - as above

    return DefaultAzureCredential()


@cache
def _seal() -> "Seal":
    return connections.seal(settings())


def _table_service() -> "TableServiceClient":
    return connections.tables(settings(), _credential)


def _service_bus() -> "ServiceBusClient":
    return connections.service_bus(settings(), _credential)
