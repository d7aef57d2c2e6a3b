"""A stand-in of the operators' API on loopback: as much as the command needs, and whatever a test wants of it."""

import asyncio
import base64
import json
import threading
import time
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Self

from aiohttp import web
from pydantic import BaseModel

from shared.api_models import Done, Problem
from shared.letter_models import Judgement, Judgements, LetterPage, LetterStats, LetterView, ReasonCount
from shared.sending_models import Effect, EventJudgement, EventJudgements


class StandIn:
    """Serves in a thread of its own while it is entered.

    `answers` gives the model, or the status of a problem, for "METHOD path"; `asked` holds every request, as (what,
    body, who). Dead letters have a life: `letters` by sequence number, `fates` what becomes of each (replayed
    otherwise), `slow` seconds for each request that changes something, `stop_at` a sequence number at which a run
    stops, `reach` how many letters a request gets to. With `redirects` an answer that is a text is where to go.
    Events are right and new unless `wrong` or `effects` tell by subject; after `sends` requests the bus is gone.
    """

    def __init__(self) -> None:
        self.answers: dict[str, BaseModel | tuple[int, str] | str] = {}
        self.letters: dict[int, LetterView] = {}
        self.fates: dict[int, tuple[str, str]] = {}
        self.slow, self.redirects = 0.0, False
        self.stop_at, self.reach = 0, 100
        self.wrong: dict[str, str] = {}
        self.effects: dict[str, Effect] = {}
        self.sends = 1000
        self.asked: list[tuple[str, dict[str, Any], dict[str, Any]]] = []
        self.begun = threading.Event()

    def __enter__(self) -> Self:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever)
        self._thread.start()
        self.url = asyncio.run_coroutine_threadsafe(self._open(), self._loop).result()
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._runner.cleanup(), self._loop).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def bodies(self, what: str) -> list[dict[str, Any]]:
        """What was sent with "METHOD path"."""
        return [body for asked, body, _ in self.asked if asked == what]

    async def _open(self) -> str:
        app = web.Application()
        app.router.add_route("*", "/api/operations/{path:.*}", self._serve)
        self._runner = web.AppRunner(app, access_log=None)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        return f"http://127.0.0.1:{self._runner.addresses[0][1]}"

    async def _serve(self, request: web.Request) -> web.Response:
        what = f"{request.method} {request.match_info['path']}"
        body = dict(request.query) if request.method == "GET" else json.loads(await request.text())
        self.asked.append((what, body, _who(request.headers)))
        if what == "POST dead-letters/end":
            answer = Done()
        elif what in self.answers:
            answer = self.answers[what]
        else:
            answer = self._events(what, body) or await self._letters(what, body)
        if isinstance(answer, str) and self.redirects:
            raise web.HTTPFound(answer)
        if isinstance(answer, str):
            return web.Response(text=answer)
        if isinstance(answer, tuple):
            status, code = answer
            problem = Problem(status=status, code=code, title="It is so.", fields={"limit": "must be less"})
            return web.json_response(text=problem.model_dump_json(by_alias=True), status=status)
        return web.json_response(text=answer.model_dump_json(by_alias=True))

    def _events(self, what: str, body: Mapping[str, Any]) -> BaseModel | tuple[int, str] | None:
        match what:
            case "POST events/judge":
                return self.judged(body["events"])
            case "POST events/send" if self.sends:
                self.sends -= 1
                return self.judged(body["events"], sent=len(body["events"]))
            case "POST events/send":
                return (503, "bus-unavailable")
            case _:
                return None

    def judged(self, events: list[dict[str, Any]], sent: int = 0) -> EventJudgements:
        judged = [
            EventJudgement(at=at, wrong=wrong)
            if (wrong := self.wrong.get(event.get("subject", "")))
            else EventJudgement(
                at=at,
                case_id=f"{at:032x}",
                effect=self.effects.get(event.get("subject", ""), "new"),
                lasts_minutes=555,
                device_paths=["autopilot"],
                channel="sms",
                goes_out_at=datetime(2026, 11, 30, 15, tzinfo=UTC),
                opens_at=datetime(2026, 12, 1, 8, tzinfo=UTC),
                goes_out="Mon 30 Nov 16:00 Europe/Amsterdam",
                opens="Tue 01 Dec 09:00 Europe/Amsterdam",
            )
            for at, event in enumerate(events)
        ]
        return EventJudgements(events=judged, sent=sent)

    async def _letters(self, what: str, body: Mapping[str, Any]) -> BaseModel | tuple[int, str]:
        match what.split("/"):
            case ["GET dead-letters"]:
                return self._page(body)
            case ["GET dead-letters", "stats"]:
                return LetterStats(total=len(self.letters), reasons=self._counts())
            case ["GET dead-letters", number]:
                return self.letters.get(int(number)) or (404, "letter-unknown")
            case ["POST dead-letters", "judge"]:
                return Judgements(letters=[self._judgement(sequence) for sequence in body["sequences"]])
            case ["POST dead-letters", act] if act in {"replay", "discard"}:
                return await self._change(act, body["sequences"][: self.reach])
            case _:
                return (404, "no-such-act")

    def _page(self, body: Mapping[str, Any]) -> LetterPage:
        """Two letters a page, so that paging shows; a page may be empty before the end."""
        after = int(body.get("after", 0))
        waiting = [letter for letter in self.letters.values() if letter.sequence > after]
        page = waiting[:2]
        fitting = [letter for letter in page if body.get("reason") in (None, letter.reason)]
        return LetterPage(letters=fitting, next_after=page[-1].sequence if len(waiting) > 2 else None)

    def _counts(self) -> list[ReasonCount]:
        reasons = [letter.reason for letter in self.letters.values()]
        oldest = min(letter.written_at for letter in self.letters.values())
        return [ReasonCount(reason=one, count=reasons.count(one), oldest=oldest) for one in sorted(set(reasons))]

    def _judgement(self, sequence: int) -> Judgement:
        if sequence not in self.letters:
            return Judgement(sequence=sequence, outcome="gone", removed=True)
        outcome, why = self.fates.get(sequence, ("send" if self.letters[sequence].kind == "event" else "reopen", ""))
        return Judgement.model_validate({"sequence": sequence, "outcome": outcome, "why": why or None})

    async def _change(self, act: str, sequences: list[int]) -> Judgements:
        self.begun.set()
        await asyncio.sleep(self.slow)
        settled: list[Judgement] = []
        for sequence in sequences:
            if sequence == self.stop_at:
                settled.append(Judgement(sequence=sequence, outcome="failed", why="bus-unavailable"))
                return Judgements(letters=settled, stopped="bus-unavailable")
            judged = self._judgement(sequence)
            if act == "discard" and sequence in self.letters and judged.outcome != "locked":
                judged = Judgement(sequence=sequence, outcome="gone", why="discarded")
            is_over = judged.outcome in {"reopen", "send", "gone"} and judged.why != "not-completed"
            if is_over or judged.why == "resolved":
                self.letters.pop(sequence, None)
                judged = judged.model_copy(update={"removed": True})
            settled.append(judged)
        return Judgements(letters=settled)


def _who(headers: Mapping[str, str]) -> dict[str, Any]:
    token = headers.get("Authorization", "").removeprefix("Bearer sandbox.")
    return json.loads(base64.urlsafe_b64decode(token + "==")) if token else {}


def until(is_so: threading.Event, within: float = 20) -> None:
    """Wait for something, or fail."""
    assert is_so.wait(within), time.monotonic()
