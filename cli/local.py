"""`firstpass demo` and `firstpass sandbox`: what runs on this machine alone."""

import json
from pathlib import Path
from typing import Annotated, Final

import typer
from rich.console import Console

from cli.exits import Exit
from cli.output import progress

ROOT: Final = Path(__file__).parent.parent
COHORTS: Final = Path(__file__).parent / "cohorts"


def demo(
    cohort: Annotated[Path, typer.Option(help="A cohort file.", show_default="the built-in one")] = COHORTS
    / "demo.json",
    *,
    as_json: Annotated[bool, typer.Option("--json", help="Print the outcome as JSON on stdout, nothing else.")] = False,
    keep: Annotated[Path | None, typer.Option(help="Keep the logs of every process in this folder.")] = None,
) -> None:
    """Run a cohort of joiners through the app, over the real SDKs and protocols, on this machine alone.

    Starts the stand-ins for Service Bus, Entra, and Twilio, Azurite, and the app itself; sends the cohort's events;
    shows what every phone received, what Entra holds, what waits and what was refused. Ends by itself.
    """
    from cli.cohort import CohortError, read_cohort  # noqa: PLC0415 - the SDKs take a second; --help need not wait
    from cli.demo import DemoError, run_cohort  # noqa: PLC0415 - as above
    from cli.show import show  # noqa: PLC0415 - as above

    messages = Console(stderr=True)
    try:
        with progress(messages) as bar:
            task = bar.add_task("starting the sandbox", total=None)
            outcome = run_cohort(
                read_cohort(cohort),
                lambda number, total, subject: bar.update(task, completed=number, total=total, description=subject),
                keep,
            )
    except (CohortError, DemoError) as error:
        messages.print(str(error), style="red", markup=False, highlight=False)
        raise typer.Exit(Exit.USAGE) from None
    if as_json:
        print(json.dumps(outcome.as_json(), indent=2))  # noqa: T201 - the answer
    else:
        show(outcome, Console())


def sandbox(
    settings: Annotated[
        Path, typer.Option(help="The app's settings.", show_default="local.settings.sample.json")
    ] = ROOT / "local.settings.sample.json",
    *,
    free_ports: Annotated[bool, typer.Option("--free-ports", help="Choose free ports, not the fixed ones.")] = False,
    to_practise: Annotated[bool, typer.Option("--practice", help="With joiners to practise on.")] = False,
) -> None:
    """Start the stand-ins and the app, and keep them until Ctrl-C.

    Example: ./firstpass sandbox --practice
    """
    from cli.sandbox import keep_sandbox  # noqa: PLC0415 - only this command needs it

    keep_sandbox(settings, Console(stderr=True), free_ports=free_ports, to_practise=to_practise)
