"""What the host checks before it takes a message: settings, host.json, bindings, schedules."""

import os
import textwrap
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from sandbox.host.schedule import parse_schedule, parse_time_span
from sandbox.host.settings import ConfigurationError, read_limits
from sandbox.process import NotReadyError
from tests.sandbox.host.apps import HEAD, App

NOBODY = "Endpoint=sb://localhost:1;SharedAccessKeyName=a;SharedAccessKey=s3cret"
PLAIN = """
    @queue("%QUEUE%")
    async def joiner(message: func.ServiceBusMessage):
        pass
"""
TIMER = """
    @app.timer_trigger("timer", schedule="%WHEN%")
    async def agenda(timer: func.TimerRequest):
        pass
"""


@pytest.mark.parametrize(
    ("source", "host", "settings", "said"),
    [
        (PLAIN, {}, {}, ["function joiner: the setting QUEUE is missing or empty"]),
        (PLAIN, {}, {"QUEUE": ""}, ["function joiner: the setting QUEUE is missing or empty"]),
        (PLAIN, {}, {"QUEUE": "plain", "Bus": ""}, ["function joiner: the connection setting Bus is missing"]),
        (
            PLAIN,
            {},
            {"QUEUE": "plain", "Bus": "", "Bus__fullyQualifiedNamespace": "x"},
            ["function joiner: the setting Bus__fullyQualifiedNamespace asks for a managed identity"],
        ),
        (PLAIN, {}, {"QUEUE": "plain", "Bus": "nonsense"}, ["function joiner: the connection setting Bus"]),
        (PLAIN, {}, {"QUEUE": 7}, ["Values must be an object whose values are strings"]),
        (
            PLAIN + TIMER,
            {},
            {"WHEN": "0 61 * * * *"},
            ["function joiner: the setting QUEUE", "function agenda: the schedule '0 61 * * * *' is wrong", "'61'"],
        ),
        (TIMER, {}, {}, ["function agenda: the setting WHEN is missing"]),
        (TIMER, {}, {"WHEN": "*/5 * * * *"}, ["function agenda: the schedule", "5 fields", "has 6"]),
        ("", {}, {}, ["no function was found"]),
        ("import nonesuch", {}, {}, ["could not be indexed", "nonesuch", "function_app.py, line"]),
        ("raise SystemExit('enough')", {}, {}, ["could not be indexed", "enough"]),
        (
            '@queue("plain")\nasync def joiner(wrong): pass',
            {},
            {},
            ["could not be indexed: FunctionLoadError", "joiner", "wrong"],
        ),
        (
            '@queue("plain")\n@app.queue_output("out", "q", "Bus")\ndef joiner(message, out: func.Out[str]): pass',
            {},
            {},
            ["function joiner: the sandbox does not imitate the binding serviceBusTrigger with queue"],
        ),
        ('@queue("plain", cardinality="many")\ndef joiner(message): pass', {}, {}, ["function joiner", "batches"]),
        (PLAIN, {"extensions": {"serviceBus": {"prefetchCount": -1}}}, {}, ["host.json: prefetchCount must be"]),
    ],
)
def test_an_app_that_cannot_start_says_why(
    tmp_path: Path, source: str, host: dict[str, Any], settings: dict[str, Any], said: list[str]
) -> None:
    app = App(tmp_path / "app", NOBODY).write("", host)
    (app.folder / "function_app.py").write_text(textwrap.dedent(HEAD) + textwrap.dedent(source))
    with pytest.raises(NotReadyError) as refusal:
        app.start(settings=settings)
    closing = app.log.splitlines()[-len(said) :]
    assert "Traceback" not in "".join(closing)
    assert all(words in "\n".join(closing) for words in said)
    assert closing[-1] in str(refusal.value)
    assert "s3cret" not in app.log
    assert "listens" not in app.log


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, ["host.json cannot be read", "No such file"]),
        ("", ["host.json cannot be read"]),
        ("{", ["host.json cannot be read"]),
        ("[]", ["host.json must hold an object"]),
        ('{"extensions": []}', ["host.json: extensions.serviceBus must be an object"]),
        ('{"extensions": {"serviceBus": 1}}', ["host.json: extensions.serviceBus must be an object"]),
        ('{"functionTimeout": "5 min"}', ["functionTimeout must be a time span", '"5 min"']),
        ('{"extensions": {"serviceBus": {"maxConcurrentCalls": "4"}}}', ["maxConcurrentCalls must be", '"4"']),
        ('{"extensions": {"serviceBus": {"maxConcurrentCalls": 0}}}', ["maxConcurrentCalls", "above 0"]),
        (
            '{"extensions": {"serviceBus": {"maxConcurrentCalls": true, "autoCompleteMessages": "no"}}}',
            ["maxConcurrentCalls must be", "autoCompleteMessages must be true or false"],
        ),
        ('{"extensions": {"serviceBus": {"maxAutoLockRenewalDuration": 5}}}', ["maxAutoLockRenewalDuration must be"]),
    ],
)
def test_host_json_that_is_wrong(tmp_path: Path, content: str | None, said: list[str]) -> None:
    if content is not None:
        (tmp_path / "host.json").write_text(content)
    with pytest.raises(ConfigurationError) as refusal:
        read_limits(tmp_path)
    assert all(words in str(refusal.value) for words in said)


def test_host_json_may_leave_everything_to_its_defaults(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0", "functionTimeout": "-1"}')
    limits = read_limits(tmp_path)
    assert limits.concurrent_calls == 16 * (os.process_cpu_count() or 1)
    assert (limits.prefetch, limits.complete, limits.renew_for) == (0, True, timedelta(minutes=5))
    assert limits.timeout == timedelta.max


def test_a_disabled_function_needs_no_settings(tmp_path: Path) -> None:
    app = App(tmp_path / "app", NOBODY)
    host = app.write(PLAIN + TIMER).start(settings={"AzureWebJobs.joiner.Disabled": "true", "WHEN": "00:05:00"})
    assert host.ready["functions"] == ["joiner", "agenda"]
    host.stop()
    assert "listens" not in app.log
    assert host.child.returncode == 0


@pytest.mark.parametrize(
    ("expression", "field", "values"),
    [
        ("0 */5 * * * *", 1, set(range(0, 60, 5))),
        ("0 0 8-10,18 * * *", 2, {8, 9, 10, 18}),
        ("0 0 0 1/10 * *", 3, {1, 11, 21, 31}),
        ("0 0 0 * Jan,JUN-aug *", 4, {1, 6, 7, 8}),
        ("0 0 0 * * MON-Friday/2", 5, {1, 3, 5}),
        ("  59 0 0 *  * 0 ", 0, {59}),
    ],
)
def test_schedules_that_the_host_takes(expression: str, field: int, values: set[int]) -> None:
    schedule = parse_schedule(expression)
    assert isinstance(schedule, tuple)
    assert schedule[field] == values


@pytest.mark.parametrize(
    "expression",
    [
        *(
            "",
            "* * * * *",
            "* * * * * * *",
            "60 * * * * *",
            "* * 24 * * *",
            "* * * 0 * *",
            "* * * * 13 *",
            "* * * * * 7",
        ),
        *("*/0 * * * * *", "*/x * * * * *", "1- * * * * *", "-1 * * * * *", "5-1 * * * * *", "1,,2 * * * * *"),
        *("? * * * * *", "* * * L * *", "* * * * * MON#1", "* * * * Foo *", "Mon * * * * *", "1.5 * * * * *"),
        *("*/ * * * * *", "** * * * * *", "\u0661 * * * * *", "* * * * * Mo", "00:61:00", "1:2", "-00:05:00", "*:*:*"),
    ],
)
def test_schedules_that_are_wrong(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_schedule(expression)


@pytest.mark.parametrize(
    ("text", "span"),
    [
        ("00:05:00", timedelta(minutes=5)),
        ("1.02:03:04", timedelta(days=1, hours=2, minutes=3, seconds=4)),
        ("00:00:00.5", timedelta(seconds=0.5)),
        ("24:00:00", timedelta(days=24)),
    ],
)
def test_time_spans_as_dotnet_reads_them(text: str, span: timedelta) -> None:
    assert parse_time_span(text) == span
