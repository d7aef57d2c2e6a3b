"""A row of the fault matrix, and what many rows name."""

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
