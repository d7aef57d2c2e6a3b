"""Receipts: Twilio's word on a message, written into its case. What follows from it is a step of the case."""

from collections.abc import Mapping
from dataclasses import dataclass
from logging import WARNING

from shared.errors import Forged
from shared.events import Delivery, Receipt
from shared.hearing import record_receipt
from shared.ports import Clock, Ledger, ReceiptReader
from shared.run import record
from shared.states import CaseRules
from shared.telemetry import Event, emit


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipts:
    """Takes Twilio's callbacks. It can issue nothing: the door it stands behind has no right to."""

    reader: ReceiptReader
    ledger: Ledger
    clock: Clock
    rules: CaseRules

    async def take(self, query: str, headers: Mapping[str, str], body: bytes) -> bool:
        """Write down what Twilio says; False when it is not Twilio who says it.

        What changes nothing, or speaks of nothing we know, is fine.

        Raises:
            Moved, LedgerUnavailable: not written; Twilio is to try again.
        """
        try:
            receipt = self.reader.read(query, headers, body)
        except Forged:
            emit(Event.FORGED, WARNING)
            return False
        if receipt and receipt.word.delivery is not Delivery.QUEUED:  # that it is on its way we know ourselves
            await self._write(receipt)
        return True

    async def _write(self, receipt: Receipt) -> None:
        now = self.clock.now()
        saved = await record(
            self.ledger, receipt.case_id, lambda case: record_receipt(case, receipt, self.rules, now), "receipt"
        )
        if saved:
            emit(Event.RECEIPT, case=saved.id, issuance=receipt.issuance, receipt=receipt.word.delivery)
