"""The real azure-functions-runtime, called as the Functions host calls it, with plain objects for protobuf messages."""

import json
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import azure_functions_runtime as worker
from azure.servicebus import ServiceBusReceivedMessage

_TEXTS = (  # what the host sends of a message as text (ServiceBusTriggerBindingStrategy.cs, extension 5.x)
    *("ContentType", "CorrelationId", "DeadLetterSource", "LockToken", "MessageId", "PartitionKey"),
    *("ReplyTo", "ReplyToSessionId", "SessionId", "Subject", "To"),
)


class ConfigurationError(ValueError):
    """The app cannot start; each line of the text is one problem, naming the function and the setting at fault."""


@dataclass(slots=True)
class Function:
    """An indexed function: the types of its bindings, the trigger's first, and the trigger as in function.json."""

    id: str
    name: str
    bindings: list[str]
    trigger: Mapping[str, Any]


class _Message(SimpleNamespace):
    """What a protobuf message is to the runtime; of a choice (TypedData), the first field given is the one set."""

    def WhichOneof(self, _: str) -> str:  # noqa: N802 - protobuf's name
        return next(iter(vars(self)))


class _Protos:
    """The namespace of types the runtime builds its answers from; two carry constants, all only hold fields."""

    StatusResult = type("StatusResult", (_Message,), {"Failure": 0, "Success": 1})
    BindingInfo = type("BindingInfo", (_Message,), {"in": 0, "out": 1, "inout": 2, "undefined": 0})

    def __getattr__(self, name: str) -> type[_Message]:
        return _Message


async def index(app: Path) -> list[Function]:
    """Import the app in the folder `app` and list its functions; ConfigurationError when it fails, or has none."""
    worker.start_threadpool_executor()
    init = _Message(worker_init_request=_Message(capabilities={}, function_app_directory=str(app)))
    ours = {"host": "127.0.0.1", "protos": _Protos()}
    try:
        result = (await worker.worker_init_request(_Message(request=init, properties=ours))).result
    except SystemExit as error:  # passes through the runtime
        raise ConfigurationError(f"the app could not be indexed: it exited with '{error}'") from error
    if not result.status:
        places = re.findall(rf'File "{re.escape(str(app))}/([^"]+)", line (\d+)', result.exception.stack_trace)
        place = " ({}, line {})".format(*places[-1]) if places else ""
        raise ConfigurationError(f"the app could not be indexed: {' '.join(result.exception.message.split())}{place}")
    listed = (await worker.functions_metadata_request(None)).function_metadata_results
    if not listed:
        raise ConfigurationError(f"no function was found in {app / 'function_app.py'}")
    functions: list[Function] = []
    for each in listed:
        bindings = [json.loads(binding) for binding in each.raw_bindings]
        bindings.sort(key=lambda binding: not binding["type"].endswith("Trigger"))
        functions.append(Function(each.function_id, each.name, [one["type"] for one in bindings], bindings[0]))
    return functions


async def invoke(function: Function, message: ServiceBusReceivedMessage) -> str | None:
    """Run `function` on `message`; None when it succeeded, else its error and chained traceback, both unredacted."""
    try:
        body = _Message(bytes=b"".join(message.body))
        invocation = _Message(
            invocation_id=str(uuid4()),
            function_id=function.id,
            input_data=[_Message(data=body, name=function.trigger["name"])],
            trigger_metadata=_metadata(message),
            trace_context=_Message(trace_parent="", trace_state="", attributes={}),
            retry_context=_Message(retry_count=0, max_retry_count=0, exception=None),
        )
        request = _Message(request=_Message(invocation_request=invocation))
        result = (await worker.invocation_request(request)).result
    except BaseException as error:  # noqa: BLE001 - CancelledError and SystemExit pass through the runtime
        return f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
    return None if result.status else f"{result.exception.message}\n{result.exception.stack_trace}"


def _metadata(message: ServiceBusReceivedMessage) -> dict[str, _Message]:
    """These keys only; what is null is left out, numbers, dates and dictionaries travel as JSON."""
    texts = {name: getattr(message, re.sub("(?<=[a-z])(?=[A-Z])", "_", name).lower()) for name in _TEXTS}
    texts["Label"] = texts["Subject"]
    properties = {_plain(name): value for name, value in (message.application_properties or {}).items()}
    others = dict[str, Any].fromkeys(("ApplicationProperties", "UserProperties"), properties)
    others |= {"DeliveryCount": delivery_number(message), "SequenceNumber": message.sequence_number}
    for name, moment in (("EnqueuedTime", message.enqueued_time_utc), ("ExpiresAt", message.expires_at_utc)):
        text = moment.replace(tzinfo=None).isoformat() if moment else "9999-12-31T23:59:59.9999999"
        others |= {name: f"{text}+00:00", f"{name}Utc": text}  # the older of the two carries no zone
    strings = {name: _Message(string=_plain(text)) for name, text in texts.items() if text is not None}
    return strings | {name: _Message(json=json.dumps(value, default=_plain)) for name, value in others.items()}


def delivery_number(message: ServiceBusReceivedMessage) -> int:
    """.NET counts this delivery, the Python SDK does not."""
    return (message.delivery_count or 0) + 1


def _plain(value: Any) -> str:
    """Text for what JSON has no type for; AMQP strings reach us as bytes."""
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
