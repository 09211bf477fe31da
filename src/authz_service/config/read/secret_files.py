"""Secrets that are in a file of their own, read into the field beside it. Not the configuration file (`loader`)."""

from pathlib import Path
from typing import TypeVar

from authz_service.config.finding import Finding, Place
from authz_service.config.model import Config
from authz_service.config.sections.section import Section
from authz_service.config.values import parse_secret
from authz_service.domain.secret import UNREAD, Secret

MAX_SECRET_BYTES = 64 << 10

_T = TypeVar("_T")


def with_secret_files(config: Config) -> tuple[Config, list[Finding]]:
    """Every secret that is in a file. Those of what is off stay there."""
    findings: list[Finding] = []
    on = {"audit": True, "egress": config.egress.enabled, "jwt": config.proxy.enabled}
    read = {key: _with_secrets(getattr(config, key), (key,), findings) for key, is_on in on.items() if is_on}
    return config.model_copy(update=read), findings


def _with_secrets(value: _T, place: Place, findings: list[Finding]) -> _T:
    """The same, with the secrets in it and below it."""
    if isinstance(value, dict):
        return type(value)((key, _with_secrets(each, (*place, key), findings)) for key, each in value.items())
    if isinstance(value, tuple):
        return type(value)(_with_secrets(each, (*place, index), findings) for index, each in enumerate(value))
    if not isinstance(value, Section):
        return value
    fields = {key: getattr(value, key) for key in type(value).model_fields}
    read = {key: _with_secrets(each, (*place, key), findings) for key, each in fields.items()}
    for key, file in fields.items():
        name = key.removesuffix("_file")
        if file is None or name == key or name not in fields:
            continue
        if fields[name] is not UNREAD:
            findings.append(Finding((*place, key), f"there are both {name} and {key}", "keep one"))
        else:
            read[name] = _find_secret(file, (*place, key), findings)
    changed = {key: each for key, each in read.items() if each is not fields[key]}
    return value.model_copy(update=changed) if changed else value


def _find_secret(file: Path, place: Place, findings: list[Finding]) -> Secret:
    """What stands in the file; a finding when it cannot be used."""
    try:
        return secret_in(file)
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is empty, too long, or not one line of UTF-8"
        fix = "put the secret into the file, readable by this user"
        findings.append(Finding(place, f"the file cannot be used: {why}", fix, here=isinstance(error, OSError)))
        return UNREAD


def secret_in(file: Path) -> Secret:
    """Raises OSError, or ValueError when it holds no line of text."""
    with file.open("rb") as stream:
        content = stream.read(MAX_SECRET_BYTES + 1)
    if len(content) > MAX_SECRET_BYTES:
        raise ValueError
    return parse_secret(content.decode("utf-8-sig").rstrip("\r\n"))
