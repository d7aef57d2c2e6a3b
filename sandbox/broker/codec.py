"""AMQP 1.0 types on the wire (OASIS AMQP 1.0, part 1): Python values to bytes and back."""

import re
import struct
from collections.abc import Callable
from types import NoneType
from typing import Any, NamedTuple
from uuid import UUID


class Raw(bytes):
    """Bytes that are an encoded AMQP value already."""


class Described(NamedTuple):
    """A value with its descriptor, such as 0x24 for the outcome `accepted`."""

    code: Any
    value: Any


def _packer(constructor: int, layout: str) -> Callable[[int], Raw]:
    pack = struct.Struct(">B" + layout).pack
    return lambda value: Raw(pack(constructor, value))


ubyte, ushort, uint, ulong = _packer(0x50, "B"), _packer(0x60, "H"), _packer(0x70, "I"), _packer(0x80, "Q")
integer, long, timestamp = _packer(0x71, "i"), _packer(0x81, "q"), _packer(0x83, "q")


def sized(constructor: int, content: bytes, count: int | None = None) -> Raw:
    """A value of its own length by its short constructor; a compound says how many elements `content` has."""
    is_wide = len(content) > 254 or (count or 0) > 255
    width = 4 if is_wide else 1
    counted = b"" if count is None else count.to_bytes(width)
    return Raw(bytes((constructor + 16 * is_wide,)) + len(counted + content).to_bytes(width) + counted + content)


def symbol(text: str) -> Raw:
    """A symbol: what AMQP names things with."""
    return sized(0xA3, text.encode())


def described(code: int, content: Any) -> Raw:
    """A composite or section: performatives, outcomes and some sections are lists, others maps or plain values."""
    return Raw(bytes((0x00, 0x53, code)) + encode(content))


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    NoneType: lambda _: b"\x40",
    bool: lambda value: b"\x41" if value else b"\x42",
    int: long,
    str: lambda value: sized(0xA1, value.encode()),
    bytes: lambda value: sized(0xA0, value),
    UUID: lambda value: b"\x98" + value.bytes,
    list: lambda items: sized(0xC0, b"".join(map(encode, items)), len(items)) if items else b"\x45",
    dict: lambda pairs: encode_raw_map({encode(key): encode(value) for key, value in pairs.items()}),
    Raw: lambda value: value,
}


def encode(value: Any) -> bytes:
    """The bytes of a value; an int is a long, a str a string. Anything more particular comes as Raw."""
    return _WRITERS[type(value)](value)


def _pairs(items: list[Any]) -> dict[Any, Any]:
    return dict(zip(items[::2], items[1::2], strict=True))


_NUMBERS = {
    int(entry[:2], 16): struct.Struct(">" + entry[2])
    for entry in re.findall("...", "50B51b52B53B54b55b56?60H61h70I71i72f73I80Q81q82d83q")
}
_CONSTANTS: dict[int, Callable[[], Any]] = {
    0x40: NoneType,
    0x41: lambda: True,
    0x42: bool,
    0x43: int,
    0x44: int,
    0x45: list,
}
_BLOBS: dict[int, Callable[[bytes], Any]] = {0xA0: bytes, 0xA1: bytes.decode, 0xA3: bytes.decode}
_COMPOUNDS: dict[int, Callable[[list[Any]], Any]] = {0xC0: list, 0xC1: _pairs, 0xE0: list}


def decode(data: bytes, at: int = 0) -> tuple[Any, int]:
    """The value beginning at `at`, and where it ends. Symbols and strings are str, timestamps are milliseconds.

    Raises:
        IndexError, KeyError, struct.error, ValueError, TypeError, RecursionError: the bytes are not AMQP.
    """
    return _value(data[at], data, at + 1)


def _value(constructor: int, data: bytes, at: int) -> tuple[Any, int]:
    if constructor in _NUMBERS:
        shape = _NUMBERS[constructor]
        return shape.unpack_from(data, at)[0], at + shape.size
    if constructor in _CONSTANTS:
        return _CONSTANTS[constructor](), at
    if constructor == 0x00:
        code, at = decode(data, at)
        value, at = decode(data, at)
        return Described(code, value), at
    if constructor == 0x98:
        return UUID(bytes=data[at : at + 16]), at + 16
    return _variable(constructor, data, at)


def _variable(constructor: int, data: bytes, at: int) -> tuple[Any, int]:
    width = 4 if constructor & 0x10 else 1
    start, short = at + width, constructor & 0xEF
    end = start + int.from_bytes(data[at:start])
    if end > len(data):
        raise ValueError("a value goes past the end")
    if short in _BLOBS:
        return _BLOBS[short](data[start:end]), end
    return _COMPOUNDS[short](_elements(data, start, width, end, is_array=short == 0xE0)), end


def _elements(data: bytes, at: int, width: int, end: int, *, is_array: bool) -> list[Any]:
    count, at = int.from_bytes(data[at : at + width]), at + width
    items: list[Any] = []
    common = data[at] if is_array and count else None
    at += common is not None
    if count > end - at:
        raise ValueError("a compound counts more elements than it has")
    for _ in range(count):
        item, at = decode(data, at) if common is None else _value(common, data, at)
        items.append(item)
    if at != end:
        raise ValueError("a compound does not end where it says")
    return items


def raw_map(data: bytes, at: int) -> dict[bytes, bytes]:
    """The map beginning at `at` as encoded keys and values, to be sent on with every type as it came."""
    end = decode(data, at)[1]
    at += {0xC1: 3, 0xD1: 9}[data[at]]
    pairs: dict[bytes, bytes] = {}
    while at < end:
        middle = decode(data, at)[1]
        after = decode(data, middle)[1]
        pairs[data[at:middle]], at = data[middle:after], after
    return pairs


def encode_raw_map(pairs: dict[bytes, bytes]) -> Raw:
    """The opposite of `raw_map`."""
    return sized(0xC1, b"".join(key + value for key, value in pairs.items()), 2 * len(pairs))
