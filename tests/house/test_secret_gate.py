"""The gate on secrets: where a Secret or a credential is opened, and that nothing can be made of it there but a call.

It reads the code, so it holds also for what no test runs: a log line in a branch that is never taken.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from shared.forms import Credential
from shared.secret import Secret

ROOT = Path(__file__).parent.parent.parent
FOLDERS = ("functions", "shared", "cli", "sandbox")
FILES = [ROOT / "function_app.py", *(file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py")))]

PASS, CREDENTIAL = Secret.reveal.__name__, Credential.open.__name__
OPENED_IN = {PASS: "shared/adapters/twilio.py", CREDENTIAL: "shared/connections.py"}
INSIDE = {"shared/secret.py", "shared/forms.py"}
"""Where the two classes are: nobody else touches what they hold."""

TELLING = frozenset(
    {"print", "repr", "str", "ascii", "bytes", "format", "format_map", "join", "vars", "dumps", "dump", "hash", "write"}
    | {"emit", "log", "debug", "info", "warning", "error", "exception", "critical", "add_note", "set_attribute"}
    | {"append", "add", "extend", "insert", "update", "setattr", "setdefault", "partial", "replace", "redact", "scrub"}
)
"""Calls that make text of what they are given, or keep it."""
BY_NAME = frozenset({"getattr", "attrgetter", "methodcaller"})
TEXT: dict[type[ast.AST], str] = {
    ast.JoinedStr: "in an f-string",
    ast.BinOp: "joined to or formatted into a text",
    ast.Compare: "compared",
    ast.NamedExpr: "bound to a name",
    ast.Lambda: "kept in a function",
    ast.Raise: "in a raise",
    ast.Assert: "in an assert",
    ast.Return: "returned",
    ast.Yield: "given out",
}


def name_of(called: ast.expr) -> str:
    return called.attr if isinstance(called, ast.Attribute) else called.id if isinstance(called, ast.Name) else ""


def parents(tree: ast.AST) -> dict[ast.AST, ast.AST]:
    return {child: node for node in ast.walk(tree) for child in ast.iter_child_nodes(node)}


def openings(tree: ast.AST, method: str) -> list[ast.Call]:
    """The calls that open one; a file is opened with at least one argument, and so is a seal."""
    calls = (node for node in ast.walk(tree) if isinstance(node, ast.Call))
    return [node for node in calls if isinstance(node.func, ast.Attribute) and opens(node, method)]


def opens(call: ast.Call, method: str) -> bool:
    return name_of(call.func) == method and not call.args and not call.keywords


def faults(source: str, method: str) -> list[str]:
    """What is wrong with how a module opens a secret."""
    tree = ast.parse(source)
    above = parents(tree)
    found = [fault for call in openings(tree, method) for fault in ways_out(call, above, method)]
    return [*found, *handed_on(tree, above, method)]


def ways_out(call: ast.Call, above: dict[ast.AST, ast.AST], method: str) -> Iterator[str]:
    """From an opening outwards to its statement: it must go into a call, and into nothing that tells or keeps it."""
    node: ast.AST = call
    goes_into_a_call = False
    while not isinstance(node, ast.stmt):
        inner, node = node, above[node]
        if isinstance(node, ast.Call) and inner is not node.func:
            goes_into_a_call = True
            if name_of(node.func) in TELLING:
                yield f"given to {name_of(node.func)}"
        elif type(node) in TEXT and not (isinstance(node, ast.Return) and goes_into_a_call):
            yield TEXT[type(node)]
    if not goes_into_a_call:
        yield "bound to a name, or to nothing"
    if method == PASS and not isinstance(above[call], ast.Call | ast.keyword):
        yield "not itself the argument of a call"


def handed_on(tree: ast.AST, above: dict[ast.AST, ast.AST], method: str) -> Iterator[str]:
    """The way to open it, kept for later or named in a text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and node.attr == method and method == PASS:
            called = above[node]
            if not (isinstance(called, ast.Call) and called.func is node and not called.args):
                yield "the method handed on"
        if isinstance(node, ast.Call) and name_of(node.func) in BY_NAME:
            told = [given.value for given in node.args if isinstance(given, ast.Constant)]
            yield from ("opened by its name" for text in told if text in (method, "_value"))


def holds_inside(source: str) -> bool:
    """Whether it touches what the two classes hold."""
    nodes = ast.walk(ast.parse(source))
    return any(isinstance(node, ast.Attribute) and node.attr == "_value" for node in nodes)


def place(file: Path) -> str:
    return str(file.relative_to(ROOT))


@pytest.mark.parametrize("method", OPENED_IN)
def test_secrets_are_opened_in_one_module_and_go_straight_into_a_call(method: str) -> None:
    sources = {place(file): file.read_text() for file in FILES}
    opening = [name for name, source in sources.items() if openings(ast.parse(source), method)]
    assert opening == [OPENED_IN[method]]
    assert {name: found for name, source in sources.items() if (found := faults(source, method))} == {}


def test_the_pass_is_opened_at_one_place() -> None:
    assert len(openings(ast.parse((ROOT / OPENED_IN[PASS]).read_text()), PASS)) == 1


def test_nobody_else_touches_what_they_hold() -> None:
    assert {place(file) for file in FILES if holds_inside(file.read_text())} == INSIDE


# --- the gate can close ---

FINE = ("send(secret.reveal())", "await ask(form(letter, code=secret.reveal()))", "return form(secret.reveal())")
WRONG = {
    'f"pass {secret.reveal()}"': "in an f-string",
    'send(f"{secret.reveal()}")': "in an f-string",
    '"%s" % secret.reveal()': "joined to or formatted into a text",
    'send("pass " + secret.reveal())': "joined to or formatted into a text",
    '"{}".format(secret.reveal())': "given to format",
    'send(" ".join([secret.reveal()]))': "given to join",
    "print(secret.reveal())": "given to print",
    'logger.info("sent %s", secret.reveal())': "given to info",
    "emit(Event.SENT, detail=secret.reveal())": "given to emit",
    'span.set_attribute("pass", secret.reveal())': "given to set_attribute",
    "send(repr(secret.reveal()))": "given to repr",
    "raise ValueError(secret.reveal())": "in a raise",
    "assert check(secret.reveal())": "in an assert",
    "code = secret.reveal()": "bound to a name, or to nothing",
    "self.code = secret.reveal()": "bound to a name, or to nothing",
    "send(code := secret.reveal())": "bound to a name",
    "codes.append(secret.reveal())": "given to append",
    "for code in secret.reveal(): pass": "bound to a name, or to nothing",
    "with open(file) as code, secret.reveal(): pass": "bound to a name, or to nothing",
    "secret.reveal()": "bound to a name, or to nothing",
    "return secret.reveal()": "returned",
    "yield secret.reveal()": "given out",
    "send(lambda: secret.reveal())": "kept in a function",
    "send([secret.reveal()])": "not itself the argument of a call",
    "send(secret.reveal().lower())": "not itself the argument of a call",
    "if secret.reveal() == code: pass": "compared",
    "later = secret.reveal": "the method handed on",
    "send(secret.reveal)": "the method handed on",
    "send(Secret.reveal(secret))": "the method handed on",
    'send(getattr(secret, "reveal")())': "opened by its name",
    'send(getattr(secret, "_value"))': "opened by its name",
}


@pytest.mark.parametrize("line", FINE)
def test_what_goes_straight_into_a_call_is_fine(line: str) -> None:
    assert faults(f"async def run():\n    {line}", PASS) == []


@pytest.mark.parametrize("line", WRONG)
def test_what_tells_or_keeps_a_secret_is_found(line: str) -> None:
    assert WRONG[line] in faults(f"def run():\n    {line}", PASS)


def test_credentials_may_be_taken_apart_inside_the_call_they_are_for() -> None:
    assert faults('Seal([key.strip() for key in chosen["KEYS"].open().split(",")])', CREDENTIAL) == []
    assert faults('file.open("w")', CREDENTIAL) == []
    assert faults("tokens = [chosen[name].open() for name in names]", CREDENTIAL)
    assert faults('key = chosen["KEY"].open().strip()', CREDENTIAL)
    assert faults('log.error("%s", chosen["KEY"].open())', CREDENTIAL)


def test_a_look_inside_is_found() -> None:
    assert holds_inside("send(secret._value)")
    assert not holds_inside("send(secret.value)")
