"""Signed OPA bundles, by OPA's description of their form (and not by our reader's): what `opa build` makes, made wrong.

bundle({"p.rego": "package p …", "data.json": "{}"}, key)
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Mapping
from pathlib import Path

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

Json = dict[str, object]


def a_key() -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


def write_public(key: rsa.RSAPrivateKey, file: Path) -> Path:
    file.write_bytes(key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    return file


def signatures(
    files: Mapping[str, str],
    key: rsa.RSAPrivateKey,
    *,
    header: Json | None = None,
    claims: Json | None = None,
    algorithm: str = "SHA-256",
) -> str:
    """`.signatures.json` for these files."""
    signed = [{"name": name, "hash": _hash(name, text), "algorithm": algorithm} for name, text in files.items()]
    head = _part({"alg": "RS256", "kid": "default"} | (header or {}))
    body = _part({"files": signed} | (claims or {}))
    signature = key.sign(f"{head}.{body}".encode(), padding.PKCS1v15(), hashes.SHA256())
    return json.dumps({"signatures": [f"{head}.{body}.{_text(signature)}"], "plugin": "_default"})


def bundle(files: Mapping[str, str], key: rsa.RSAPrivateKey) -> bytes:
    return archive({**files, ".signatures.json": signatures(files, key)})


def archive(files: Mapping[str, str], *more: tarfile.TarInfo) -> bytes:
    """A gzipped tar; `more` are members without content."""
    plain = io.BytesIO()
    with tarfile.open(fileobj=plain, mode="w") as tar:
        for name, text in files.items():
            member = tarfile.TarInfo(f"/{name}")  # as `opa build` writes them
            member.size = len(text.encode())
            tar.addfile(member, io.BytesIO(text.encode()))
        for member in more:
            tar.addfile(member)
    return gzip.compress(plain.getvalue())


def _hash(name: str, text: str) -> str:
    content = text
    if name.endswith((".json", ".manifest")):
        content = json.dumps(json.loads(text), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(content.encode()).hexdigest()


def _part(value: Json) -> str:
    return _text(json.dumps(value).encode())


def _text(content: bytes) -> str:
    return base64.urlsafe_b64encode(content).rstrip(b"=").decode()
