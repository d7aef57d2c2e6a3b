"""The app's host as talkative as it can be: every logger at DEBUG for ever, and every span written down.

`LOUD_FOLDER` gets `raw.log` (records as Python would format them, past our formatter), and `spans.json`.
"""

import logging
import os
from pathlib import Path
from typing import override

from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import ConsoleSpanExporter, SimpleSpanProcessor


class LoudLogger(logging.Logger):
    """Nobody can quieten it."""

    def __init__(self, name: str) -> None:
        super().__init__(name, logging.DEBUG)

    @override
    def setLevel(self, level: int | str) -> None:
        super().setLevel(logging.DEBUG)


class RawHandler(logging.FileHandler):
    """Keeps its own formatter, whoever comes to redact."""

    @override
    def setFormatter(self, fmt: logging.Formatter | None) -> None:
        super().setFormatter(logging.Formatter("%(name)s %(levelname)s %(message)s %(args)s"))


logging.setLoggerClass(LoudLogger)

if __name__ == "__main__":
    folder = Path(os.environ["LOUD_FOLDER"])
    provider = TracerProvider()
    provider.add_span_processor(SimpleSpanProcessor(ConsoleSpanExporter(out=(folder / "spans.json").open("a"))))
    trace.set_tracer_provider(provider)
    logging.root.setLevel(logging.DEBUG)
    logging.root.addHandler(RawHandler(folder / "raw.log"))
    logging.root.addHandler(logging.FileHandler(folder / "redacted.log"))

    from sandbox.host import main
    from shared import wiring

    main(wiring.use_clock)
