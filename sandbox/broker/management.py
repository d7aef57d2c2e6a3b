"""The desks: $cbs, which takes any token, and QUEUE/$management (Learn, "AMQP request-response-based operations")."""

from collections.abc import Callable
from typing import Any

from .codec import decode, described, integer, symbol, timestamp
from .messages import APPLICATION, PROPERTIES, VALUE, RefusedError, sections
from .queues import Queue

PAGE = 250  # the service, too, may return fewer messages than a peek asks for
STATUS = {"com.microsoft:message-lock-lost": 410, "amqp:not-implemented": 501}
DISPOSITIONS = {"completed": "complete", "abandoned": "abandon", "suspended": "dead-letter"}


def answer(request: bytes, queue: Queue | None) -> bytes:
    """The reply to a request, as a message; without a queue it is $cbs's."""
    asked = {code: decode(content)[0] for code, content, _ in sections(request)}
    reply, condition, sentence = None, None, "OK"
    try:
        reply = OPERATIONS.get(asked[APPLICATION]["operation"], _not_imitated)(queue, asked.get(VALUE))
        status = 204 if reply is None else 200
    except RefusedError as refusal:
        condition, sentence, status = symbol(refusal.condition), refusal.sentence, STATUS.get(refusal.condition, 400)
    names = ("statusCode", "statusDescription") if queue else ("status-code", "status-description")
    said = dict(zip(names, (integer(status), sentence), strict=True)) | {"errorCondition": condition}
    correlation = described(PROPERTIES, [None] * 5 + [asked[PROPERTIES][0]])
    return correlation + described(APPLICATION, said) + described(VALUE, reply)


def _peek(queue: Queue, body: dict[str, Any]) -> dict[str, Any] | None:
    found = queue.peek(body["from-sequence-number"], min(body["message-count"], PAGE))
    return {"messages": [{"message": message.encoded()} for message in found]} if found else None


def _settle(queue: Queue, body: dict[str, Any]) -> dict[str, Any]:
    outcome = DISPOSITIONS.get(body["disposition-status"]) or _not_imitated(queue, body)
    for token in body["lock-tokens"]:
        queue.settle(token, outcome, body.get("deadletter-reason"), body.get("deadletter-description"))
    return {}


def _not_imitated(_: Any, __: Any) -> Any:
    raise RefusedError("This operation is not imitated.")


OPERATIONS: dict[str, Callable[[Any, Any], dict[str, Any] | None]] = {
    "put-token": lambda _, __: {},
    "com.microsoft:peek-message": _peek,
    "com.microsoft:renew-lock": lambda queue, body: {
        "expirations": tuple(timestamp(queue.renew(token)) for token in body["lock-tokens"])
    },
    "com.microsoft:update-disposition": _settle,
}
