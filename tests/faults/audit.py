"""The counts: what became of every event, and whether any promise was broken on the way."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qs, urlsplit

from azure.data.tables.aio import TableServiceClient

from cli.stage import Stage
from shared.adapters.agenda import AHEAD, wake_row
from shared.adapters.tables import TableLedger
from shared.case import Case
from shared.states import CLOSED, State
from tests.acceptance.hands import case_id
from tests.acceptance.people import mobile

MINUTE: Final = timedelta(minutes=1)
LOST: Final = "LOST"


@dataclass(frozen=True, slots=True)
class Letter:
    """A dead letter: why, and the message or the case it is about."""

    reason: str
    body: bytes

    @property
    def refusal(self) -> tuple[str, int, str] | None:
        """Case, issuance and reason of a refused case."""
        told = json.loads(self.body) if self.body.startswith(b'{"type": "case.refused.v1"') else None
        return told and (told["data"]["caseId"], told["data"]["issuance"], told["data"]["reason"])


@dataclass(frozen=True, slots=True, kw_only=True)
class Books:
    """Everything there is at one moment."""

    now: datetime
    heads: Mapping[str, Case]
    wakes: Mapping[str, datetime]
    letters: list[Letter]
    inbox: list[dict[str, Any]]
    passes: dict[str, list[dict[str, Any]]]
    created: dict[str, int]

    def outcome(self, event: Mapping[str, Any], body: bytes) -> str:
        """The one end that an accepted event has."""
        if any(letter.body == body for letter in self.letters):
            return "a dead letter"
        head = self.heads.get(case_id(_number(event)))
        sent = datetime.fromisoformat(event["time"]), event["id"]
        if head is None or (head.version.time, head.version.id) < sent:
            return LOST
        if not self.is_woken(head):
            return f"{LOST}: {head.state} without a wake row"
        if head.state in CLOSED | {State.CANCELLED}:
            return "closed"
        return self._open_end(head)

    def _open_end(self, head: Case) -> str:
        if head.state is not State.REFUSED:
            return "waiting with a wake row"
        told = (head.id, head.issuance, str(head.reason))
        has_letter = told in {letter.refusal for letter in self.letters}
        return "refused with a dead letter" if has_letter else f"{LOST}: refused without a dead letter"

    def is_woken(self, head: Case) -> bool:
        """Whether a wake row stands at or before the next step of a case, or as soon as one may."""
        step, wake = head.next_step(), self.wakes.get(head.id)
        return step is None or (wake is not None and wake <= max(step.due, self.now + AHEAD) + MINUTE)

    def sends(self) -> Counter[tuple[str, int]]:
        """Messages by case and issuance."""
        return Counter(_ref(message)[:2] for message in self.inbox)

    def strangers(self, numbers: Iterable[int]) -> list[dict[str, Any]]:
        """Messages to anybody but the joiner they are about."""
        owners = {case_id(number): mobile(number) for number in numbers}
        return [message for message in self.inbox if owners.get(_ref(message)[0]) != message["to"]]

    def newest(self) -> dict[str, str]:
        """The pass each phone shows last."""
        arrived = sorted((each for each in self.inbox if each["deliveredAt"]), key=lambda each: each["deliveredAt"])
        return {message["to"]: message["code"] for message in arrived}


async def books(stage: Stage, ledger: TableLedger, numbers: Iterable[int]) -> Books:
    """Look at everything, past all doors."""
    heads = [await ledger.load(case_id(number)) for number in numbers]
    return Books(
        now=stage.stack.clock.now(),
        heads={head.id: head for head in heads if head},
        wakes=await _wakes(stage),
        letters=await _letters(stage),
        inbox=await stage.inbox(),
        passes=await stage.passes(),
        created=(await stage.get(f"{stage.stack.directory.url}/sandbox/requests"))["passesCreated"],
    )


async def _wakes(stage: Stage) -> dict[str, datetime]:
    found = dict[str, datetime]()
    async with TableServiceClient.from_connection_string(stage.stack.azurite.url) as service:
        async for row in service.get_table_client("agenda").query_entities(""):
            wake = wake_row(row["PartitionKey"], row["RowKey"], row.metadata["etag"])
            assert wake
            found[wake.case_id] = min(wake.due, found.get(wake.case_id, wake.due))
    return found


async def _letters(stage: Stage) -> list[Letter]:
    found, after = list[Letter](), 1
    async with stage.bus.get_queue_receiver(stage.dead_letters_queue) as receiver:
        while page := await receiver.peek_messages(100, sequence_number=after):
            after = (page[-1].sequence_number or 0) + 1
            for message in page:
                notes: Any = message.application_properties or {}
                found.append(Letter(notes[b"DeadLetterReason"].decode(), b"".join(message.body)))
    return found


def _number(event: Mapping[str, Any]) -> int:
    return int(event["subject"].removeprefix("W-"))


def _ref(message: Mapping[str, Any]) -> tuple[str, int, int]:
    """Case, issuance and attempt of a message."""
    (ref,) = parse_qs(urlsplit(message["statusCallback"]).query)["ref"]
    case, issuance, attempt = ref.rsplit("-", 2)
    return case, int(issuance), int(attempt)
