"""YAML text → a tree in which every scalar is text, and the line of each place. Not the meaning of the keys.

Scalars stay text because the model knows the type of each key: `0123`, `no` and `1.10` mean what they look like.
Variables are substituted after parsing, so a substituted value can never become structure.
"""

import re
from collections.abc import Iterator, Mapping
from typing import NamedTuple, TypeAlias

import yaml

from authz_service.config.finding import Finding, Place

MAX_CHARACTERS = 256 << 10
MAX_NODES = 10_000
MAX_DEPTH = 24

_NAME = r"[A-Za-z_][A-Za-z0-9_]*"
_VARIABLE = re.compile(rf"(?P<escaped>\$\$\{{)|\$\{{(?P<name>{_NAME})(?::-(?P<default>[^}}]*))?\}}|(?P<open>\$\{{)")
_QUOTATION = re.compile(r"(['\"]).*?\1")
_MERGE = "tag:yaml.org,2002:merge"
_NULL = "tag:yaml.org,2002:null"
_LIBYAML: type[yaml.CSafeLoader] | None = getattr(yaml, "CSafeLoader", None)  # where PyYAML was built with it
_TAGS = {
    f"tag:yaml.org,2002:{kind}" for kind in ("str", "int", "float", "bool", "timestamp", "value", "map", "seq")
} | {_MERGE, _NULL}

Tree: TypeAlias = dict[str, "Tree"] | list["Tree"] | str


class Document(NamedTuple):
    tree: Tree  # without what the findings are about
    lines: dict[Place, int]
    written: dict[
        Place, str
    ]  # scalars as they stand in the file, before substitution: safe to show unless literal secrets
    findings: list[Finding]


def read_document(text: str, env: Mapping[str, str], *, by_libyaml: bool = False) -> Document:
    """Never raises for what the text says: whatever is wrong with it is a finding.

    `by_libyaml`: five times as fast, for whoever reads many files and runs none of them. What libyaml refuses is read
    again by Python's own parser, whose words are told.
    """
    builder = _Builder(env)
    try:
        tree = builder.root(text, by_libyaml=by_libyaml)
    except yaml.YAMLError as error:
        line, found = _syntax_error(error, text)
        return _unusable(line, f"not valid YAML: {found}", "mind indentation, quotes and the space after ':'")
    except RecursionError:
        return _unusable(1, "nested too deeply", f"use at most {MAX_DEPTH} levels")
    except _Unusable as problem:
        return _unusable(*problem.args)
    return Document(tree, builder.lines, builder.written, builder.findings)


class _Unusable(Exception):  # noqa: N818 - never leaves this file
    """(line, found, fix): nothing more can be said about this document."""


def _unusable(line: int, found: str, fix: str) -> Document:
    return Document({}, {}, {}, [Finding((), found, fix, line=line)])


def _syntax_error(error: yaml.YAMLError, text: str) -> tuple[int, str]:
    """Line and reason, without the parser's quotations: what stands there may be a secret."""
    if isinstance(error, yaml.reader.ReaderError):
        return text.count("\n", 0, error.position) + 1, "a character that YAML does not allow"
    if not isinstance(error, yaml.MarkedYAMLError) or error.problem_mark is None:
        return 1, "it cannot be parsed"
    return error.problem_mark.line + 1, _QUOTATION.sub(_unless_text, error.problem or "it cannot be parsed")


def _unless_text(quotation: re.Match[str]) -> str:
    """YAML's own signs may be shown: `','`, `'<stream end>'`."""
    return quotation[0] if re.fullmatch(r"['\"](\W|<[a-z ]+>)['\"]", quotation[0]) else "…"


def _composed(text: str, *, by_libyaml: bool) -> yaml.Node | None:
    if by_libyaml and _LIBYAML is not None and "\t" not in text:  # libyaml takes more tabs for spaces
        try:
            return yaml.compose(text, Loader=_LIBYAML)
        except yaml.YAMLError:
            pass  # the other one says why
    return yaml.compose(text, Loader=yaml.SafeLoader)


class _Builder:
    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._nodes = 0
        self.lines: dict[Place, int] = {}
        self.written: dict[Place, str] = {}
        self.findings: list[Finding] = []

    def root(self, text: str, *, by_libyaml: bool) -> Tree:
        if len(text) > MAX_CHARACTERS:
            raise _Unusable(
                1, f"the file is longer than {MAX_CHARACTERS} characters", "keep only the configuration in it"
            )
        node = _composed(text, by_libyaml=by_libyaml)
        tree = self.tree(node, (), 0) if node else None
        return {} if tree is None else tree

    def tree(self, node: yaml.Node, place: Place, depth: int) -> Tree | None:
        """None: there is nothing usable at this place, and a finding says why."""
        self._count(node)
        self.lines.setdefault(place, node.start_mark.line + 1)
        if depth > MAX_DEPTH:
            raise _Unusable(node.start_mark.line + 1, "nested too deeply", f"use at most {MAX_DEPTH} levels")
        if node.tag not in _TAGS:
            self._report(place, "a YAML tag ('!…')", "write the plain value; quote it if it starts with '!'")
            return None
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, place, depth)
        if isinstance(node, yaml.SequenceNode):
            items = [self.tree(item, (*place, index), depth + 1) for index, item in enumerate(node.value)]
            return [item for item in items if item is not None] if None not in items else None
        if node.tag == _NULL:
            self._report(place, "has no value", "give it one, or remove the key")
            return None
        return self._text(node.value, place)

    def _mapping(self, node: yaml.MappingNode, place: Place, depth: int) -> Tree:
        built: dict[str, Tree] = {}
        for key, (line, value) in self._entries(node, place).items():
            self.lines[(*place, key)] = line
            below = self.tree(value, (*place, key), depth + 1)
            if below is not None:
                built[key] = below
        return built

    def _entries(self, node: yaml.MappingNode, place: Place) -> dict[str, tuple[int, yaml.Node]]:
        """Line and value by key; what is merged in (`<<`) gives way to what is written."""
        own: dict[str, tuple[int, yaml.Node]] = {}
        merged: dict[str, tuple[int, yaml.Node]] = {}
        for key, value in node.value:
            self._count(key)
            line = key.start_mark.line + 1
            if not isinstance(key, yaml.ScalarNode) or key.tag not in _TAGS:
                self._report(place, "a key that is not plain text", "write the key as plain text", line)
            elif key.tag == _MERGE:
                for name, entry in self._merged(value, place):
                    merged.setdefault(name, entry)
            elif key.value in own:
                found = f"the same key as in line {own[key.value][0]}"
                self._report((*place, key.value), found, "keep one of the two", line)
            else:
                own[key.value] = (line, value)
        return merged | own

    def _merged(self, value: yaml.Node, place: Place) -> Iterator[tuple[str, tuple[int, yaml.Node]]]:
        for source in value.value if isinstance(value, yaml.SequenceNode) else [value]:
            if isinstance(source, yaml.MappingNode):
                yield from self._entries(source, place).items()
            else:
                self._report(place, "'<<' without a mapping", "merge the alias of a mapping, such as <<: *defaults")

    def _text(self, text: str, place: Place) -> str | None:
        self.written[place] = text
        before = len(self.findings)
        substituted = _VARIABLE.sub(lambda match: self._value(match, place), text)
        return substituted if len(self.findings) == before else None

    def _value(self, match: re.Match[str], place: Place) -> str:
        """An unset variable takes its default, and so does an empty one, as in a shell."""
        name, default = match["name"], match["default"]
        if match["escaped"]:
            return "${"
        if match["open"]:
            fix = "complete it, or write '$${' for the text '${'"
            self._report(place, "a '${' that is not ${NAME} or ${NAME:-default}", fix)
            return ""  # there is no name to look up
        if default is not None:
            return self._env.get(name) or default
        if name not in self._env:
            found, fix = f"environment variable {name} is not set", f"set it, or write ${{{name}:-default}}"
            self.findings.append(Finding(place, found, fix, here=True))
        return self._env.get(name, "")

    def _report(self, place: Place, found: str, fix: str, line: int = 0) -> None:
        self.findings.append(Finding(place, found, fix, line=line))

    def _count(self, node: yaml.Node) -> None:
        self._nodes += 1
        if self._nodes > MAX_NODES:
            found = f"more than {MAX_NODES} values, aliases expanded"
            raise _Unusable(node.start_mark.line + 1, found, "use fewer aliases (&, *) of large parts")
