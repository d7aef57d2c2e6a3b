"""POST /$batch (Microsoft Learn, Combine multiple HTTP requests using JSON batching): each part judged by itself."""

import asyncio
import random
from collections import Counter
from dataclasses import replace
from typing import Any

from multidict import CIMultiDict

from sandbox.directory.graph import find, judge
from sandbox.directory.odata import Answer, Call
from sandbox.directory.rules import Refusal
from sandbox.directory.state import Json, World
from sandbox.faults import FaultScript


async def run(world: World, call: Call, faults: FaultScript, counts: Counter[str]) -> Answer:
    """Answer every part, in no order. `dependsOn` is ignored; a `drop` fault leaves its part out.

    Raises:
        Refusal: 400, the batch as a whole cannot be read.
    """
    parts: Any = call.body.get("requests") if isinstance(call.body, dict) else None
    if not isinstance(parts, list) or not parts or not all(isinstance(part, dict) and part.get("id") for part in parts):
        raise Refusal(400, "BadRequest", "Invalid batch payload format.")
    if len(parts) > 20:
        raise Refusal(400, "MaximumValueExceeded", "Number of batch request steps exceeds the maximum value of 20.")
    if len({str(part["id"]).lower() for part in parts}) < len(parts):
        raise Refusal(400, "BadRequest", "Request Id should be unique in a batch.")
    answers = [{"id": part["id"]} | one for part in parts if (one := await _part(world, call, part, faults, counts))]
    random.shuffle(answers)
    return 200, {"responses": answers}


async def _part(world: World, batch: Call, part: Json, faults: FaultScript, counts: Counter[str]) -> Json | None:
    given: Any = part.get("headers")
    headers = CIMultiDict({name: str(value) for name, value in given.items()} if isinstance(given, dict) else {})
    body = part.get("body") if "Content-Type" in headers else None  # a body needs its type (same page)
    call = replace(batch, method=str(part.get("method")).upper(), url=str(part.get("url")), headers=headers, body=body)
    route = find(call)
    counts[name := f"batch.{route.operation if route else 'unknown'}"] += 1
    fault = faults.take(name)
    if fault is None or fault.kind == "delay":
        await asyncio.sleep(fault.seconds if fault else 0)
        return judge(world, call)
    status = judge(world, call)["status"] if fault.when == "after" else 200
    scripted = {"status": fault.status, "headers": dict(fault.headers), "body": fault.body}
    return {"status": scripted, "empty": {"status": status}}.get(fault.kind)
