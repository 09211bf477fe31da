"""Reads an OPA bundle: unpacks it in memory, and holds it to its signature. Not its fetching, not the vetting.

A bundle is a stranger's archive until its signature is right, so nothing of it is written before that, and nothing in
it is parsed but the archive itself and `.signatures.json`. Every file has to be signed, and every signed file there.
"""

import gzip
import hashlib
import io
import json
import re
import tarfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple, NoReturn, TypeVar

import msgspec

from authz_service.domain import base64url
from authz_service.errors import BundleRefused
from authz_service.policy.sources.bundle_roots import outside_of_roots

MAX_BYTES = 16 << 20  # as it comes
MAX_UNPACKED_BYTES = 64 << 20
MAX_FILES = 1000

_SIGNATURES = ".signatures.json"
_MANIFEST = ".manifest"
_STRUCTURED = {"data.json", _MANIFEST}  # of these OPA hashes the value, not the bytes
_END = bytes(tarfile.BLOCKSIZE)  # of an archive
_PLAIN = {tarfile.REGTYPE, tarfile.AREGTYPE}
_HASHES = {"SHA-256": hashlib.sha256, "SHA-384": hashlib.sha384, "SHA-512": hashlib.sha512}
_NAME = re.compile(r"(?:[A-Za-z0-9_][A-Za-z0-9._-]*/)*(?:[A-Za-z0-9_][A-Za-z0-9._-]*|\.manifest|\.signatures\.json)")

_T = TypeVar("_T")
Files = Mapping[str, bytes]  # by name, with slashes
IsSignedBy = Callable[[str, str, bytes, bytes], bool]  # (key's name, algorithm, message, signature)


class _Signatures(msgspec.Struct):
    signatures: list[str]
    plugin: str = ""


class _Header(msgspec.Struct):
    alg: str
    kid: str = ""


class _Signed(msgspec.Struct):
    name: str
    hash: str
    algorithm: str


class _Payload(msgspec.Struct):
    files: list[_Signed]
    keyid: str = ""
    scope: str = ""


class _Manifest(msgspec.Struct):
    revision: str = ""
    rego_version: int = 1
    roots: list[str] | None = None  # all of `data`


class Bundle(NamedTuple):
    """What was signed: policies and data, without OPA's own files."""

    files: Files
    revision: str


def read_bundle(content: bytes, is_signed_by: IsSignedBy, scope: str = "") -> Bundle:
    """Raises BundleRefused, which says why."""
    files = _unpacked(content)
    _require_signed(files, is_signed_by, scope)
    manifest = _decoded(files.get(_MANIFEST, b"{}"), _Manifest, _MANIFEST)
    if manifest.rego_version != 1:
        _refuse(f"it is of Rego v{manifest.rego_version}", "build it for Rego v1")
    if outside := outside_of_roots([""] if manifest.roots is None else manifest.roots, files):
        _refuse(outside, "correct `roots` in its .manifest, or take out what is not its own")
    return Bundle({name: text for name, text in files.items() if _is_ours(name)}, manifest.revision)


def _is_ours(name: str) -> bool:
    last = name.rpartition("/")[2]
    return last == "data.json" or (last.endswith(".rego") and not last.endswith("_test.rego"))


def _unpacked(content: bytes) -> Files:
    files: dict[str, bytes] = {}
    try:
        for member, text in _members(_decompressed(content)):
            if member.isdir():
                continue
            name = member.name.removeprefix("./").removeprefix("/")
            if member.type not in _PLAIN or not _NAME.fullmatch(name) or ".." in name:
                _refuse(f"{member.name[:100]!a} is no plain file below the bundle", "build it by `opa build`")
            if name in files or len(files) == MAX_FILES:
                _refuse(f"{name} is there twice, or there are more than {MAX_FILES} files", "build it anew")
            files[name] = text
    except (tarfile.TarError, OSError, EOFError, zlib.error, ValueError) as error:
        _refuse(f"it is no gzipped tar archive ({type(error).__name__})", "build it by `opa build`")
    return files


def _members(plain: bytes) -> Iterator[tuple[tarfile.TarInfo, bytes]]:
    """One header after the other, and what lies between them (POSIX.1-1988, ustar).

    `TarFile` follows extensions of the form: a sparse file of terabytes, or a header that takes hours to read, in
    some kilobytes that nobody has signed. `opa build` needs none.
    """
    place = 0
    while place < len(plain):
        header = plain[place : place + tarfile.BLOCKSIZE]
        if header == _END:
            return
        member = tarfile.TarInfo.frombuf(header, "utf-8", "surrogateescape")
        place += tarfile.BLOCKSIZE
        size = 0 if member.isdir() else member.size
        if not 0 <= size <= len(plain) - place:
            raise tarfile.ReadError("a member is longer than the archive")
        yield member, plain[place : place + size]
        place += -(-size // tarfile.BLOCKSIZE) * tarfile.BLOCKSIZE


def _decompressed(content: bytes) -> bytes:
    """A small archive must not become a large one."""
    with gzip.GzipFile(fileobj=io.BytesIO(content)) as unpacked:
        plain = unpacked.read(MAX_UNPACKED_BYTES + 1)
    if len(plain) > MAX_UNPACKED_BYTES:
        _refuse(f"it is larger than {MAX_UNPACKED_BYTES >> 20} MiB when unpacked", "keep in it what this service uses")
    return plain


def _require_signed(files: Files, is_signed_by: IsSignedBy, scope: str) -> None:
    if _SIGNATURES not in files:
        _refuse("it is not signed", "build it by `opa build --signing-key …`")
    signatures = _decoded(files[_SIGNATURES], _Signatures, _SIGNATURES)
    if len(signatures.signatures) != 1 or signatures.plugin not in {"", "_default"}:
        _refuse("it has not exactly one signature of OPA's own kind", "build it by `opa build --signing-key …`")
    payload = _verified(signatures.signatures[0], is_signed_by)
    if payload.scope != scope:
        _refuse(f"it is signed for the scope {payload.scope[:100]!a}", f"sign it for the scope {scope!a}")
    signed = {each.name.removeprefix("/"): each for each in payload.files}
    others = files.keys() ^ {*signed, _SIGNATURES}
    if others or len(signed) != len(payload.files):
        _refuse(f"files and signature do not agree: {', '.join(sorted(others))[:200]}", "build and sign it in one step")
    for name, each in signed.items():
        if each.algorithm not in _HASHES:
            _refuse(f"{name} is hashed by {each.algorithm[:20]!a}", f"hash by one of {', '.join(_HASHES)}")
        if _HASHES[each.algorithm](_hashed(name, files[name])).hexdigest() != each.hash.lower():
            _refuse(f"{name} is not what was signed", "build and sign it in one step")


def _verified(token: str, is_signed_by: IsSignedBy) -> _Payload:
    try:
        head, body, signature = token.split(".")
        raw = [base64url.decode(part.encode()) for part in (head, body, signature)]
    except ValueError:
        _refuse("its signature is no JWT", "build it by `opa build --signing-key …`")
    header, payload = _decoded(raw[0], _Header, "the signature"), _decoded(raw[1], _Payload, "the signature")
    if not is_signed_by(header.kid or payload.keyid, header.alg, f"{head}.{body}".encode("ascii"), raw[2]):
        _refuse("it is not signed by a key of policy.bundle.keys", "sign it with that key, or name its public key")
    return payload


def _decoded(content: bytes, kind: type[_T], name: str) -> _T:
    try:
        return msgspec.json.decode(content, type=kind)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
        _refuse(f"{name} cannot be read ({error})", "build it by `opa build`")


def _hashed(name: str, content: bytes) -> bytes:
    """What OPA hashes: of structured files the value in one form, keys sorted, numbers as written."""
    if name.rpartition("/")[2] not in _STRUCTURED:
        return content
    try:
        value = json.loads(content, parse_int=_Number, parse_float=_Number, object_pairs_hook=_once)
        return _canonical(value).encode()
    except (ValueError, RecursionError) as error:
        _refuse(f"{name} is not JSON ({error})", "correct it, and build the bundle anew")


class _Number(str):
    __slots__ = ()


def _once(pairs: list[tuple[str, object]]) -> dict[str, object]:
    """OPA would hash one of two members of a name, and somebody else read the other."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _canonical(value: object) -> str:
    if isinstance(value, dict):
        return "{" + ",".join(f"{_canonical(key)}:{_canonical(value[key])}" for key in sorted(value)) + "}"
    if isinstance(value, list):
        return "[" + ",".join(map(_canonical, value)) + "]"
    if isinstance(value, _Number):
        return str(value)
    text = json.dumps(value, ensure_ascii=False)
    return text.replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")  # as Go's encoder writes them


def _refuse(found: str, fix: str) -> NoReturn:
    raise BundleRefused(f"the bundle is refused: {found}. Fix: {fix}")
