import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest

from shared.secret import Secret
from shared.telemetry import FIELDS, QUIET_LOGGERS, Event, RedactingFormatter, emit, install, places, scrub

NUMBER, UPN, PASS = "+49 171 392 0001", "ann.o'hara@contoso.com", "Qx7+tP%9"


@pytest.fixture
def lines() -> Iterator[io.StringIO]:
    """Everything logged anywhere, as the redacting formatter writes it."""
    written = io.StringIO()
    handler = logging.StreamHandler(written)
    handler.setFormatter(RedactingFormatter())
    root, ours = logging.getLogger(), logging.getLogger("firstpass")
    before = root.level, ours.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG)
    ours.setLevel(logging.INFO)
    yield written
    root.removeHandler(handler)
    root.setLevel(before[0])
    ours.setLevel(before[1])


def only(written: io.StringIO) -> dict[str, Any]:
    (line,) = written.getvalue().splitlines()
    return json.loads(line)


def test_an_event_is_one_json_line_with_its_fields(lines: io.StringIO) -> None:
    emit(Event.SENT, case="c1", issuance=2, channel="sms")
    line = only(lines)
    assert (line["event"], line["message"], line["level"], line["logger"]) == (
        "message-sent", "message-sent", "INFO", "firstpass",
    )  # fmt: skip
    assert (line["case"], line["issuance"], line["channel"]) == ("c1", "2", "sms")
    assert line["time"].endswith("+00:00")


@pytest.mark.parametrize("field", ["number", "user", "upn", "body", "secret", "mobilePhone", "event_"])
def test_a_field_outside_the_list_is_refused(field: str, lines: io.StringIO) -> None:
    with pytest.raises(TypeError, match=f"not an allowed telemetry field: {field}$"):
        emit(Event.SENT, logging.INFO, **{"case": "c1", field: NUMBER})
    assert lines.getvalue() == ""


def test_the_allowed_fields_are_about_cases_not_people() -> None:
    assert not FIELDS & {"user", "user_id", "number", "mobile", "upn", "name", "secret", "body", "event"}
    assert len(set(Event)) == len(Event)


PERSONAL = [
    "+491713920001", "+49 171 392 0001", "+31-6-12345678", "+1 (201) 555-0123", "+31.6.12.34.56.78", "%2B491713920001",
    "whatsapp:+491713920001", "ann@contoso.com", UPN, "ann_x.com#EXT#@contoso.onmicrosoft.com", "o!brien@x.co.uk",
    "ann%40contoso.com", "j\u00f6rg@firma.de",
]  # fmt: skip


@pytest.mark.parametrize("personal", PERSONAL)
def test_numbers_and_user_names_are_scrubbed_wherever_they_stand(personal: str, lines: io.StringIO) -> None:
    other = logging.getLogger("some.library")
    other.warning("to %s now", personal)
    other.warning("GET /users/%(who)s?x=1", {"who": personal})
    other.error(f"user='{personal}', done")
    emit(Event.REFUSED, detail=f"about {personal}.", reason=personal)
    written = lines.getvalue()
    assert written.count("***") >= 5
    for part in personal.replace("%40", "@").replace("whatsapp:", "").split("@"):
        assert part not in written
    assert "to *** now" in written or "to whatsapp:*** now" in written


@pytest.mark.parametrize(
    "harmless",
    ["2026-11-20T09:12:00+00:00", "00112233445566778899aabbccddeeff-1-2", "a + b", "+5 minutes", "x@y", "09:00"],
)
def test_codes_and_times_are_left_alone(harmless: str) -> None:
    assert scrub(f"at {harmless} it was") == f"at {harmless} it was"


def test_a_live_pass_is_masked_even_as_plain_text(lines: io.StringIO) -> None:
    secret = Secret(PASS)
    logging.getLogger("twilio").error("Body=%s", secret.reveal())
    emit(Event.SENT, detail=PASS)
    assert PASS not in lines.getvalue()
    assert lines.getvalue().count("***") == 2


def test_line_breaks_are_folded(lines: io.StringIO) -> None:
    logging.getLogger("x").warning("one\ntwo\r\nthree\u2028four\x0b%s", '\n{"event": "forged"}')
    assert only(lines)["message"] == 'one two three four {"event": "forged"}'


def test_a_number_broken_over_lines_is_still_one(lines: io.StringIO) -> None:
    logging.getLogger("x").warning("+49 171\n392\t0001")
    assert only(lines)["message"] == "***"


def raised(error: Exception, cause: Exception | None = None) -> Exception:
    try:
        raise error from cause
    except Exception as caught:  # noqa: BLE001 - to have its traceback
        return caught


def test_of_an_exception_only_type_and_places_are_kept(lines: io.StringIO) -> None:
    error = raised(ValueError(f"text of {UPN}"), KeyError(f"cause {PASS}"))
    logging.getLogger("x").error("failed", exc_info=error)
    line = only(lines)
    assert line["exception"].startswith("ValueError at test_telemetry.py:")
    for text in (UPN, PASS, "text of", "cause", "Traceback", "KeyError"):
        assert text not in lines.getvalue()


def test_places_names_every_line_on_the_way() -> None:
    assert places(raised(ValueError("x"))).count("test_telemetry.py:") == 1
    assert places(ValueError("never raised")) == "ValueError at "


def test_the_stack_of_a_record_is_not_written(lines: io.StringIO) -> None:
    logging.getLogger("x").warning("here", stack_info=True)
    assert set(only(lines)) == {"time", "level", "logger", "message"}


def test_a_record_that_cannot_be_formatted_neither_fails_nor_shows_its_arguments() -> None:
    record = logging.makeLogRecord({"msg": "code %d", "args": (NUMBER,)})
    assert json.loads(RedactingFormatter().format(record))["message"] == "code %d"


@pytest.mark.parametrize("text", ["x" * 10_000, "+1" * 5_000, "+1" + "(" * 10_000, "a%40" * 2_500, "a.b@" * 2_500])
def test_no_line_makes_scrubbing_run_away(text: str) -> None:
    assert len(scrub(text)) <= len(text)  # a pattern that backtracks would never get here


def test_install_covers_the_root_handlers_and_quiets_the_sdks() -> None:
    root, handler = logging.getLogger(), logging.StreamHandler(io.StringIO())
    root.addHandler(handler)
    formatters = [(it, it.formatter) for it in root.handlers]
    levels = {name: logging.getLogger(name).level for name in (*QUIET_LOGGERS, "firstpass")}
    try:
        install()
        assert isinstance(handler.formatter, RedactingFormatter)
        for name in ("azure", "azure.servicebus", "httpx", "httpcore.http11", "aiohttp.client", "msal.application",
                     "twilio.http_client", "urllib3.connectionpool"):  # fmt: skip
            assert not logging.getLogger(name).isEnabledFor(logging.INFO)
            assert logging.getLogger(name).isEnabledFor(logging.WARNING)
        assert logging.getLogger("firstpass").isEnabledFor(logging.INFO)
    finally:
        for it, formatter in formatters:
            it.setFormatter(formatter)
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
        root.removeHandler(handler)
