"""The door's rules and sockets: what the configuration says, no more open than that, and in nobody's place."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from pathlib import Path

import msgspec
import pytest
from tests.support.config_files import REMOVED, changed, load_tree

from authz_service.config.model import Config
from authz_service.control_plane.data_plane import door
from authz_service.control_plane.preflight.socket_path import close
from authz_service.decision_point.rules import DoorRules, Said
from authz_service.envoy.paths import StatePaths
from authz_service.errors import ConfigProblems


def configured(folder: Path, asked_by: Mapping[str, object], **more: object) -> Config:
    base = {"http": REMOVED, "proxy.mode": "decision_only", "proxy.mtls": REMOVED, "proxy.asked_by": asked_by}
    return load_tree(folder, changed(base | more))


def at(path: Path | str, **more: object) -> dict[str, object]:
    return {"edge": {"protocol": "ext_authz_http", "addr": f"unix://{path}", **more}}


def test_a_socket_is_as_open_as_asked_for(tmp_path: Path) -> None:
    """And gone when we are."""
    for mode in ("0600", "0660"):
        path = tmp_path / f"{mode}.sock"
        sockets = door.listen(configured(tmp_path, at(path, socket_mode=mode)))
        assert f"{path.stat().st_mode & 0o7777:04o}" == mode
        close(sockets)
        assert not path.exists()


def test_a_dead_predecessors_socket_is_taken_over(tmp_path: Path) -> None:
    path = tmp_path / "a.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))

    close(door.listen(configured(tmp_path, at(path))))


def test_what_is_somebody_elses_is_left_alone(tmp_path: Path) -> None:
    """A file that is no socket, a socket at which somebody listens, a folder in which anybody could take our place."""
    (tmp_path / "file").write_text("precious")
    (tmp_path / "open").mkdir()
    (tmp_path / "open").chmod(0o777)
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(tmp_path / "other.sock"))
        other.listen()
        for path in ("file", "other.sock", "open/a.sock", "nowhere/a.sock"):
            with pytest.raises(ConfigProblems) as refused:
                door.listen(configured(tmp_path, at(tmp_path / path)))
            assert [problem.at for problem in refused.value.problems] == ["proxy.asked_by.edge.addr"]
    assert (tmp_path / "file").read_text() == "precious"


def test_a_taken_address_is_a_problem_with_its_place(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        addr = f"127.0.0.1:{other.getsockname()[1]}"
        with pytest.raises(ConfigProblems, match=r"proxy\.asked_by\.edge\.addr"):
            door.listen(configured(tmp_path, {"edge": {"protocol": "ext_authz_grpc", "addr": addr}}))


@pytest.mark.parametrize(
    ("asker", "said"),
    [
        ({"protocol": "ext_authz_grpc"}, Said()),
        ({"protocol": "auth_request"}, Said("x-original-method", "x-original-uri", "x-original-host")),
        (
            {"protocol": "forward_auth"},
            Said("x-forwarded-method", "x-forwarded-uri", "x-forwarded-host", remote="x-forwarded-for"),
        ),
        (
            {"protocol": "auth_request", "headers": {"uri": "X-URI", "client_certificate": "X-Cert"}},
            Said("x-original-method", "x-uri", "x-original-host", "x-cert"),
        ),
    ],
)
def test_a_fact_is_read_from_the_header_that_is_agreed(tmp_path: Path, asker: dict[str, object], said: Said) -> None:
    """By default the documented one, else the configured one."""
    config = configured(tmp_path, {"edge": {**asker, "addr": "127.0.0.1:9191"}})
    text = door.door_text(config, StatePaths(tmp_path))

    rules = msgspec.json.decode(text.encode(), type=DoorRules)

    assert [one.said for one in rules.askers] == [said]
    assert (rules.tag, rules.certificate) == (config.tag, "")
    assert "authorization" in rules.passed


def test_who_may_ask_is_read_or_refused(tmp_path: Path) -> None:
    """As `proxy.mtls.allowed_clients` is."""
    tls = {"cert_file": "/c", "key_file": "/k", "client_ca_file": "/a", "client_auth": "require"}
    asker = {"protocol": "ext_authz_grpc", "addr": ":9191", "allowed_clients": ["CN=edge,CN=other"]}
    config = configured(tmp_path, {"edge": asker}, http={"tls": tls})

    with pytest.raises(ConfigProblems, match=r"proxy\.asked_by\.edge\.allowed_clients"):
        door.door_text(config, StatePaths(tmp_path))


def test_the_door_is_missing_until_it_says_what_it_took_over(tmp_path: Path) -> None:
    """This one, of this process."""
    paths = StatePaths(tmp_path)
    assert door.door_missing(paths, "", None) == []
    assert door.door_missing(paths, "rules", None) != []
    assert door.door_missing(paths, "rules", 7) != []
    (tmp_path / "door.version").write_text("8 0ee6ea7dc8bd7a95b8d6fc7fbd6a1ee5e2a54ecb0c3b8c3e0f4c8d3fb1c8a0e1")
    assert door.door_missing(paths, "rules", 7) != []


def test_there_is_no_door_where_we_forward(tmp_path: Path) -> None:
    assert door.door_text(load_tree(tmp_path, changed({})), StatePaths(tmp_path)) == ""
