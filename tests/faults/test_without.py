from pathlib import Path
from shutil import copyfile

import pytest

from tests.faults.protections import PROTECTIONS, ROOT, Edit


@pytest.mark.parametrize("name", PROTECTIONS)
def test_every_protection_can_still_be_taken_away(name: str, tmp_path: Path) -> None:
    for edit in PROTECTIONS[name].edits:
        there = tmp_path / edit.file
        there.parent.mkdir(parents=True, exist_ok=True)
        if not there.exists():
            copyfile(ROOT / edit.file, there)
        edit.apply(tmp_path)
        assert edit.new in there.read_text()
        compile(there.read_text(), edit.file, "exec")


def test_a_protection_whose_text_is_gone_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "case.py").write_text("DELETIONS = 3")
    with pytest.raises(LookupError, match=r"^case\.py has 0 times: DELETIONS = 2$"):
        Edit("case.py", "DELETIONS = 2", "DELETIONS = 1").apply(tmp_path)
