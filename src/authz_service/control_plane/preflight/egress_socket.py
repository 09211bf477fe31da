"""The egress as a Unix socket: that its path may be taken, and that it belongs to whom the configuration names.

Envoy makes the socket, as our user and with its mode; only we can give it to somebody else. Until then it is our own,
and the service cannot connect: never more open than asked for.
"""

from __future__ import annotations

import grp
import os
import pwd
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

from authz_service.config.model import Config, UnixAddress
from authz_service.control_plane.part import Part
from authz_service.control_plane.preflight.socket_path import folder_problems, in_use
from authz_service.errors import ConfigProblems, Problem

_KEEP = -1  # chown(2)


def require_own_socket(config: Config, last: Config | None) -> None:
    """Raises ConfigProblems when the socket could not be made, or not be handed over. `last` is what serves now."""
    address, wanted = config.egress.addr, config.egress.socket
    if not config.egress.enabled or not isinstance(address, UnixAddress):
        return
    problems = folder_problems("egress.addr", Path(address.path).parent)
    if not problems and (last is None or last.egress.addr != address) and (why := in_use(address.path)):
        problems.append(Problem("egress.addr", f"cannot listen on {address}: {why}", "choose another path"))
    for key, name, find in (("owner", wanted.owner, _user), ("group", wanted.group, _group)):
        try:
            number = find(name)
        except KeyError:
            problems.append(Problem(f"egress.socket.{key}", f"there is no {name}", "name one that this host knows"))
        else:
            if not _may_give(key, number):
                fix = "run the sidecar as root, or as a member; or leave the key out"
                problems.append(Problem(f"egress.socket.{key}", f"we may not give a file to {name}", fix))
    if problems:
        raise ConfigProblems(problems)


def handed_over(config: Config) -> str:
    """Give the socket that Envoy made to its configured owner, if it is not his. What went wrong; "" when nothing."""
    try:
        _hand_over(config)
    except (OSError, KeyError) as error:
        return f"egress.socket: {error}"
    return ""


class EgressSocket(Part):
    """Looked after while we run: Envoy makes it anew."""

    def __init__(self) -> None:
        self._problem = ""

    def look(self, config: Config) -> None:
        self._problem = handed_over(config)

    def degraded(self) -> Iterator[str]:
        if self._problem:
            yield f"the egress could not be handed over: {self._problem}"


def _hand_over(config: Config) -> None:
    address, wanted = config.egress.addr, config.egress.socket
    if not config.egress.enabled or not isinstance(address, UnixAddress):
        return
    user, group = _user(wanted.owner), _group(wanted.group)
    try:
        found = os.lstat(address.path)
    except FileNotFoundError:
        return  # not made yet
    if stat.S_ISSOCK(found.st_mode) and (user, group) != (
        _KEEP if user == _KEEP else found.st_uid,
        _KEEP if group == _KEEP else found.st_gid,
    ):
        os.chown(address.path, user, group, follow_symlinks=False)


def _may_give(key: str, number: int) -> bool:
    if number == _KEEP or os.geteuid() == 0:
        return True
    return number == os.geteuid() if key == "owner" else number in {os.getegid(), *os.getgroups()}


def _user(name: str | None) -> int:
    return _number(name, lambda known: pwd.getpwnam(known).pw_uid)


def _group(name: str | None) -> int:
    return _number(name, lambda known: grp.getgrnam(known).gr_gid)


def _number(name: str | None, look_up: Callable[[str], int]) -> int:
    """Raises KeyError."""
    if name is None:
        return _KEEP
    return int(name) if name.isdecimal() else look_up(name)
