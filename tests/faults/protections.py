"""Each protection of the flow, and the text whose replacement takes it away."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parent.parent.parent
FLOW: Final = ("tests/unit", "tests/life", "tests/faults")
TABLES: Final = ("tests/contract/test_ledger.py", "tests/contract/test_ledger_adapter.py")


@dataclass(frozen=True, slots=True)
class Edit:
    """In `file`, `old` (there once) becomes `new`."""

    file: str
    old: str
    new: str

    def apply(self, root: Path) -> None:
        """Write the file anew.

        Raises:
            LookupError: the text is not there, or more than once: this table has to follow the code.
        """
        path = root / self.file
        text = path.read_text()
        if text.count(self.old) != 1:
            raise LookupError(f"{self.file} has {text.count(self.old)} times: {self.old}")
        path.write_text(text.replace(self.old, self.new))


@dataclass(frozen=True, slots=True)
class Protection:
    """`tests` are those that may notice that it is gone."""

    edits: tuple[Edit, ...]
    tests: tuple[str, ...] = FLOW


PROTECTIONS: Final = {
    "the lease": Protection((Edit("shared/case.py", "LEASE = CLAIM_LASTS", "LEASE = timedelta(0)"),)),
    "the deadline before the POST": Protection(
        (
            Edit(
                "shared/issuing.py",
                "create_pass(facts.user_id, terms, run.stop_at)",
                'create_pass(facts.user_id, terms, float("inf"))',
            ),
        )
    ),
    "the deadline before the send": Protection(
        (
            Edit(
                "shared/issuing.py", "tap.secret, run.case.ref, run.stop_at)", 'tap.secret, run.case.ref, float("inf"))'
            ),
        )
    ),
    "the claim's If-Match": Protection(
        (
            Edit(
                "shared/adapters/tables.py",
                "replace_row(head, before.etag) if before and before.etag else insert(head)",
                '("upsert", head, {"mode": "replace"})',
            ),
        ),
        TABLES,
    ),
    "the record before the send": Protection(
        (
            Edit(
                "shared/issuing.py",
                "await run.save_mine(lambda mine: mine.intended(tap.id), Held(lease=True, intended=1))",
                "pass",
            ),
        )
    ),
    "the send cap": Protection(
        (Edit("shared/issuing.py", "if case.sends >= MAX_SENDS:", "if case.sends >= 99 * MAX_SENDS:"),)
    ),
    "the attempt in ref": Protection(
        (
            Edit(
                "shared/hearing.py",
                "(receipt.issuance, receipt.attempt) == (case.issuance, case.attempt)",
                "receipt.issuance == case.issuance",
            ),
        )
    ),
    "the wake row before the head": Protection(
        (
            Edit(
                "shared/adapters/tables.py",
                "        after = await self._agenda.woken(after)\n        ours",
                "        ours",
            ),
        ),
        TABLES,
    ),
    "the second look made again": Protection(
        (
            Edit(
                "shared/case.py",
                "**{PUT_OFF[act]: until}",
                "**{PUT_OFF[act]: until.replace(year=2099) if act is Act.GUARD else until}",
            ),
        )
    ),
    "the second deletion": Protection((Edit("shared/case.py", "DELETIONS = 2", "DELETIONS = 1"),)),
}
