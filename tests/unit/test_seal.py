"""What fingerprints and seals promise."""

import pytest
from cryptography.fernet import Fernet
from hypothesis import given
from hypothesis import strategies as st

from shared.adapters.seal import Fingerprints, Seal, SealError

OLD, NEW = (Fernet.generate_key().decode() for _ in range(2))
KEY = bytes(range(32))
SEALED = Seal([OLD]).seal(b"+491713920001")


@given(st.text(), st.text(), st.text(), st.text())
def test_two_hires_never_share_a_case_id(source: str, subject: str, other_source: str, other_subject: str) -> None:
    prints = Fingerprints(KEY)
    same = (source, subject) == (other_source, other_subject)
    assert (prints.case_id(source, subject) == prints.case_id(other_source, other_subject)) == same


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (("a", "bc"), ("ab", "c")),
        (("", "ab"), ("ab", "")),
        (("a\0", "b"), ("a", "\0b")),
        (('a", "b', "c"), ("a", 'b", "c')),
        (("a|b", "c"), ("a", "b|c")),
        (("\\", '"'), ('\\"', "")),
    ],
)
def test_where_the_source_ends_is_never_in_doubt(one: tuple[str, str], other: tuple[str, str]) -> None:
    assert Fingerprints(KEY).case_id(*one) != Fingerprints(KEY).case_id(*other)


@given(st.text(st.characters(codec=None)))
def test_a_fingerprint_is_32_lowercase_hexadecimal_digits_whatever_it_is_of(text: str) -> None:
    prints = Fingerprints(KEY)
    for found in (prints.case_id(text, text), prints.person(text), prints.number(text)):
        assert len(found) == 32
        assert set(found) <= set("0123456789abcdef")


def test_fingerprints_stay_what_they_are() -> None:
    """They are keys of rows that live for years: an upgrade must not change one."""
    prints = Fingerprints(KEY)
    assert prints.case_id("/hr/workday", "W-10427") == "20626affa074c2bf3d000bbed12dbb0a"
    assert prints.person("6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0") == "5b6d9219ff2f491deae93e626c02055d"
    assert prints.number("+491713920001") == "725772f0fe76b8e4a2b6f86a74010c5b"


def test_the_same_text_as_person_number_and_case_has_three_fingerprints() -> None:
    prints = Fingerprints(KEY)
    assert len({prints.person("x"), prints.number("x"), prints.case_id("x", ""), prints.case_id("", "x")}) == 4


def test_another_key_gives_other_fingerprints() -> None:
    assert Fingerprints(KEY).person("x") != Fingerprints(KEY[::-1]).person("x")


def test_an_object_id_is_the_same_in_capitals() -> None:
    prints = Fingerprints(KEY)
    assert prints.person("6EA91A8D-E32E-41A1-B7BD-D2D185EED0E0") == prints.person(
        "6ea91a8d-e32e-41a1-b7bd-d2d185eed0e0"
    )


def test_a_short_fingerprint_key_is_refused() -> None:
    with pytest.raises(SealError, match=r"^bad-key$"):
        Fingerprints(b"short")


@given(st.binary(max_size=2000))
def test_what_is_sealed_opens_again(content: bytes) -> None:
    seal = Seal([OLD])
    assert seal.open(seal.seal(content)) == content


def test_a_seal_shows_nothing_and_differs_each_time() -> None:
    seal = Seal([OLD])
    one, other = seal.seal(b"+491713920001"), seal.seal(b"+491713920001")
    assert one != other
    assert "1713920001" not in one
    assert OLD not in repr(seal)


def test_after_a_rotation_old_seals_open_and_new_ones_need_the_new_key() -> None:
    rotated = Seal([NEW, OLD])
    assert rotated.open(Seal([OLD]).seal(b"kept")) == b"kept"
    fresh = rotated.seal(b"fresh")
    assert Seal([NEW]).open(fresh) == b"fresh"
    with pytest.raises(SealError):
        Seal([OLD]).open(fresh)


@pytest.mark.parametrize("damaged", [SEALED[:-4], SEALED[:40] + "AAAA" + SEALED[44:], "", "é", SEALED[1:]])
def test_a_damaged_seal_says_so_in_a_code_only(damaged: str) -> None:
    with pytest.raises(SealError) as caught:
        Seal([OLD]).open(damaged)
    assert str(caught.value) == "seal-unopened"
    assert caught.value.__suppress_context__


@pytest.mark.parametrize("keys", [[], [""], ["tooshort"], [OLD, "é" * 44], [OLD, OLD[:-4]]])
def test_a_key_of_the_wrong_form_is_refused_without_showing_it(keys: list[str]) -> None:
    with pytest.raises(SealError) as caught:
        Seal(keys)
    assert str(caught.value) == "bad-key"
    assert caught.value.__suppress_context__
