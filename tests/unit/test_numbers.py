import pytest
from hypothesis import given
from hypothesis import strategies as st
from phonenumbers import (
    PhoneNumberFormat,
    PhoneNumberType,
    example_number_for_non_geo_entity,
    example_number_for_type,
    format_number,
)

from shared.errors import Reason, Refused
from shared.guard_rails import NumberSource
from shared.numbers import trusted_number
from tests.builders import facts, guard_rules, hire_event

MOBILE, OTHER = "+491713920001", "+491713920002"
COUNTRIES = frozenset({"US", "GB", "DE", "FR", "IT", "BR", "IN"})
DIRECTORY, EVENT, BOTH = NumberSource


def outcome(given: str | None, listed: str | None, source: NumberSource = BOTH) -> str:
    """The number, or the reason there is none."""
    rules = guard_rules(number_source=source, allowed_countries=COUNTRIES)
    try:
        return trusted_number(facts(mobile_phone=listed), hire_event(mobile_phone=given), rules)
    except Refused as refused:
        assert refused.reason == str(refused)  # noqa: PT017 - its text is a code
        return refused.reason.value


NOTHING = (None, "", " ", "\t")
MISSING, MISMATCH, INVALID = Reason.MOBILE_MISSING, Reason.MOBILE_MISMATCH, Reason.MOBILE_INVALID


@pytest.mark.parametrize(
    ("source", "given", "listed", "expected"),
    [
        (DIRECTORY, MOBILE, OTHER, OTHER),
        (DIRECTORY, None, OTHER, OTHER),
        (DIRECTORY, "garbage", OTHER, OTHER),
        *((DIRECTORY, MOBILE, nothing, MISSING) for nothing in NOTHING),
        (EVENT, MOBILE, MOBILE, MOBILE),
        (EVENT, MOBILE, OTHER, MISMATCH),
        *((EVENT, MOBILE, nothing, MOBILE) for nothing in NOTHING),
        *((EVENT, nothing, MOBILE, MISSING) for nothing in NOTHING),
        *((EVENT, nothing, None, MISSING) for nothing in NOTHING),
        (BOTH, MOBILE, MOBILE, MOBILE),
        (BOTH, MOBILE, OTHER, MISMATCH),
        *((BOTH, MOBILE, nothing, MISSING) for nothing in NOTHING),
        *((BOTH, nothing, MOBILE, MISSING) for nothing in NOTHING),
        *((source, MOBILE, "garbage", MISMATCH) for source in (EVENT, BOTH)),
        *((source, MOBILE, "01713920001", MISMATCH) for source in (EVENT, BOTH)),
        *((source, "garbage", MOBILE, INVALID) for source in (EVENT, BOTH)),
        (DIRECTORY, MOBILE, "garbage", INVALID),
    ],
)
def test_whose_word_counts(source: NumberSource, given: str | None, listed: str | None, expected: str) -> None:
    assert outcome(given, listed, source) == expected


@pytest.mark.parametrize(
    "written",
    [
        "+49 171 392 0001", "+49 (171) 3920001", "+49-171-39.20.00.1", "  +491713920001 ", "+49/1713920001",
        "+49 (0)171 3920001",
    ],
)  # fmt: skip
def test_numbers_are_equal_however_they_are_written(written: str) -> None:
    assert outcome(written, MOBILE) == outcome(MOBILE, written) == outcome(written, None, EVENT) == MOBILE


KINDS = PhoneNumberType


def example(country: str, kind: int) -> str:
    """The library's own example of a number of this kind: no literal number here belongs to anybody."""
    number = example_number_for_type(country, kind)
    assert number is not None
    return format_number(number, PhoneNumberFormat.E164)


@pytest.mark.parametrize("country", ["GB", "DE", "FR", "IT", "BR", "IN", "US"])
def test_mobiles_of_allowed_countries_may_be_reached(country: str) -> None:
    number = example(country, KINDS.MOBILE)  # North America does not tell mobiles from landlines
    assert outcome(number, number) == number


@pytest.mark.parametrize(
    ("country", "kind"),
    [
        ("DE", KINDS.FIXED_LINE),
        ("GB", KINDS.FIXED_LINE),
        ("FR", KINDS.PREMIUM_RATE),
        ("US", KINDS.TOLL_FREE),
        ("FR", KINDS.VOIP),
        ("GB", KINDS.PERSONAL_NUMBER),  # may be forwarded anywhere
        ("GB", KINDS.PAGER),
        ("DE", KINDS.SHARED_COST),
    ],
)
def test_a_valid_number_of_another_kind_may_not(country: str, kind: int) -> None:
    number = example(country, kind)
    assert outcome(number, number) == Reason.MOBILE_NOT_MOBILE


@pytest.mark.parametrize("country", ["CZ", "CN", "CA", "JE", "KZ"])  # Canada shares +1, Jersey +44, Kazakhstan +7
def test_a_mobile_of_another_country_may_not(country: str) -> None:
    number = example(country, KINDS.MOBILE)
    assert outcome(number, number) == Reason.MOBILE_COUNTRY_BLOCKED


def test_a_satellite_phone_has_no_country_and_may_not() -> None:
    satellite = example_number_for_non_geo_entity(881)
    assert satellite is not None
    number = format_number(satellite, PhoneNumberFormat.E164)
    assert outcome(number, number) == Reason.MOBILE_COUNTRY_BLOCKED


@pytest.mark.parametrize("number", ["+4917139", "+49171392000112345", "+12015550", "+9991713920001", "+00491713920001"])
def test_what_only_looks_like_a_number_is_invalid(number: str) -> None:
    assert outcome(number, number) == INVALID


NOT_PLAINLY_A_NUMBER = [
    "01713920001",
    "00491713920001",
    "491713920001",
    "+",
    "+49",
    "+-()./ ",
    "++491713920001",
    "+491713920001+",
    "+491713920001 ext 5",
    "+491713920001;ext=5",
    "+491713920001#",
    "+491713920001,+491713920002",
    "+491713920001\n",
    "+491713920001\r\nBcc: +491713920002",
    "+49\t1713920001",
    "+491713920001\x00",
    "tel:+491713920001",
    "whatsapp:+491713920001",
    "+1800FLOWERS",
    "+1-201-CALL-NOW",
    "+4917l3920001",
    "\u200f+491713920001",
    "\u202e+491713920001",
    "+491713920001\u200e",
    "+49\u00a01713920001",
    "+49\u20111713920001",
    "+\uff13\uff11\uff16\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18",
    "+\u0663\u0661\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",
    "\uff0b491713920001",
    "+49171" + "1" * 10_000,
    "+49" + " " * 10_000 + "1713920001",
    "x" * 10_000,
]


def test_what_is_not_plainly_an_international_number_is_invalid() -> None:
    for written in NOT_PLAINLY_A_NUMBER:
        assert outcome(written, written) == INVALID, ascii(written)[:40]
        assert outcome(written, None, EVENT) == INVALID
        assert outcome(None, written, DIRECTORY) == INVALID
        assert outcome(MOBILE, written) == MISMATCH


@given(st.text(st.sampled_from("+0123456789 ()-./x\u200f"), max_size=24) | st.text(max_size=24))
def test_any_text_is_a_number_as_it_reads_or_a_reason(text: str) -> None:
    found = outcome(text, text)
    digits = "".join(it for it in text if it in "+0123456789")
    assert found in set(Reason) or (found[0] == "+" and found.isascii() and digits.startswith(found[:3]))
