"""The real azure-functions-runtime, called as the Functions host calls it, with plain objects for protobuf messages."""

import asyncio
import json
import logging
import re
import time
import traceback
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import azure_functions_runtime as worker

logger = logging.getLogger("sandbox.host")


class ConfigurationError(ValueError):
    """The app cannot start; each line of the text is one problem, naming the function and the setting at fault."""


@dataclass(slots=True)
class Function:
    """An indexed function: the types of its bindings, the trigger's first, and the trigger as in function.json."""

    id: str
    name: str
    bindings: list[str]
    trigger: Mapping[str, Any]


@dataclass(slots=True)
class Outcome:
    """How an invocation ended: its error and chained traceback, both unredacted, or what it returned."""

    error: str | None
    returned: Any = None


class Proto(SimpleNamespace):
    """What a protobuf message is to the runtime; of a choice (TypedData), the first field given is the one set."""

    def WhichOneof(self, _: str) -> str | None:  # noqa: D102, N802 - protobuf's name
        return next(iter(vars(self)), None)


class _Protos:
    """The namespace of types the runtime builds its answers from; two carry constants, all only hold fields."""

    StatusResult = type("StatusResult", (Proto,), {"Failure": 0, "Success": 1})
    BindingInfo = type("BindingInfo", (Proto,), {"in": 0, "out": 1, "inout": 2, "undefined": 0})

    def __getattr__(self, name: str) -> type[Proto]:
        return Proto


async def index(app: Path) -> list[Function]:
    """Import the app in the folder `app` and list its functions; ConfigurationError when it fails, or has none."""
    worker.start_threadpool_executor()
    init = Proto(worker_init_request=Proto(capabilities={}, function_app_directory=str(app)))
    ours = {"host": "127.0.0.1", "protos": _Protos()}
    try:
        result = (await worker.worker_init_request(Proto(request=init, properties=ours))).result
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


async def call(function: Function, title: str, data: Proto, limit: float) -> Outcome:
    """Invoke it and log how it ended; what is not done after `limit` seconds is cancelled and left behind."""
    began = time.monotonic()
    running = asyncio.create_task(invoke(function, data, {}))
    await asyncio.wait([running], timeout=limit)
    outcome = running.result() if running.done() else Outcome(too_long(limit))
    running.cancel()
    log_end(title, began, outcome.error)
    return outcome


async def invoke(function: Function, data: Proto, metadata: Mapping[str, Proto]) -> Outcome:
    """Run `function` with `data` as its trigger's parameter."""
    invocation = Proto(
        invocation_id=str(uuid4()),
        function_id=function.id,
        input_data=[Proto(data=data, name=function.trigger["name"])],
        trigger_metadata=metadata,
        trace_context=Proto(trace_parent="", trace_state="", attributes={}),
        retry_context=Proto(retry_count=0, max_retry_count=0, exception=None),
    )
    try:
        answer = await worker.invocation_request(Proto(request=Proto(invocation_request=invocation)))
    except BaseException as error:  # noqa: BLE001 - CancelledError and SystemExit pass through the runtime
        return Outcome(f"{type(error).__name__}: {error}\n{traceback.format_exc()}")
    if answer.result.status:
        return Outcome(None, answer.return_value)
    return Outcome(f"{answer.result.exception.message}\n{answer.result.exception.stack_trace}")


def too_long(limit: float) -> str:
    """What the host says of a function that ran beyond functionTimeout."""
    return f"Timeout value of {limit:g} s was exceeded"


def log_end(title: str, began: float, error: str | None) -> None:
    """One line for each invocation; `began` is a moment of the monotonic clock."""
    took = 1000 * (time.monotonic() - began)
    if error:
        logger.error("%s Failed in %.0f ms: %s", title, took, error)
    else:
        logger.info("%s Succeeded in %.0f ms", title, took)
