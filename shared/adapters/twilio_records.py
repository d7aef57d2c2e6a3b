"""Twilio's record of a message that was sent: what became of it, and emptying it. Both are safe to repeat.

The record holds the pass until it is emptied: nothing of it goes further than the two functions that look at one.
"""

from functools import partial
from typing import TYPE_CHECKING, Final

from twilio.base.exceptions import TwilioRestException, TwilioServiceException
from twilio.rest import Client

from shared.adapters.twilio_codes import AGAIN, NO_RECORD, Verdict, judge_repeatable, word_of
from shared.adapters.twilio_line import Line
from shared.events import Delivery, Word

if TYPE_CHECKING:  # the SDK itself loads this module with the first request
    from twilio.rest.api.v2010.account.message import MessageInstance

UNHEARD_OF: Final = Word(Delivery.QUEUED)


async def look_up(line: Line, message_id: str, seconds: float) -> Word | Verdict:
    """One GET: Twilio's word on a message."""
    return await line.ask(partial(_fetch, message_id), partial(_failed, UNHEARD_OF), seconds)


async def redact(line: Line, message_id: str, seconds: float) -> Verdict | None:
    """One POST that empties Twilio's copy of a message; None when there is no text of it any more."""
    return await line.ask(partial(_empty, message_id), partial(_failed, None), seconds)


async def _fetch(message_id: str, client: Client) -> Word | Verdict:
    record = await client.messages(message_id).fetch_async()
    told = _is_of(message_id, record) and isinstance(record.status, str)
    return word_of(str(record.status), record.error_code) if told else AGAIN


async def _empty(message_id: str, client: Client) -> Verdict | None:
    record = await client.messages(message_id).update_async(body="")
    return None if _is_of(message_id, record) and not record.body else AGAIN


def _is_of(message_id: str, record: "MessageInstance") -> bool:
    """Whether this answer is that message's record: the SDK makes a record of any JSON object."""
    return record.sid == message_id


def _failed[T](without_record: T, error: Exception, status: int) -> T | Verdict:
    """No answer (a time-out, a disconnect, one that cannot be read) is worth another try, a refusal is judged."""
    if not isinstance(error, TwilioRestException | TwilioServiceException):
        return AGAIN
    return without_record if (status, str(error.code)) == NO_RECORD else judge_repeatable(status, error.code)
