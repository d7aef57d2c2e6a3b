"""The fault matrix: where something can go wrong with one joiner, what is left then, and what becomes of it.

Rows that name a call are played by test_matrix.py, in every way of the kinds they name, and by test_aftermath.py, which
holds what is left and what becomes of it against aftermath.py; `shown` are further tests by their names.
docs/reliability.md is made from both tables.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tests.faults.ports import Kind

SCHEDULES: Final = "tests/faults/test_schedules.py"
ONE_FAULT: Final = f"{SCHEDULES}::test_one_fault_at_any_call_breaks_no_promise"
KILLED: Final = "tests/acceptance/test_crashes.py::test_a_host_killed_in_the_middle_loses_nobody"
LIFE: Final = "tests/life/test_follow_up.py"
BROKER: Final = "tests/contract/test_letters_adapter.py"
UNLUCKY: Final = "tests/life/test_unlucky.py"
LETTERS: Final = "tests/life/test_letters.py"
FLOW: Final = "tests/unit/test_onboarding.py"
TWILIO: Final = "tests/contract/test_courier_adapter.py"
GRAPH: Final = "tests/contract/test_directory_create.py"
AFTERMATH: Final = "tests/faults/test_aftermath.py"
TENANT_AT_FAULT: Final = (
    f"{AFTERMATH}::test_a_fault_of_the_tenant_pauses_everybody_and_others_try_first",
    f"{AFTERMATH}::test_a_fault_of_the_tenant_that_many_meet_is_one_alert",
)
DIES: Final = (Kind.DIES,)
LOST: Final = (Kind.LOST,)
IN_DOUBT: Final = (Kind.LOST, Kind.LATE)
FAILS: Final = (Kind.FAILS,)


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """`at` is the n-th call of that name in a plain hire; `saying` picks one error of the call where it has several."""

    what: str
    leaves: str
    then: str
    promises: str
    at: tuple[str, int] | None = None
    kinds: tuple[Kind, ...] = ()
    saying: str = ""
    shown: Sequence[str] = ()


ROWS: Final = (
    Row(
        what="dies before anything is written",
        leaves="nothing",
        then="the message comes again when its lock ends, and all goes as usual",
        promises="I3",
        at=("ledger.load", 0),
        kinds=DIES,
        shown=(KILLED,),
    ),
    Row(
        what="dies after the event is recorded",
        leaves="an announced case with its wake row",
        then="its wake row wakes it; the message comes again and changes nothing",
        promises="I3 I8",
        at=("ledger.admit", 0),
        kinds=DIES,
    ),
    Row(
        what="dies after the person and the policy were read",
        leaves="an announced case",
        then="both are read afresh: what was true a minute ago counts for nothing",
        promises="I6 I7",
        at=("ledger.meet", 0),
        kinds=DIES,
        shown=(f"{AFTERMATH}::test_what_was_read_before_a_run_died_counts_for_nothing",),
    ),
    Row(
        what="dies after the claim",
        leaves="a case that is issuing, with a lease of three minutes",
        then="whoever comes next waits for the lease; then a new attempt",
        promises="I3 I5",
        at=("directory.create_pass", 0),
        kinds=DIES,
    ),
    Row(
        what="stands still with the lease, longer than it lasts",
        leaves="a case that is issuing; another run takes it over when the lease ends",
        then="it starts nothing after its deadline, and its claim is no longer the head's",
        promises="I1 I4 I5",
        at=("directory.create_pass", 0),
        kinds=(Kind.SLOW,),
        shown=(f"{FLOW}::test_a_run_that_is_out_of_time_starts_nothing_more",),
    ),
    Row(
        what="the pass is made, the answer is lost",
        leaves="a pass nobody knows, at once or within the lease",
        then="the lease ends, the next attempt replaces it: nobody ever had its secret",
        promises="I1 I5",
        at=("directory.create_pass", 0),
        kinds=IN_DOUBT,
        shown=(KILLED, f"{GRAPH}::test_a_create_in_doubt_is_unconfirmed_and_never_repeated"),
    ),
    Row(
        what="the pass is made minutes after its run gave up",
        leaves="nothing yet; later a pass that replaces the one that was sent",
        then="a quarter of an hour after sending the live pass is looked at: it is not ours, so another goes out",
        promises="I5",
        at=("directory.create_pass", 0),
        kinds=(Kind.LATER,),
        shown=(f"{LIFE}::test_a_pass_replaced_by_a_late_create_of_ours_is_sent_again_and_not_counted",),
    ),
    Row(
        what="dies after the pass was made, before the send is written down",
        leaves="a pass nobody knows",
        then="as when the answer is lost",
        promises="I1 I4 I5",
        at=("ledger.head", 2),
        kinds=DIES,
    ),
    Row(
        what="dies after the send is written down, before sending",
        leaves="a send that is counted and never happened",
        then="another pass and another message; two sends are the most an issuance has",
        promises="I3 I4",
        at=("courier.send", 0),
        kinds=DIES,
    ),
    Row(
        what="Twilio took the message, the answer is lost, its report comes",
        leaves="a send that is counted",
        then="the report of the current attempt is as good as our own record: no second message",
        promises="I4 I5",
        at=("courier.send", 0),
        kinds=LOST,
        shown=(
            f"{LIFE}::test_our_own_record_lost_is_made_good_by_the_receipt_and_costs_no_second_message",
            f"{TWILIO}::test_what_may_have_been_sent_is_never_repeated",
        ),
    ),
    Row(
        what="the same, and no report comes",
        leaves="a send that is counted",
        then="the lease ends, one more message with a new pass; the newest works",
        promises="I4 I5",
        shown=(f"{LIFE}::test_a_record_and_a_receipt_lost_cost_one_more_message_and_the_newest_works",),
    ),
    Row(
        what="two sends of one issuance are in doubt",
        leaves="a case with two sends",
        then="no third: refused, `send-unconfirmed`, somebody must look",
        promises="I3 I4",
        shown=(f"{FLOW}::test_a_message_that_may_have_gone_out_costs_one_extra_and_never_a_third",),
    ),
    Row(
        what="Twilio says slow down, or is not reached",
        leaves="a pass that nobody got",
        then="nothing was sent: the count is given back, the case waits, a new pass is made then",
        promises="I2 I3",
        at=("courier.send", 0),
        kinds=FAILS,
        saying="twilio-busy",
        shown=(
            f"{TWILIO}::test_turned_away_then_taken_is_one_message",
            f"{TWILIO}::test_a_connection_that_never_opens_was_surely_not_reached",
        ),
    ),
    Row(
        what="Twilio will not send to this number",
        leaves="a pass that nobody got",
        then="refused with the reason, its pass is deleted, no retry",
        promises="I1 I3",
        at=("courier.send", 0),
        kinds=FAILS,
        saying="opted-out",
        shown=(
            f"{LIFE}::test_a_number_that_will_not_do_is_refused_and_its_pass_deleted",
            f"{TWILIO}::test_every_code_ends_as_its_kind",
        ),
    ),
    Row(
        what="Twilio refuses the account or its sender",
        leaves="a pass that nobody got",
        then="everybody pauses for a quarter of an hour, with one alert; this case waits twice as long",
        promises="I3",
        at=("courier.send", 0),
        kinds=FAILS,
        saying="twilio-denied",
        shown=(
            *TENANT_AT_FAULT,
            f"{LIFE}::test_a_sender_at_fault_halts_everybody_and_this_joiner_gets_another_message",
        ),
    ),
    Row(
        what="somebody else wrote the case after the message went out",
        leaves="a message out, a head that is newer",
        then="their head stays; the record is made on it, or by the report; never a second message in this run",
        promises="I4 I5",
        at=("ledger.head", 3),
        kinds=FAILS,
        saying="case-moved",
        shown=(
            f"{FLOW}::test_news_that_changes_nothing_while_a_message_is_sent_costs_no_second_one",
            f"{UNLUCKY}::test_a_text_sent_while_the_hire_was_called_off_is_redacted_also_when_twilio_never_reports",
        ),
    ),
    Row(
        what="somebody else wrote the case before the claim",
        leaves="their head, and no pass",
        then="the claim is refused (If-Match), the message comes again at once",
        promises="I5 I8",
        at=("ledger.head", 1),
        kinds=FAILS,
        saying="case-moved",
    ),
    Row(
        what="the ledger does not take the claim",
        leaves="an announced case, and no pass",
        then="no ledger, no pass: the message comes again; a claim that lands after the next one is refused (If-Match)",
        promises="I1 I8",
        at=("ledger.head", 1),
        kinds=(Kind.FAILS, Kind.LATER),
        saying="ledger-unavailable",
    ),
    Row(
        what="the ledger takes the claim, the answer is lost",
        leaves="a case that is issuing, at once or soon, with nobody at work on it",
        then="no pass; the lease ends, then a new attempt",
        promises="I1 I3 I8",
        at=("ledger.head", 1),
        kinds=IN_DOUBT,
    ),
    Row(
        what="the ledger does not answer after the message",
        leaves="a send that is counted",
        then="the report, or the next look, makes the record good",
        promises="I4",
        at=("ledger.head", 3),
        kinds=(Kind.FAILS, Kind.LOST, Kind.LATE, Kind.LATER),
        saying="ledger-unavailable",
    ),
    Row(
        what="the wake row is written and the head is not",
        leaves="a wake row ahead of its case",
        then="a nudge that finds nothing to do; never a head without a row",
        promises="I3",
        at=("ledger.head", 0),
        kinds=DIES,
        shown=("tests/acceptance/test_agenda.py::test_two_hosts_and_a_storm_of_nudges_cost_one_message_each",),
    ),
    Row(
        what="all is done, and the message cannot be settled",
        leaves="a case that went on",
        then="the message comes again and changes nothing",
        promises="I8",
        at=("queue.complete", 0),
        kinds=(Kind.FAILS, Kind.LOST, Kind.DIES),
    ),
    Row(
        what="ten deliveries fail",
        leaves="a dead letter with the event",
        then="an operator replays it; a nudge given up is replayed, too",
        promises="I3",
        shown=(
            f"{SCHEDULES}::test_an_outage_that_outlasts_ten_deliveries_breaks_no_promise",
            f"{LETTERS}::test_a_case_whose_nudge_was_given_up_goes_on_when_that_is_replayed",
        ),
    ),
    Row(
        what="the same event twice at once",
        leaves="one case, one lease",
        then="the other waits for the lease and finds nothing to do",
        promises="I4 I5 I8",
        shown=(f"{SCHEDULES}::test_two_workers_who_take_turns_break_no_promise",),
    ),
    Row(
        what="an older event, or a cancellation before its hire",
        leaves="the newer version in the head",
        then="ignored; a cancellation that overtakes its hire keeps it out, and deletes what was made",
        promises="I1 I8",
        shown=(
            "tests/unit/test_case_recording.py::test_a_duplicate_or_an_older_event_changes_nothing",
            "tests/unit/test_case_recording.py::test_a_cancellation_that_overtakes_its_hire_keeps_it_out",
            f"{LIFE}::test_called_off_after_sending_no_pass_stays_valid",
        ),
    ),
    Row(
        what="the number changes between the event and the pass",
        leaves="another fingerprint than the one seen first",
        then="refused, `mobile-changed`, for 72 hours or until somebody else vouches for it",
        promises="I1",
        shown=(
            "tests/unit/test_guard_person.py::test_a_changed_number_is_held_for_72_hours",
            "tests/life/test_operations.py::test_whoever_sent_the_number_in_hrs_place_does_not_approve_it",
        ),
    ),
    Row(
        what="Graph says slow down",
        leaves="an announced case that waits",
        then="it waits as long as Graph says, however long that is",
        promises="I3",
        at=("directory.facts", 0),
        kinds=FAILS,
        saying="graph-throttled",
        shown=(
            f"{AFTERMATH}::test_a_case_waits_as_long_as_graph_says",
            "tests/contract/test_directory_adapter.py::test_a_pause_that_ends_after_stop_at_is_not_begun",
        ),
    ),
    Row(
        what="Graph does not know the person yet",
        leaves="an announced case",
        then="looked for again until 48 hours after the planned delivery, then refused",
        promises="I3",
        shown=(
            f"{FLOW}::test_a_user_not_provisioned_yet_waits_and_is_served_once_there",
            f"{FLOW}::test_a_user_never_provisioned_is_refused_two_days_after_the_planned_delivery",
        ),
    ),
    Row(
        what="Graph refuses the app, or the policy is off or only allows one-time passes",
        leaves="an announced case that waits",
        then="as when Twilio refuses the account: nobody is refused for the tenant's fault",
        promises="I3",
        at=("directory.create_pass", 0),
        kinds=FAILS,
        saying="graph-denied",
        shown=(
            *TENANT_AT_FAULT,
            "tests/unit/test_guard_rails.py::test_a_tenant_at_fault_halts_whoever_it_is",
        ),
    ),
    Row(
        what="the policy leaves this person out, or allows no pass as long as their steps",
        leaves="an announced case",
        then="refused with the reason before anything is made; a later event or a replay tries again",
        promises="I3",
        shown=(
            f"{AFTERMATH}::test_a_policy_that_will_not_do_for_this_joiner_refuses_before_a_pass",
            "tests/unit/test_plan.py::test_every_pass_fits_or_is_refused",
        ),
    ),
    Row(
        what="somebody with a waiting pass is made an administrator, or gets another number",
        leaves="a pass that opens in the morning",
        then="the second look, a quarter of an hour before, deletes it: refused",
        promises="I1 I6 I7",
        shown=(
            f"{LIFE}::test_who_may_have_no_pass_any_more_loses_it_before_it_opens",
            f"{LIFE}::test_the_second_look_happens_also_when_graph_was_away_and_the_pass_is_open_by_then",
        ),
    ),
    Row(
        what="daylight saving, a start in the past, a clock that is wrong",
        leaves="nothing",
        then="gaps and folds have defined answers, a start that has passed is none, the doctor sees a wrong clock",
        promises="I5",
        shown=(
            "tests/unit/test_plan.py::test_the_opening_in_local_time",
            "tests/unit/test_plan.py::test_a_pass_starts_when_it_opens_or_at_once",
            "tests/life/test_checkup.py::test_a_clock_that_is_wrong_is_seen_by_entras_time",
        ),
    ),
    Row(
        what="the host is told to stop, or killed, at any moment",
        leaves="as dying at that call",
        then="told to stop it finishes the joiner it is at; killed, it is as above",
        promises="I3 I4",
        shown=(
            ONE_FAULT,
            "tests/acceptance/test_crashes.py::test_a_host_told_to_stop_finishes_the_joiner_it_is_at",
            "tests/acceptance/test_crashes_later.py::test_a_host_killed_in_a_later_step_changes_nothing",
            "tests/faults/test_killed.py::test_the_counts_add_up_to_the_events_sent",
        ),
    ),
    Row(
        what="a report before our own record, doubled, re-ordered, forged, or of an old attempt",
        leaves="the status as far as it was",
        then="the status never goes back; an old attempt's report only empties its text; a forged one is 403",
        promises="I2 I8",
        shown=(
            f"{SCHEDULES}::test_receipts_may_come_twice_at_any_call",
            "tests/unit/test_hearing.py::test_any_receipts_of_a_message_in_any_order_end_the_same",
            "tests/acceptance/test_receipts_door.py::test_what_is_not_signed_by_twilio_is_forbidden_and_told_nowhere",
        ),
    ),
    Row(
        what="a replay breaks between sending and completing, or duplicate detection remembers its id",
        leaves="the dead letter, and perhaps its replay",
        then="the same replay has the same id: sent twice it is one message, the next replay is another",
        promises="I3 I8",
        shown=(
            f"{LETTERS}::test_a_run_that_breaks_anywhere_loses_nothing_and_doubles_nothing",
            "tests/contract/test_letters.py::test_the_same_replay_twice_is_one_message_and_the_next_another",
            f"{BROKER}::test_a_process_that_dies_between_sending_and_completing_doubles_nothing",
        ),
    ),
    Row(
        what="a letter that fails after every replay",
        leaves="the letter, with how often it was replayed",
        then="capped at three; more needs an approver",
        promises="I3",
        shown=(f"{LETTERS}::test_replaying_before_anything_was_corrected_is_refused_again_and_in_the_end_capped",),
    ),
)
"""By the order in which a joiner's day goes, then what comes from outside."""
