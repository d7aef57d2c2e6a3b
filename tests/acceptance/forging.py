"""A way to the app that writes a header into every request, as somebody in the middle might."""

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from aiohttp import ClientSession, web


@asynccontextmanager
async def forging(http: ClientSession, app_url: str, name: str, value: str) -> AsyncGenerator[tuple[str, list[str]]]:
    """Gives its own address, and the paths it wrote the header into."""
    written: list[str] = []

    async def pass_on(request: web.Request) -> web.Response:
        kept = {key: text for key, text in request.headers.items() if key in {"Authorization", "Content-Type"}}
        body = await request.read()
        async with http.request(
            request.method, f"{app_url}{request.rel_url}", headers={**kept, name: value}, data=body
        ) as answer:
            written.append(request.path)
            return web.Response(status=answer.status, body=await answer.read(), content_type=answer.content_type)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", pass_on)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}", written
    finally:
        await runner.cleanup()
