"""The number a pass may go to: whose word counts, and what makes a number a mobile we may reach. Pure."""

import re
from collections.abc import Iterable

import phonenumbers
from phonenumbers import PhoneNumberType

from shared.errors import Reason, Refused
from shared.events import HireEvent
from shared.guard_rails import Facts, GuardRules, NumberSource

_MOBILE = frozenset({PhoneNumberType.MOBILE, PhoneNumberType.FIXED_LINE_OR_MOBILE})
"""North America does not tell the two apart, so its mobiles come as the second."""
_PLAIN_NUMBER = re.compile(r"\+[0-9 ()./-]{6,40}", re.ASCII)


def trusted_number(facts: Facts, event: HireEvent, rules: GuardRules) -> str:
    """The number to send to, as E.164.

    Raises:
        Refused: one of the `mobile-…` reasons.
    """
    given, listed = _present(event.mobile_phone), _present(facts.mobile_phone)
    wanted = {
        NumberSource.DIRECTORY: [listed],
        NumberSource.EVENT: [given] if listed is None else [given, listed],
        NumberSource.BOTH: [given, listed],
    }[rules.number_source]
    numbers = [number for number in wanted if number is not None]
    if len(numbers) < len(wanted):
        raise Refused(Reason.MOBILE_MISSING)
    first = _number(numbers[0], rules)
    if any(_e164(other) != first for other in numbers[1:]):
        raise Refused(Reason.MOBILE_MISMATCH)
    return first


def check_given(event: HireEvent, rules: GuardRules) -> None:
    """Whether the number an event gives could be sent to, as far as the event alone can tell.

    Raises:
        Refused: one of the `mobile-…` reasons.
    """
    if rules.number_source is NumberSource.DIRECTORY:
        return
    if given := _present(event.mobile_phone):
        _number(given, rules)
    elif rules.number_source is NumberSource.BOTH:
        raise Refused(Reason.MOBILE_MISSING)


def _present(number: str | None) -> str | None:
    return number if number and number.strip() else None


def _parsed(text: str) -> phonenumbers.PhoneNumber | None:
    if not _PLAIN_NUMBER.fullmatch(text.strip(" ")):
        return None  # letters, direction marks, other alphabets' digits: the library would read some of them
    try:
        number = phonenumbers.parse(text, None)
    except phonenumbers.NumberParseException:
        return None
    return number if phonenumbers.is_valid_number(number) else None


def _e164(text: str) -> str | None:
    number = _parsed(text)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164) if number else None


def _number(text: str, rules: GuardRules) -> str:
    number = _parsed(text)
    if number is None:
        raise Refused(Reason.MOBILE_INVALID)
    if phonenumbers.number_type(number) not in _MOBILE:
        raise Refused(Reason.MOBILE_NOT_MOBILE)
    if phonenumbers.region_code_for_number(number) not in rules.allowed_countries:
        raise Refused(Reason.MOBILE_COUNTRY_BLOCKED)
    return phonenumbers.format_number(number, phonenumbers.PhoneNumberFormat.E164)


def no_countries(codes: Iterable[str]) -> list[str]:
    """Those that are no country's code (ISO 3166): no number is ever of it."""
    return sorted(set(codes) - phonenumbers.SUPPORTED_REGIONS)
