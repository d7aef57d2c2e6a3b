"""The real azure-functions-runtime, called as the Functions host calls it, with plain objects for protobuf messages."""

import json
import re
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure_functions_runtime as worker

from .settings import ConfigurationError

SUCCESS = 1


class Message(SimpleNamespace):
    """What a protobuf message is to the runtime: fields by name, and which one of a choice is set."""

    def WhichOneof(self, _choice: str) -> str:  # noqa: N802 - protobuf's name
        """The name of the one field that is set."""
        return self.chosen


def typed(kind: str, value: Any) -> Message:
    """`value` as the host hands it over (TypedData): kind is `string`, `bytes` or `json` (then already encoded)."""
    return Message(chosen=kind, **{kind: value})


class _Protos:
    """The namespace of types the runtime builds its answers from; two carry constants, all only hold fields."""

    StatusResult = type("StatusResult", (Message,), {"Failure": 0, "Success": SUCCESS})
    BindingInfo = type("BindingInfo", (Message,), {"in": 0, "out": 1, "inout": 2, "undefined": 0})

    def __getattr__(self, name: str) -> type[Message]:
        return Message


@dataclass(frozen=True, slots=True)
class Function:
    """An indexed function; bindings look as in function.json (`{"type": "serviceBusTrigger", …}`)."""

    id: str
    name: str
    trigger: Mapping[str, Any]
    others: tuple[Mapping[str, Any], ...]


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an invocation failed: `Type: text`, and the chained traceback, both unredacted as the host logs them."""

    message: str
    stack: str = ""


async def index(directory: Path) -> list[Function]:
    """Import the app in `directory` and list its functions; ConfigurationError in the runtime's words, or if none."""
    worker.start_threadpool_executor()
    init = Message(capabilities={}, function_app_directory=str(directory))
    try:
        result = (await worker.worker_init_request(_request(worker_init_request=init))).result
    except SystemExit as error:  # passes through the runtime
        raise ConfigurationError(f"the app could not be indexed: it exited with '{error}'") from error
    if result.status != SUCCESS:
        raise ConfigurationError(f"the app could not be indexed: {_on_one_line(result.exception, directory)}")
    listed = (await worker.functions_metadata_request(_request())).function_metadata_results
    if not listed:
        raise ConfigurationError(f"no function was found in {directory / 'function_app.py'}")
    return [_function(each) for each in listed]


def _function(metadata: Message) -> Function:
    bindings = [json.loads(binding) for binding in metadata.raw_bindings]
    bindings.sort(key=lambda binding: not binding["type"].endswith("Trigger"))
    return Function(metadata.function_id, metadata.name, bindings[0], tuple(bindings[1:]))


def _on_one_line(exception: Message, directory: Path) -> str:
    """The message, and the last line of the app that the traceback names."""
    places = re.findall(rf'File "{re.escape(str(directory))}/([^"]+)", line (\d+)', exception.stack_trace)
    place = f" ({places[-1][0]}, line {places[-1][1]})" if places else ""
    return " ".join(exception.message.split()) + place


async def invoke(function: Function, invocation: str, data: Message, metadata: Mapping[str, Message]) -> Failure | None:
    """Run `function` once, under the id `invocation`; None when it succeeded."""
    request = Message(
        invocation_id=invocation,
        function_id=function.id,
        input_data=[Message(chosen="data", name=function.trigger["name"], data=data)],
        trigger_metadata=metadata,
        trace_context=Message(trace_parent="", trace_state="", attributes={}),
        retry_context=Message(retry_count=0, max_retry_count=0, exception=None),
    )
    try:
        result = (await worker.invocation_request(_request(invocation_request=request))).result
    except BaseException as error:  # noqa: BLE001 - CancelledError and SystemExit pass through the runtime
        return Failure(f"{type(error).__name__}: {error}", traceback.format_exc())
    if result.status == SUCCESS:
        return None
    return Failure(result.exception.message, result.exception.stack_trace)


def _request(**fields: Any) -> Message:
    return Message(request=Message(**fields), properties={"host": "127.0.0.1", "protos": _Protos()})
