"""What a case needs besides issuing: one short function for each step of the table in case.py.

Each returns the head it wrote, or raises how else it ended; a step that leaves its case due as it was would never end.
"""

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from logging import ERROR, WARNING
from typing import Final

from shared.case import Case
from shared.errors import FirstpassError, Halted, Moved, Reason, Refused
from shared.events import Channel, Purpose
from shared.fields import certain, text_gone, text_kept
from shared.guard_rails import is_ours
from shared.hearing import word_on
from shared.issuing import fall_back, see, vet
from shared.methods import Method, beyond, made_since, registered
from shared.plan import When, next_morning, once_more
from shared.run import Run, halt
from shared.states import State
from shared.telemetry import Event, emit

ASK_EVERY: Final = timedelta(hours=1)
ASKS: Final = 3
"""How often Twilio is asked again after the first time; some carriers never confirm."""
CHECK_EVERY: Final = timedelta(hours=1)
SETTLED: Final = timedelta(hours=1)
"""So old must a passwordless method be before the pass goes: nobody is cut off half-way."""
JUST_AFTER: Final = timedelta(minutes=1)
UNREACHED_WAITS: Final = (timedelta(hours=1), timedelta(hours=12))
"""How long a phone that is off gets before the next message: the first time, and later."""
REDACT_AGAIN: Final = timedelta(minutes=1)
REDACT_AGAIN_AT_MOST: Final = timedelta(days=1)
REDACT_GROWS: Final = 6
"""Tries after which the wait is the longest already; what grows further has no end, and no timedelta holds it."""
REDACT_ALARM: Final = 5
"""Failed redactions of one message after which somebody must look."""


async def guard_again(run: Run) -> Case:
    """The second look, just before a pass opens that somebody has, or may have: a refusal now deletes it."""
    case, now = run.case, run.now()
    if now < certain(case.pass_ends_at):
        policy, seen = await see(run)
        if seen and now >= certain(case.pass_starts_at):  # what they register by now is for the check to judge
            seen = replace(seen, methods=())
        await vet(run, policy, seen)
        if case.number_sent not in (None, run.case.number_shown):  # known or not: not the phone that holds the pass
            raise Refused(Reason.MOBILE_CHANGED)
    return await run.save(run.case.moved(case.state, guard_at=None))


async def look(run: Run) -> Case:
    """Whether the live pass is the one the joiner was sent: a create that came late may have replaced it."""
    case, now = run.case, run.now()
    user_id = certain(case.user_id)
    live = await run.outside.directory.passes(user_id, run.stop_at)
    used = case.is_usable_once and not live and now >= certain(case.pass_starts_at)  # what that led to, the check sees
    still_there = (case.pass_id or "").lower() in {one.id.lower() for one in live}
    if used or still_there or now >= certain(case.pass_ends_at):
        return await run.save(case.moved(State.SENT, look_at=None))
    ours = any(is_ours(one, case.known()) for one in live)
    if not ours:  # deleted, or replaced by somebody else: perhaps because it has served its purpose
        since = _made_since(case, await run.outside.directory.methods(user_id, run.stop_at), now)
        if since:
            return await _onboarded(run, since)
    counted = not ours or case.replaced
    if counted and case.is_last(run.rules.case):
        raise Refused(Reason.PASSES_EXHAUSTED)
    when = once_more(certain(case.event), certain(case.opens_at), run.rules.plan, now)
    replaced = {"replaced": True} if ours else {}
    return await _again(run, when, Reason.PASS_GONE, counted=counted, **replaced)


async def ask(run: Run) -> Case:
    """What became of the message: ask Twilio when it did not say, and act when it did not arrive."""
    if not (run.case.receipt and run.case.receipt.is_final):
        word = await run.outside.courier.look_up(certain(run.case.message_id), run.stop_at)
        if heard := word_on(run.case, word, run.rules.case, run.now()):
            await run.save(heard)
    case = run.case
    if case.receipt and case.receipt.has_arrived:
        return await run.save(case.moved(State.SENT, ask_at=None)) if case.ask_at else case
    if case.channel is Channel.WHATSAPP:
        return await fall_back(run)
    if case.receipt and case.receipt.is_final:
        return await _undelivered(run)
    next_time = run.now() + ASK_EVERY if case.asks < ASKS else None
    return await run.save(case.moved(State.SENT, asks=case.asks + 1, ask_at=next_time))


async def check(run: Run) -> Case:
    """Whether the joiner has made it, by the methods they have now; at the end of the pass, what follows."""
    case, now, ends_at = run.case, run.now(), certain(run.case.pass_ends_at)
    methods = await run.outside.directory.methods(certain(case.user_id), run.stop_at)
    since = _made_since(case, methods, now)
    if since and (now >= ends_at or now - since >= SETTLED):
        return await _onboarded(run, since)
    if now < ends_at:
        next_time = min(now + CHECK_EVERY, ends_at + JUST_AFTER, *([since + SETTLED] if since else []))
        return await run.save(case.moved(State.SENT, check_at=next_time, registered_at=since))
    more = beyond((method.kind for method in methods), case.had)
    others = registered(more, run.rules.guard.methods_ignored)
    if others and case.purpose is Purpose.ONBOARDING:
        raise Refused(Reason.REGISTERED_NOT_PASSWORDLESS)
    if case.is_last(run.rules.case):
        raise Refused(Reason.PASSES_EXHAUSTED)
    when = next_morning(certain(case.event), run.rules.plan, now)
    return await _again(run, when, Reason.EXPIRED_UNUSED, counted=True, unused_before=True)


async def redact(run: Run) -> Case:
    """Empty Twilio's copy of a message that is final, or whose time is over; tried again until it is done."""
    now, case = run.now(), run.case
    text = next(text for text in case.texts if text.redact_at and text.redact_at <= now)
    try:
        await run.outside.courier.redact(text.message_id, run.stop_at)
    except FirstpassError as error:  # an account that may not redact must not keep anybody from starting work
        wait = min(REDACT_AGAIN * 4 ** min(text.tries, REDACT_GROWS), REDACT_AGAIN_AT_MOST)
        level = ERROR if text.tries >= REDACT_ALARM else WARNING
        emit(Event.NOT_REDACTED, level, case=case.id, reason=error.reason)
        return await run.save(case.moved(case.state, texts=text_kept(case.texts, text, now + wait)))
    emit(Event.REDACTED, case=case.id, issuance=case.issuance)
    return await run.save(case.moved(case.state, texts=text_gone(case.texts, text)))


async def revoke(run: Run) -> Case:
    """Delete the passes of this case that Entra holds. List, look at the head again, delete what was listed."""
    case, user_id = run.case, certain(run.case.user_id)
    found = await run.outside.directory.passes(user_id, run.stop_at)
    if await run.outside.ledger.load(case.id) != case:
        raise Moved
    for live in found:
        if is_ours(live, case.known()):
            await run.outside.directory.delete_pass(user_id, live.id, run.stop_at)
            emit(Event.PASS_DELETED, case=case.id, issuance=case.issuance)
    return await run.save(case.passes_deleted(run.now()))


async def wipe(run: Run) -> Case:
    """Drop what is personal."""
    emit(Event.WIPED, case=run.case.id, state=run.case.state)
    return await run.save(run.case.wiped())


async def forget(run: Run) -> None:
    """Drop the case."""
    await run.outside.ledger.forget(run.case)
    emit(Event.FORGOTTEN, case=run.case.id, state=run.case.state)


# --- what they come to ---


def _made_since(case: Case, methods: Sequence[Method], now: datetime) -> datetime | None:
    """Since when the person has what this case's pass was for."""
    return made_since(methods, case.had, case.purpose, certain(case.pass_starts_at), case.registered_at or now)


async def _onboarded(run: Run, since: datetime) -> Case:
    """The joiner has made it. The pass goes in the next step, which is due at once."""
    took = (since - certain(run.case.pass_starts_at)) // timedelta(minutes=1)
    emit(Event.ONBOARDED, case=run.case.id, issuance=run.case.issuance, minutes=max(took, 0))
    return await run.save(run.case.onboarded(run.rules.case, run.now()))


async def _undelivered(run: Run) -> Case:
    """The SMS did not arrive: for good, or this time, or because of the sender."""
    reason = run.case.failure or Reason.PHONE_UNREACHABLE
    if reason not in _MAY_PASS:
        raise Refused(reason)
    if reason is Reason.TWILIO_DENIED:
        await halt(run.outside, Halted(reason))
    if run.case.is_last(run.rules.case):
        raise Refused(Reason.UNDELIVERABLE)
    wait = UNREACHED_WAITS[min(run.case.spent, len(UNREACHED_WAITS) - 1)]
    when = once_more(certain(run.case.event), certain(run.case.opens_at), run.rules.plan, run.now() + wait)
    return await _again(run, when, reason, counted=True)


_MAY_PASS: Final = {Reason.PHONE_UNREACHABLE, Reason.TWILIO_DENIED}


async def _again(run: Run, when: When, reason: Reason, *, counted: bool, **once: bool) -> Case:
    """Another issuance, later."""
    emit(Event.ISSUING_AGAIN, case=run.case.id, issuance=run.case.issuance, reason=reason)
    return await run.save(run.case.again(when, reason, counted=counted, held=run.held, **once))
