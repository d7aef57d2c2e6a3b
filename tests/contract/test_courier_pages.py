"""Lists of Twilio's lead on to further pages, and the SDK follows: our key goes nowhere else, and not without end."""

import json
from collections.abc import AsyncGenerator

import pytest

from shared.adapters.twilio import Senders, TwilioAccount
from shared.adapters.twilio_account import TwilioAccountView
from shared.adapters.twilio_line import MOST_PAGES
from shared.errors import FirstpassError
from tests.contract.courier_rig import ACCOUNT, NOW, Clock
from tests.faults.loopback import Answer, Loopback, loopback

NUMBER = "+15005550006"
SOON = NOW + 30


@pytest.fixture
async def twilio() -> AsyncGenerator[Loopback]:
    async with loopback() as service:
        yield service


@pytest.fixture
async def view(twilio: Loopback) -> AsyncGenerator[TwilioAccountView]:
    account = TwilioAccount(
        account_sid=ACCOUNT.account_sid, api_key_sid=ACCOUNT.api_key_sid, api_key_secret="k", base_url=twilio.url
    )
    made = TwilioAccountView(account, Senders(sms_from=NUMBER, whatsapp_from=NUMBER), Clock())
    yield made
    await made.close()


def page(link: str, *senders: str) -> Answer:
    told = {"senders": [{"sender_id": f"whatsapp:{one}", "status": "ONLINE"} for one in senders]}
    meta = {"key": "senders", "next_page_url": link}
    return Answer(200, json.dumps(told | {"meta": meta}).encode(), {"Content-Type": "application/json"})


async def test_a_further_page_of_the_account_is_read(twilio: Loopback, view: TwilioAccountView) -> None:
    last = Answer(
        200,
        json.dumps(
            {
                "senders": [{"sender_id": f"whatsapp:{NUMBER}", "status": "ONLINE"}],
                "meta": {"key": "senders", "next_page_url": None},
            }
        ).encode(),
    )
    twilio.answers(page(f"{twilio.url}/v2/on", "+15005550001"), last)
    found = await view.whatsapp_sender(SOON)
    assert found
    assert found.online
    assert len(twilio.asked) == 2


async def test_a_page_elsewhere_is_not_asked_for(twilio: Loopback, view: TwilioAccountView) -> None:
    async with loopback() as elsewhere:
        elsewhere.answers(page("", NUMBER), page("", NUMBER))
        for link in (f"{elsewhere.url}/v2/on", twilio.url.replace("http:", "ftp:"), twilio.url.replace("//", "//x@")):
            twilio.answers(page(link), page(link))
            with pytest.raises(FirstpassError, match="twilio-busy"):
                await view.whatsapp_sender(SOON)
            assert len(twilio.asked) == 1, "the link was there"
        assert elsewhere.asked == []


async def test_pages_without_end_are_given_up(twilio: Loopback, view: TwilioAccountView) -> None:
    link = f"{twilio.url}/v2/on"
    twilio.answers(page(link), page(link))
    with pytest.raises(FirstpassError, match="twilio-busy"):
        await view.whatsapp_sender(SOON)
    assert len(twilio.asked) == MOST_PAGES
