"""One YAML file → one Config, or everything that is wrong with the file, at once. Not what the keys mean (`model`)."""

from collections.abc import Mapping
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from authz_service.config.advice import finding_of
from authz_service.config.checks import cross_findings, default_name
from authz_service.config.document import Document, Tree, read_document
from authz_service.config.mending import mended, rests_on, to_mend
from authz_service.config.model import Audit, Config, Introspection, OpaDecisionLog, TargetAuth, TokenStore
from authz_service.config.places import Finding, Place, shown
from authz_service.config.values import parse_secret
from authz_service.domain.secret import Secret
from authz_service.errors import ConfigProblems, Problem

_S = TypeVar("_S", TargetAuth, Introspection)

MAX_BYTES = 1 << 20
MAX_SECRET_BYTES = 64 << 10
SHORTEST_KEY = 32  # characters

_Keyed = TypeVar("_Keyed", Audit, OpaDecisionLog, TokenStore)


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
    complete, unread = _with_secret_files(config)
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


def _with_secret_files(config: Config) -> tuple[Config, list[Finding]]:
    """Every secret and key that is in a file of its own, read into the field beside it."""
    findings: list[Finding] = []
    egress = config.egress
    if egress.enabled:
        targets = {
            name: target.model_copy(
                update={"auth": _with_secret(target.auth, ("egress", "targets", name, "auth"), findings)}
            )
            for name, target in egress.targets.items()
        }
        store = _with_key(egress.token_store, "encryption_key", ("egress", "token_store"), findings)
        egress = egress.model_copy(update={"targets": targets, "token_store": store})
    jwt = config.jwt
    if jwt is not None and config.proxy.enabled:
        issuers = []
        for index, issuer in enumerate(jwt.issuers):
            place: Place = ("jwt", "issuers", index, "introspection")
            asked = None if issuer.introspection is None else _with_secret(issuer.introspection, place, findings)
            issuers.append(issuer.model_copy(update={"introspection": asked}))
        jwt = jwt.model_copy(update={"issuers": tuple(issuers)})
    audit = _with_key(config.audit, "key", ("audit",), findings)
    if audit.opa_decision_log is not None:
        copies = _with_file(audit.opa_decision_log, "token", ("audit", "opa_decision_log"), findings)
        audit = audit.model_copy(update={"opa_decision_log": copies})
    return config.model_copy(update={"egress": egress, "jwt": jwt, "audit": audit}), findings


def _with_secret(section: _S, place: Place, findings: list[Finding]) -> _S:
    """The section with its secret read."""
    file = section.client_secret_file
    if file is None or section.client_secret is not None:
        return section
    secret = _find_secret(file, (*place, "client_secret_file"), findings)
    return section.model_copy(update={"client_secret": secret})


def _with_key(section: _Keyed, name: str, place: Place, findings: list[Finding]) -> _Keyed:
    """`_with_file`, and the key must be one that nobody guesses."""
    section = _with_file(section, name, place, findings)
    key, file = getattr(section, name), getattr(section, f"{name}_file")
    if key is not None and len(key.reveal()) < SHORTEST_KEY:
        fix = "take what `openssl rand -hex 32` prints"
        at: Place = (*place, name if file is None else f"{name}_file")
        findings.append(Finding(at, f"the key has less than {SHORTEST_KEY} characters", fix))
    return section


def _with_file(section: _Keyed, name: str, place: Place, findings: list[Finding]) -> _Keyed:
    """`name` is the field of the secret; that of its file is called `<name>_file`."""
    secret, file = getattr(section, name), getattr(section, f"{name}_file")
    at: Place = (*place, f"{name}_file")
    if secret is not None and file is not None:
        findings.append(Finding(at, f"there are both {name} and {name}_file", "keep one", ((*place, name),)))
    elif file is not None:
        secret = _find_secret(file, at, findings)
    return section.model_copy(update={name: secret})


def _find_secret(file: Path, place: Place, findings: list[Finding]) -> Secret | None:
    """What stands in the file; None, and a finding, when it cannot be used."""
    try:
        return secret_in(file)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is empty, too long, or not one line of UTF-8"
        fix = "put the secret into the file, readable by this user"
        findings.append(Finding(place, f"the file cannot be used: {why}", fix, here=isinstance(error, OSError)))
        return None


def secret_in(file: Path) -> Secret:
    """Raises OSError, or ValueError when it holds no line of text."""
    with file.open("rb") as stream:
        content = stream.read(MAX_SECRET_BYTES + 1)
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError
    return parse_secret(content.decode("utf-8-sig").rstrip("\r\n"))
