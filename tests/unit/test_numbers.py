import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import Reason, Refused
from shared.guard_rails import NumberSource
from shared.numbers import trusted_number
from tests.builders import facts, guard_rules, hire_event

MOBILE, OTHER = "+31612345678", "+31687654321"
COUNTRIES = frozenset({"NL", "US", "GB", "DE", "FR", "IT", "BR", "IN"})
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
        *((source, MOBILE, "0612345678", MISMATCH) for source in (EVENT, BOTH)),
        *((source, "garbage", MOBILE, INVALID) for source in (EVENT, BOTH)),
        (DIRECTORY, MOBILE, "garbage", INVALID),
    ],
)
def test_whose_word_counts(source: NumberSource, given: str | None, listed: str | None, expected: str) -> None:
    assert outcome(given, listed, source) == expected


@pytest.mark.parametrize(
    "written",
    [
        "+31 6 1234 5678", "+31 (6) 12345678", "+31-6-12.34.56.78", "  +31612345678 ", "+31/612345678",
        "+31 (0)6 12345678",
    ],
)  # fmt: skip
def test_numbers_are_equal_however_they_are_written(written: str) -> None:
    assert outcome(written, MOBILE) == outcome(MOBILE, written) == outcome(written, None, EVENT) == MOBILE


@pytest.mark.parametrize(
    ("number", "expected"),
    [
        ("+447400123456", "+447400123456"),
        ("+4915112345678", "+4915112345678"),
        ("+33612345678", "+33612345678"),
        ("+393123456789", "+393123456789"),
        ("+5511961234567", "+5511961234567"),
        ("+918123456789", "+918123456789"),
        ("+12015550123", "+12015550123"),  # North America does not tell mobiles from landlines
        # a valid number of another kind
        ("+493012345678", Reason.MOBILE_NOT_MOBILE),
        ("+31201234567", Reason.MOBILE_NOT_MOBILE),
        ("+33891123456", Reason.MOBILE_NOT_MOBILE),  # premium
        ("+18002345678", Reason.MOBILE_NOT_MOBILE),  # toll-free
        ("+31851234567", Reason.MOBILE_NOT_MOBILE),  # VoIP
        ("+447012345678", Reason.MOBILE_NOT_MOBILE),  # personal: may be forwarded anywhere
        ("+15005550006", Reason.MOBILE_NOT_MOBILE),
        ("+447640123456", Reason.MOBILE_NOT_MOBILE),  # pager
        # elsewhere
        ("+420601123456", Reason.MOBILE_COUNTRY_BLOCKED),
        ("+8615112345678", Reason.MOBILE_COUNTRY_BLOCKED),
        ("+14165550123", Reason.MOBILE_COUNTRY_BLOCKED),  # Canada shares +1
        ("+447797712345", Reason.MOBILE_COUNTRY_BLOCKED),  # Jersey shares +44
        ("+881612345678", Reason.MOBILE_COUNTRY_BLOCKED),  # satellite
        ("+77012345678", Reason.MOBILE_COUNTRY_BLOCKED),
        # no number at all
        ("+31612345", INVALID),
        ("+316123456789", INVALID),
        ("+12015550", INVALID),
        ("+999612345678", INVALID),
        ("+0031612345678", INVALID),
    ],
)
def test_what_may_be_reached(number: str, expected: str) -> None:
    assert outcome(number, number) == expected


NOT_PLAINLY_A_NUMBER = [
    "0612345678",
    "0031612345678",
    "31612345678",
    "+",
    "+31",
    "+-()./ ",
    "++31612345678",
    "+31612345678+",
    "+31612345678 ext 5",
    "+31612345678;ext=5",
    "+31612345678#",
    "+31612345678,+31687654321",
    "+31612345678\n",
    "+31612345678\r\nBcc: +31687654321",
    "+31\t612345678",
    "+31612345678\x00",
    "tel:+31612345678",
    "whatsapp:+31612345678",
    "+1800FLOWERS",
    "+1-201-CALL-NOW",
    "+3l612345678",
    "\u200f+31612345678",
    "\u202e+31612345678",
    "+31612345678\u200e",
    "+31\u00a0612345678",
    "+31\u2011612345678",
    "+\uff13\uff11\uff16\uff11\uff12\uff13\uff14\uff15\uff16\uff17\uff18",
    "+\u0663\u0661\u0666\u0661\u0662\u0663\u0664\u0665\u0666\u0667\u0668",
    "\uff0b31612345678",
    "+316" + "1" * 10_000,
    "+31" + " " * 10_000 + "612345678",
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
