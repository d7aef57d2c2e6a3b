"""Rules of the house that no linter knows."""

import ast
import re
import subprocess
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent.parent
OURS = ("shared", "functions", "cli", "sandbox", "bench")
FILES = [file for folder in OURS for file in sorted((ROOT / folder).rglob("*.py"))] + [ROOT / "function_app.py"]


def tracked() -> Iterator[Path]:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)  # noqa: S607
    return (ROOT / name for name in listed.stdout.splitlines() if (ROOT / name).is_file())


def functions(file: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    return (
        node
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    )


def length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or 0) - function.lineno + 1


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(ROOT)))
def test_a_file_has_one_subject_and_a_function_fits_a_screen(file: Path) -> None:
    assert len(file.read_text().splitlines()) <= 300
    assert [function.name for function in functions(file) if length(function) > 50] == []


def test_functions_are_short_as_a_rule() -> None:
    lengths = sorted(length(function) for file in FILES for function in functions(file))
    assert lengths[len(lengths) // 2] <= 8
    assert lengths[int(len(lengths) * 0.95)] <= 30


def test_every_server_binds_loopback_only() -> None:
    for file in (ROOT / "sandbox").rglob("*.py"):
        assert "0.0.0.0" not in file.read_text()  # noqa: S104 - looked for, not bound


def code_lines(file: Path) -> int:
    """Lines that hold code: no blank ones, no comments, no docstrings."""
    source = file.read_text()
    texts = [
        range(node.lineno, (node.end_lineno or 0) + 1)
        for node in ast.walk(ast.parse(source))
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
    ]
    documented = {line for text in texts for line in text}
    return sum(
        1
        for number, line in enumerate(source.splitlines(), 1)
        if line.strip() and not line.strip().startswith("#") and number not in documented
    )


def test_the_sandbox_stays_small() -> None:
    assert sum(code_lines(file) for file in (ROOT / "sandbox").rglob("*.py")) <= 2600


def test_the_app_reads_the_environment_in_one_place() -> None:
    reading = [file.name for file in (ROOT / "shared").rglob("*.py") if "os.environ" in file.read_text()]
    assert reading == ["wiring.py"]


def test_no_address_of_a_package_registry_is_in_the_repo() -> None:
    hosts = re.compile("pypi" + r"[.]org|python" + "hosted|registry" + r"[.]npmjs|[r]esolved\": \"http")
    for file in tracked():
        if file.suffix in {".json", ".txt", ".toml", ".md", ".py", ".yml", ""} and file.stat().st_size < 2_000_000:
            assert not hosts.search(file.read_text(errors="replace")), file


def test_the_pins_answer_to_the_ranges() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())
    groups = [project["project"]["dependencies"], *project["dependency-groups"].values()]
    wanted = [re.split("[<>=~]", entry)[0] for group in groups for entry in group if isinstance(entry, str)]
    pinned = (ROOT / "requirements-dev.txt").read_text()
    runtime = (ROOT / "requirements.txt").read_text()
    assert wanted
    for name in wanted:
        assert re.search(rf"^{name}==", pinned, re.MULTILINE), name
    shipped = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", runtime, re.MULTILINE))
    developed = dict(re.findall(r"^([a-z0-9-]+)==([^ ]+)", pinned, re.MULTILINE))
    assert {name: developed.get(name) for name in shipped} == shipped
    assert "pytest" not in shipped
