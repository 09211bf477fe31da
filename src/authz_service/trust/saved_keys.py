"""An issuer's last good keys on disk, for a restart while the provider is down. Who can write this file is believed."""

import os
from pathlib import Path

import msgspec

from authz_service import private_file


class SavedKeys(msgspec.Struct, frozen=True):
    issuer: str
    jwks_url: str  # "": found by discovery
    fetched_at: float  # seconds since the epoch
    jwks: str


def load(file: Path, issuer: str, jwks_url: str, now: float, max_age: float) -> SavedKeys:
    """Raises OSError or ValueError for anything but a recent file about this issuer that only we can have written.

    A key that was withdrawn while we were off must not come back for ever.
    """
    with file.open("rb") as stream:
        status = os.fstat(stream.fileno())
        if status.st_uid != os.geteuid() or status.st_mode & 0o077:
            raise ValueError("others could have written it")
        content = stream.read()
    try:
        saved = msgspec.json.decode(content, type=SavedKeys)
    except msgspec.DecodeError as error:
        raise ValueError("it is not one of ours") from error
    if (saved.issuer, saved.jwks_url) != (issuer, jwks_url):
        raise ValueError("it is about another issuer")
    if not 0 <= now - saved.fetched_at <= max_age:
        raise ValueError("it is too old, or from the future")
    return saved


def save(file: Path, keys: SavedKeys) -> None:
    """Whole or not at all, and readable by us only. Raises OSError."""
    private_file.write(file.name, msgspec.json.encode(keys), folder=file.parent)
