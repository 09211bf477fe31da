"""`authz audit verify`: follow the chains through files; say what was changed, is missing or was cut off, and where.

Reads and prints; what the lines mean is found out in `audit.verify`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import msgspec

from authz_service.audit.chain import Head, heads
from authz_service.audit.reading import read_line
from authz_service.audit.verify import Finding, Place, Verifier, Writer
from authz_service.cli.audit_files import STANDARD_INPUT, opened
from authz_service.cli.letters import shown
from authz_service.cli.terminal import Terminal
from authz_service.config.read.secret_files import secret_in
from authz_service.envoy.paths import StatePaths
from authz_service.errors import AuthzServiceError

_LONGEST = 1 << 16  # bytes of a line that is looked at; ours are shorter
_SHOWN = 50  # findings


class NotVerifiable(AuthzServiceError):  # noqa: N818 - it names the state
    """These files cannot be judged; the message says what to do."""


class _KnownHeads(msgspec.Struct):
    heads: list[Head]


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the command line names. A path of heads is a file as `/audit` gives it, or a state directory."""

    files: Sequence[str]
    key_files: Sequence[Path] = ()
    after: Path | None = None
    heads: Path | None = None


def verify(inputs: Inputs, *, as_json: bool) -> int:
    """Print the report. 0: intact, or the sidecar explains what is missing itself. 1: it is not. Raises NotVerifiable
    and OSError.
    """
    verifier = _verified(inputs)
    if as_json:
        print(json.dumps(_document(verifier), indent=2))
    else:
        _show(verifier)
    return 1 if verifier.problems else 0


def known_heads(path: Path) -> list[Head]:
    """Raises NotVerifiable when it is neither a state directory nor a file of heads."""
    try:
        if path.is_dir():
            found = heads(*StatePaths(path).chains)
        else:
            found = msgspec.json.decode(path.read_bytes(), type=_KnownHeads).heads
    except (ValueError, msgspec.DecodeError) as error:
        raise NotVerifiable(f"{path} has no heads in it: {error}; {_HEADS_FROM}") from None
    if not found:
        raise NotVerifiable(f"{path} has no heads in it; {_HEADS_FROM}")
    return found


_HEADS_FROM = "name a sidecar's state directory, what its /audit page says, or what `authz audit verify --json` printed"


def _verified(inputs: Inputs) -> Verifier:
    # The heads first: what a living sidecar writes meanwhile is beyond them.
    ends = _by_writer(inputs.heads)
    secrets = [_secret(file) for file in inputs.key_files] or [b""]
    verifier = Verifier(secrets, _by_writer(inputs.after), ends)
    for file in _in_order(inputs.files):
        _read(file, verifier)
    verifier.finish()
    return verifier


def _by_writer(path: Path | None) -> Mapping[str, Head]:
    return {} if path is None else {head.writer: head for head in known_heads(path)}


def _secret(file: Path) -> bytes:
    try:
        return secret_in(file).reveal().encode()
    except ValueError:
        raise NotVerifiable(f"{file} holds no key: name the file of `audit.key_file`") from None


def _read(file: str, verifier: Verifier) -> None:
    """Raises NotVerifiable for a file in which nothing is ours."""
    found, first, number = False, b"", 0
    for number, line in enumerate(_lines(file), 1):
        first = first or line
        found = verifier.read(Place(file, number), line) or found
    if number and not found:
        raise NotVerifiable(f"{file}: none of its {number} lines is an audit record; {_advice(first)}")


def _advice(line: bytes) -> str:
    if line.startswith(b'{"log":'):
        return "it is Docker's own form: give its lines as they were, by `jq -rj .log FILE | authz audit verify -`"
    if b'"event":"ingress"' in line or b'"event":"egress"' in line or b'"event":"connection"' in line:
        return "it is an access log (audit.access_log); name the file of audit.path"
    return 'name a file of audit.path, whose lines look like {"time":"…","event":"access",…}, as they were written'


def _in_order(files: Sequence[str]) -> list[str]:
    """By the time of their first records, so that `audit.jsonl*` will do; standard input is the newest."""
    return sorted(files, key=lambda file: (file == STANDARD_INPUT, "" if file == STANDARD_INPUT else _begins(file)))


def _begins(file: str) -> str:
    return next((said.time for line in _lines(file) if (said := read_line(line).said) is not None), "")


def _lines(file: str) -> Iterator[bytes]:
    """A line that is much too long is not ours, and not held in memory. Raises NotVerifiable."""
    try:
        with opened(file) as stream:
            while line := stream.readline(_LONGEST):
                yield line
                while len(line) == _LONGEST and not line.endswith(b"\n"):
                    line = stream.readline(_LONGEST)
    except (OSError, EOFError) as error:  # gzip's own, too
        raise NotVerifiable(f"{file} cannot be read: {error}") from None


def _document(verifier: Verifier) -> dict[str, object]:
    """`heads` is what `--after` takes at the next time."""
    writers = verifier.writers.values()
    return {
        "intact": not verifier.problems,
        "records": verifier.records,
        "foreign_lines": verifier.foreign,
        "problems": [_plain(finding) for finding in verifier.problems],
        "explained": [_plain(finding) for finding in verifier.findings if finding.explained],
        "writers": [_plain_writer(writer) for writer in writers],
        "heads": [{"writer": writer.name, "seq": writer.last_seq, "chain": writer.last_chain} for writer in writers],
    }


def _plain(finding: Finding) -> dict[str, object]:
    document = asdict(finding)
    return {**document, "place": str(finding.place)}


def _plain_writer(writer: Writer) -> dict[str, object]:
    names = ("service", "records", "allowed", "first_seq", "last_seq", "first_time", "last_time", "end")
    return {"writer": writer.name, **{name: getattr(writer, name) for name in names}}


def _show(verifier: Verifier) -> None:
    console = Terminal()
    for writer in verifier.writers.values():
        console.print(
            f"[bold]{writer.name}[/] {_shown(writer.service)}: {writer.records:,} records "
            f"({writer.allowed:,} allowed), seq {writer.first_seq} to {writer.last_seq}, "
            f"{_shown(writer.first_time)} to {_shown(writer.last_time)}, "
            f"end {writer.end}"
        )
    for finding in verifier.findings[:_SHOWN]:
        console.print(("[yellow]![/] " if finding.explained else "[red]✗[/] ") + _shown(_sentence(finding)))
    if len(verifier.findings) > _SHOWN:
        console.print(f"… and {len(verifier.findings) - _SHOWN} more; --json has them all")
    if verifier.foreign:
        console.print(f"[dim]{verifier.foreign:,} other lines were passed over[/]")
    console.print(*(f"[dim]{line}[/]" for line in _hints(verifier)))
    count = len(verifier.problems)
    console.print("[green]intact[/]" if not count else f"[red]not intact: {count} problem{'s' if count > 1 else ''}[/]")


def _shown(text: str) -> str:
    """One line of ours, whatever a line of the file says."""
    return shown(text, one_line=True)


def _sentence(finding: Finding) -> str:
    numbers = f"seq {finding.seq}" + (f" to {finding.last_seq}" if finding.last_seq > finding.seq else "")
    who = f"{finding.writer} {numbers}: " if finding.writer else ""
    return f"{finding.place}: {who}{finding.text}"


def _hints(verifier: Verifier) -> Iterator[str]:
    broken = {finding.writer for finding in verifier.problems if finding.kind == "changed"}
    if any(verifier.writers[name].linked == 0 for name in broken):
        yield "Not one record fits. Is there an audit.key? Give it by --key-file. Did a pipeline write the lines anew?"
        yield "Give them as the sidecar wrote them."
    if any(writer.end == "not confirmed" for writer in verifier.writers.values()):
        yield "An end that is not confirmed may have been cut off: give --heads (state directory, or /audit as saved)."
