"""Judges a list of revoked certificates and tokens (docs/rotation.md). Not the file, not who is refused by it."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from cryptography import x509

from authz_rego.values.number import Number, float64
from authz_service.errors import DenylistProblems, Problem

_CLAIMS = ("jti", "sub", "sid", "azp")
_FINGERPRINT = re.compile(r"[0-9a-f]{64}")
_SERIAL = re.compile(r"[0-9a-f]{1,40}")  # RFC 5280 §4.1.2.2: at most 20 octets
_END_OF_TIME = 253402300799  # 9999-12-31T23:59:59Z


@dataclass(frozen=True, slots=True)
class Denylist:
    """What is refused, sorted. `serials` is as PeerRules.revoked, `claims` and `not_before` are as TokenDenials."""

    fingerprints: tuple[str, ...] = ()
    serials: tuple[tuple[str, str], ...] = ()
    claims: tuple[tuple[str, str, str], ...] = ()
    not_before: tuple[tuple[str, float], ...] = ()
    entries: int = 0  # as a person counts them


class _Reading:
    """Everything good in one document, and everything wrong with it."""

    def __init__(self, file: str) -> None:
        self.file = file
        self.problems: list[Problem] = []
        self.fingerprints: set[str] = set()
        self.serials: set[tuple[str, str]] = set()
        self.claims: set[tuple[str, str, str]] = set()
        self.not_before: set[tuple[str, float]] = set()

    def wrong(self, at: str, found: str, fix: str) -> None:
        self.problems.append(Problem(at, found, fix, self.file))


def parse_denylist(document: Mapping[str, object], file: str = "") -> Denylist:
    """Raises DenylistProblems with all that is wrong: an entry that is passed over would silently revoke nothing."""
    reading = _Reading(file)
    for key, value in document.items():
        match key, value:
            case "certificates", list():
                _each(value, reading, key, _certificate)
            case "tokens", list():
                _each(value, reading, key, _token)
            case "not_before", dict():
                for issuer, moment in value.items():
                    _not_before(issuer, moment, reading)
            case (("certificates" | "tokens"), _):
                reading.wrong(key, "not a list", "write one entry a line, each behind a dash")
            case "not_before", _:
                reading.wrong(key, "not a mapping", "write issuer: time")
            case _:
                reading.wrong(key, "an unknown key", "write certificates, tokens or not_before")
    if reading.problems:
        raise DenylistProblems(reading.problems)
    return Denylist(
        fingerprints=tuple(sorted(reading.fingerprints)),
        serials=tuple(sorted(reading.serials)),
        claims=tuple(sorted(reading.claims)),
        not_before=tuple(sorted(reading.not_before)),
        entries=sum(map(len, document.values())),  # type: ignore[arg-type] # lists and mappings, as was seen
    )


_Entry = Callable[[str, dict[str, str], _Reading], None]


def _each(entries: list[object], reading: _Reading, key: str, read: _Entry) -> None:
    for index, entry in enumerate(entries):
        at = f"{key}[{index}]"
        if not isinstance(entry, dict):
            reading.wrong(at, "not a mapping", "write name: value")
            continue
        texts = {name: value.strip() for name, value in entry.items() if isinstance(value, str) and value.strip()}
        if texts.keys() == entry.keys():
            read(at, texts, reading)
        for name in entry.keys() - texts.keys():
            reading.wrong(f"{at}.{name}", "not text, or empty", "write the value in quotes")


def _certificate(at: str, entry: dict[str, str], reading: _Reading) -> None:
    if entry.keys() == {"fingerprint_sha256"}:
        fingerprint = _hex(entry["fingerprint_sha256"])
        if _FINGERPRINT.fullmatch(fingerprint):
            reading.fingerprints.add(fingerprint)
        else:
            reading.wrong(at, "not the SHA-256 of a certificate", "write its 64 hexadecimal digits")
    elif entry.keys() == {"issuer", "serial"}:
        serial = _hex(entry["serial"])
        if not _SERIAL.fullmatch(serial):
            reading.wrong(at, "not a serial number", 'write it in hexadecimal digits, as openssl does: "4A7F01"')
            return
        try:
            reading.serials |= {(issuer, f"{int(serial, 16):x}") for issuer in _names(entry["issuer"])}
        except ValueError:
            reading.wrong(at, "the issuer is not a distinguished name", 'write "CN=zone2-CA,O=MyOrg" (RFC 4514)')
    else:
        reading.wrong(at, f"it names {_list(entry)}", "name fingerprint_sha256 alone, or issuer and serial")


def _token(at: str, entry: dict[str, str], reading: _Reading) -> None:
    named = [claim for claim in _CLAIMS if claim in entry]
    if len(named) == 1 and entry.keys() <= {named[0], "issuer"}:
        reading.claims.add((entry.get("issuer", ""), named[0], entry[named[0]]))
    else:
        reading.wrong(at, f"it names {_list(entry)}", f"name one of {_list(_CLAIMS)}, and issuer if only its tokens")


def _not_before(issuer: str, moment: object, reading: _Reading) -> None:
    seconds = _seconds(moment)
    if seconds is not None and 0 <= seconds <= _END_OF_TIME:
        reading.not_before.add((issuer, seconds))
    else:
        fix = 'write it with its zone, in quotes: "2026-01-15T10:00:00Z"; or in seconds since 1970'
        reading.wrong(f"not_before[{issuer}]", "not a time", fix)


def _seconds(moment: object) -> float | None:
    if type(moment) is int or type(moment) is Number:
        return float64(moment)
    try:
        found = datetime.fromisoformat(moment) if isinstance(moment, str) else None
    except ValueError:
        return None
    return found.timestamp() if found is not None and found.tzinfo is not None else None


def _names(text: str) -> set[str]:
    """As certificates say it, and the other way round, as many tools print it. Raises ValueError."""
    name = x509.Name.from_rfc4514_string(text)
    return {name.rfc4514_string(), x509.Name(reversed(name.rdns)).rfc4514_string()}


def _hex(text: str) -> str:
    return text.lower().replace(":", "")


def _list(names: Iterable[str]) -> str:
    return ", ".join(names) or "nothing"
