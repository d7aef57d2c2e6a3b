"""The doctor through the command, the door, the worker's timer and the stand-ins, as real processes."""

import asyncio
import json
from datetime import timedelta
from typing import Any

from cli.stage import on_stage, sample_settings
from sandbox.stack import Stack
from tests.acceptance.conftest import firstpass
from tests.acceptance.people import POLICY

JOINERS, STAFF = (f"{digit}0000000-0000-4000-8000-000000000001" for digit in "12")
SETTINGS = {
    "ALLOWED_COUNTRIES": "DE,NL", "BREAK_GLASS_IDS": "99999999-0000-4000-8000-000000000009", "JOINERS_GROUP": JOINERS,
}  # fmt: skip
TEMPLATES = {"en": f"HX{'0' * 31}1", "nl": f"HX{'0' * 31}2", "de": f"HX{'0' * 31}3"}


async def test_the_doctor_sees_what_is_broken_and_what_is_mended() -> None:
    with Stack() as stack:
        values = {**sample_settings(), **stack.addresses, **SETTINGS, "CHECKUP_EVERY": "0"}
        async with on_stage(stack, values) as stage:

            async def doctor(code: int) -> dict[str, list[str]]:
                """The codes of each check that is not good, of a report made now."""
                asked = asyncio.create_task(
                    asyncio.to_thread(firstpass, "--url", stack.app_url, "doctor", "--now", "-o", "json")
                )
                while not asked.done():
                    await stage.jump(stack.clock.now() + timedelta(minutes=1))
                    await asyncio.sleep(0.2)
                done = asked.result()
                assert done.returncode == code, (done.stdout, done.stderr)
                found: dict[str, list[str]] = {}
                for one in json.loads(done.stdout)["findings"]:
                    if one["verdict"] != "good":
                        found.setdefault(one["check"], []).append(one["code"])
                return found

            async def world(**document: Any) -> None:
                """The pass policy includes everybody on the staff, and the joiners' group is a group of theirs."""
                nested = [{"groups": [{"id": JOINERS, "memberOf": [{"id": STAFF}]}]}]
                policy = POLICY | {"includeTargets": [{"id": STAFF}]}
                await stage.world({"policy": policy, "users": nested} | document)

            await world()
            await stage.phones({}, TEMPLATES | {"de": "HX1"})
            await asyncio.to_thread(stack.start_host, values, "cli.host")
            unread = {"twilio-whatsapp": ["template-not-approved"], "twilio-countries": ["countries-open"]}
            assert await doctor(6) == unread

            await stage.phones({}, TEMPLATES)
            assert await doctor(0) == {"twilio-countries": ["countries-open"]}

            await world(policy=POLICY | {"state": "disabled"}, accessPolicies=[])
            broken = await doctor(6)
            assert broken["pass-policy"] == ["policy-disabled"]
            assert broken["security-info-access"] == ["access-open"]

            host = stack._running[-1]
            assert "checkup-changed" in host.log.read_text()
