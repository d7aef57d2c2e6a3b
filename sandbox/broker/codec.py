"""AMQP 1.0 types on the wire (OASIS AMQP 1.0, part 1): Python values to bytes and back."""

import struct
from collections.abc import Callable
from functools import partial
from itertools import chain
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


def _sized(constructor: int, content: bytes, count: int | None = None) -> bytes:
    is_wide = len(content) > 254 or (count or 0) > 255
    width = 4 if is_wide else 1
    counted = content if count is None else count.to_bytes(width) + content
    return bytes((constructor + 16 * is_wide,)) + len(counted).to_bytes(width) + counted


def symbol(text: str) -> Raw:
    """A symbol: what AMQP names things with."""
    return Raw(_sized(0xA3, text.encode()))


_WRITERS: dict[type, Callable[[Any], bytes]] = {
    NoneType: lambda _: b"\x40",
    bool: lambda value: b"\x41" if value else b"\x42",
    int: long,
    str: lambda value: _sized(0xA1, value.encode()),
    bytes: lambda value: _sized(0xA0, value),
    UUID: lambda value: b"\x98" + value.bytes,
    list: lambda items: _sized(0xC0, b"".join(map(encode, items)), len(items)) if items else b"\x45",
    dict: lambda pairs: _sized(0xC1, b"".join(map(encode, chain(*pairs.items()))), 2 * len(pairs)),
    tuple: lambda items: _sized(0xE0, items[0][:1] + b"".join(item[1:] for item in items), len(items)),
    Raw: lambda value: value,
}


def encode(value: Any) -> Raw:
    """The bytes of a value; an int is a long, a str a string, a tuple of Raws an array. Other types come as Raw."""
    return Raw(_WRITERS[type(value)](value))


def described(code: int, content: Any) -> Raw:
    """A composite or section: performatives, outcomes and some sections are lists, others maps or plain values."""
    return Raw(bytes((0x00, 0x53, code)) + encode(content))


_WIDTHS = {0x4: 0, 0x5: 1, 0x6: 2, 0x7: 4, 0x8: 8, 0x9: 16}  # by the upper half of a constructor
_READERS: dict[int, Callable[[Any], Any]] = {
    **dict.fromkeys((0x43, 0x44, 0x50, 0x52, 0x53, 0x60, 0x70, 0x80), int.from_bytes),
    **dict.fromkeys((0x51, 0x54, 0x55, 0x61, 0x71, 0x81, 0x83), partial(int.from_bytes, signed=True)),
    **dict.fromkeys((0xA1, 0xA3), bytes.decode),
    **dict.fromkeys((0x45, 0xC0, 0xE0), list),
    0x40: lambda _: None,
    0x41: lambda _: True,
    0x42: any,
    0x56: any,
    0x72: lambda content: struct.unpack(">f", content)[0],
    0x82: lambda content: struct.unpack(">d", content)[0],
    0x98: lambda content: UUID(bytes=content),
    0xA0: bytes,
    0xC1: lambda items: dict(zip(items[::2], items[1::2], strict=True)),
}


def decode(data: bytes, at: int = 0) -> tuple[Any, int]:
    """The value beginning at `at`, and where it ends. Symbols and strings are str, timestamps are milliseconds.

    Raises:
        IndexError, KeyError, struct.error, ValueError, TypeError, RecursionError: the bytes are not AMQP.
    """
    if data[at] == 0x00:
        code, at = decode(data, at + 1)
        value, at = decode(data, at)
        return Described(code, value), at
    return _value(data[at], data, at + 1)


def _value(constructor: int, data: bytes, at: int) -> tuple[Any, int]:
    if constructor < 0xA0:
        width, end = 0, at + _WIDTHS[constructor >> 4]
    else:  # bit 4 says how wide the size is, and a compound's count
        width = 4 if constructor & 0x10 else 1
        constructor, at, end = constructor & 0xEF, at + width, at + width + int.from_bytes(data[at : at + width])
    if end > len(data):
        raise ValueError("a value goes past the end")
    content = data[at:end]
    is_compound = constructor >= 0xC0
    return _READERS[constructor](_elements(content, width, constructor) if is_compound else content), end


def _elements(content: bytes, width: int, constructor: int) -> list[Any]:
    count, at = int.from_bytes(content[:width]), width
    if count > len(content):
        raise ValueError("a compound counts more elements than it has")
    common = content[at] if count and constructor == 0xE0 else None  # the elements of an array share theirs
    at += common is not None
    items: list[Any] = []
    for _ in range(count):
        item, at = decode(content, at) if common is None else _value(common, content, at)
        items.append(item)
    if at != len(content):
        raise ValueError("a compound does not end where it says")
    return items


def raw_map(data: bytes) -> dict[Raw, Raw]:
    """A map as encoded keys and values, to be sent on with every type as it came; without data it is empty."""
    at = {0xC1: 3, 0xD1: 9}[data[0]] if data else 0
    parts: list[Raw] = []
    while at < len(data):
        start, (_, at) = at, decode(data, at)
        parts.append(Raw(data[start:at]))
    return dict(zip(parts[::2], parts[1::2], strict=True))
