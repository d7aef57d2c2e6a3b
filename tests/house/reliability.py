"""docs/reliability.md, made from the fault matrix and from what the proofs themselves say they try."""

import ast
from pathlib import Path
from typing import Final

from tests.faults.aftermath import figures
from tests.faults.crowd import MALFORMED
from tests.faults.hostile import HOSTILE
from tests.faults.matrix import ROWS
from tests.faults.protections import PROTECTIONS
from tests.faults.rows import Row
from tests.faults.scenarios import ONE_WORKER, TWO_WORKERS
from tests.faults.test_burst import AGAIN, JOINERS
from tests.faults.test_killed import BLOWS, UNSURE
from tests.faults.test_schedules import IN_PROOF_ONLY

ROOT: Final = Path(__file__).parent.parent.parent
PAGE: Final = ROOT / "docs" / "reliability.md"
PROMISES: Final = {
    "I1 right hand": "at most one usable pass per person, sent only to the number bound to that hire",
    "I2 secret": "the pass is in memory between Graph's answer and Twilio's request, and nowhere else",
    "I3 nobody lost": "every accepted event ends as closed, waiting with a due time, refused with a reason, or a dead letter",
    "I4 no spam": "one fault costs at most one extra message; never more than two messages per issuance",
    "I5 the newest works": "the last pass a joiner received is the valid one, or a new one is on its way",
    "I6 guarded late": "guard rails run after the last wait and before the pass, and again before it opens",
    "I7 never an admin": "nobody privileged gets a pass",
    "I8 replay is harmless": "delivering or replaying anything again changes nothing that is done",
}
VOLUMES: Final = {
    "events": "HR's events, parsed and through the whole flow",
    "receipts": "Twilio's callbacks, forged and signed nonsense",
    "api": "requests of operators, every act",
    "rows": "rows of every table, dead letters, principals, the seal",
    "graph": "answers of Graph, over a connection",
    "twilio": "answers of Twilio, and its codes",
    "checkup": "what the self-check reads of Entra and Twilio",
    "reports": "reports of the self-check",
}


def cases_of(name: str) -> int:
    """How many cases a file of volume tests tries under `make proof`."""
    tree = ast.parse((ROOT / "tests" / "faults" / f"test_volume_{name}.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    sizes = [
        ast.literal_eval(call.args[0]) for call in calls if isinstance(call.func, ast.Name) and call.func.id == "volume"
    ]
    assert sizes
    return sum(sizes)


def row(one: Row) -> str:
    """A line of the matrix."""
    played = (
        [f"`test_matrix.py` and `test_aftermath.py` at {one.at[0]}, call {one.at[1] + 1}: {', '.join(one.kinds)}"]
        if one.at
        else []
    )
    shown = "<br>".join([*played, *(f"`{node}`" for node in one.shown)])
    return f"| {one.what} | {one.leaves} | {one.then} | {figures(one.what)} | {one.promises} | {shown} |"


def page() -> str:
    """The whole page."""
    counts = {name: cases_of(name) for name in VOLUMES}
    kills = sum(blow.signal == "KILL" for blow in BLOWS)
    return TEXT.format(
        promises="\n".join(f"| {name} | {what} |" for name, what in PROMISES.items()),
        scenarios="; ".join(ONE_WORKER),
        quick=len(ONE_WORKER) - len(IN_PROOF_ONLY),
        all=len(ONE_WORKER),
        pairs="; ".join(TWO_WORKERS),
        protections="; ".join(PROTECTIONS),
        volumes="\n".join(f"| {VOLUMES[name]} | {count:,} |" for name, count in counts.items()),
        cases=f"{sum(counts.values()):,}",
        blows=len(BLOWS),
        unsure=UNSURE,
        kills=kills,
        kinds=len(HOSTILE),
        malformed=MALFORMED,
        burst=f"{JOINERS + AGAIN:,}",
        again=AGAIN,
        matrix="\n".join(map(row, ROWS)),
    )


TEXT: Final = """# How it was tried

This page is made from the tests (`python -m tests.house.generated`), and a test keeps it true. What holds against an attacker rather than against bad luck is in the [threat model](threat-model.md).

## What is promised

| promise | |
|---|---|
{promises}

## How each was tried, and how to try it again

**Every crash point** (`make test`, more of it under `make test-slow` and `make proof`; `tests/faults/test_schedules.py`, `test_proof.py`). The real flow with the real case logic runs against ports that can, at every outside call, fail before it takes effect, lose the answer after it did, die there, or stand still for longer than a lease; a pass, a dead letter, a nudge and both writes of a save can also land after their run has given up. Whatever happens then is looked at as the joiner, Entra, the queue and the agenda show it. Scenarios with one worker: {scenarios}. With two workers who take turns at any call: {pairs}.

| | one worker | two workers |
|---|---|---|
| `make test` | one fault, in {quick} of the {all} scenarios, most until the first night; one outage of ten deliveries; receipts twice at any call | two changes of turns, until night |
| `make test-slow` | two faults in a hire until night, and in a refusal to the end | a fault and a change of turns, until night |
| `make proof` | two faults in every scenario, two outages, a fault and receipts at any call, all to the very end of the case | a fault and two changes of turns, four changes without a fault (all orders of two runs of a dozen calls are millions), to the very end |

Two schedules in which as much went wrong and which come to the same state of everything are one from there on, so the second ends there; `tests/faults/test_sameness.py` plays searches in full and finds that from one state all stories go on alike. Each schedule asserts that its faults happened; the run prints how many were played.

**Taking a protection away** (`make without`). In a copy of the tree one protection at a time is removed: {protections}. The command names the tests that notice, and fails when none does.

**Any history** (`make test`, a thousand under `make proof`; `tests/faults/test_stateful.py`). Events, nudges, reports, replays, acts of operators, jumps of the clock and throttling in any order. A history that breaks a promise is printed as a program that can be run.

**Real processes killed** (`make storm`; `tests/faults/test_killed.py`). 200 joiners of every kind, {malformed} malformed events and many duplicates go through the real host, the real SDKs, a broker with a database and Azurite, while {blows} blows fall on host and broker ({kills} of them SIGKILL) and {kinds} kinds of faults come from Graph, Twilio, the broker and the tables. Four simulated days later the counts add up to the events sent. It prints the bill. `FAULTS_SEED=n` repeats the order of the events and where the blows at random fall. Of a message whose answer and every report were lost nobody can know whether it went: at most {unsure} joiners end so (`send-unconfirmed`), each with a dead letter that says it.

**A burst** (`make storm`; `tests/faults/test_burst.py`). {burst} messages, {again} of them events that come a second time: drained, none lost or doubled, the host's memory flat. It prints joiners per second and memory.

**Bad input at volume** (a share in `make test`, all under `make proof`): {cases} generated cases. No exception that is not documented; no phone number and no user name in any answer or dead letter, nor in the log of the events, the receipts, the operators' API and the self-check; a second of CPU at most for one case; bounded memory, measured in one batch of twenty. Failures print the seed and the input.

| what | cases |
|---|---|
{volumes}

**The pass is nowhere** (`make test`; `tests/acceptance/test_secrets.py`, `tests/house/test_secret_gate.py`). After whole runs at DEBUG everything the real processes wrote (logs, tables, queues, the files of broker and Azurite, what the command printed) is searched for every pass, as text, UTF-16, hex, base64, and inside gzip. And the source is read: a secret is opened in one module and goes straight into a call.

## The matrix

What can go wrong with one joiner, what is left then, what becomes of it, and the tests of that name. Where a call is named the row is played, in a plain hire that is due at once and once for every way it names: `tests/faults/test_matrix.py` holds every promise against it, `tests/faults/test_aftermath.py` what is left and the figures. The figures are where the case stands by night, how long after the first try, and all passes that were made and messages that left on the way; without a fault that is one of each, at once. A message whose worker died comes again when its lock ends, after five minutes; often a wake row is sooner.

| what goes wrong | what is left | what happens next | in figures | promises | shown by |
|---|---|---|---|---|---|
{matrix}

## What was never tried

Nothing here ran against Azure, a real tenant or a real Twilio account: the SDKs and the Functions runtime are the real ones, the services are stand-ins ([what they imitate](../sandbox/COVERAGE.md)). Between calls inside one adapter nothing is enumerated but the two writes of a save; the calls of operators to the queue of dead letters and to the audit are tried one by one in their own tests, not by schedule. A network that splits between regions, a restored backup of the tables, and a second worker with other settings were not tried.
"""
