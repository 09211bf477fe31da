"""Finds `# METADATA` blocks among the comments, and what each belongs to. Not what a block says (`metadata`)."""

from __future__ import annotations

import re
from bisect import bisect_right
from typing import Final

from authz_rego.builtins.yaml.nodes import Node
from authz_rego.builtins.yaml.parser import parse
from authz_rego.builtins.yaml.scanner import scan
from authz_rego.errors import BuiltinError, EvaluationError, Place, RegoProblem
from authz_rego.syntax.cursor import PARSE_ERROR
from authz_rego.syntax.metadata.members import MetadataError, ParseTerm, members_of
from authz_rego.syntax.metadata.places import end_of_first_document, lines_of, syntax_problem
from authz_rego.syntax.metadata.raw import Raw, Reader
from authz_rego.syntax.scanner import Token
from authz_rego.syntax.tree import Annotation, Import, Module, Rule
from authz_rego.values.characters import SPACES
from authz_rego.values.text import quote

_WORD: Final = "METADATA"
_SCOPES: Final = ("rule", "document", "package", "subpackages")
_LINE: Final = re.compile(r"yaml: line ([0-9]+): (.*)", re.DOTALL)
_FIX: Final = "write the block as YAML, each line after `# `; see OPA's documentation of annotations"


class _BlockError(Exception):
    """What is wrong with a block, and on which of its lines: 0 is that of the word METADATA itself."""

    def __init__(self, found: str, line: int = 0) -> None:
        super().__init__(found)
        self.found, self.line = found, line


def blocks_of(comments: list[Token], file: str, parse_term: ParseTerm) -> tuple[list[Annotation], list[RegoProblem]]:
    """The annotations in the order of their blocks, and the problems of those that are none."""
    blocks: list[Annotation] = []
    problems: list[RegoProblem] = []
    for at, comment in enumerate(comments):
        if not _begins_block(comment):
            continue
        lines = _lines_below(comments, at)
        try:
            blocks.append(_annotation(lines, Place(file, comment.row, comment.column), parse_term))
        except _BlockError as problem:
            wrong = [comment, *lines][min(problem.line, len(lines))]
            problems.append(RegoProblem(PARSE_ERROR, Place(file, wrong.row, wrong.column), problem.found, _FIX))
    return blocks, problems


def _begins_block(comment: Token) -> bool:
    return comment.column == 1 and _content(comment).strip(SPACES).startswith(_WORD)


def _content(comment: Token) -> str:
    """What stands behind the `#`, without the carriage returns of a line's end."""
    text = comment.text[1:]
    if text == "\r":
        return ""
    return text[:1] + text[1:].rstrip("\r")


def _lines_below(comments: list[Token], at: int) -> list[Token]:
    end = at + 1
    while (
        end < len(comments)
        and comments[end].column == 1
        and comments[end].row == comments[end - 1].row + 1
        and not _begins_block(comments[end])
    ):
        end += 1
    return comments[at + 1 : end]


# ── one block ──


def _annotation(lines: list[Token], place: Place, parse_term: ParseTerm) -> Annotation:
    text = "".join(_content(line).removeprefix(" ") + "\n" for line in lines)
    if not text.strip(SPACES):
        raise _BlockError("expected METADATA block, found whitespace")
    try:
        raw = _raw(text)
        return Annotation(raw.scope, members_of(raw, parse_term), place)
    except MetadataError as problem:
        raise _BlockError(str(problem)) from None
    except EvaluationError as problem:  # beyond a bound of ours
        raise _BlockError(problem.message) from None
    except _BlockError as problem:
        raise _BlockError(problem.found + "".join(map(_colon_hint, lines)), problem.line) from None


def _raw(text: str) -> Raw:
    reader = Reader()
    root = _first_document(text)
    if root is None:
        return Raw()
    try:
        raw = reader.raw(root)
    except BuiltinError as problem:
        raise _BlockError(str(problem), 1) from None
    if reader.misfits:
        lines = lines_of(text, root)
        found = [
            (lines.get(id(each.node), 1), each.text.format(lines.get(id(each.other), 1))) for each in reader.misfits
        ]
        listed = "".join(f"\n  line {line}: {text}" for line, text in found)
        raise _BlockError(f"yaml: unmarshal errors:{listed}", found[0][0] + 1)
    return raw


def _first_document(text: str) -> Node | None:
    """The others go-yaml does not even look at."""
    try:
        documents = parse(scan(text))
    except BuiltinError as problem:
        end = end_of_first_document(text)
        if end is not None and end < len(text):
            return _first_document(text[:end])
        raise _syntax_error(text, str(problem)) from None
    return documents[0] if documents else None


def _syntax_error(text: str, found: str) -> _BlockError:
    """OPA points to the line behind the one that its YAML parser names, or to the first."""
    problem = syntax_problem(text)
    if problem is None:
        match = _LINE.match(found)
        problem = (int(match[1]), match[2]) if match else (0, found.removeprefix("yaml: "))
    line, why = problem
    return _BlockError(f"yaml: line {line}: {why}" if line else f"yaml: {why}", line + 1)


def _colon_hint(line: Token) -> str:
    """OPA's guess at what is wrong with `key:value`."""
    wrong = []
    for part in _content(line).split(":")[1:]:
        if not part or part[0] in " \t":
            break
        wrong.append(quote(part[0], "'", only_ascii=True))
    if not wrong:
        return ""
    return (
        f"\n  Hint: on line {line.row}, symbol(s) [{' '.join(wrong)}] immediately following a key/value separator ':' "
        "is not a legal yaml space character"
    )


# ── what a block belongs to ──


def attach(module: Module, blocks: list[Annotation]) -> list[RegoProblem]:
    """Gives the module its annotations, and its rules theirs."""
    problems: list[RegoProblem] = []
    below: list[tuple[int, Import | Rule | None]] = [(module.package_place.row, None)]
    below += [(each.place.row, each) for each in module.imports]
    below += [(each.place.row, each) for each in module.rules]
    below.sort(key=lambda each: each[0])
    rows = [row for row, _ in below]
    for block in blocks:
        at = bisect_right(rows, block.place.row)
        if at == len(rows):
            node, kind = None, ""
        else:
            node = below[at][1]
            kind = "package" if node is None else "rule" if isinstance(node, Rule) else "import"
        if not block.scope:
            block.scope = "document" if kind == "rule" and block.members.get("entrypoint") else kind
        fix = "put it right above what it describes"
        problems += [RegoProblem(PARSE_ERROR, block.place, found, fix) for found in _misplaced(block, kind)]
        if isinstance(node, Rule):
            node.annotations = (*node.annotations, block)
    module.annotations = tuple(blocks)
    return problems


def _misplaced(block: Annotation, kind: str) -> list[str]:
    scope = block.scope
    if scope not in _SCOPES:
        return [
            f"invalid annotation scope '{scope}'. Use one of 'rule', 'document', 'package', or 'subpackages'",
            *_wrong_entrypoint(block),
        ]
    wanted = "rule" if scope in {"rule", "document"} else "package"
    found = [] if kind == wanted else [f"annotation scope '{scope}' must be applied to {wanted}"]
    if found and kind:
        found[0] += f" (have {kind})"
    return found + _wrong_entrypoint(block)


def _wrong_entrypoint(block: Annotation) -> list[str]:
    if not block.members.get("entrypoint") or block.scope in {"document", "package"}:
        return []
    return [f"annotation entrypoint applied to non-document or package scope '{block.scope}'"]
