"""What Twilio's words and codes mean for a message that was sent."""

import pytest

from shared.adapters.twilio_codes import CODES, REPEATABLE, Kind, judge_repeatable, why_undelivered, word_of
from shared.errors import Reason
from shared.events import Delivery, Word

UNDER_WAY = ["accepted", "scheduled", "queued", "sending"]
NEVER_OURS = ["receiving", "received", "partially_delivered", "", "Delivered", "DELIVERED", "invented"]
ARRIVED = ["delivered", "read"]
LOST = ["failed", "undelivered", "canceled"]


def test_every_word_of_twilios_has_its_place() -> None:
    assert {status: word_of(status, None).delivery.value for status in UNDER_WAY + NEVER_OURS} == dict.fromkeys(
        UNDER_WAY + NEVER_OURS, "queued"
    )
    for status in [*ARRIVED, *LOST, "sent"]:
        assert word_of(status, None).delivery.value == status


@pytest.mark.parametrize("status", [*UNDER_WAY, *NEVER_OURS, *ARRIVED, "sent"])
def test_only_what_did_not_arrive_has_a_failure(status: str) -> None:
    assert word_of(status, 30005).failure is None


@pytest.mark.parametrize("status", LOST)
def test_what_did_not_arrive_says_why(status: str) -> None:
    assert word_of(status, "30005") == Word(Delivery(status), Reason.UNDELIVERABLE)
    assert word_of(status, None) == Word(Delivery(status), Reason.PHONE_UNREACHABLE)


@pytest.mark.parametrize(
    ("code", "reason"),
    [
        (30005, Reason.UNDELIVERABLE),
        ("30006", Reason.UNDELIVERABLE),
        (63024, Reason.UNDELIVERABLE),
        (21610, Reason.OPTED_OUT),
        (21635, Reason.MOBILE_NOT_MOBILE),
        (30007, Reason.TWILIO_DENIED),
        (30034, Reason.TWILIO_DENIED),
        (63016, Reason.TWILIO_DENIED),
        (30003, Reason.PHONE_UNREACHABLE),
        (30008, Reason.PHONE_UNREACHABLE),
        (30036, Reason.PHONE_UNREACHABLE),
        (20429, Reason.PHONE_UNREACHABLE),
        (20500, Reason.PHONE_UNREACHABLE),
        (39999, Reason.PHONE_UNREACHABLE),
        ("", Reason.PHONE_UNREACHABLE),
        ("30005 ", Reason.PHONE_UNREACHABLE),
        (None, Reason.PHONE_UNREACHABLE),
        ([30005], Reason.PHONE_UNREACHABLE),
        (True, Reason.PHONE_UNREACHABLE),
    ],
)
def test_why_a_message_did_not_arrive(code: object, reason: Reason) -> None:
    assert why_undelivered(code) is reason


def test_every_code_we_know_says_why_by_its_kind() -> None:
    for code, verdict in CODES.items():
        own = verdict.kind in {Kind.PERMANENT, Kind.CONFIGURATION}
        assert why_undelivered(code) is (verdict.reason if own else Reason.PHONE_UNREACHABLE)


def test_a_request_about_no_number_never_refuses_one() -> None:
    assert set(REPEATABLE) == set(Kind)
    for status in (302, 400, 401, 403, 404, 429, 500, 503):
        for code in (*CODES, None, 29999):
            assert judge_repeatable(status, code).kind in {Kind.RETRY, Kind.CONFIGURATION, Kind.TRANSIENT}
