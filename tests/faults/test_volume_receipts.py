"""Bad callbacks in great numbers, forged and properly signed: none raises, none moves a case it should not."""

from dataclasses import dataclass, field, replace
from random import Random
from urllib.parse import parse_qsl, urlencode

from twilio.request_validator import RequestValidator

from shared.adapters.twilio_receipts import FORM, TwilioReceipts
from shared.receipts import Receipts
from shared.states import State
from tests.fakes.house import House
from tests.faults.mutants import CODE, NAME, PHONE, TEXTS, UPN, nasty, spoiled
from tests.faults.volume import Told, all_of, heard, tried, volume

URL, TOKEN, STRANGE = "https://firstpass.example/api/receipts", "c" * 32, "e" * 32
SID = f"SM{1:032x}"  # the first message of a House
STATUSES = ("sent", "delivered", "read", "undelivered", "failed", "canceled", "queued", "sending", "accepted", "weird")


@dataclass(frozen=True)
class Call:
    """A callback as it comes over HTTP, and whether Twilio signed exactly this."""

    query: str
    headers: dict[str, str]
    body: bytes
    ref: str
    signed: bool = field(default=False)


def call(dice: Random, ref: str) -> Call:
    fields = {
        "MessageSid": SID,
        "MessageStatus": dice.choice(STATUSES),
        "To": PHONE,
        "Body": CODE,
        "ErrorCode": "30003",
    }
    for _ in range(dice.choice((0, 1, 1, 2, 3))):
        name = dice.choice((*fields, "ChannelPrefix", UPN, "AccountSid", "1st", ""))
        fields[name] = str(nasty(dice))
    if dice.random() < 0.2:
        del fields[dice.choice(list(fields))]
    query = dice.choice((f"ref={ref}",) * 5 + queries(ref, dice))
    body = urlencode(fields, errors="replace").encode()
    body = spoiled(body, dice) if dice.random() < 0.25 else body
    return signed(query, body, ref, dice)


def queries(ref: str, dice: Random) -> tuple[str, ...]:
    """Addresses that are nearly the one Twilio was given."""
    case_id, issuance, attempt = ref.rsplit("-", 2)
    return (
        *(
            "",
            "ref=",
            f"ref={ref}&ref={ref}",
            f"REF={ref}",
            f"ref={ref}#x",
            f"ref={ref} ",
            f"ref=%{ref}",
            f"ref={ref}\t",
        ),
        *(
            f"ref={case_id}-{issuance}-{int(attempt) + 1}",
            f"ref={case_id}-0{issuance}-{attempt}",
            f"ref={'0' * 32}-1-1",
        ),
        *(f"ref={ref}&{UPN}={NAME}", f"ref={case_id}-{'9' * 5000}-1", "a=1&" * 5000, f"bodySHA256={ref}", f"ref={UPN}"),
        *(f"ref={dice.choice(TEXTS)}", f"{ref}\N{WHITE SMILING FACE}", "[", "ref=" + ref.upper()),
    )


def signed(query: str, body: bytes, ref: str, dice: Random) -> Call:
    """As Twilio would sign it; or with a stranger's token, a torn signature, or the signature of something else."""
    try:
        fields = dict(parse_qsl(body.decode("ascii"), keep_blank_values=True, errors="strict"))
        right = RequestValidator(TOKEN).compute_signature(f"{URL}?{query}" if query else URL, fields)
        other = RequestValidator(STRANGE).compute_signature(URL, fields)
    except ValueError:
        right = other = "c2lnbmVk"
    forged = (other, right[:-1], right.lower(), "", f" {right}", "\N{WHITE SMILING FACE}" * 28, right + "=", UPN)
    genuine = dice.random() < 0.6
    headers = {"X-Twilio-Signature": right if genuine else dice.choice(forged), "Content-Type": FORM}
    if dice.random() < 0.2:
        genuine, headers = False, dice.choice(others(headers))
    return Call(query, headers, body, ref, signed=genuine)


def others(headers: dict[str, str]) -> tuple[dict[str, str], ...]:
    """Headers with something wrong."""
    signature = headers["X-Twilio-Signature"]
    return (
        {},
        {"Content-Type": FORM},
        headers | {"x-twilio-signature": signature},
        headers | {"Content-Type": "application/json"},
        headers | {"Content-Type": f"text/plain; {FORM}"},
        {"X-Twilio-Signature": signature, "Content-Type": ""},
        headers | {"content-type": FORM},
    )


async def sent_house() -> House:
    """A house whose joiner's message is out and not yet reported on."""
    house = House()
    await house.hire()
    assert house.case.state is State.SENT
    assert house.courier.sent[0].id == SID
    return house


@volume(20_000)
async def test_callbacks_with_something_wrong_in_them(cases: int) -> None:
    house = await sent_house()
    ref = house.case.ref

    async def taken(given: Call) -> Told:
        nonlocal house
        before = house.case
        reader = TwilioReceipts([TOKEN], URL)
        door = Receipts(reader=reader, ledger=house.ledger, clock=house.clock, rules=house.rules)
        genuine = await door.take(given.query, given.headers, given.body)
        after = house.case
        assert not genuine or given.signed, "only what Twilio signed is taken for Twilio's"
        if not genuine or not given.query.startswith(f"ref={ref[:32]}"):
            assert before == after, "what nobody signed, or is about nothing we know, changes nothing"
        if given.query != f"ref={ref}":
            assert replace(after, texts=(), moves=0, etag="") == replace(before, texts=(), moves=0, etag="")
        if before.receipt and after.receipt:
            assert after.receipt.rank >= before.receipt.rank, "a status never goes back"
        assert (after.issuance, after.pass_id, after.sends) == (before.issuance, before.pass_id, before.sends)
        house = house if before == after else await sent_house()
        return Told("moved" if before != after else "taken" if genuine else "forged", lines.taken())

    with heard() as lines:
        kinds = await tried("receipt", cases, lambda dice: call(dice, ref), taken)
    all_of(kinds, "moved", "taken", "forged")
