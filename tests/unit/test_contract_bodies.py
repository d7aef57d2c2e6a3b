import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.contract import MAX_BYTES, parse
from shared.errors import Reason, Refused
from shared.events import Cancellation, EventRules, HireEvent
from tests.builders import body, hired

NOW = datetime(2026, 11, 20, 12, tzinfo=UTC)
MARKER = "Zx9MARKERx9Z"
FULL = hired({"firstDay": "2026-12-01"})
ORDINARY = {Reason.MALFORMED_EVENT, Reason.UNKNOWN_TYPE}


def read(raw: bytes | str) -> object:
    return parse(raw, EventRules(), NOW)


def refusal(raw: bytes | str) -> Refused | None:
    """How it was refused; None when it was read. Anything else it raises fails the test."""
    try:
        read(raw)
    except Refused as refused:
        return refused
    return None


def assert_ordinary(raw: bytes | str) -> None:
    refused = refusal(raw)
    if refused is None:
        assert isinstance(read(raw), HireEvent | Cancellation)
    else:
        assert refused.reason in ORDINARY
        assert refused.detail


def assert_unreadable(raw: bytes | str) -> None:
    refused = refusal(raw)
    assert refused is not None
    assert refused.reason is Reason.MALFORMED_EVENT
    assert refused.detail.startswith("body: ")


# --- what cannot be read at all ---


def deep(levels: int, opening: str, closing: str) -> str:
    return opening * levels + "1" + closing * levels


def placed(text: str, *place: str) -> str:
    """A good hire event with raw JSON at one place of it, or in place of it."""
    return json.dumps(put(hired(), place, "@")).replace('"@"', text)


def put(document: Any, path: tuple[str | int, ...], value: object) -> Any:
    """A copy of `document` with `value` at `path`."""
    if not path:
        return value
    (first, *rest), copy = path, document.copy()
    copy[first] = put(document[first] if rest else None, tuple(rest), value)
    return copy


@pytest.mark.parametrize("levels", [5_000, 9_990, 9_996, 9_999, 12_000, 30_000])
def test_a_deeply_nested_document_is_read_or_refused(levels: int) -> None:
    nests = [nest for nest in (deep(levels, "[", "]"), deep(levels, '{"a":', "}")) if len(nest) < MAX_BYTES - 1_000]
    assert nests
    for nest in nests:
        for place in ((), ("type",), ("id",), ("data",), ("data", "user"), ("data", "devicePaths")):
            refused = refusal(placed(nest, *place))
            assert refused is not None
            assert refused.reason is Reason.MALFORMED_EVENT
        for place in (("x",), ("data", "x")):
            assert_ordinary(placed(nest, *place))


UNREADABLE: list[bytes | str] = [
    b"",
    b" ",
    b"null",
    b"[]",
    b'"joiner.hired.v1"',
    b"5",
    b"{",
    b"{}x",
    b"\xff\xfe{\x00}\x00",
    b'{"a": "\xc3("}',
    b"\xed\xa0\x80",
    body(hired()).decode().encode("utf-16"),
    body(hired())[:-1],
    body(hired()) + body(hired()),
    "\ud800",
    '{"id": "\ud800"}',
    placed("NaN", "data", "x"),
    placed("-Infinity", "x"),
    placed("1" * 5_000, "data", "x"),
    placed('{"a": 1, "a": 1}', "data", "x"),
    placed('[[{"a": {"b": 1, "c": 2, "b": 3}}]]', "x"),
    '{"type": "x", "type": "joiner.hired.v1"}',
    json.dumps(hired()).replace('"startTime": "09:00"', '"startTime": "09:00", "startTime": "10:00"'),
    json.dumps(hired()).replace('"id": "evt-1"', '"id": "evt-1", "\\u0069d": "evt-2"'),
]


def test_what_cannot_be_read_is_malformed_as_a_body() -> None:
    for raw in UNREADABLE:
        assert_unreadable(raw)


@pytest.mark.parametrize("number", ["1e999", "-1e999", "1e-999", "1" * 4_000, "-0.0"])
def test_a_huge_number_in_a_field_of_no_interest_is_tolerated(number: str) -> None:
    assert read(placed(number, "data", "x")) == read(body(hired()))


def test_text_bytes_and_a_byte_order_mark_read_the_same() -> None:
    raw = body(hired())
    for same in (raw.decode(), b"\xef\xbb\xbf" + raw, "\ufeff" + raw.decode()):
        assert read(same) == read(raw)


def test_a_body_may_have_64_kib_and_not_one_byte_more() -> None:
    raw = body(hired())
    full = raw + b" " * (65_536 - len(raw))
    assert read(full) == read(full.decode()) == read(raw)
    for longer in (full + b" ", full.decode() + " ", full[:-1].decode() + "\u00e9"):
        assert_unreadable(longer)


# --- nothing that was sent is ever told back ---


def places(value: object, path: tuple[str | int, ...] = ()) -> Iterator[tuple[str | int, ...]]:
    yield path
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, child in children:
        yield from places(child, (*path, key))


EVERYWHERE = list(places(FULL))
SHAPES: list[object] = [
    MARKER, [MARKER], {MARKER: MARKER}, {"id": MARKER}, f"{MARKER}\ud800", MARKER * 1_000, f"+{MARKER}", [[MARKER]],
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=lambda it: ascii(it)[:30])
def test_no_value_is_echoed_wherever_it_stands(shape: object) -> None:
    refusals = [refusal(body(put(FULL, path, shape))) for path in EVERYWHERE]
    assert len([refused for refused in refusals if refused]) > len(EVERYWHERE) / 2
    for refused in refusals:
        assert refused is None or MARKER not in f"{refused} {refused.detail} {refused!r}"


@pytest.mark.parametrize("document", [{MARKER: 1}, hired({MARKER: 1}, id=5), hired({"user": {MARKER: 1}})])
def test_no_key_is_echoed(document: object) -> None:
    refused = refusal(body(document))
    assert refused is not None
    assert MARKER not in refused.detail


# --- whatever comes, an event or a refusal ---

any_text = st.text(st.characters(exclude_categories=()), max_size=20)
any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | any_text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(any_text, inner, max_size=3),
    max_leaves=8,
)


@given(raw=st.binary(max_size=200) | any_text)
def test_any_bytes_or_text_has_an_ordinary_outcome(raw: bytes | str) -> None:
    assert_ordinary(raw)


@given(path=st.sampled_from(EVERYWHERE), value=any_json)
def test_any_json_anywhere_has_an_ordinary_outcome(path: tuple[str | int, ...], value: object) -> None:
    assert_ordinary(body(put(FULL, path, value)))


@given(value=any_json, marker=st.sampled_from(EVERYWHERE))
def test_a_marker_among_any_json_is_never_echoed(value: object, marker: tuple[str | int, ...]) -> None:
    refused = refusal(body(put(FULL, marker, [MARKER, {MARKER: value}])))
    assert refused is None or MARKER not in refused.detail


@given(at=st.integers(0, 400), length=st.integers(0, 5), junk=st.binary(max_size=5))
def test_any_damage_to_a_good_body_has_an_ordinary_outcome(at: int, length: int, junk: bytes) -> None:
    raw = body(hired())
    assert_ordinary(raw[:at] + junk + raw[at + length :])
