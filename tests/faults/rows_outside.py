"""The fault matrix, second half: what comes to a joiner from outside, and what holds for a whole run."""

from typing import Final

from tests.faults.rows import AFTERMATH, BROKER, FAILS, FLOW, LETTERS, LIFE, ONE_FAULT, SCHEDULES, TENANT_AT_FAULT, Row

FROM_OUTSIDE: Final = (
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
