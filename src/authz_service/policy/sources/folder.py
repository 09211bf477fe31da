"""Reads a policy folder: Rego files and data documents, as they will be checked and then sent to the workers.

`*.rego` anywhere below the folder but for `*_test.rego`; `data.json`, `data.yaml` and `data.yml` as in OPA bundles:
the file `a/b/data.json` is the document `data.a.b`. Names that begin with a dot are skipped, so that a mounted
ConfigMap (`..data/`) is not read twice. Control plane only; judges the files' form, not the policies.
"""

import os
import stat
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from authz_rego.values.json_text import to_json
from authz_service.domain.rules import PolicySource
from authz_service.errors import PolicyProblems, Problem
from authz_service.policy.sources.data_documents import BadFile, Document, merge, parse_document

_TESTS = "_test.rego"
_DATA_NAMES = {"data.json", "data.yaml", "data.yml"}
MAX_REGO_BYTES = 256 << 10  # its syntax tree is many times as large
MAX_DATA_BYTES = 16 << 20
MAX_FILES = 1000


class _File(NamedTuple):
    path: Path
    name: str  # below the folder, with slashes


def read_policy_folder(
    path: Path, query: str, headers: Sequence[str] = (), *, with_tests: bool = False, evaluated: bool = False
) -> PolicySource:
    """`headers`: what its answers may set; `with_tests`: `*_test.rego`, too; `evaluated`: for AuthZEN as well. The same
    files give the same source.

    Raises PolicyProblems, all at once.
    """
    problems: list[Problem] = []
    modules: list[tuple[str, str]] = []
    data: Document = {}
    for file in _files(path, problems, with_tests=with_tests):
        try:
            if file.path.suffix == ".rego":
                modules.append((file.name, _text(file.path, MAX_REGO_BYTES)))
            else:
                merge(data, _rooted(file))
        except BadFile as bad:
            problems.append(Problem("policy", bad.found, bad.fix, file.name, bad.line))
    if not modules and not problems:
        fix = "put your *.rego files there, or correct policy.path"
        problems.append(Problem("policy.path", f"no Rego file below {path}", fix))
    if problems:
        raise PolicyProblems(problems)
    return PolicySource(query, tuple(modules), to_json(data), tuple(headers), evaluated)


def _files(folder: Path, problems: list[Problem], *, with_tests: bool) -> list[_File]:
    if not folder.is_dir():
        problems.append(
            Problem("policy.path", f"{folder} is not a directory", "correct policy.path, or mount the folder")
        )
        return []
    found = (path for path in _walk(folder, frozenset()) if with_tests or not path.name.endswith(_TESTS))
    files = sorted(found, key=lambda path: path.relative_to(folder).parts)
    if len(files) > MAX_FILES:
        fix = "point policy.path at the policies of this service only"
        problems.append(Problem("policy.path", f"more than {MAX_FILES} policy files below {folder}", fix))
        return []
    return [_File(path, path.relative_to(folder).as_posix()) for path in files]


def _walk(folder: Path, above: frozenset[Path]) -> Iterator[Path]:
    """Follows links, but not into a folder that it is in."""
    real = folder.resolve()
    if real in above:
        return
    for path in folder.iterdir():
        if path.name.startswith("."):
            continue
        if path.is_dir():
            yield from _walk(path, above | {real})
        elif path.name in _DATA_NAMES or path.suffix == ".rego":
            yield path


def _text(path: Path, limit: int) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)  # a pipe must not block us
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise BadFile("not a regular file", "replace it by the file itself")
            content = file.read(limit + 1)
    except OSError as error:
        raise BadFile(f"cannot be read ({error.strerror})", "let the sidecar's user read it") from error
    if len(content) > limit:
        raise BadFile(f"larger than {limit >> 10} KiB", "split it, or keep in it only what the policies use")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise BadFile("not UTF-8", "save it as UTF-8", line) from error


def _rooted(file: _File) -> Document:
    """The document, below the keys that its folders are."""
    document = parse_document(_text(file.path, MAX_DATA_BYTES), is_json=file.path.suffix == ".json")
    for folder in reversed(file.name.split("/")[:-1]):
        document = {folder: document}
    return document
