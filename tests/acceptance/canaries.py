"""The search for a text in whatever was written: as it is, in other encodings, and inside what is compressed."""

import base64
import gzip
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from urllib.parse import quote

STREAMS = re.compile(rb"\x1f\x8b\x08|\x78[\x01\x5e\x9c\xda]")
"""How gzip and zlib begin."""
LARGEST = 64 * 1024 * 1024


def forms(text: str) -> set[bytes]:
    """Every form in which a program might have written it down."""
    raw = text.encode()
    wide = {text.encode(encoding) for encoding in ("utf-16-le", "utf-16-be")}
    plain = {raw, raw.lower(), raw.upper(), raw[::-1], quote(text, safe="").encode(), raw.hex().encode()}
    return plain | wide | {raw.hex().upper().encode()} | {part for one in (raw, *wide) for part in in_base64(one)}


def in_base64(raw: bytes) -> Iterator[bytes]:
    """What base64 makes of it whatever stands before and after: the digits that depend on nothing else."""
    for before in range(3):
        digits = base64.b64encode(bytes(before) + raw)
        first, last = (before * 8 + 5) // 6, (before + len(raw)) * 8 // 6
        yield digits[first:last]
        yield digits[first:last].replace(b"+", b"-").replace(b"/", b"_")


def unpacked(raw: bytes) -> bytes:
    """The bytes, and what is in every compressed stream among them."""
    found = [raw]
    for begins in STREAMS.finditer(raw):
        with suppress(zlib.error):
            found.append(zlib.decompressobj(47).decompress(raw[begins.start() :], LARGEST))
    return b"\n".join(found)


def written_to(folders: Iterable[Path]) -> dict[str, bytes]:
    """Every file in these folders, as raw bytes."""
    files = (file for folder in folders for file in sorted(folder.rglob("*")) if file.is_file())
    return {str(file): unpacked(file.read_bytes()) for file in files}


def leaks(places: Mapping[str, bytes], secrets: Iterable[str]) -> list[tuple[str, str, bytes]]:
    """Where which secret stands in which form."""
    looked_for = [(secret, form) for secret in secrets for form in forms(secret)]
    return [(place, secret, form) for place, raw in places.items() for secret, form in looked_for if form in raw]


def packed(text: str) -> dict[str, bytes]:
    """A text hidden in each of the ways the search must see through; to test the search."""
    raw = f"before {text} after".encode()
    encoded = {f"base64 at {at}": base64.b64encode(b"x" * at + raw) for at in range(3)}
    compressed = {"gzip": b"junk" + gzip.compress(raw) + b"junk", "zlib": b"junk" + zlib.compress(raw)}
    wide = {name: f"before {text}".encode(name) for name in ("utf-16-le", "utf-16-be", "utf-16")}
    return {"plain": raw, "hex": raw.hex().encode(), "URL": quote(text, safe="").encode()} | encoded | compressed | wide
