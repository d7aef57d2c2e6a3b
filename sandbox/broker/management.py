"""The desks: $cbs, which takes any token, and QUEUE/$management (Learn, "AMQP request-response-based operations")."""

from collections.abc import Callable
from typing import Any

from sandbox.broker.codec import decode, described, integer, sized, symbol, timestamp
from sandbox.broker.messages import APPLICATION, PROPERTIES, VALUE, RefusedError, sections
from sandbox.broker.queues import Queue

PEEK_BYTES = 1_000_000
STATUS = {"com.microsoft:message-lock-lost": 410, "amqp:not-implemented": 501}
DISPOSITIONS = {"completed": "complete", "abandoned": "abandon", "suspended": "dead-letter", "defered": "defer"}


def operation_of(request: bytes) -> str:
    """The name of what a request asks for, without its vendor."""
    return str(_read(request)[1]["operation"]).removeprefix("com.microsoft:")


def answer(request: bytes, queue: Queue | None) -> bytes:
    """The reply to a request, as a message; without a queue it is $cbs's."""
    message_id, asked, body = _read(request)
    reply, condition, sentence, status = None, None, "OK", 200
    try:
        reply = OPERATIONS.get(str(asked["operation"]), _not_imitated)(queue, body)
        status = 204 if reply is None else 200
    except RefusedError as refusal:
        condition, sentence, status = symbol(refusal.condition), refusal.sentence, STATUS.get(refusal.condition, 400)
    except (KeyError, TypeError, ValueError, AttributeError):
        condition, sentence, status = symbol("com.microsoft:argument-error"), "The request lacks something.", 400
    names = ("statusCode", "statusDescription") if queue else ("status-code", "status-description")
    said = dict(zip(names, (integer(status), sentence), strict=True)) | {"errorCondition": condition}
    properties = described(PROPERTIES, [None] * 5 + [message_id])
    return properties + described(APPLICATION, said) + described(VALUE, reply)


def _read(request: bytes) -> tuple[Any, dict[str, Any], Any]:
    found = {code: decode(request, content)[0] for code, _, content, _ in sections(request)}
    return found[PROPERTIES][0], found[APPLICATION], found.get(VALUE)


def _put_token(_: Queue | None, __: Any) -> dict[str, Any]:
    return {}


def _peek(queue: Queue, body: dict[str, Any]) -> dict[str, Any] | None:
    found: list[dict[str, bytes]] = []
    size = 0
    for message in queue.peek(body["from-sequence-number"]):
        if len(found) >= body["message-count"] or size > PEEK_BYTES:
            break
        found.append({"message": message.encoded()})
        size += len(found[-1]["message"])
    return {"messages": found} if found else None


def _renew(queue: Queue, body: dict[str, Any]) -> dict[str, Any]:
    ends = [timestamp(queue.renew(token)) for token in body["lock-tokens"]]
    return {"expirations": sized(0xE0, ends[0][:1] + b"".join(end[1:] for end in ends), len(ends))}


def _settle(queue: Queue, body: dict[str, Any]) -> dict[str, Any]:
    outcome = DISPOSITIONS[body["disposition-status"]]
    for token in body["lock-tokens"]:
        queue.settle(token, outcome, body.get("deadletter-reason"), body.get("deadletter-description"))
    return {}


def _not_imitated(_: Queue, __: Any) -> None:
    raise RefusedError("amqp:not-implemented", "This operation is not imitated.")


OPERATIONS: dict[str, Callable[[Any, Any], dict[str, Any] | None]] = {
    "put-token": _put_token,
    "com.microsoft:peek-message": _peek,
    "com.microsoft:renew-lock": _renew,
    "com.microsoft:update-disposition": _settle,
}
