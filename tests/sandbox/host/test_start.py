"""What the host checks before it takes a message: settings, host.json, bindings, schedules."""

import json
import os
import textwrap
from math import inf
from pathlib import Path
from typing import Any

import pytest

from sandbox.host.runtime import ConfigurationError
from sandbox.host.schedule import parse_schedule
from sandbox.host.settings import read_limits
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
ALL_WRONG = """
    def on(name, connection="Bus", **options):
        return app.service_bus_queue_trigger("message", queue_name=name, connection=connection, **options)

    @on("%MISSING%")
    def one(message): pass
    @on("%EMPTY%-%MISSING%")
    def two(message): pass
    @on("plain", "Nowhere")
    def three(message): pass
    @on("plain", "Identity")
    def four(message): pass
    @on("plain", "Nonsense")
    def five(message): pass
    @on("plain", cardinality="many")
    def six(message): pass
    @on("plain")
    @app.queue_output("out", "q", "Bus")
    def seven(message, out: func.Out[str]): pass
    @app.timer_trigger("timer", schedule="%MISSING%")
    def eight(timer: func.TimerRequest): pass
    @app.timer_trigger("timer", schedule="%WHEN%")
    def nine(timer: func.TimerRequest): pass
    @on("plain")
    def right(message): pass
"""
NEEDED = {"EMPTY": "", "Identity__fullyQualifiedNamespace": "x", "Nonsense": "nonsense", "WHEN": "0 61 * * * *"}


def refusal(app: App, settings: dict[str, Any], lines: int = 1) -> list[str]:
    """The host's last lines; that it started is a failure."""
    with pytest.raises(NotReadyError) as refused:
        app.start(settings=settings)
    closing = app.log.splitlines()[-lines:]
    assert closing[-1] in str(refused.value)
    assert app.hosts == []
    assert "Traceback" not in "".join(closing)
    assert "s3cret" not in app.log
    assert "listens" not in app.log
    return closing


def test_every_function_that_cannot_run_is_named_in_a_line_of_its_own(tmp_path: Path) -> None:
    said = refusal(App(tmp_path / "app", NOBODY).write(ALL_WRONG), NEEDED, lines=9)
    assert [line.split(":")[0].removeprefix("function ") for line in said] == (
        ["one", "two", "three", "four", "five", "six", "seven", "eight", "nine"]
    )
    expected = [
        "the setting MISSING is missing or empty (wanted by '%MISSING%')",
        "the setting EMPTY, MISSING is missing or empty",
        "the connection setting Nowhere is missing or empty",
        "Identity__fullyQualifiedNamespace is not imitated",
        "the connection setting Nonsense is no connection string",
        "does not imitate topics, sessions and batches",
        "does not imitate the binding serviceBusTrigger with queue",
        "the setting MISSING is missing or empty",
        "'61' is not legal as the minute of a schedule (0 to 59)",
    ]
    for line, words in zip(said, expected, strict=True):
        assert words in line


@pytest.mark.parametrize(
    ("source", "host", "settings", "said"),
    [
        (PLAIN, {}, {"QUEUE": 7}, ["Values must be an object whose values are strings"]),
        (PLAIN, {"extensions": {"serviceBus": {"prefetchCount": -1}}}, {}, ["host.json: prefetchCount must be"]),
        ("", {}, {}, ["no function was found"]),
        ("import nonesuch", {}, {}, ["could not be indexed", "nonesuch", "function_app.py, line"]),
        ("raise SystemExit('enough')", {}, {}, ["could not be indexed", "enough"]),
        (
            '@queue("plain")\nasync def joiner(wrong): pass',
            {},
            {},
            ["could not be indexed: FunctionLoadError", "joiner", "wrong"],
        ),
    ],
)
def test_an_app_that_cannot_start_says_why(
    tmp_path: Path, source: str, host: dict[str, Any], settings: dict[str, Any], said: list[str]
) -> None:
    app = App(tmp_path / "app", NOBODY).write("", host)
    (app.folder / "function_app.py").write_text(textwrap.dedent(HEAD) + textwrap.dedent(source))
    (last,) = refusal(app, settings)
    assert all(words in last for words in said)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, ["host.json cannot be read", "No such file"]),
        ("", ["host.json cannot be read"]),
        ("{", ["host.json cannot be read"]),
        ("[]", ["host.json cannot be read as an object"]),
        ('{"extensions": []}', ["host.json.extensions.serviceBus cannot be read as an object"]),
        ('{"extensions": {"serviceBus": 1}}', ["host.json.extensions.serviceBus cannot be read as an object"]),
        *(
            (json.dumps({"functionTimeout": span}), ["functionTimeout must be a time span", f'"{span}"'])
            for span in ("24:00:00", "1.00:00:00", "00:61:00", "1:2", "-00:05:00", "")
        ),
        ('{"extensions": {"http": {"routePrefix": "a{b}"}}}', ["routePrefix must be words", '"a{b}"']),
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
    with pytest.raises(ConfigurationError) as refused:
        read_limits(tmp_path / "host.json")
    assert len(str(refused.value).splitlines()) == (2 if "autoCompleteMessages" in said[-1] else 1)
    assert all(words in str(refused.value) for words in said)


def test_host_json_may_leave_everything_to_its_defaults(tmp_path: Path) -> None:
    (tmp_path / "host.json").write_text('{"version": "2.0", "functionTimeout": "-1"}')
    assert read_limits(tmp_path / "host.json") == {
        "maxConcurrentCalls": 16 * (os.process_cpu_count() or 1),
        "prefetchCount": 0,
        "autoCompleteMessages": True,
        "maxAutoLockRenewalDuration": 300,
        "functionTimeout": inf,
        "routePrefix": "api",
    }


def test_host_json_sets_limits_where_they_belong_and_nowhere_else(tmp_path: Path) -> None:
    limits = {"maxConcurrentCalls": 4, "autoCompleteMessages": False, "functionTimeout": "00:09:00"}
    there = {"extensions": {"serviceBus": limits}, "functionTimeout": "01:02:03", "prefetchCount": 7}
    (tmp_path / "host.json").write_text(json.dumps(there))
    found = read_limits(tmp_path / "host.json")
    assert (found["maxConcurrentCalls"], found["autoCompleteMessages"], found["functionTimeout"]) == (4, False, 3723)
    assert found["prefetchCount"] == 0


def test_a_disabled_function_needs_no_settings(tmp_path: Path) -> None:
    app = App(tmp_path / "app", NOBODY)
    host = app.write(PLAIN + TIMER).start(settings={"AzureWebJobs.joiner.Disabled": "true", "WHEN": "0 */5 * * * *"})
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
    assert parse_schedule(expression)[field] == values


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
        *(
            "*/ * * * * *",
            "** * * * * *",
            "\u0661 * * * * *",
            "* * * * * Mo",
            "00:05:00",
            "* * * * * 1mon",
            "* * * * * Fri-Mon",
        ),
    ],
)
def test_schedules_that_are_wrong(expression: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        parse_schedule(expression)
