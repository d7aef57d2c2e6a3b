"""What can be chosen, met or typed is documented, and the documents are true."""

import json
import re
from pathlib import Path

import pytest
from typer.main import get_command

from cli.__main__ import app
from sandbox.__main__ import PORTS
from shared.contract import json_schema
from shared.errors import Reason
from shared.plan import PATHS
from shared.settings import REQUIRED, SETTINGS
from shared.states import LEGAL, Act, State
from shared.telemetry import Event
from tests.house import generated

ROOT = Path(__file__).parent.parent.parent
DOCS = ROOT / "docs"


def rows(page: str) -> dict[str, list[str]]:
    """First cell (without code marks) to the other cells, of every table row of a page."""
    found: dict[str, list[str]] = {}
    for line in (DOCS / page).read_text().splitlines():
        if line.startswith("| `"):
            first, *others = (cell.strip() for cell in line.strip("| ").split(" | "))
            for name in re.findall(r"`([^`]+)`", first):
                found[name] = others
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


def test_the_table_of_device_paths_is_the_one_in_the_code() -> None:
    documented = rows("architecture.md")
    for path, needs in PATHS.items():
        steps, together, one_time = documented[path]
        assert steps == " · ".join(f"{step.name} {step.minutes}" for step in needs.steps)
        assert together == str(sum(step.minutes for step in needs.steps))
        assert one_time == ("yes" if needs.one_time_allowed else "no")


def test_every_command_and_option_is_in_the_quickstart_and_has_help() -> None:
    text = (DOCS / "quickstart.md").read_text()
    for name, command in get_command(app).commands.items():  # type: ignore[attr-defined]
        assert command.help
        assert f"firstpass {name}" in text
        for parameter in command.params:
            assert parameter.opts[0] in text, parameter.opts
            assert parameter.help


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
