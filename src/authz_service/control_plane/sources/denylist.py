"""The denylist that the workers judge by: read, judged, and joined to their rules. Not the watching of its file.

What is broken never replaces what is good; it is remembered as a problem until it is mended.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from msgspec.structs import replace

from authz_service.config.model import Config
from authz_service.control_plane.part import Gauge, Part
from authz_service.domain.rules import GateRules, TokenDenials
from authz_service.errors import DenylistProblems, Problem
from authz_service.logs import about
from authz_service.policy.sources.data_documents import BadFile, parse_document
from authz_service.trust.denylist import Denylist, parse_denylist

log = logging.getLogger(__name__)

MAX_JSON_BYTES = 4 << 20  # 50,000 entries are read in well under a second
MAX_YAML_BYTES = 64 << 10  # YAML takes a hundred times as long
_NOTHING = Denylist()


@dataclass(slots=True)
class ServedDenylist(Part):
    """The last good list of the configured file."""

    reloads: Counter[tuple[str, str]]  # (what, "ok" | "refused"), as Counters.reloads
    problem: str = ""
    _path: Path | None = None
    _content: bytes = b""
    _list: Denylist = _NOTHING
    _failure: DenylistProblems | None = None

    def refresh(self, config: Config) -> None:
        """Read the file anew. Never raises for what is in it: the last good list stays."""
        path = config.revocation.path if config.revocation is not None else None
        if path is None:
            self._accept(None, b"", _NOTHING)
            return
        try:
            content = _read(path)
            if path == self._path and content == self._content:
                self._accept(path, content, self._list)
            else:
                self._accept(path, content, _parsed(content, path))
        except DenylistProblems as problems:
            self._refuse(problems)

    def require_usable(self) -> None:
        """At start, and for a file that the configuration did not name before: nothing stands in for it."""
        if self._failure is not None:
            raise self._failure

    def with_denied(self, rules: GateRules) -> GateRules:
        """The rules, with what the list refuses."""
        return with_denied(rules, self._list)

    def degraded(self) -> Iterator[str]:
        if self.problem:
            yield f"the changed denylist was refused, the last good one acts: {self.problem}"

    def gauges(self) -> Iterator[Gauge]:
        entries = float(self._list.entries)
        yield Gauge("authz_denylist_entries", "Entries of the denylist in force.", "", {"": entries})

    def _accept(self, path: Path | None, content: bytes, found: Denylist) -> None:
        if found is not self._list:
            self.reloads["denylist", "ok"] += self._path is not None  # the first is no reload
            log.info("denylist_reloaded", extra=about(file=str(path or ""), entries=found.entries))
        self._path, self._content, self._list = path, content, found
        self.problem, self._failure = "", None

    def _refuse(self, problems: DenylistProblems) -> None:
        text = str(problems)
        if self.problem != text:
            self.reloads["denylist", "refused"] += 1
            log.error("denylist_refused", extra=about(problems=text.splitlines(), entries_kept=self._list.entries))
        self.problem, self._failure = text, problems


def load_denylist(path: Path) -> Denylist:
    """Raises DenylistProblems."""
    return _parsed(_read(path), path)


def with_denied(rules: GateRules, denied: Denylist) -> GateRules:
    peers = rules.peers
    if peers is not None:
        revoked = tuple(sorted({*peers.revoked, *denied.serials})) if denied.serials else peers.revoked
        peers = replace(peers, revoked=revoked, revoked_fingerprints=denied.fingerprints)
    return replace(rules, peers=peers, denials=TokenDenials(denied.claims, denied.not_before))


def _read(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            content = file.read(MAX_JSON_BYTES + 1)
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}", "name a readable file in revocation.path") from error
    if len(content) > MAX_JSON_BYTES:
        raise _unusable(path, f"longer than {MAX_JSON_BYTES} bytes", "take out what has expired")
    if not content.strip():  # as a file that is being written in place
        raise _unusable(path, "empty", "write {} for a list of nothing")
    return content


def _parsed(content: bytes, path: Path) -> Denylist:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise _unusable(path, "not text in UTF-8", "save it as UTF-8") from error
    is_json = text.lstrip().startswith("{")
    if not is_json and len(content) > MAX_YAML_BYTES:
        raise _unusable(path, f"YAML of more than {MAX_YAML_BYTES} bytes", "write so long a list as JSON")
    try:
        document = parse_document(text, is_json=is_json)
    except BadFile as bad:
        raise _unusable(path, bad.found, bad.fix, bad.line) from bad
    return parse_denylist(document, str(path))


def _unusable(path: Path, found: str, fix: str, line: int = 0) -> DenylistProblems:
    return DenylistProblems([Problem("denylist", found, fix, str(path), line)])
