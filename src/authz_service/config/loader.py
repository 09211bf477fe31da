"""One YAML file → one Config, or what is wrong with it: all of a phase at once. Not what the keys mean (`model`).

Each phase rests on the one before, so that no problem is only the consequence of another: syntax and variables
(`read.document`), types (`sections`), what must fit together (`checks`).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from authz_service.config.checks.whole import cross_findings, default_name
from authz_service.config.finding import Finding, Place
from authz_service.config.model import Config
from authz_service.config.read.document import Document, Tree, read_document
from authz_service.config.read.explain import finding_of, nearest_key
from authz_service.config.read.secret_files import with_secret_files
from authz_service.config.read.stand_ins import with_examples
from authz_service.config.read.yaml_path import place_of, shown
from authz_service.errors import ConfigProblems, Problem

MAX_BYTES = 1 << 20


def load_config(path: Path, env: Mapping[str, str], *, anywhere: bool = False) -> Config:
    """Raises ConfigProblems. Secret files are read here; certificates and policies are not.

    With `anywhere` this host need not have the variables and secret files: an example stands for each, and is not
    judged.
    """
    text = _read(path)
    if isinstance(text, Problem):
        raise ConfigProblems([text])
    document = read_document(text, env)
    config, findings = _understand(document, anywhere=anywhere)
    if config is None or findings:
        raise ConfigProblems(_problems(findings, document, path))
    return config


class Reading(NamedTuple):
    """A file, read for somebody who wants to say where things stand in it. `config` None: nothing can be said of it."""

    config: Config | None
    problems: tuple[Problem, ...]
    document: Document

    def line(self, place: Place) -> int:
        """Where the key stands, or the nearest one above it."""
        return _line(_place(place, self.document), self.document)

    def is_written(self, place: Place) -> bool:
        return _place(place, self.document) in self.document.lines


def read_config(path: Path, env: Mapping[str, str]) -> Reading:
    """As `load_config` with `anywhere`, for a file that may be wrong: whatever is wrong with it is a problem."""
    text = _read(path)
    if isinstance(text, Problem):
        return Reading(None, (text,), Document({}, {}, {}, []))
    document = read_document(text, env, by_libyaml=True)
    config, findings = _understand(document, anywhere=True)
    return Reading(config, tuple(_problems(findings, document, path)), document)


def line_of(place: Place, path: Path) -> int:
    """Where a key of a file that was loaded stands, for a problem that shows itself only on this host."""
    text = _read(path)
    return 1 if isinstance(text, Problem) else _line(place, read_document(text, {}))


def _read(path: Path) -> str | Problem:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            return Problem("(the whole file)", f"longer than {MAX_BYTES} bytes", "name a configuration file", str(path))
        return content.decode("utf-8-sig")
    except OSError as error:
        found = f"cannot be read: {error.strerror or type(error).__name__}"
    except ValueError:  # not UTF-8, or a path with NUL
        found = "is not text in UTF-8"
    return Problem("(the whole file)", found, "name a readable YAML file by --config or AUTHZ_CONFIG_PATH", str(path))


def _understand(document: Document, *, anywhere: bool) -> tuple[Config | None, list[Finding]]:
    """What the document means, if its values can be read at all; and what is wrong in the first phase that fails."""

    def serious(findings: list[Finding]) -> list[Finding]:
        return [one for one in findings if not (anywhere and one.here)]

    if found := serious(document.findings):
        return None, found
    lacking = _lacking(document)
    config = _typed(with_examples(document.tree, lacking))
    if isinstance(config, ValidationError):
        return None, _findings(config.errors(include_url=False), document)
    complete, findings = with_secret_files(config)
    findings += cross_findings(complete)
    findings = [finding._replace(place=_place(finding.place, document)) for finding in findings]
    return _named(complete), serious([one for one in findings if one.place not in lacking])


def _lacking(document: Document) -> set[Place]:
    """The places for whose values this host lacks a variable; a list lacks all of its values."""
    places = {finding.place for finding in document.findings if finding.here}
    return places | {place[:-1] for place in places if isinstance(place[-1], int)}


def _typed(tree: Tree) -> Config | ValidationError:
    """The error is given back, not raised: nothing of a secret may be in the context of what is raised in its place."""
    try:
        return Config.model_validate(tree)
    except ValidationError as error:
        return error


def _findings(errors: list[ErrorDetails], document: Document) -> list[Finding]:
    there = [(error, *place_of(error["loc"])) for error in errors if not _is_consequence(error, errors)]
    return [finding_of(error, _place(place, document), kind, document) for error, place, kind in there]


def _is_consequence(error: ErrorDetails, errors: list[ErrorDetails]) -> bool:
    """A list is "too short" also when its items are wrong, a key "missing" when it is misspelt; and of a section whose
    kind is none, nobody knows the keys.
    """
    loc, others = error["loc"], [other for other in errors if other is not error]
    beside = [other for other in others if other["loc"][:-1] == loc[:-1]]
    if error["type"] in {"missing", "extra_forbidden"} and any(_tells_the_kind(other) for other in beside):
        return True
    if error["type"] == "missing":
        misspelt = [place_of(one["loc"])[0] for one in beside if one["type"] == "extra_forbidden"]
        return any(nearest_key(place) == loc[-1] for place in misspelt)
    return error["type"] == "too_short" and any(other["loc"][: len(loc)] == loc for other in others)


def _tells_the_kind(error: ErrorDetails) -> bool:
    return error["type"] == "literal_error" and place_of(error["loc"])[1] != ""


def _place(loc: Place, document: Document) -> Place:
    """Where it stands in the file: a single issuer is a list of one only in the model."""
    alone = loc[:2] == ("jwt", "issuers") and ("jwt", "issuers") not in document.lines
    return ("jwt", *loc[3:]) if alone else loc


def _problems(findings: list[Finding], document: Document, path: Path) -> list[Problem]:
    problems = {
        Problem(
            shown(finding.place), finding.found, finding.fix, str(path), finding.line or _line(finding.place, document)
        )
        for finding in findings
    }
    return sorted(problems, key=lambda problem: (problem.line, problem.at, problem.found))


def _line(place: Place, document: Document) -> int:
    return next((document.lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in document.lines), 1)


def _named(config: Config) -> Config:
    if config.service.name:
        return config
    return config.model_copy(update={"service": config.service.model_copy(update={"name": default_name(config)})})
