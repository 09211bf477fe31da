"""Names of your own in a tree: servers and clients, added to those that are there. Not their certificates."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

from authz_devkit.certs.files import PUBLIC, replace_file
from authz_devkit.certs.tree import CertsError, Place, own_file, own_leaves

_LABEL = r"[a-z0-9]([a-z0-9-]{0,48}[a-z0-9])?"
_NAME = re.compile(_LABEL, re.ASCII)  # it names a folder, too
_HOST = re.compile(rf"(\*\.)?({_LABEL}\.)*(?!\d+$){_LABEL}", re.ASCII)  # whose last label is digits is an address
_LONGEST = 64  # characters of a common name (RFC 5280, ub-common-name)


def add_names(root: Path, zone: str, servers: Mapping[str, str], clients: Sequence[str]) -> None:
    """`servers` are names with the host of each. A client is of the zone in which it serves, or else of this."""
    for name in (zone, *servers, *clients):
        if not _NAME.fullmatch(name) or name == "ca":
            raise CertsError(
                f"{name}: no name for a zone, server or client; write at most 50 of a-z, 0-9 and -, not `ca`"
            )
    for host in servers.values():
        if not _HOST.fullmatch(host) or len(host) > _LONGEST:
            raise CertsError(f"{host}: no host name; write at most 64 characters in lower case, addresses with --ip")
    if not own_file(root).exists() and (root / "ca").exists():
        raise CertsError(f"{root}: holds the example's certificates; name another folder for names of your own")
    leaves = own_leaves(root) if own_file(root).exists() else {}
    for name, host in servers.items():
        place = Place(f"{name}/server", zone, host=host)
        if leaves.setdefault(place.name, place) != place:
            there = leaves[place.name]
            raise CertsError(f"{name}: is {there.host} in {there.authority} already; name another folder, or server")
    for name in clients:
        serves = leaves.get(f"{name}/server")
        place = Place(f"{name}/client-{zone}", zone, service=name, zone=serves.authority if serves else zone)
        leaves.setdefault(place.name, place)
    root.mkdir(parents=True, exist_ok=True, mode=0o700)
    text = json.dumps([asdict(place) for place in leaves.values()], indent=1)
    replace_file(own_file(root), text.encode(), PUBLIC)
