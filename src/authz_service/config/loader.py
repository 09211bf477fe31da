"""One YAML file → one Config, or everything that is wrong with the file, at once. Not what the keys mean (`model`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from authz_service.config.checks.whole import cross_findings, default_name
from authz_service.config.finding import Finding, Place
from authz_service.config.model import Config
from authz_service.config.read.document import Document, Tree, read_document
from authz_service.config.read.explain import finding_of
from authz_service.config.read.mending import mended, rests_on, to_mend
from authz_service.config.read.secret_files import with_secret_files
from authz_service.config.read.yaml_path import shown
from authz_service.errors import ConfigProblems, Problem

MAX_BYTES = 1 << 20


def load_config(path: Path, env: Mapping[str, str], *, anywhere: bool = False) -> Config:
    """Raises ConfigProblems with all that is wrong. Secret files are read here; certificates and policies are not.

    With `anywhere` this host need not have the variables and secret files: what rests on them is not judged, and not
    there.
    """
    text = _read(path)
    if isinstance(text, Problem):
        raise ConfigProblems([text])
    document = read_document(text, env)
    config, findings = _understand(document)
    serious = [finding for finding in findings if not (anywhere and finding.here)]
    if config is None or serious:
        raise ConfigProblems(_problems(serious or findings, document, path))
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
        return Reading(None, (text,), Document(None, {}, {}, []))
    document = read_document(text, env)
    config, findings = _understand(document)
    serious = [finding for finding in findings if not finding.here]
    return Reading(config, tuple(_problems(serious, document, path)), document)


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


def _understand(document: Document) -> tuple[Config | None, list[Finding]]:
    """What the document means, and every finding. What is broken is taken out, so that the rest is judged too."""
    findings = list(document.findings)
    if document.tree is None:
        return None, findings
    config, errors = _validated(document.tree)
    found = [(error, _place(error["loc"], document)) for error in errors]
    findings += [finding_of(error, place, document) for error, place in found if error["type"] != "missing"]
    broken = to_mend(findings)
    missing = [(error, place) for error, place in found if error["type"] == "missing"]
    findings += [finding_of(error, place, document) for error, place in missing if not rests_on(broken, place)]
    broken = to_mend(findings)
    if broken:
        config, _ = _validated(mended(document.tree, broken))
    if config is None:
        return None, findings
    complete, unread = with_secret_files(config)
    for finding in (*unread, *cross_findings(config)):
        there = finding._replace(place=_place(finding.place, document))
        if not any(rests_on(broken, _place(place, document)) for place in (finding.place, *finding.seen)):
            findings.append(there)
    return _named(complete), findings


def _validated(tree: Tree) -> tuple[Config | None, list[ErrorDetails]]:
    try:
        return Config.model_validate(tree), []
    except ValidationError as error:
        errors = error.errors(include_url=False)
        return None, [problem for problem in errors if not _is_consequence(problem, errors)]


def _is_consequence(error: ErrorDetails, errors: list[ErrorDetails]) -> bool:
    """A list is "too short" for pydantic also when its items are wrong."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(
        other["loc"][: len(loc)] == loc for other in errors if other is not error
    )


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
