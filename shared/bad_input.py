"""What is wrong with what an operator sent: field by field, in words of ours, never what it was. Pure."""

import re
from collections.abc import Callable, Mapping
from typing import Any, Final

from pydantic import ValidationError

type _Words = Callable[[Mapping[str, Any]], str]

_WORDS: Final[Mapping[str, _Words]] = {
    "missing": lambda _: "is required",
    "extra_forbidden": lambda _: "is no field of this",
    "model_type": lambda _: "must be a JSON object",
    "dict_type": lambda _: "must be a JSON object",
    "list_type": lambda _: "must be a list",
    "string_type": lambda _: "must be a text",
    "string_unicode": lambda _: "must be a text",
    "bool_type": lambda _: "must be true or false",
    "int_type": lambda _: "must be a whole number",
    "int_parsing": lambda _: "must be a whole number",
    "int_parsing_size": lambda _: "must be a smaller number",
    "string_too_short": lambda limits: f"must have {limits['min_length']} characters or more",
    "string_too_long": lambda limits: f"must have {limits['max_length']} characters or fewer",
    "string_pattern_mismatch": lambda limits: f"must have the form {limits['pattern']}",
    "too_short": lambda limits: f"must have {limits['min_length']} {_parts(limits)} or more",
    "too_long": lambda limits: f"must have {limits['max_length']} {_parts(limits)} or fewer",
    "greater_than_equal": lambda limits: f"must be {limits['ge']} or more",
    "less_than_equal": lambda limits: f"must be {limits['le']} or less",
    "enum": lambda limits: f"must be {_named(limits)}",
    "literal_error": lambda limits: f"must be {_named(limits)}",
}
"""By pydantic's name for what is wrong. Any other says its own text, which is one of ours or names a form."""


def wrong_fields(wrong: ValidationError) -> dict[str, str]:
    """What is wrong with each field; names that are none of ours may hold anything, and are not repeated."""
    return {
        ".".join(_name(part) for part in error["loc"]) or "body": _words(error["type"], error["msg"], error.get("ctx"))
        for error in wrong.errors(include_url=False, include_input=False)
    }


def _words(kind: str, told: str, limits: Mapping[str, Any] | None) -> str:
    words = _WORDS.get(kind)
    return words(limits or {}) if words else told.removeprefix("Value error, ").replace("Input should", "must")


def _named(limits: Mapping[str, Any]) -> str:
    """The words one may choose from; pydantic shows members of an enumeration as Python does."""
    return ", ".join(re.findall("'([^']*)'", str(limits["expected"])))


def _parts(limits: Mapping[str, Any]) -> str:
    return "parts" if limits["field_type"] == "List" else "characters"


def _name(part: str | int) -> str:
    return str(part) if isinstance(part, int) or re.fullmatch("[A-Za-z_]{1,40}", part) else "?"
