"""What a run does, asked of the app: of some letters at a time, or only what would become of them."""

from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass

from cli.client import Client
from cli.exits import CommandError
from cli.letter_plan import judged
from cli.letter_run import Log, Pace, Run
from cli.letter_view import Chosen, Planned
from shared.api_models import Done
from shared.letter_models import DiscardWish, EndOfRun, Judgements, Marked, ReplayWish, RunAct


@dataclass(frozen=True, slots=True)
class Task:
    """Replaying or discarding at one app. `wish` says why, and how; which letters is filled in."""

    client: Client
    wish: ReplayWish | DiscardWish

    @property
    def act(self) -> RunAct:
        """What it is called, on the command line and in the API's paths."""
        return "replay" if isinstance(self.wish, ReplayWish) else "discard"

    def run(self, run_id: str, letters: Mapping[int, Chosen], pace: Pace, log: Log) -> Run:
        """A run over these letters."""

        def send(numbers: list[int]) -> Judgements:
            marks = [Marked(sequence=number, mark=letters[number].mark) for number in numbers]
            wish = self.wish.model_copy(update={"run": run_id, "sequences": numbers, "marks": marks})
            return self.client.post(f"dead-letters/{self.act}", Judgements, wish)

        return Run(act=self.act, id=run_id, letters=letters, send=send, pace=pace, log=log)

    def judged(self, letters: Mapping[int, Chosen]) -> Iterator[Planned]:
        """What would become of each now, when whoever asks does it."""
        force = isinstance(self.wish, ReplayWish) and self.wish.force
        return judged(self.client, letters, self.act, force=force)

    def question(self, letters: Mapping[int, Chosen]) -> str:
        """What somebody is asked before it happens."""
        outcomes = Counter(letter.outcome for letter in self.judged(letters))
        told = ", ".join(f"{count} {outcome}" for outcome, count in outcomes.most_common())
        return f"{self.act} {len(letters)} dead letters at {self.client.url}: {told}."

    def end(self, run_id: str) -> None:
        """Let others begin. Where that cannot be said the app finds out by itself."""
        with suppress(CommandError):
            self.client.post("dead-letters/end", Done, EndOfRun(run=run_id))
