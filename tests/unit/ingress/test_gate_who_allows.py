"""An allow is built in one place of each gate, and nowhere else: whoever holds one has been through its steps."""

import ast
from pathlib import Path

SRC = Path(__file__).parents[3] / "src"
PERMIT = "Allow"


def builders(source: str) -> list[int]:
    """The lines that name the permit otherwise than to import it, to ask for it or to declare it."""
    tree = ast.parse(source)
    asked = {id(each) for node in ast.walk(tree) for each in _asked_for(node)}
    return [
        node.lineno
        for node in ast.walk(tree)
        if (
            (isinstance(node, ast.Name) and node.id == PERMIT)
            or (isinstance(node, ast.Attribute) and node.attr == PERMIT)
        )
        and id(node) not in asked
    ]


def _asked_for(node: ast.AST) -> list[ast.AST]:
    """What stands in a type, and in the second place of isinstance()."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "isinstance":
        return [*ast.walk(node.args[1])]
    types = [getattr(node, name, None) for name in ("annotation", "returns")]
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.BitOr):
        types.append(node)
    return [each for found in types if found is not None for each in ast.walk(found)]


def test_only_the_gates_build_an_allow() -> None:
    found = {
        file.relative_to(SRC).as_posix(): len(builders(file.read_text("utf-8")))
        for file in SRC.rglob("*.py")
        if PERMIT in file.read_text("utf-8")
    }
    assert {file: count for file, count in found.items() if count} == {
        "authz_service/ingress/gate.py": 1,
        "authz_service/egress/gate.py": 1,
    }


def test_every_way_to_build_one_is_seen() -> None:
    """And no way to look at one."""
    for line in ("Allow(b'')", "x = Allow", "decision.Allow(b'')", "Allow._make(())", "f(Allow)", "[Allow][0](b'')"):
        assert builders(line) == [1], line
    for line in (
        "from a import Allow",
        "isinstance(x, Allow)",
        "def f(x: Allow) -> Allow | Deny: ...",
        "D = Allow | Deny",
    ):
        assert builders(line) == [], line


def test_nobody_turns_a_permit_into_another() -> None:
    """`_replace` on a decision would be a second way."""
    for file in SRC.rglob("*.py"):
        text = file.read_text("utf-8")
        assert "decision._replace" not in text, file
        assert "permit._replace" not in text, file
