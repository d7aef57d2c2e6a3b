"""A service on loopback that answers every request with whatever a test put there."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web


@dataclass(frozen=True, slots=True)
class Answer:
    """One answer: its status, its headers, its bytes."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class Loopback:
    """`first` is the answer to the next request however often it comes, `then` to all others; `asked` are all."""

    first: Answer = Answer(500, b"")
    then: Answer = Answer(204, b"")
    asked: list[str] = field(default_factory=list[str])
    url: str = ""

    def answers(self, first: Answer, then: Answer) -> None:
        """Begin anew."""
        self.first, self.then = first, then
        self.asked.clear()

    async def take(self, request: web.Request) -> web.Response:
        """One request."""
        await request.read()
        self.asked.append(f"{request.method} {request.raw_path}")
        answer = self.first if self.asked[-1] == self.asked[0] else self.then
        return web.Response(status=answer.status, body=answer.body, headers=answer.headers)


@asynccontextmanager
async def loopback() -> AsyncGenerator[Loopback]:
    """A Loopback that runs."""
    found, app = Loopback(), web.Application()
    app.router.add_route("*", "/{rest:.*}", found.take)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
    try:
        yield found
    finally:
        await runner.cleanup()
