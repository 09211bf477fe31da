"""Writing certificates and keys so that a reader never sees half a file. Nothing here knows what is in them."""

import os
from pathlib import Path

PRIVATE = 0o600
PUBLIC = 0o644


def make_private_directory(path: Path) -> None:
    path.mkdir(parents=True, exist_ok=True, mode=0o700)
    path.chmod(0o700)  # also one that was made with a generous umask (correction 17)


def replace_file(path: Path, content: bytes, mode: int) -> None:
    _stage(path, content, mode).replace(path)


def replace_pair(cert: Path, cert_pem: bytes, key: Path, key_pem: bytes) -> None:
    """Both files are complete on the disk before the first one is renamed: a reader that catches the moment between
    the two renames sees a pair that does not match, keeps its old one, and is right a moment later. A crash in that
    moment is mended by the next `create_tree`.
    """
    staged_key = _stage(key, key_pem, PRIVATE)
    staged_cert = _stage(cert, cert_pem, PUBLIC)
    staged_key.replace(key)
    staged_cert.replace(cert)


def _stage(path: Path, content: bytes, mode: int) -> Path:
    staged = path.with_name(f".{path.name}.{os.getpid()}.new")
    staged.unlink(missing_ok=True)
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return staged
