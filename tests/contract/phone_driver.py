"""The sandbox's phone, from outside."""

from typing import Any

import aiohttp


class Phone:
    """The sandbox's phone, from outside: arranges what happens and looks at what arrived. `url` is its address."""

    def __init__(self, url: str) -> None:
        self.url = url

    async def reset(self) -> None:
        """Forget scripts, messages and faults; the account as it was at first."""
        await self._call("DELETE", "/sandbox/faults")
        await self._call("DELETE", "/sandbox/inbox")
        await self._call("PUT", "/sandbox/phones", {})
        await self._call("PUT", "/sandbox/templates", {})
        await self.account(redactionEnabled=False, rate=None)

    async def script(self, number: str, fate: str) -> None:
        """What becomes of messages to a number, on both channels: a fate or one of Twilio's codes."""
        await self._call("PUT", "/sandbox/phones", {number: {"sms": fate, "whatsapp": fate}})

    async def account(self, **settings: object) -> None:
        await self._call("PUT", "/sandbox/account", settings)

    async def approve(self, **templates: str) -> None:
        """WhatsApp templates, content SID to language."""
        await self._call("PUT", "/sandbox/templates", {sid: {"language": tag} for sid, tag in templates.items()})

    async def misbehave(self, **fault: object) -> None:
        """The next creates meet this fault (sandbox.faults.Fault)."""
        await self._call("POST", "/sandbox/faults", {"operation": "create_message"} | fault)

    async def fired(self) -> list[int]:
        """How often each fault was met."""
        return [fault["fired"] for fault in await self._call("GET", "/sandbox/faults")]

    async def inbox(self) -> list[dict[str, Any]]:
        return await self._call("GET", "/sandbox/inbox")

    async def pending(self) -> dict[str, Any]:
        return await self._call("GET", "/sandbox/pending")

    async def _call(self, method: str, path: str, body: object = None) -> Any:
        async with (
            aiohttp.ClientSession(raise_for_status=True) as session,
            session.request(method, self.url + path, json=body) as answer,
        ):
            return await answer.json() if answer.status != 204 else None
