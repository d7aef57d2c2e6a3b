"""What anybody may send in place of something valid: documents with a wrong part, and bytes that are hardly text."""

import copy
import json
from collections.abc import Callable
from random import Random
from typing import Any

NAME, UPN, PHONE, CODE = "Canary O'Bird", "canary.bird@firstpass.example", "+491713920077", "Kx7-canary-Q2"
CANARIES = (NAME, "canary.bird", PHONE[1:], CODE)
"""What must be in no answer, no log line and no description, in any case of letters."""

NUMBERS = (0, 1, -1, 2, 200, 404, 999, 1000, 2**31, 2**63, -(2**63) - 1, 10**400, 0.5, -0.0, 1e308)
NO_NUMBERS = (float("nan"), float("inf"), float("-inf"))
MOMENTS = (
    *("0001-01-01T00:00:00+23:59", "9999-12-31T23:59:59-23:59", "9999-12-31T23:59:59Z", "2026-11-20T09:12:00"),
    *("2026-02-30", "2026-13-01T00:00:00Z", "20261120T091200Z", "2026-11-20T24:00:00Z", "2026-W48-1", "now"),
)
TEXTS = (
    *("", " ", "\x00", "a\x00b", "\r\nX-Evil: 1", "\x1b[31m", "\u202e", "\ufeff", "\ud800", "\udfff\ud800", "\u2028"),
    *(
        "\u0661\u0662\u0663",
        "\uff12\uff10\uff12\uff16-12-01",
        "ﬀ",
        "İ",
        "e" + "\u0301" * 40,
        "👩‍👩‍👧",
        "null",
        "NaN",
        "__proto__",
        "%s%n",
        "{0}",
    ),
    *("' or 1 eq 1", "../../etc", "#EXT#", "$(id)", "https://elsewhere.example/v1.0/x", "enabled", "all_users", "aad"),
)
HUGE = ("a" * 5000, "9" * 5000, "policy " * 3000, "+1" * 3000, "@a.b" * 2000)

type Change = Callable[[list[Any], Random], None]


def nasty(dice: Random) -> Any:
    """A value that is seldom what was expected."""
    makers = (_plain, _canary, _moment, _huge, _container)
    return dice.choices(makers, (45, 15, 12, 4, 24))[0](dice)


def _plain(dice: Random) -> Any:
    return dice.choice((None, True, False, *NUMBERS, *TEXTS))


def _canary(dice: Random) -> Any:
    return dice.choice((NAME, UPN, PHONE, CODE))


def _moment(dice: Random) -> Any:
    return dice.choice(MOMENTS)


def _huge(dice: Random) -> Any:
    return dice.choice((*HUGE, *NO_NUMBERS))


def _container(dice: Random) -> Any:
    found = [], {}, [None], [[]], {"": None}, {UPN: PHONE}, [NAME, 1], {"value": []}, ["x"] * 200
    return dice.choice((*found, nested(3), nested(dice.choice((30, 300)))))


def nested(levels: int) -> Any:
    """A list in a list in a list."""
    found: Any = UPN
    for _ in range(levels):
        found = [found]
    return found


def mutated(document: Any, dice: Random) -> Any:
    """A copy of a document with one to three changes anywhere in it."""
    root = [copy.deepcopy(document)]
    for _ in range(dice.choice((1, 1, 1, 1, 2, 3))):
        dice.choice(CHANGES)(root, dice)
    return root[0]


# --- changes: each is given the document as the one item of a list, so that it may be replaced as a whole ---


def _places(inside: Any) -> list[tuple[Any, Any]]:
    """Every container in it, with each of its keys or positions."""
    found: list[tuple[Any, Any]] = []
    left = [inside]
    while left and len(found) < 500:
        one = left.pop()
        keys = list(one) if isinstance(one, dict) else range(len(one))
        found += [(one, key) for key in keys]
        left += [one[key] for key in keys if isinstance(one[key], dict | list)]
    return found


def _place(root: list[Any], dice: Random) -> tuple[Any, Any]:
    places = _places(root)
    return dice.choice(places[1:] or places) if dice.random() < 0.97 else places[0]


def _replace(root: list[Any], dice: Random) -> None:
    holder, key = _place(root, dice)
    holder[key] = nasty(dice)


def _leave_out(root: list[Any], dice: Random) -> None:
    holder, key = _place(root, dice)
    if holder is not root:
        del holder[key]


def _wrap(root: list[Any], dice: Random) -> None:
    holder, key = _place(root, dice)
    it = holder[key]
    holder[key] = dice.choice(([it], {"value": it}, [it, it], str(it)))


def _add(root: list[Any], dice: Random) -> None:
    holder, _ = _place(root, dice)
    if isinstance(holder, dict):
        holder[dice.choice((UPN, PHONE, CODE, "", "\ud800", "a" * 300, "extra", "id", "value"))] = nasty(dice)
    elif holder is not root:
        holder.insert(0, nasty(dice))


def _rename(root: list[Any], dice: Random) -> None:
    holder, key = _place(root, dice)
    if isinstance(holder, dict):
        name = str(key)
        holder[dice.choice((name.upper(), name.lower(), f" {name}", f"{name}\u200b"))] = holder.pop(key)


def _spoil_text(root: list[Any], dice: Random) -> None:
    texts = [(holder, key) for holder, key in _places(root) if isinstance(holder[key], str)]
    if texts:
        holder, key = dice.choice(texts)
        at = dice.randint(0, len(holder[key]))
        holder[key] = holder[key][:at] + dice.choice((*TEXTS, UPN, PHONE)) + holder[key][at + dice.randint(0, 2) :]


def _swap(root: list[Any], dice: Random) -> None:
    (one, at), (other, there) = _place(root, dice), _place(root, dice)
    one[at], other[there] = copy.deepcopy(other[there]), copy.deepcopy(one[at])


CHANGES: tuple[Change, ...] = (
    _replace,
    _replace,
    _replace,
    _leave_out,
    _leave_out,
    _wrap,
    _add,
    _rename,
    _spoil_text,
    _swap,
)


# --- as bytes ---

NOT_UTF8 = (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\x00", b"\xf4\x90\x80\x80")


def written(document: Any, dice: Random) -> bytes:
    """A document as JSON of one form or another, half of the time with something wrong in its very text."""
    text = json.dumps(document, ensure_ascii=dice.random() < 0.5, indent=dice.choice((None, None, 1)))
    raw = text.encode("utf-8", "surrogatepass")
    return spoiled(raw, dice) if dice.random() < 0.3 else raw


def spoiled(raw: bytes, dice: Random) -> bytes:
    """Bytes with something wrong in them."""
    at, text = dice.randint(0, len(raw)), raw.decode("utf-8", "replace")
    deep = dice.choice((10, 1000, 30_000))
    ways: tuple[Callable[[], bytes], ...] = (
        lambda: raw[:at],
        lambda: raw[:at] + bytes(dice.randrange(256) for _ in range(dice.randint(1, 6))) + raw[at:],
        lambda: raw[:at] + dice.choice(NOT_UTF8) + raw[at:],
        lambda: b"\xef\xbb\xbf" + raw,
        lambda: text.encode(dice.choice(("utf-16", "utf-32", "utf-7", "utf-16-be"))),
        lambda: raw.replace(b"{", b'{"id": "%b", "id": "twice", ' % UPN.encode(), dice.randint(1, 2)),
        lambda: raw.replace(b": ", b": " + b"[" * deep, 1),
        lambda: b'{"a":' * deep + raw,
        lambda: raw.replace(b'"', b"'"),
        lambda: raw + raw,
        lambda: raw.replace(b": ", b": " + dice.choice((b"NaN, ", b"-Infinity, ", b"1e999, ", b"1" * 5000)), 1),
        lambda: raw + b" " * dice.choice((1, 1000, 70_000)),
        lambda: dice.randbytes(dice.randint(0, 300)),
    )  # fmt: skip
    return dice.choice(ways)()
