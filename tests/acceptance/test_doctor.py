"""The doctor through the command, the door, the worker's timer and the stand-ins, as real processes."""

import asyncio
import json
from datetime import datetime, timedelta
from typing import Any

import pytest
from azure.data.tables.aio import TableServiceClient

from cli.stage import on_stage, sample_settings
from sandbox.stack import Stack
from shared.adapters.agenda import row_keys
from tests.acceptance.conftest import firstpass
from tests.acceptance.people import POLICY

JOINERS, STAFF = (f"{digit}0000000-0000-4000-8000-000000000001" for digit in "12")
SETTINGS = {
    "ALLOWED_COUNTRIES": "DE,NL", "BREAK_GLASS_IDS": "99999999-0000-4000-8000-000000000009", "JOINERS_GROUP": JOINERS,
}  # fmt: skip
WORLD = {
    "policy": POLICY | {"includeTargets": [{"id": STAFF}]},
    "users": [{"groups": [{"id": JOINERS, "memberOf": [{"id": STAFF}]}]}],
}
"""The pass policy includes all staff, and the joiners' group is in that group."""
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
                await stage.world(WORLD | document)

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


@pytest.mark.slow
async def test_the_doctor_tells_of_a_queue_that_takes_nothing_while_somebody_is_due() -> None:
    """The agenda cannot be swept then, and the check is made all the same."""
    with Stack() as stack:
        values = {**sample_settings(), **stack.addresses, **SETTINGS, "CHECKUP_EVERY": "0"}
        async with on_stage(stack, values) as stage:
            await stage.world(WORLD)
            await asyncio.to_thread(stack.start_host, values, "cli.host")
            await somebody_is_due(values["LedgerConnection"], stack.clock.now())
            stack.broker.stop()
            asked = asyncio.create_task(
                asyncio.to_thread(firstpass, "--url", stack.app_url, "doctor", "--now", "-o", "json")
            )
            while not asked.done():
                await stage.jump(stack.clock.now() + timedelta(minutes=1))
                await asyncio.sleep(0.5)
            done = asked.result()
            assert done.returncode == 6, (done.stdout, done.stderr)
            failed = [one for one in json.loads(done.stdout)["findings"] if one["verdict"] == "failed"]
            assert [one["check"] for one in failed if one["check"] == "service-bus"] == ["service-bus"]


async def somebody_is_due(ledger: str, now: datetime) -> None:
    """A row of the agenda whose minute has come."""
    async with TableServiceClient.from_connection_string(ledger) as service:
        hour, row = row_keys(now, "0" * 32)
        await service.create_table_if_not_exists("agenda")
        await service.get_table_client("agenda").create_entity({"PartitionKey": hour, "RowKey": row})
