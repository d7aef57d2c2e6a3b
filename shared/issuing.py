"""Issuing: guard rails on what is true now, then claim, create, intend, send, sent.

The order of the calls in `issue` is the promise: each gap between two of them is a place to die without losing anybody.
"""

from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from logging import ERROR, WARNING
from typing import Final

from shared.case import MAX_SENDS, Case, Held
from shared.errors import Halted, Later, Moved, Reason, Refused
from shared.events import Channel, HireEvent, Message, UserRef
from shared.fields import certain
from shared.guard_rails import Facts, guard, guard_event, guard_person, rules_for
from shared.hearing import record_text
from shared.methods import has_new
from shared.numbers import trusted_number
from shared.plan import Policy, Terms, fit, may_send, once_more
from shared.run import Run, record
from shared.states import Act, State
from shared.telemetry import Event, emit

REHEARSED_WAITS: Final = timedelta(minutes=15)
"""How soon after REHEARSAL is switched off who was rehearsed is looked at."""


async def issue(run: Run) -> Case | None:
    """Give the joiner a pass, when everything still speaks for it."""
    directory, courier, ledger = run.outside.directory, run.outside.courier, run.outside.ledger
    event = certain(run.case.event)
    guard_event(event, certain(run.case.opens_at), run.rules.guard, run.now())
    if run.case.reason is Reason.REHEARSAL and (planned := await _rehearsed_before(run)):
        return planned
    _not_at_night(run, event)
    await ledger.admit()
    policy, seen = await see(run)
    if seen and has_made_it(run.case, seen):
        return await run.save(run.case.onboarded(run.rules.case, run.now()))
    facts, number = await vet(run, policy, seen)
    terms = _agreed(run, policy)
    await ledger.spend()
    channel = Channel.SMS if run.case.by_sms else event.channel
    if run.rules.rehearsal:
        return await _rehearsed(run, terms, channel)

    claimed = run.case.claimed(facts.user_id, terms, run.now(), had=facts.methods)
    await run.save(claimed, Held(lease=True))
    _tell(Event.CLAIMED, run)
    tap = await directory.create_pass(facts.user_id, terms, run.stop_at)
    _tell(Event.PASS_CREATED, run)
    try:
        await run.save_mine(lambda mine: mine.intended(tap.id), Held(lease=True, intended=1))
    except Moved:
        return await _withdraw(run, facts.user_id, tap.id)
    try:
        message = await courier.send(number, channel, event.locale, tap.secret, run.case.ref, run.stop_at)
    except Refused as refused:
        if channel is Channel.SMS or refused.reason is not Reason.UNDELIVERABLE:
            raise
        return await fall_back(run)
    emit(Event.SENT, case=run.case.id, issuance=run.case.issuance, channel=message.channel)
    return await _sent(run, message)


async def see(run: Run) -> tuple[Policy, Facts | None]:
    """The policy, and the person of the event or, when they go by another name now, the one this case is pinned to."""
    directory, event, pinned = run.outside.directory, certain(run.case.event), run.case.user_id
    policy = await directory.policy(run.stop_at)
    found = await directory.facts(event.user, run.stop_at)
    if found is None and pinned:
        found = await directory.facts(UserRef("id", pinned), run.stop_at)
    return policy, found


async def vet(run: Run, policy: Policy, seen: Facts | None) -> tuple[Facts, str]:
    """All guard rails: gives the person and the number that a pass may go to.

    Raises:
        Refused, Later, Halted: the outcome of the first rail that stops.
    """
    case, event = run.case, certain(run.case.event)
    rules = rules_for(event, run.rules.guard)
    # These go with whatever is saved next: whom operators find it by, and what they approve.
    run.case = case = replace(
        case, user_seen=seen.user_id if seen else case.user_seen, methods_shown=seen.methods if seen else ()
    )
    facts = guard(seen, policy, event, case.known(), rules, run.now())
    number = trusted_number(facts, event, rules)
    person = await run.outside.ledger.meet(facts.user_id, number, case.id)
    run.case = replace(case, number_shown=person.number)
    guard_person(person, facts, case.known(), rules, run.now())  # a number first seen just now is not from the future
    return facts, number


def has_made_it(case: Case, facts: Facts) -> bool:
    """Whether this person registered with an earlier pass of this case: then they need no other."""
    mine = case.pass_id is not None and case.user_id == facts.user_id
    return mine and has_new(facts.methods, case.had, case.purpose)


async def fall_back(run: Run) -> Case:
    """WhatsApp did not reach the phone: once more by SMS, with a new pass, for the old one was kept nowhere."""
    case, why = run.case, run.case.failure or Reason.PHONE_UNREACHABLE
    level = ERROR if why is Reason.TWILIO_DENIED else WARNING  # the sender or a template: it will be so for everybody
    emit(Event.FELL_BACK, level, case=case.id, issuance=case.issuance, reason=why)
    when = once_more(certain(case.event), certain(case.opens_at), run.rules.plan, run.now())
    return await run.let_go(lambda mine: mine.again(when, why, counted=False, by_sms=True, held=run.held))


def _not_at_night(run: Run, event: HireEvent) -> None:
    now = run.now()
    at = may_send(event, certain(run.case.opens_at), run.rules.plan, now)
    if at > now:
        raise Later(Reason.QUIET_HOURS, at - now)


def _agreed(run: Run, policy: Policy) -> Terms:
    """The last word before the claim: what the pass is to be, if one more may be made."""
    case, event = run.case, certain(run.case.event)
    if case.sends >= MAX_SENDS:
        raise Refused(Reason.SEND_UNCONFIRMED)
    if case.spent >= run.rules.case.max_passes:  # opened again by the same event, with nothing left
        raise Refused(Reason.PASSES_EXHAUSTED)
    terms = fit(event, certain(case.opens_at), policy, run.rules.plan, run.now())
    if terms.cut:
        emit(Event.LIFETIME_CUT, WARNING, case=case.id, minutes=terms.lifetime_in_minutes)
    return terms


async def _rehearsed(run: Run, terms: Terms, channel: Channel) -> Case:
    """Write down what would have been made and sent now. No claim: a claim says that there may be a pass.

    A pass of before the rehearsal keeps its times: until they are over somebody may hold it.
    """
    case, now = run.case, run.now()
    emit(Event.REHEARSED, case=case.id, channel=channel, minutes=terms.lifetime_in_minutes)
    starts = terms.start_date_time or now
    shown = {
        "channel": channel,
        "pass_starts_at": starts,
        "pass_ends_at": starts + timedelta(minutes=terms.lifetime_in_minutes),
        "is_usable_once": terms.is_usable_once,
    }
    noted = {} if case.claims else shown
    put_off = (Act.ISSUE, Reason.REHEARSAL, now + REHEARSED_WAITS)
    return await run.let_go(lambda mine: replace(mine.put_off(*put_off, held=run.held), **noted))


async def _rehearsed_before(run: Run) -> Case | None:
    """Once is enough for a plan: it waits while the rehearsal is on. Then it goes, by a new plan when its time is over.

    Raises:
        Later: `rehearsal`.
    """
    if run.rules.rehearsal:
        raise Later(Reason.REHEARSAL, REHEARSED_WAITS)
    when = once_more(certain(run.case.event), certain(run.case.opens_at), run.rules.plan, run.now())
    if when.deliver_at <= run.now():
        return None
    plan = {"opens_at": when.opens_at, "deliver_at": when.deliver_at, "not_before": None, "reason": None}
    return await run.save(run.case.moved(State.ANNOUNCED, **plan))


async def _withdraw(run: Run, user_id: str, pass_id: str) -> None:
    """Delete a pass that was not sent. If that fails it lapses, or the next one replaces it."""
    with suppress(Later, Halted):
        await run.outside.directory.delete_pass(user_id, pass_id, run.stop_at)
        emit(Event.PASS_DELETED, case=run.case.id, issuance=run.case.issuance)


async def _sent(run: Run, message: Message) -> Case | None:
    """The message is out. Whoever wrote the head meanwhile decides what becomes of its pass; its text is to go."""
    rules, now = run.rules.case, run.now()
    try:
        return await run.save_mine(lambda mine: mine.sent(message, rules, now))
    except Moved:
        noted = partial(record_text, message_id=message.id, redact_at=now + rules.message_lasts)
        return await record(run.outside.ledger, run.case.id, noted, run.act)


def _tell(event: Event, run: Run) -> None:
    emit(event, case=run.case.id, issuance=run.case.issuance, attempt=run.case.attempt)
