"""Whose word is taken, and for what."""

import base64
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.principal import OBJECT_ID, PRINCIPAL_HEADER, ROLES, OperatorRole, Principal, principal_of
from tests.fakes.door import OPERATOR, principal


def told(header: str | None, name: str = PRINCIPAL_HEADER, *, vouches: bool = True) -> Principal | None:
    return principal_of({} if header is None else {name: header}, platform_vouches=vouches)


def packed(document: object) -> str:
    return base64.b64encode(json.dumps(document).encode()).decode()


def claims(*pairs: tuple[str, str], **changes: Any) -> str:
    """A principal made of these claims."""
    document = {"auth_typ": "aad", "role_typ": ROLES[0], "claims": [{"typ": typ, "val": val} for typ, val in pairs]}
    return packed(document | changes)


@pytest.mark.parametrize("name", [PRINCIPAL_HEADER, "X-MS-CLIENT-PRINCIPAL", "X-Ms-Client-Principal"])
def test_somebody_entra_vouches_for_is_known(name: str) -> None:
    assert told(principal(OPERATOR, "operator"), name) == Principal(OPERATOR, frozenset({OperatorRole.OPERATOR}))


@pytest.mark.parametrize("kind", ROLES)
@pytest.mark.parametrize("said", [*ROLES, "", None])
def test_roles_are_found_under_either_name_whatever_role_typ_says(kind: str, said: str | None) -> None:
    who = told(claims((OBJECT_ID[1], OPERATOR), (kind, "approver"), (kind, "Global Admin"), role_typ=said))
    assert who == Principal(OPERATOR, frozenset({OperatorRole.APPROVER}))


def test_nobody_gets_a_role_from_another_claim() -> None:
    who = told(claims((OBJECT_ID[0], OPERATOR), ("groups", "approver"), ("name", "approver")))
    assert who == Principal(OPERATOR, frozenset())


def test_a_role_claim_of_another_name_is_one_when_the_platform_says_so() -> None:
    def who(role_typ: str) -> Principal | None:
        return told(claims((OBJECT_ID[0], OPERATOR), ("https://bank.example/role", "approver"), role_typ=role_typ))

    assert who("https://bank.example/role") == Principal(OPERATOR, frozenset({OperatorRole.APPROVER}))
    assert who("https://bank.example/another") == Principal(OPERATOR, frozenset())


def test_an_id_in_capitals_is_the_same_person() -> None:
    assert told(principal(OPERATOR.upper(), "reader")) == told(principal(OPERATOR, "reader"))


GOOD = principal(OPERATOR, "approver")
NOBODY: dict[str, str | None] = {
    "no header": None,
    "empty": "",
    "no base64": "{}",
    "base64 with signs between": GOOD[:8] + "\n" + GOOD[8:],
    "cut": GOOD[:-4],
    "no JSON": base64.b64encode(b"\xff\xfe{").decode(),
    "a list": packed([1]),
    "a text": packed("aad"),
    "null": packed(None),
    "no claims": packed({"auth_typ": "aad"}),
    "claims that are none": packed({"auth_typ": "aad", "claims": "oid"}),
    "claims by name": packed({"auth_typ": "aad", "claims": {"oid": OPERATOR}}),
    "deep": base64.b64encode(b"[" * 100_000).decode(),
    "no id": claims(("roles", "approver")),
    "two ids": claims((OBJECT_ID[0], OPERATOR), (OBJECT_ID[1], OPERATOR.replace("a", "b"))),
    "an id that is none": claims((OBJECT_ID[0], "operator:1"), ("roles", "approver")),
    "an id and a line": claims((OBJECT_ID[0], OPERATOR + "\n")),
    "another provider": principal(OPERATOR, "approver", auth_typ="google"),
    "no provider": principal(OPERATOR, "approver", auth_typ=None),
}


@pytest.mark.parametrize("header", NOBODY.values(), ids=NOBODY)
def test_what_cannot_be_read_is_nobody(header: str | None) -> None:
    assert told(header) is None


def test_while_the_platform_does_not_check_nobody_is_anybody() -> None:
    assert told(GOOD, vouches=False) is None


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["claims", "typ", "val", "auth_typ"]), inner),
)


@given(st.text() | st.binary().map(lambda raw: base64.b64encode(raw).decode()) | JSON.map(packed))
def test_no_header_raises_and_none_made_up_is_somebody(header: str) -> None:
    assert told(header) is None


RIGHTS = [
    ((), {}),
    (("reader",), {"reader"}),
    (("operator",), {"reader", "operator"}),
    (("approver",), {"reader", "operator", "approver"}),
    (("reader", "approver"), {"reader", "operator", "approver"}),
]


@pytest.mark.parametrize(("held", "rights"), RIGHTS)
def test_each_role_has_the_rights_of_those_before_it(held: tuple[str, ...], rights: set[str]) -> None:
    who = Principal(OPERATOR, frozenset(map(OperatorRole, held)))
    assert {role for role in OperatorRole if who.may(role)} == set(rights)
