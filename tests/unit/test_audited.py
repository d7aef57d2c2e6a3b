"""What the audit says an act is about: enough to know it again, and nothing personal."""

from typing import Any

import pytest

from shared.audited import LONGEST
from tests.builders import NUMBER, USER_ID, hired
from tests.fakes.door import FINGERPRINTS, TARGETS

RUN = "a" * 32
PERSON = f"person {FINGERPRINTS.person(USER_ID)}"
CASES = " ".join(FINGERPRINTS.case_id("/hr/workday", key) for key in ("W-10427", "W-2"))

TOLD: dict[str, tuple[dict[str, Any], str]] = {
    "a case": ({"caseId": RUN, "code": "mobile-changed", "issuance": 2}, f"{RUN}, mobile-changed, issuance 2"),
    "an errand": (
        {"user": USER_ID.upper(), "purpose": "devices", "devicePaths": ["autopilot", "zero-touch"]},
        f"{PERSON}, devices, autopilot zero-touch",
    ),
    "every letter": ({"sequences": [50, 1, 99], "run": RUN, "force": True}, f"letters 50 1 99, forced, run {RUN}"),
    "a run without force": ({"force": False, "run": RUN}, f"run {RUN}"),
    "a pause": ({"minutes": 30}, "30 minutes"),
    "events": ({"events": [hired(), hired(subject="W-2")]}, f"cases {CASES}"),
    "a number where words belong": (
        dict.fromkeys(("caseId", "purpose", "code", "run", "minutes", "issuance"), NUMBER) | {"devicePaths": [NUMBER]},
        "",
    ),
    "another shape": (
        {"caseId": 7, "purpose": [], "devicePaths": 4, "sequences": {"a": 1}, "events": [1], "user": ["x"], "force": 1},
        "",
    ),
    "not quite whole numbers": ({"sequences": [1, True], "minutes": 1.5, "issuance": "1"}, ""),
}


@pytest.mark.parametrize(("given", "target"), TOLD.values(), ids=TOLD)
def test_what_an_act_is_about_is_told_in_full_and_without_anything_personal(given: Any, target: str) -> None:
    assert TARGETS.of(given) == target


def test_it_has_an_end() -> None:
    assert len(TARGETS.of({"sequences": list(range(100_000))})) == LONGEST
