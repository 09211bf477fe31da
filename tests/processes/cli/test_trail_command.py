"""`authz trail` as a person runs it: what it prints, its exit codes, and that it follows files."""

from __future__ import annotations

import gzip
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.support.audit_trails import ID, line, order_flow, record, written

from authz_service.cli.main import authz
from authz_service.cli.trail import TrailDocument


def trail(*words: object, given: bytes | None = None) -> Result:
    return CliRunner().invoke(authz, ["trail", *map(str, words)], input=given)


def test_the_tree_is_printed(tmp_path: Path) -> None:
    """Who called whom, what was decided, with whose token and for whom; every line fits."""
    files = written(tmp_path, order_flow())
    ended = trail(ID, *files)

    assert ended.exit_code == 0
    assert ended.output.splitlines() == [
        "req-abc-123: 4 decisions at 3 services, none refused, from 2026-11-30T10:15:00.103Z",
        "✓ api-gateway (zone2) POST /api/v1/orders  10:15:00.103",
        "│ allowed",
        "│ token of john, issued to web-app · no client certificate · 88\N{NO-BREAK SPACE}µs",
        "└─ ✓ order-service (zone2) POST /orders  +4\N{NO-BREAK SPACE}ms",
        "   │ allowed",
        "   │ token of john, issued to web-app · certificate api-gateway-client · 88\N{NO-BREAK SPACE}µs",
        "   ├─ ✓ data-service (zone2) GET /inventory/PROD-123  +11\N{NO-BREAK SPACE}ms",
        "   │    allowed",
        "   │    token of service-account-order-service, issued to order-service, for",
        "   │    john · certificate order-service-client · 88\N{NO-BREAK SPACE}µs",
        "   └─ ✓ data-service (zone2) POST /orders  +17\N{NO-BREAK SPACE}ms",
        "        allowed",
        "        token of service-account-order-service, issued to order-service, for",
        "        john · certificate order-service-client · 88\N{NO-BREAK SPACE}µs",
    ]


@pytest.mark.parametrize(
    ("correlation_id", "given_files", "code", "said"),
    [
        (ID, slice(0, 1), 1, "order-service, of which no record is here"),
        ("req-abc-12", slice(0, 3), 1, "req-abc-12: no record of it is in these files"),
        (ID, slice(0, 3), 0, "4 decisions"),
    ],
)
def test_the_exit_code_says_whether_it_is_whole(
    tmp_path: Path, correlation_id: str, given_files: slice, code: int, said: str
) -> None:
    ended = trail(correlation_id, *written(tmp_path, order_flow())[given_files])

    assert (ended.exit_code, said in ended.output.replace("\n  ", " ")) == (code, True)


def test_packed_files_and_standard_input_will_do(tmp_path: Path) -> None:
    """And a broken file is told, by its name, with exit code 2."""
    (whole,) = written(tmp_path, {"all.jsonl": [one for made in order_flow().values() for one in made]})
    packed = tmp_path / "all.jsonl.gz"
    packed.write_bytes(gzip.compress(Path(whole).read_bytes()))

    assert "4 decisions" in trail(ID, packed).output
    assert "4 decisions" in trail(ID, "-", given=Path(whole).read_bytes()).output
    packed.write_bytes(packed.read_bytes()[:-20])
    assert trail(ID, packed).exit_code == 2


def test_json_is_as_its_schema_says(tmp_path: Path) -> None:
    """The schema is made of the same type; nothing is printed that it lacks, and each record is whole."""
    files = written(tmp_path, order_flow())
    ended = trail(ID, files[0], files[2], "--format", "json")
    document = msgspec.json.decode(ended.output, type=TrailDocument)

    assert json.loads(msgspec.json.encode(document)) == json.loads(ended.output)
    assert (document.whole, len(document.hops), {note.kind for note in document.notes}) == (
        False,
        3,
        {"no_record_of_caller", "no_record_of_callee"},
    )
    assert json.loads(CliRunner().invoke(authz, ["schema", "trail"]).output)["$ref"] == "#/$defs/TrailDocument"


def test_nothing_in_a_record_orders_the_terminal_about(tmp_path: Path) -> None:
    """Nor makes a line of its own, nor is read as markup."""
    files = written(tmp_path, {"a": [record("shop", path="/[bold]x\x1b[31m\n✓ forged", user_name="\u202eevil")]})
    ended = trail(ID, *files)

    assert "\x1b" not in ended.output
    assert r"/[bold]x\x1b[31m\n" in ended.output
    assert not any(line.startswith("✓ forged") for line in ended.output.splitlines())
    assert "\\u202eevil" in ended.output


def test_files_are_followed_as_they_grow_and_are_rotated(tmp_path: Path) -> None:
    """Each hop is printed when it is written, at its place in the tree, as text or as JSON."""
    flow = order_flow()
    files = written(tmp_path, {**flow, "order.jsonl": [], "data.jsonl": []})
    command = [sys.executable, "-m", "authz_service.cli.main", "trail", ID, *files, "--follow"]
    with subprocess.Popen([*command, "--format", "json"], stdout=subprocess.PIPE) as following:
        try:
            assert following.stdout is not None
            hops: Iterator[dict[str, object]] = map(json.loads, following.stdout)
            assert next(hops)["depth"] == 0
            order = tmp_path / "order.jsonl"
            order.rename(tmp_path / "order.jsonl.1")
            order.write_bytes(line(flow["order.jsonl"][0]))
            assert next(hops)["depth"] == 1
            with (tmp_path / "data.jsonl").open("ab") as file:
                file.write(b"".join(map(line, flow["data.jsonl"])))
            assert [next(hops)["depth"], next(hops)["depth"]] == [2, 2]
        finally:
            following.terminate()


def test_an_id_that_somebody_sends_again_and_again_is_told_in_part(tmp_path: Path) -> None:
    """However long and deep the tree is; as JSON it is whole."""
    again = [record("shop", at, mtls_client="shop-client") for at in range(1500)]
    files = written(tmp_path, {"a": again})
    told = trail(ID, *files).output

    assert "… and 1,000 more; --format json has them all" in told
    assert max(map(len, told.splitlines()[1:])) <= 80
    assert len(msgspec.json.decode(trail(ID, *files, "--format", "json").output, type=TrailDocument).hops) == 1500
