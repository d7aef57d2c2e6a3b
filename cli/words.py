"""Codes in words for a person; docs/runbook.md says more about each reason, and what to do."""

from collections.abc import Mapping
from typing import Final

from shared.errors import Reason

WHY: Final[Mapping[str | None, str]] = {
    None: "its time has not come",
    Reason.USER_NOT_FOUND: "the account does not exist yet",
    Reason.ACCOUNT_DISABLED: "the account is still disabled",
    Reason.PAUSED: "issuing is paused",
    Reason.QUIET_HOURS: "it is night for the joiner",
    Reason.REHEARSAL: "only rehearsed: it would have been sent",
    Reason.GRAPH_THROTTLED: "Entra asks to go slower",
    Reason.GRAPH_UNAVAILABLE: "Entra gives no complete answer",
    Reason.FOREIGN_PASS: "somebody else's pass is still valid",
    Reason.TWILIO_BUSY: "Twilio did not take the message",
    Reason.OUT_OF_TIME: "a run was too slow",
    Reason.PHONE_UNREACHABLE: "the phone was out of reach",
    Reason.PASS_GONE: "the pass before is gone",
    Reason.EXPIRED_UNUSED: "the pass before ran out unused",
    Reason.PASS_UNCONFIRMED: "a pass may have been made; looked at again soon",
    Reason.MESSAGE_UNCONFIRMED: "a message may have gone out; looked at again soon",
    Reason.MALFORMED_EVENT: "HR's event has wrong fields",
    Reason.UNKNOWN_TYPE: "not an event we know",
    Reason.EVENT_TOO_OLD: "the first day lies too far back",
    Reason.USER_AMBIGUOUS: "more than one account fits",
    Reason.USER_CHANGED: "the name now means another account",
    Reason.EXTERNAL_GUEST: "an external guest",
    Reason.PRIVILEGED: "somebody with rights: never by message",
    Reason.ALREADY_REGISTERED: "already has a method to sign in",
    Reason.NOT_A_JOINER: "no evidence of being a joiner",
    Reason.HIRE_DATE_MISMATCH: "HR and the directory differ on the hire date",
    Reason.MOBILE_MISSING: "no mobile number",
    Reason.MOBILE_INVALID: "not a valid number",
    Reason.MOBILE_NOT_MOBILE: "not a mobile number",
    Reason.MOBILE_COUNTRY_BLOCKED: "a number of a country that is not allowed",
    Reason.MOBILE_MISMATCH: "HR and the directory differ on the number",
    Reason.MOBILE_CHANGED: "the number changed lately: call back on the old one",
    Reason.POLICY_EXCLUDES_USER: "the pass policy leaves this person out",
    Reason.POLICY_TOO_SHORT: "the pass policy is too short for these devices",
    Reason.PASS_UNUSABLE: "Entra made a pass that cannot be used",
    Reason.OPTED_OUT: "the number answered STOP",
    Reason.UNDELIVERABLE: "messages do not reach this number",
    Reason.PASSES_EXHAUSTED: "all passes ran out unused",
    Reason.REGISTERED_NOT_PASSWORDLESS: "set-up stopped half-way",
    Reason.SEND_UNCONFIRMED: "two messages may or may not have arrived",
    Reason.ANOTHER_CASE_OPEN: "this person has another open case",
    Reason.POLICY_DISABLED: "the pass policy is off",
    Reason.POLICY_ONE_TIME_ONLY: "the pass policy forces one-time passes",
    Reason.GRAPH_DENIED: "Entra refuses the app: a permission is missing",
    Reason.TWILIO_DENIED: "Twilio refuses the account or its sender",
    Reason.BUDGET: "this hour's budget of passes is spent",
}
"""Why a case waits or was refused."""

BROKERS: Final[Mapping[str | None, str]] = {
    "MaxDeliveryCountExceeded": "run after run failed on it",
    "TTLExpiredException": "it lay in the queue too long",
    "unknown": "no reason given",
}
"""Why Service Bus itself laid a message aside."""

VOUCH: Final[Mapping[str | None, str]] = {
    Reason.MOBILE_CHANGED: "You vouch that the new number of case {case} is the joiner's.",
    Reason.ALREADY_REGISTERED: (
        "You vouch that the person of case {case} is to get a pass in this round,"
        " although they have methods to sign in: {methods}."
    ),
}
"""What an approver says with their yes, by what the case was refused for."""

CONFLICTS: Final[Mapping[str, str]] = {
    "issuing-now": "A run holds this case right now: try again in a few minutes.",
    "case-cancelled": "It is called off: HR has to announce the hire again.",
    "case-closed": "It is over: only an event with a later hire date opens it again.",
    "contact-wiped": "Who it was is no longer kept: HR has to announce the hire again.",
    "not-refused": "The case is no longer refused at that issuance: somebody was quicker.",
    "own-change": "You have had a hand in this round of the case: somebody else has to approve it.",
    "nothing-to-approve": "Only a refusal as mobile-changed or already-registered can be approved, as it was shown.",
    "case-open": "A case of this person is still open: cancel it first, and wait until its passes are deleted.",
    "another-run": (
        "A run over dead letters is under way: wait until it ends. One that was killed keeps others out for two minutes"
        " after its last letter; with its plan it goes on at once."
    ),
    "letter-unknown": "It was replayed or discarded, or never was: see ./firstpass dlq list.",
    "case-unknown": "See ./firstpass cases list, or look by --source and --subject.",
    "person-unknown": "Nothing is kept under this object id. What HR announced by user name or employee id is found by"
    " --source and --subject until it is first due.",
    "event-too-old": "It would be refused at once as too old; the pass there is stays. Open another case instead.",
    "rehearsal": "REHEARSAL is on here: nobody gets a pass.",
    "single-day-off": "SINGLE_DAY_PASSES is off here: spare-key is the better way.",
    "devices-missing": "Say which: --device-path, once for each.",
    "devices-unwanted": "--device-path is for devices only.",
    "role-missing": "Ask for the app role, or somebody who has it.",
}
"""What to do about a problem, by its code."""

OUTCOMES: Final[Mapping[str, str]] = {
    "reopen": "the case goes on",
    "send": "the event is sent again",
    "discard": "it is removed for good",
    "nothing": "nothing to do",
    "capped": "replayed too often: --force",
    "changed": "another letter stands there now: plan anew",
    "gone": "not there any more",
    "locked": "held by somebody, or by a run that died: free within 5 minutes",
    "failed": "the run ended here; it may have happened: ask again",
}
"""What a run makes of a letter, by its outcome."""


def why(reason: str | None) -> str:
    """A reason in words, or as it is when it is none of ours."""
    return {**WHY, **BROKERS}.get(reason, reason or "")
