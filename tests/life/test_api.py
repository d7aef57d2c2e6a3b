"""The operators' door: who may do what, what is refused and how, and that nothing happens unrecorded."""

import json
import logging
import re
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.acts import Act
from shared.api import MAX_BYTES
from shared.api_models import CaseView, Problem
from shared.principal import PRINCIPAL_HEADER, OperatorRole
from shared.states import State
from tests.builders import NUMBER, USER_ID, case_in, facts, hired
from tests.fakes.door import (
    APPROVER,
    FINGERPRINTS,
    OPERATOR,
    READER,
    ROLE_OF,
    WHY,
    Door,
    Said,
    principal,
)
from tests.fakes.house import House

ACTS = {act.name: act for act in Door().acts}
CHANGING = [name for name, act in ACTS.items() if act.is_audited]
BODIES: dict[str, dict[str, Any]] = {
    "find_case": {"source": "/hr/workday", "subject": "W-10427"},
    "export_person": {"user": USER_ID},
    "forget_person": {"user": USER_ID},
    "approve": {"code": "mobile-changed", "issuance": 1},
    "pause": {"minutes": 30},
    "open_case": {"purpose": "spare-key", "user": USER_ID},
    "judge_events": {"events": [hired()]},
    "send_events": {"events": [hired()]},
    "judge_letters": {"sequences": [1]},
    "replay_letters": {"sequences": [1], "run": "a" * 32},
    "discard_letters": {"sequences": [1], "run": "a" * 32},
    "end_run": {"run": "a" * 32},
}


async def opened(**changes: Any) -> Door:
    """A door over a house whose joiner has a pass."""
    door = Door(House(**changes))
    await door.house.hire()
    return door


def path_of(act: Act, door: Door) -> str:
    return act.path.replace("{caseId}", door.house.case_id).replace("{sequence}", "1")


async def do(door: Door, act: Act, who: str = APPROVER, **changes: Any) -> Said:
    """An act as it should be asked for."""
    body = {**BODIES.get(act.name, {}), **({"reason": WHY} if act.is_audited else {}), **changes}
    return await door.ask(path_of(act, door), body if act.method == "POST" else None, who=who)


def heads(door: Door) -> Any:
    return dict(door.house.ledger.cases), dict(door.house.ledger.people), door.house.ledger.paused


# --- who may ---


READERS = {
    *(
        "list_audit",
        "show_checkup",
        "ask_for_checkup",
        "list_cases",
        "show_case",
        "find_case",
        "status",
        "describe_api",
        "judge_events",
    ),
    *("list_letters", "letter_stats", "show_letter", "judge_letters"),
}
OPERATORS = {
    *("reveal_contact", "reissue", "cancel", "pause", "resume", "open_case", "send_events"),
    *("replay_letters", "discard_letters", "end_run"),
}
RIGHTS = {
    **dict.fromkeys(READERS, "reader"),
    **dict.fromkeys(OPERATORS, "operator"),
    **dict.fromkeys(["approve", "export_person", "forget_person"], "approver"),
    "end_run": "operator",  # it only gives back what a run holds
}


def test_the_rights_are_these() -> None:
    assert {name: ACTS[name].role for name in RIGHTS} == RIGHTS
    assert {name for name in RIGHTS if ACTS[name].is_audited} == set(RIGHTS) - READERS - {"end_run"}


def test_every_act_has_a_name_and_a_place_of_its_own() -> None:
    acts = Door().acts
    assert len(ACTS) == len(acts) == len({(act.method, act.path) for act in acts})
    assert all(act.do.__doc__ for act in acts)


@pytest.mark.parametrize("who", ROLE_OF)
@pytest.mark.parametrize("name", ACTS)
async def test_an_act_needs_its_role(name: str, who: str) -> None:
    door, act = await opened(), ACTS[name]
    may = list(OperatorRole).index(OperatorRole(ROLE_OF[who])) >= list(OperatorRole).index(act.role)
    before, said = heads(door), await do(door, act, who)
    if may:
        assert said.status in (200, 409), said.text
    else:
        assert (said.status, said.code, heads(door)) == (403, "role-missing", before)
    noted = [
        (entry.who, entry.act, entry.allowed) for entry in door.audit.written if entry.ended in (None, "role-missing")
    ]
    assert noted == ([(who, name, may)] if act.is_audited or not may else [])


@pytest.mark.parametrize("name", ACTS)
async def test_whoever_has_no_role_may_nothing(name: str) -> None:
    door = await opened()
    act, nobody = ACTS[name], {PRINCIPAL_HEADER: principal(OPERATOR, "Reader", "admin")}
    said = await door.ask(path_of(act, door), {"reason": WHY}, method=act.method, headers=nobody)
    assert (said.status, said.code) == (403, "role-missing")
    assert [(entry.act, entry.allowed) for entry in door.audit.written] == [(name, False)]


UNKNOWN: dict[str, dict[str, str]] = {
    "nobody": {},
    "a name alone": {"x-ms-client-principal-id": APPROVER, "x-ms-client-principal-name": "eve"},
    "unreadable": {PRINCIPAL_HEADER: "e30="},
}


@pytest.mark.parametrize("headers", UNKNOWN.values(), ids=UNKNOWN)
@pytest.mark.parametrize("name", ACTS)
async def test_nobody_is_told_nothing(name: str, headers: dict[str, str]) -> None:
    door = await opened()
    said = await door.ask(path_of(ACTS[name], door), {"reason": WHY}, method=ACTS[name].method, headers=headers)
    assert (said.status, said.code, door.audit.written) == (401, "no-principal", [])


@pytest.mark.parametrize("path", ["status", "nowhere", ""])
async def test_while_the_platform_does_not_check_everybody_is_refused(path: str) -> None:
    said = await Door(vouches=False).ask(path, who=APPROVER)
    assert (said.status, said.code) == (401, "no-principal")


# --- the audit comes first ---


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", CHANGING)
async def test_what_cannot_be_recorded_does_not_happen(name: str, when: Any) -> None:
    door = await opened()
    before = heads(door)
    door.audit.fail_next(when)
    said = await do(door, ACTS[name])
    assert (said.status, said.code, door.audit.fired) == (503, "ledger-unavailable", 1)
    assert heads(door) == before
    assert NUMBER not in said.text


async def test_a_refusal_that_cannot_be_recorded_is_a_failure() -> None:
    door = await opened()
    door.audit.fail_next()
    assert (await do(door, ACTS["reissue"], READER)).status == 503


FIRST_CALL = {
    **dict.fromkeys(["reveal_contact", "reissue", "cancel", "approve"], ("ledger", "load")),
    **dict.fromkeys(["export_person", "forget_person"], ("overview", "person")),
    "pause": ("ledger", "pause"),
    "resume": ("overview", "resume"),
}


@pytest.mark.parametrize("name", [name for name in CHANGING if name in FIRST_CALL])
async def test_the_record_stands_before_the_act(name: str) -> None:
    door = await opened()
    part, method = FIRST_CALL[name]
    failing = {"ledger": door.house.ledger, "overview": door.overview}[part]
    failing.fail_next(method)
    said = await do(door, ACTS[name])
    assert (said.status, len(failing.fired)) == (503, 1)
    asked, ended = door.audit.written
    assert (asked.at, asked.who, asked.act, asked.allowed, asked.why, asked.ended) == (
        door.house.clock.now(), APPROVER, name, True, WHY, None,
    )  # fmt: skip
    assert asked.target == TARGET.get(name, door.house.case_id)
    assert ended == replace(asked, ended="ledger-unavailable")


TARGET = {
    "approve": f"{House().case_id}, mobile-changed, issuance 1",
    **dict.fromkeys(["export_person", "forget_person"], f"person {FINGERPRINTS.person(USER_ID)}"),
    "pause": "30 minutes",
    "resume": "",
}


async def test_a_reader_reads_what_operators_did_page_by_page() -> None:
    door = await opened()
    for act in ("reissue", "cancel", "cancel"):
        await door.act(act)
    await do(door, ACTS["cancel"], READER)
    first = (await door.ask("audit", who=READER, query="limit=3")).json
    rest = (await door.ask("audit", who=READER, query=f"after={first['nextAfter']}")).json
    told = [(one["act"], one["who"], one["allowed"], one["ended"]) for page in (first, rest) for one in page["entries"]]
    assert told == [
        ("reissue", OPERATOR, True, None),
        ("cancel", OPERATOR, True, None),
        ("cancel", OPERATOR, True, None),
        ("cancel", OPERATOR, True, "case-cancelled"),
        ("cancel", READER, False, "role-missing"),
    ]
    assert rest["nextAfter"] is None
    assert {one["target"] for one in first["entries"]} == {door.house.case_id}
    assert (await door.ask("audit", who=READER, query="since=2030-01-01T00:00:00")).json["entries"] == []
    assert (await door.ask("audit", who=READER, query="after=yesterday")).status == 400


async def test_what_somebody_may_not_do_stands_in_the_audit_as_such() -> None:
    door = Door(House())
    door.house.directory.add(facts(methods=("password", "fido2")))
    await door.house.hire()
    await door.act("reissue", APPROVER)
    await door.house.live(door.house.clock.now() + timedelta(minutes=5))
    assert (await door.approve()).code == "own-change"
    asked, ended = door.audit.written[-2:]
    assert [(one.act, one.allowed, one.ended) for one in (asked, ended)] == [
        ("approve", True, None), ("approve", False, "own-change"),
    ]  # fmt: skip
    assert (await door.act("cancel")).status == 200
    assert (await door.act("cancel")).code == "case-cancelled"
    assert [(one.act, one.allowed, one.ended) for one in door.audit.written[-3:]] == [
        ("cancel", True, None), ("cancel", True, None), ("cancel", True, "case-cancelled"),
    ]  # fmt: skip


REASONS = {
    "lines": ("two\r\nlines\tand a\x00nul\x1b[31m", "two lines and a nul [31m"),
    "direction": ("\u202etxet\u202c of another way", "txet of another way"),
    "Unicode": ("Anruf der Führungskraft 👍 電話", "Anruf der Führungskraft 👍 電話"),
    "a number": (f"called back on {NUMBER} twice", "called back on *** twice"),
    "a user name": ("ann@contoso.example lost it", "*** lost it"),
}


@pytest.mark.parametrize(("why", "kept"), REASONS.values(), ids=REASONS)
async def test_a_reason_is_kept_on_one_line_and_nowhere_else(
    why: str, kept: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    door = await opened()
    caplog.clear()
    assert (await door.act("reveal", why=why)).status == 200
    assert [entry.why for entry in door.audit.written] == [kept]
    logged = " ".join(f"{record.getMessage()} {vars(record)}" for record in caplog.records)
    assert "reveal_contact" in logged
    assert why not in logged
    assert kept not in logged


async def test_a_user_name_that_the_end_of_a_long_reason_cuts_is_masked_all_the_same() -> None:
    door = await opened()
    assert (await do(door, ACTS["cancel"], READER, reason="x" * 480 + " ann.example@contoso.example")).status == 403
    assert [entry.why for entry in door.audit.written] == ["x" * 480 + " ***"]


@pytest.mark.parametrize("why", ["\ud800" * 9, "x" * 10_000, 7, ["a"], None, {"reason": "x"}])
async def test_a_refused_request_is_recorded_whatever_its_reason(why: Any) -> None:
    door = await opened()
    assert (await do(door, ACTS["cancel"], READER, reason=why)).status == 403
    (entry,) = door.audit.written
    assert entry.why is None or len(entry.why) <= 500
    json.dumps(entry.why).encode().decode()


# --- what is asked ---


WRONG: dict[str, tuple[str, Any, set[str]]] = {
    "no reason": ("cases/{case}/reissue", {}, {"reason"}),
    "a short one": ("cases/{case}/reissue", {"reason": "oops"}, {"reason"}),
    "blanks": ("cases/{case}/reissue", {"reason": "   \n\t   "}, {"reason"}),
    "a long one": ("cases/{case}/reissue", {"reason": "x" * 501}, {"reason"}),
    "half a sign": ("cases/{case}/reissue", {"reason": "\ud83d" * 9}, {"reason"}),
    "no text": ("cases/{case}/reissue", {"reason": 12345}, {"reason"}),
    "a field too many": ("cases/{case}/reissue", {"reason": WHY, "force": True}, {"force"}),
    "a name that is a number": ("cases/{case}/reissue", {"reason": WHY, NUMBER: 1}, {"?"}),
    "a name that is no text": ("cases/{case}/reissue", {"reason": WHY, "\ud800": 1}, {"body"}),
    "Python's name for a field": ("cases/{case}/reissue", {"reason": WHY, "case_id": "f" * 32}, {"case_id"}),
    "no id": ("cases/123/reissue", {"reason": WHY}, {"caseId"}),
    "an id and more": ("cases/" + "a" * 32 + "%0a/reissue", {"reason": WHY}, {"caseId"}),
    "another alphabet": ("cases/" + "٣" * 32 + "/cancel", {"reason": WHY}, {"caseId"}),
    "nobody": ("cases/find", {}, {"body"}),
    "half a key": ("cases/find", {"source": "/hr/workday"}, {"body"}),
    "a key and a person": ("cases/find", {"source": "a", "subject": "b", "user": USER_ID}, {"body"}),
    "half a key and a person": ("cases/find", {"source": "a", "user": USER_ID}, {"body"}),
    "an empty key": ("cases/find", {"source": "", "subject": "W-1"}, {"source"}),
    "a person by name": ("people/export", {"user": "ann@contoso.example", "reason": WHY}, {"user"}),
    "no time": ("pause", {"minutes": 0, "reason": WHY}, {"minutes"}),
    "too much time": ("pause", {"minutes": 7 * 24 * 60 + 1, "reason": WHY}, {"minutes"}),
    "yes for a number": ("pause", {"minutes": True, "reason": WHY}, {"minutes"}),
    "a number as text": ("pause", {"minutes": "5", "reason": WHY}, {"minutes"}),
    "half a minute": ("pause", {"minutes": 1.5, "reason": WHY}, {"minutes"}),
    "force in words": (
        "dead-letters/replay", {"sequences": [1], "run": "a" * 32, "force": "yes", "reason": WHY}, {"force"},
    ),
    "an approval of anything": ("cases/{case}/approve", {"reason": WHY}, {"code", "issuance"}),
    "endless time": ("pause", b'{"minutes": 1e999, "reason": "for ever and ever"}', {"minutes"}),
    "no JSON": ("cases/{case}/cancel", b"{", {"body"}),
    "no UTF-8": ("cases/{case}/cancel", b'{"reason": "\xff\xff\xff\xff\xff\xff"}', {"body"}),
    "a list": ("cases/find", [], {"body"}),
    "null": ("cases/find", b"null", {"body"}),
    "a figure without end": ("pause", b'{"minutes": ' + b"9" * 10_000 + b"}", {"body"}),
    "deep": ("cases/{case}/cancel", b"[" * 100_000, {"body"}),
}  # fmt: skip


@pytest.mark.parametrize(("path", "body", "fields"), WRONG.values(), ids=WRONG)
async def test_wrong_input_is_named_and_not_repeated(path: str, body: Any, fields: set[str]) -> None:
    door = await opened()
    before, said = heads(door), await door.ask(path.format(case=door.house.case_id), body, who=APPROVER)
    assert (said.status, said.code) == (400, "bad-input"), said.text
    assert set(said.json["fields"]) == fields
    assert heads(door) == before
    assert door.audit.written == []
    assert not re.search(r"\d{5}|oops|xxxx|contoso|force.*True|\\\\", said.text.replace("10080", ""))


@pytest.mark.parametrize(
    ("query", "field"),
    [
        *(("limit=" + text, "limit") for text in ("0", "501", "-1", "x", "", "1e3", "1_0", "+5", "9" * 5000)),
        ("state=lost", "state"),
        ("after=1", "after"),
        ("limit=5&colour=red", "colour"),
        ("after=" + "%F0%9F%98%80" * 32, "after"),
    ],
)
async def test_wrong_queries_are_named_too(query: str, field: str) -> None:
    said = await Door().ask("cases", query=query)
    assert (said.status, list(said.json["fields"])) == (400, [field])


async def test_what_the_path_says_the_body_does_not_say_again() -> None:
    door = await opened()
    before, wish = heads(door), {"reason": WHY, "caseId": "f" * 32}
    said = await door.ask(f"cases/{door.house.case_id}/cancel", wish)
    assert (said.status, said.json["fields"]) == (400, {"caseId": "stands in the path already"})
    assert (heads(door), door.audit.written) == (before, [])
    await door.ask(f"cases/{door.house.case_id}/cancel", wish, who=READER)
    assert [entry.target for entry in door.audit.written] == [door.house.case_id]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "", 404), ("GET", "nowhere", 404), ("GET", "cases/a/b/c", 404), ("GET", "..", 404),
        ("GET", "Status", 404),
        ("GET", "cases/" + "0" * 32 + "/reissue", 405), ("POST", "status", 405), ("PUT", "cases", 405),
        ("DELETE", "cases/" + "0" * 32, 405), ("GET", "cases/find", 400), ("GET", "cases/" + "0" * 32, 404),
    ],
)  # fmt: skip
async def test_what_is_not_there(method: str, path: str, status: int) -> None:
    said = await Door().ask(path, {} if method != "GET" else None, method=method, who=APPROVER)
    assert said.status == status
    assert said.code in {"no-such-act", "bad-input", "case-unknown"}


# --- other sites' pages ---


STRANGE: dict[str, tuple[dict[str, str], int, str]] = {
    "a blob of no kind": ({"Content-Type": ""}, 415, "not-json"),
    "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "not-json"),
    "a form that writes JSON": ({"Content-Type": "text/plain;charset=UTF-8"}, 415, "not-json"),
    "another site": ({"Sec-Fetch-Site": "cross-site"}, 403, "cross-site"),
    "a neighbour": ({"Sec-Fetch-Site": "same-site", "Content-Type": "application/json"}, 403, "cross-site"),
}


@pytest.mark.parametrize(("headers", "status", "code"), STRANGE.values(), ids=STRANGE)
async def test_another_sites_page_can_change_nothing(headers: dict[str, str], status: int, code: str) -> None:
    door = await opened()
    before, vouched = heads(door), {PRINCIPAL_HEADER: principal(APPROVER, "approver")}
    said = await door.ask("pause", {"minutes": 5, "reason": WHY}, headers=vouched | headers)
    assert (said.status, said.code, heads(door)) == (status, code, before)


@pytest.mark.parametrize(
    "headers", [{}, {"content-type": "Application/JSON; charset=utf-8", "sec-fetch-site": "same-origin"}]
)
async def test_our_own_page_and_the_command_can(headers: dict[str, str]) -> None:
    vouched = {PRINCIPAL_HEADER: principal(APPROVER, "approver")}
    assert (await Door().ask("pause", {"minutes": 5, "reason": WHY}, headers=vouched | headers)).status == 200


async def test_a_body_has_an_end() -> None:
    said = await Door().ask("pause", b'{"minutes": 5, "reason": "long enough"}' + b" " * MAX_BYTES)
    assert (said.status, said.code) == (413, "too-large")


# --- what is answered ---


@given(
    st.sampled_from(["GET", "POST", "PUT"]),
    st.text(max_size=40) | st.sampled_from([act.path for act in ACTS.values()]),
    st.text(max_size=40),
    st.binary(max_size=60)
    | st.dictionaries(st.text(max_size=9), st.text(max_size=9)).map(lambda d: json.dumps(d).encode()),
)
async def test_every_answer_is_json_and_every_refusal_has_a_code(
    method: str, path: str, query: str, body: bytes
) -> None:
    door = Door()
    vouched = {PRINCIPAL_HEADER: principal(APPROVER, "approver")}
    status, text = await door.api.answer(method, path, query, vouched, body)
    answer = json.loads(text)
    if status != 200:
        told = Problem.model_validate(answer)
        assert (told.status, bool(re.fullmatch("[a-z-]+", told.code))) == (status, True)
    assert status < 500


PERSONAL = (NUMBER, NUMBER[1:], USER_ID, "W-10427", "/hr/workday")


@pytest.mark.parametrize("name", [name for name in ACTS if name not in {"reveal_contact", "export_person"}])
async def test_nobody_is_told_anything_personal_on_the_way(name: str) -> None:
    door = await opened()
    for who in (READER, OPERATOR, APPROVER):
        said = await do(door, ACTS[name], who)
        assert not [text for text in PERSONAL if text in said.text]


async def test_a_look_at_what_is_personal_shows_it() -> None:
    door = await opened()
    told = (await door.act("reveal")).json
    assert told == {
        "caseId": door.house.case_id, "source": "/hr/workday", "subject": "W-10427", "user": f"id={USER_ID}",
        "userId": USER_ID, "mobilePhone": NUMBER,
    }  # fmt: skip


@pytest.mark.parametrize("state", State)
async def test_a_case_is_shown_in_every_state(state: State) -> None:
    door = await opened()
    door.house.ledger.cases[door.house.case_id] = case_in(state)
    told = await door.ask(f"cases/{door.house.case_id}", who=READER)
    assert CaseView.model_validate(told.json["case"]).state is state
