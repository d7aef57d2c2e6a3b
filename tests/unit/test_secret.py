import copy
import dataclasses
import json
import logging
import operator
import pickle
import traceback
from collections.abc import Callable
from typing import Any

import pytest

from shared.ports import Pass
from shared.secret import Secret

VALUE = "Qx7+tP%9"


@pytest.fixture
def secret() -> Secret:
    return Secret(VALUE)


PRINTED: list[Callable[[Secret], object]] = [
    repr,
    str,
    ascii,
    lambda it: "%s %r" % (it, it),  # noqa: UP031 - the very thing under test
    lambda it: f"{it!r} {it!s}",
    lambda it: f"{[it]} { ({'a': it}) } {Pass('tap-1', it)}",
    lambda it: json.dumps({"a": it}, default=str),
    lambda it: json.dumps({"a": it}, default=repr),
    dir,
    lambda it: traceback.TracebackException.from_exception(ValueError(it), capture_locals=True).format(),
]


def test_a_secret_prints_as_a_mask(secret: Secret) -> None:
    for n, way in enumerate(PRINTED):
        assert VALUE not in repr(way(secret)), n


REFUSED: list[Callable[[Any], object]] = [
    lambda it: f"{it}",
    lambda it: f"{it:>10}",
    "{}".format,
    format,
    json.dumps,
    lambda it: json.dumps(it, default=vars),
    pickle.dumps,
    *(lambda it, n=protocol: pickle.dumps(it, n) for protocol in range(pickle.HIGHEST_PROTOCOL + 1)),
    lambda it: pickle.dumps({"a": [it]}),
    copy.copy,
    copy.deepcopy,
    lambda it: copy.deepcopy([it]),
    lambda it: dataclasses.asdict(Pass("tap-1", it)),
    lambda it: dataclasses.astuple(Pass("tap-1", it)),
    vars,
    lambda it: it.__dict__,
    object.__reduce__,
    lambda it: it.__getstate__(),
    *(lambda it, use=use: use(it, "") for use in (operator.add, operator.lt, operator.contains, operator.getitem)),
    bytes,
    iter,
    len,
    "".join,
]


def test_a_secret_can_be_neither_formatted_copied_nor_stored(secret: Secret) -> None:
    for n, way in enumerate(REFUSED):
        with pytest.raises((TypeError, AttributeError)) as refused:
            way(secret)
        assert VALUE not in str(refused.value), n


def test_only_reveal_gives_it() -> None:
    assert Secret(VALUE).reveal() == VALUE


def test_a_secret_equals_only_itself(secret: Secret) -> None:
    assert secret == secret  # noqa: PLR0124 - the very thing under test
    assert secret != Secret(VALUE)
    assert secret != VALUE
    assert len({secret, Secret(VALUE)}) == 2
    assert hash(secret) != hash(VALUE)


def test_logging_a_secret_shows_a_mask(secret: Secret, caplog: pytest.LogCaptureFixture) -> None:
    logging.getLogger("test").warning("made %s and %r", secret, secret)
    assert caplog.messages == ["made Secret(***) and Secret(***)"]


def test_redact_masks_every_secret_alive(secret: Secret) -> None:
    other = Secret("another-1")
    assert Secret.redact(f"a {VALUE} b {VALUE}another-1") == "a *** b ******"
    assert secret is not other


def test_redact_masks_the_longer_of_two_that_begin_alike() -> None:
    alive = [Secret("abcd1234"), Secret("abcd1234efgh"), Secret("abcd1234ef")]
    assert Secret.redact("abcd1234efgh abcd1234ef abcd1234") == "*** *** ***"
    assert len(alive) == 3


def test_redact_leaves_text_alone_for_an_empty_secret() -> None:
    empty = Secret("")
    assert Secret.redact("text") == "text"
    assert empty.reveal() == ""


def test_a_secret_leaves_memory_with_its_last_holder() -> None:
    secret = Secret("gone-soon-1")
    assert Secret.redact("gone-soon-1") == "***"
    del secret
    assert Secret.redact("gone-soon-1") == "gone-soon-1"
