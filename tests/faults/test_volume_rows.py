"""Bad rows, letters, principals and seals in great numbers: read as what they are, or not at all."""

import base64
import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from types import SimpleNamespace
from typing import Any, cast

from azure.servicebus import ServiceBusReceivedMessage
from azure.servicebus.amqp import AmqpMessageBodyType

from shared.adapters.agenda import row_keys, wake_row
from shared.adapters.budget import _spent
from shared.adapters.case_rows import case_of, head_row, history_row, move_of
from shared.adapters.depth_row import _noted
from shared.adapters.letter_messages import letter_of
from shared.adapters.overview import _pause
from shared.adapters.person_rows import Acquaintance, acquaintance_of, person_row
from shared.adapters.seal import Seal, SealError
from shared.adapters.tables import _beat_of, _pause_of
from shared.contract import HIRE_EVENT
from shared.errors import UnreadableRow
from shared.judging import Known, judge, read
from shared.letter_views import view as letter_view
from shared.principal import ENTRA, OBJECT_ID, PRINCIPAL_HEADER, ROLES, principal_of
from shared.states import State
from shared.views import EXCEPTIONS, view
from tests.builders import CASE_ID, NOW, case_in, hire_event
from tests.fakes.door import OPERATOR, principal
from tests.fakes.house import House
from tests.faults.mutants import CODE, NAME, PHONE, UPN, mutated, nasty, spoiled, written
from tests.faults.test_volume_events import event
from tests.faults.volume import Told, all_of, tried, volume

KEYS = [base64.urlsafe_b64encode(bytes([number] * 32)).decode() for number in (1, 2)]
SEAL = Seal(KEYS[:1])
RULES = House().onboarding.outside.rules
MOMENT = NOW.isoformat()

type Row = dict[str, Any]


def told_by(reader: Callable[[Any], object], *errors: type[Exception]) -> Callable[[Any], Told]:
    """What reading comes to: something, or one of the errors that the reader has; their text is only a code."""

    def outcome(given: Any) -> Told:
        refused: Exception | None = None
        try:
            found = reader(given)
        except errors as error:
            refused = error
        else:
            return Told("none" if found is None else type(found).__name__)
        assert str(refused) in {"row-unreadable", "seal-unopened"}
        assert refused.__suppress_context__ or refused.__context__ is None, "no chain: it would hold the row"
        return Told(str(refused))

    return outcome


# --- the ledger's rows ---


def head(dice: Random) -> Row:
    """The head of a case in any state; its contact may say anything, but only we can seal."""
    event = hire_event(subject=NAME, mobile_phone=PHONE)
    row = head_row(case_in(dice.choice(list(State))), SEAL)
    contact = {"case": CASE_ID, "user_id": UPN, "event": HIRE_EVENT.dump_python(event, mode="json")}
    contact = mutated(contact, dice)
    if dice.random() < 0.5:
        row["contact"] = SEAL.seal(written(contact, dice))
    row = row if dice.random() < 0.1 else mutated(row, dice)
    key = {"PartitionKey": CASE_ID if dice.random() < 0.9 else dice.choice((UPN, "", "0" * 31, CASE_ID.upper(), 7))}
    return as_row(row) | key


@volume(12_000)
async def test_heads(cases: int) -> None:
    """A head that can be read can be shown, and sorted among what wants a look."""

    def reader(row: Row) -> object:
        case = case_of(row, "etag", SEAL)
        assert view(case).case_id == case.id
        assert {holds(case, NOW) for holds in EXCEPTIONS.values()} <= {True, False}
        return case

    all_of(await tried("head", cases, head, told_by(reader, UnreadableRow)), "Case", "row-unreadable")


def as_row(given: object) -> Row:
    """A table gives rows, whatever is in them."""
    return cast("Row", given) if isinstance(given, dict) else {}


def move(dice: Random) -> Row:
    after = case_in(dice.choice(list(State)))
    return mutated(history_row(dice.choice((None, case_in(State.SENT))), after, "event", NOW), dice)


def person(dice: Random) -> Row:
    row = person_row("f" * 32, Acquaintance(CASE_ID, (("n-1", NOW), ("n-2", NOW))))
    numbers = mutated(json.loads(row["numbers"]), dice)
    row["numbers"] = written(numbers, dice).decode("utf-8", "replace")
    return row if dice.random() < 0.5 else mutated(row, dice)


def control(dice: Random) -> Row:
    row = {"until": MOMENT, "reason": "paused", "by": UPN, "began": CODE, "at": MOMENT}
    return mutated(row | {"hour": "2026113012", "reserved": 7}, dice)


def depth(dice: Random) -> Row:
    return mutated({"at": MOMENT, "count": 3, "is_more": False, "oldest": MOMENT}, dice)


def counted(row: Row) -> object:
    noted = _noted(row)
    assert type(noted.depth.count) is int
    assert noted.depth.count >= 0
    assert type(noted.depth.is_more) is bool
    return noted


READERS: Mapping[str, tuple[Callable[[Random], Row], Callable[[Row], object]]] = {
    "move": (move, move_of),
    "person": (person, acquaintance_of),
    "pause": (control, _pause_of),
    "pause-shown": (control, _pause),
    "beat": (control, _beat_of),
    "budget": (control, lambda row: _spent(row, "2026113012")),
    "depth": (depth, counted),
}


@volume(18_000)
async def test_other_rows(cases: int) -> None:
    for name, (make, reader) in READERS.items():
        outcome = told_by(lambda row, reader=reader: reader(as_row(row)), UnreadableRow)
        kinds = await tried(name, cases // len(READERS), make, outcome)
        assert kinds["row-unreadable"]
        assert len(kinds) == 2, kinds


@volume(3_000)
async def test_a_budget_that_was_never_reserved_is_not_to_be_had(cases: int) -> None:
    """Whatever the row says: no more than the hour's budget is left."""

    def reader(row: Row) -> object:
        spent = _spent(as_row(row), "2026113012")
        assert spent.passes >= 0
        return spent

    all_of(await tried("budget", cases, control, told_by(reader, UnreadableRow)), "_Block", "row-unreadable")


def wake_keys(dice: Random) -> list[Any]:
    return mutated([*row_keys(NOW, CASE_ID)], dice)


@volume(4_000)
async def test_agenda_rows(cases: int) -> None:
    """A row that can be read says exactly what its keys say."""

    def reader(keys: object) -> object:
        texts = [str(key) for key in cast("list[object]", keys)] if isinstance(keys, list) else []
        if len(texts) != 2:  # a table gives two keys
            return None
        row = wake_row(texts[0], texts[1], "etag")
        assert row is None or row_keys(row.due, row.case_id) == tuple(texts)
        return row

    all_of(await tried("wake", cases, wake_keys, told_by(reader)), "WakeRow", "none")


# --- the seal ---


def sealed(dice: Random) -> str:
    token = Seal([dice.choice(KEYS)]).seal(f"{NAME} {PHONE}".encode())
    if dice.random() < 0.2:
        return token
    return spoiled(token.encode(), dice).decode(dice.choice(("latin-1", "utf-8")), "surrogateescape")


@volume(4_000)
async def test_seals(cases: int) -> None:
    """Opened with its own key and unharmed, or not opened: never something else."""

    def reader(token: str) -> object:
        assert SEAL.open(token) == f"{NAME} {PHONE}".encode()
        return token

    all_of(await tried("seal", cases, sealed, told_by(reader, SealError)), "str", "seal-unopened")


# --- dead letters ---


WRITTEN_BY_HR = ("subject", "correlation_id", "session_id", "partition_key", "to", "reply_to")


def letter(dice: Random) -> SimpleNamespace:
    """A message as the SDK gives it: keys and texts as bytes or text, values of any kind that AMQP knows."""
    properties = {
        b"DeadLetterReason": b"malformed-event",
        b"DeadLetterErrorDescription": f"{UPN} {PHONE}".encode(),
        b"ReplayCount": 1,
        b"OriginalMessageId": b"m-1",
        "extra": 1.5,
    }
    said = {"type": "case.refused.v1", "data": {"caseId": CASE_ID, "issuance": 1, "reason": "privileged"}}
    body = event(dice) if dice.random() < 0.6 else written(mutated(said, dice), dice)
    kind = dice.choice((*[AmqpMessageBodyType.DATA] * 4, AmqpMessageBodyType.VALUE, AmqpMessageBodyType.SEQUENCE))
    value = dice.choice((body, "text", 1, None, {b"a": 1}))
    changed = {key: amqp(nasty(dice)) if dice.random() < 0.4 else value for key, value in properties.items()}
    return SimpleNamespace(
        sequence_number=dice.choice((1, 2**63 - 1, None)),
        message_id=dice.choice(("m-1", b"m-1", 7, None, "", "m" * 300)),
        application_properties=dice.choice((changed, changed, None, {})),
        enqueued_time_utc=dice.choice((NOW, None, datetime.min.replace(tzinfo=UTC))),
        body_type=kind,
        body=[body[:7], body[7:]] if kind is AmqpMessageBodyType.DATA else value,
        content_type=dice.choice((b"application/json", None, 3)),
        **{name: dice.choice((None, "hr", b"hr", 7, amqp(nasty(dice)))) for name in WRITTEN_BY_HR},
    )


def amqp(value: object) -> object:
    """As the SDK gives it: texts are the bytes that came."""
    return value.encode("utf-8", "surrogatepass") if isinstance(value, str) else value


@volume(6_000)
async def test_dead_letters(cases: int) -> None:
    """Each is shown without a number or a user name, and judged by the rules of the door for events."""

    def outcome(message: SimpleNamespace) -> Told:
        letter = letter_of(cast("ServiceBusReceivedMessage", message))
        known = Known(letter, read(letter, RULES, NOW), letter.replays)
        judgement = judge(known, RULES, NOW)
        told = letter_view(known).model_dump_json() + judgement.model_dump_json()
        assert letter.message_id
        assert len(letter.replay_id(1)) <= 128
        return Told(judgement.outcome, told.replace(NAME, "").replace(CODE, ""))

    all_of(await tried("letter", cases, letter, outcome), "send", "nothing")


# --- who asks ---


def claims(dice: Random) -> str:
    told = json.loads(base64.b64decode(principal(OPERATOR, "operator", "reader")))
    told["claims"].append({"typ": "name", "val": NAME})
    raw = written(mutated(told, dice), dice)
    header = base64.b64encode(raw).decode()
    return header if dice.random() < 0.9 else spoiled(header.encode(), dice).decode("latin-1")


@volume(8_000)
async def test_principals(cases: int) -> None:
    """Whoever is let in is one person whom Entra names, with no role that is not among the claims."""

    def reader(header: str) -> object:
        assert principal_of({PRINCIPAL_HEADER: header}, platform_vouches=False) is None
        who = principal_of({PRINCIPAL_HEADER.upper(): header}, platform_vouches=True)
        if who is not None:
            told = json.loads(base64.b64decode(header))
            values = [(str(claim["typ"]), str(claim["val"])) for claim in told["claims"]]
            assert told["auth_typ"] == ENTRA
            assert {value.lower() for kind, value in values if kind in OBJECT_ID} == {who.id}
            assert {*who.roles} <= {value for kind, value in values if kind in ROLES}
        return who

    all_of(await tried("principal", cases, claims, told_by(reader)), "Principal", "none")
