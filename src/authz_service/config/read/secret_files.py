"""Secrets that are in a file of their own, read into the field beside it. Not the configuration file (`loader`)."""

from pathlib import Path
from typing import TypeVar

from authz_service.config.finding import Finding, Place
from authz_service.config.model import Audit, Config, Introspection, OpaDecisionLog, TargetAuth, TokenStore
from authz_service.config.values import parse_secret
from authz_service.domain.secret import Secret

MAX_SECRET_BYTES = 64 << 10
SHORTEST_KEY = 32  # characters

_S = TypeVar("_S", TargetAuth, Introspection)
_Keyed = TypeVar("_Keyed", Audit, OpaDecisionLog, TokenStore)


def with_secret_files(config: Config) -> tuple[Config, list[Finding]]:
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
        findings.append(Finding(at, f"there are both {name} and {name}_file", "keep one"))
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
