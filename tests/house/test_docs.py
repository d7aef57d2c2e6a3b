"""What can be chosen, met or typed is documented, and the documents are true."""

import json
import re
from pathlib import Path
from typing import get_args

import pytest
from typer.core import TyperCommand as Command
from typer.main import get_command

from cli.__main__ import app
from cli.advice import ABOUT, ADVICE
from cli.exits import Exit
from sandbox.__main__ import PORTS
from shared.checks import NEEDED_ROLES, OPTIONAL_ROLES
from shared.contract import json_schema
from shared.errors import Reason
from shared.findings import Check, Code
from shared.letter_models import Judgement
from shared.plan import PATHS
from shared.settings import REQUIRED, SETTINGS
from shared.states import LEGAL, Act, State
from shared.telemetry import Event
from tests.house import generated, picture, reliability

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"


def rows(page: str) -> dict[str, list[str]]:
    """First cell (without code marks) to the other cells, of every table row of a page."""
    found: dict[str, list[str]] = {}
    for line in (DOCS / page).read_text().splitlines():
        if line.startswith("| `"):
            first, *others = (cell.strip() for cell in line.strip("| ").split(" | "))
            for name in re.findall(r"`([^`]+)`", first):
                found.setdefault(name, others)  # an outcome may be called as a command is
    return found


@pytest.mark.parametrize("reason", list(Reason))
def test_every_reason_says_what_to_do(reason: Reason) -> None:
    what_happened, what_to_do = rows("runbook.md")[reason]
    assert what_happened
    assert what_to_do


def test_the_runbook_knows_no_reason_that_does_not_exist() -> None:
    assert set(rows("runbook.md")) == set(Reason)


@pytest.mark.parametrize("name", list(SETTINGS))
def test_every_setting_has_its_default_and_a_why(name: str) -> None:
    default, why = rows("settings.md")[name]
    expected = {REQUIRED: "*must be chosen*", None: "none", "": "empty"}
    wanted = expected.get(SETTINGS[name].default, f"`{SETTINGS[name].default}`")
    assert default == wanted or (wanted == "none" and default == "one of the two")
    assert len(why) > 10


def test_the_settings_page_knows_no_setting_that_does_not_exist() -> None:
    assert set(rows("settings.md")) == set(SETTINGS)


def test_every_event_name_is_explained() -> None:
    assert set(Event) <= set(rows("architecture.md"))


def test_every_state_and_its_next_step_is_in_the_table() -> None:
    assert set(State) <= set(rows("architecture.md"))
    assert set(LEGAL) == {None, *State}


def test_the_life_of_a_case_is_the_one_in_the_code() -> None:
    assert set(generated.EDGES) == generated.edges()
    assert set(generated.WHEN) == set(Act)
    assert generated.PAGE.read_text() == generated.page(), "run python -m tests.house.generated"


def test_the_page_about_the_self_check_is_the_one_in_the_code() -> None:
    assert set(ABOUT) == set(Check)
    assert set(ADVICE) == set(Code)
    assert generated.DOCTOR.read_text() == generated.doctor(), "run python -m tests.house.generated"


def test_the_page_about_reliability_is_what_the_proofs_say() -> None:
    assert len(reliability.PROMISES) == 8
    assert reliability.PAGE.read_text() == reliability.page(), "run python -m tests.house.generated"


def test_every_volume_test_is_on_that_page() -> None:
    files = {file.stem.removeprefix("test_volume_") for file in (ROOT / "tests" / "faults").glob("test_volume_*.py")}
    assert set(reliability.VOLUMES) == files


def test_the_app_roles_it_checks_are_the_documented_prerequisites() -> None:
    assert {row[0] for row in NEEDED_ROLES} | OPTIONAL_ROLES == {
        name for name in rows("prerequisites.md") if ".Read" in name
    }


def test_the_table_of_device_paths_is_the_one_in_the_code() -> None:
    documented = rows("architecture.md")
    for path, needs in PATHS.items():
        steps, together, one_time = documented[path]
        assert steps == " · ".join(f"{step.name} {step.minutes}" for step in needs.steps)
        assert together == str(sum(step.minutes for step in needs.steps))
        assert one_time == ("yes" if needs.one_time_allowed else "no")


def commands() -> dict[str, Command]:
    """Every command that can be typed, by its name, nested ones too."""
    found: dict[str, Command] = {}
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        nested = getattr(command, "commands", None)
        found |= {f"{name} {inner}": one for inner, one in nested.items()} if nested else {name: command}
    return found


COMMANDS = commands()
ON_THIS_MACHINE = ("demo", "sandbox")
FILTERS = {"--code", "--since", "--until", "--device-path", "--min-replays", "--max-replays"}
EVERYWHERE = {"--output"}


@pytest.mark.parametrize("name", list(COMMANDS))
def test_every_command_teaches_itself(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    assert name in ON_THIS_MACHINE or f"Example: ./firstpass {name.partition(' ')[0]}" in command.help.replace(
        "--as colleague ", ""
    )
    assert [parameter.name for parameter in command.params if not getattr(parameter, "help", None)] == []


@pytest.mark.parametrize("name", ON_THIS_MACHINE)
def test_what_runs_on_this_machine_is_in_the_quickstart(name: str) -> None:
    text = (DOCS / "quickstart.md").read_text()
    assert f"firstpass {name}" in text
    assert [parameter.opts[0] for parameter in COMMANDS[name].params if parameter.opts[0] not in text] == []


@pytest.mark.parametrize("name", [name for name in COMMANDS if name not in ON_THIS_MACHINE])
def test_every_other_command_and_option_is_on_the_operators_page(name: str) -> None:
    role, what, options = rows("operators.md")[name]
    assert role in {"reader", "operator", "approver"}
    has = {parameter.opts[0] for parameter in COMMANDS[name].params if parameter.opts[0].startswith("-")} - EVERYWHERE
    told = set(re.findall(r"`(--[a-z-]+)`", f"{what} {options}"))
    assert has <= told | (FILTERS if "filters" in options else set())
    assert told - {"--reason"} <= has


def test_what_holds_for_every_command_is_on_the_operators_page() -> None:
    text = (DOCS / "operators.md").read_text()
    for option in (
        *FILTERS,
        *EVERYWHERE,
        "--url",
        "--as",
        "FIRSTPASS_URL",
        "FIRSTPASS_SCOPE",
        "FIRSTPASS_SANDBOX_ROLES",
    ):
        assert option in text, option
    assert {int(code) for code in re.findall(r"^\| (\d+) \|", text, re.MULTILINE)} == set(Exit)
    assert set(get_args(Judgement.model_fields["outcome"].annotation)) <= set(rows("operators.md"))


@pytest.mark.parametrize("page", ["operators.md", "quickstart.md"])
def test_what_a_page_says_to_type_can_be_typed(page: str) -> None:
    typed = re.findall(r"\./firstpass ([a-z][^\n`|>]*)", (DOCS / page).read_text())
    assert typed
    for line in typed:
        words = line.partition(" #")[0]
        (name,) = [name for name in COMMANDS if f"{words} ".startswith(f"{name} ")]
        can = {option for parameter in COMMANDS[name].params for option in parameter.opts}
        assert set(re.findall(r"(?<= )--?[a-z][a-z-]*", words)) <= can, line


def test_the_picture_of_the_operators_page_is_the_commands_own() -> None:
    assert picture.FILE.read_text() == picture.svg(), "run python -m tests.house.picture"


def test_the_published_schema_is_the_contract() -> None:
    published = json.loads((DOCS / "joiner-events.schema.json").read_text())
    assert published == json_schema()


def test_the_published_api_is_the_one_operators_reach() -> None:
    assert generated.API.read_text() == generated.api(), "run python -m tests.house.generated"


def test_every_link_between_pages_leads_somewhere() -> None:
    pages = [ROOT / "README.md", *DOCS.rglob("*.md"), ROOT / "sandbox" / "COVERAGE.md"]
    for page in pages:
        for target in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name} -> {target}"


def test_the_sample_settings_fit_the_sandbox_as_it_starts() -> None:
    values = json.loads((ROOT / "local.settings.sample.json").read_text())["Values"]
    phone = json.loads((ROOT / "sandbox" / "phone" / "twilio.json").read_text())["account"]
    assert values["TWILIO_ACCOUNT_SID"] == phone["accountSid"]
    assert values["TWILIO_API_KEY_SID"] == phone["apiKeySid"]
    assert values["TWILIO_API_KEY_SECRET"] == phone["apiKeySecret"]
    for name, address in {
        "ServiceBusConnection": f"localhost:{PORTS['broker']};",
        "LedgerConnection": f"127.0.0.1:{PORTS['azurite']}/",
        "GRAPH_URL": f"127.0.0.1:{PORTS['directory']}",
        "IDENTITY_ENDPOINT": f"127.0.0.1:{PORTS['directory']}/msi/token",
        "TWILIO_URL": f"127.0.0.1:{PORTS['phone']}",
    }.items():
        assert address in values[name]
