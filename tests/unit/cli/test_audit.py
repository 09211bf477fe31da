"""`authz audit verify` as a person runs it: what it prints, and its exit code."""

import gzip
import json
import shutil
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result
from tests.support.audit_files import Desk, record

from authz_service.audit.chain import Chain, prepare
from authz_service.audit.sink import AuditSink
from authz_service.cli.main import authz


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    desk = Desk(tmp_path)
    desk.write(4)
    return desk


def verify(*words: object, given: bytes | None = None) -> Result:
    return CliRunner().invoke(authz, ["audit", "verify", *map(str, words)], input=given)


def state_directory(desk: Desk, folder: Path) -> Path:
    (folder / "audit").mkdir(parents=True)
    shutil.copy(desk.memory, folder / "audit" / "chain")
    return folder


def test_an_intact_file_is_said_to_be_intact(desk: Desk, tmp_path: Path) -> None:
    """With how many records, of whom, from when to when; its end is confirmed by the state directory."""
    good = verify(desk.file, "--heads", state_directory(desk, tmp_path / "state"))

    assert good.exit_code == 0
    assert "order-service: 4 records (4 allowed), seq 1 to 4, 2027-01-15T08:00:01.000Z to" in good.stdout
    assert "end confirmed" in good.stdout
    assert good.stdout.splitlines()[-1] == "intact"
    unsure = verify(desk.file)
    assert (unsure.exit_code, "may have been cut off" in unsure.stdout) == (0, True)


def test_a_changed_file_is_not_and_the_line_is_named(desk: Desk) -> None:
    desk.rewrite([line.replace(b'"number":2', b'"number":7') for line in desk.lines()])
    bad = verify(desk.file)

    assert bad.exit_code == 1
    assert f"{desk.file}:2: " in bad.stdout
    assert "seq 2: does not fit the record before it" in bad.stdout
    assert bad.stdout.splitlines()[-1] == "not intact: 1 problem"


def test_the_heads_of_a_page_or_of_an_earlier_report_will_do(desk: Desk, tmp_path: Path) -> None:
    """What `/audit` gives, or `--json`: cut off against them, or continued after them."""
    report = tmp_path / "report.json"
    report.write_text(verify(desk.file, "--json").stdout)
    lines = desk.lines()
    desk.rewrite(lines[:3])
    cut = verify(desk.file, "--heads", report)
    assert (cut.exit_code, "4 were written (1 are missing)" in cut.stdout) == (1, True)

    desk.rewrite([])
    desk.write(2)
    assert verify(desk.file, "--after", report).exit_code == 0
    desk.rewrite(desk.lines()[1:])
    assert verify(desk.file, "--after", report).exit_code == 1


def test_a_key_is_read_from_its_file(tmp_path: Path) -> None:
    desk = Desk(tmp_path, b"k" * 32)
    desk.write(3)
    (tmp_path / "key").write_text("k" * 32 + "\n")
    (tmp_path / "other").write_text("x" * 32)
    (tmp_path / "empty").write_text("")

    assert verify(desk.file, "--key-file", tmp_path / "key").exit_code == 0
    assert verify(desk.file, "--key-file", tmp_path / "other", "--key-file", tmp_path / "key").exit_code == 0
    wrong = verify(desk.file)
    assert (wrong.exit_code, "Not one record fits" in wrong.stdout) == (1, True)
    empty = verify(desk.file, "--key-file", tmp_path / "empty")
    assert (empty.exit_code, "holds no key" in empty.stderr) == (2, True)


def test_rotated_files_are_read_in_the_order_of_their_times(desk: Desk, tmp_path: Path) -> None:
    """So that `audit.jsonl*` will do; packed or not."""
    writer = desk.writer()
    for number in (5, 6, 7):
        desk.file.rename(tmp_path / f"audit.jsonl.{20 - number}")
        writer.look_after()
        writer.write(record(number))
    packed = tmp_path / "audit.jsonl.15"
    content = packed.read_bytes()
    packed.unlink()
    (tmp_path / "audit.jsonl.15.gz").write_bytes(gzip.compress(content))

    assert verify(*sorted(tmp_path.glob("audit.jsonl*"))).exit_code == 0
    (tmp_path / "audit.jsonl.14").unlink()
    gap = verify(*sorted(tmp_path.glob("audit.jsonl*")))
    assert (gap.exit_code, "1 record is missing between" in gap.stdout) == (1, True)


def test_standard_input_is_read(desk: Desk) -> None:
    assert verify("-", given=desk.file.read_bytes()).exit_code == 0
    assert verify("-", given=b"".join(desk.lines()[1:2] + desk.lines()[3:])).exit_code == 1


def test_the_report_for_programs_says_the_same(desk: Desk) -> None:
    document = json.loads(verify(desk.file, "--json").stdout)
    assert (document["intact"], document["records"], document["problems"]) == (True, 4, [])
    assert document["heads"] == msgspec.to_builtins(list(desk.heads().values()))
    assert document["writers"][0]["allowed"] == 4

    desk.rewrite(desk.lines()[:1] + desk.lines()[2:])
    found = json.loads(verify(desk.file, "--json").stdout)
    assert (found["intact"], found["problems"][0]["kind"]) == (False, "missing")
    assert found["problems"][0]["place"] == f"{desk.file}:2"


def test_many_findings_are_shown_in_part(desk: Desk) -> None:
    desk.rewrite(desk.lines() + [record(1) for _ in range(60)])

    shown = verify(desk.file)
    assert "… and 10 more; --json has them all" in shown.stdout
    assert len(json.loads(verify(desk.file, "--json").stdout)["problems"]) == 60


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"hello\nyou\n", "none of its 2 lines is an audit record; name a file of audit.path"),
        (b'{"time":"t","event":"egress","path":"/"}\n', "it is an access log (audit.access_log)"),
        (b'{"log":"{\\"time\\":\\"t\\"}\\n","stream":"stdout"}\n', "it is Docker's own form"),
        (b"\x1f\x8b cut", "file cannot be read: Compressed file ended"),
        (b"x" * 200_000, "none of its 1 lines"),
    ],
)
def test_what_is_not_ours_is_said_to_be_something_else(tmp_path: Path, content: bytes, told: str) -> None:
    """With what to do; exit code 2, for nothing was judged."""
    (tmp_path / "file").write_bytes(content)
    ended = verify(tmp_path / "file")

    assert ended.exit_code == 2
    assert told in ended.stderr
    assert ended.stdout == ""


def test_a_file_that_has_just_been_rotated_is_empty_and_no_problem(desk: Desk, tmp_path: Path) -> None:
    (tmp_path / "fresh").touch()

    assert verify(desk.file, tmp_path / "fresh").exit_code == 0


@pytest.mark.parametrize("content", [b"", b"{}", b'{"heads": []}', b"[1]", b"\xff"])
def test_what_holds_no_heads_is_told(desk: Desk, tmp_path: Path, content: bytes) -> None:
    """Nor does a folder that is no state directory."""
    (tmp_path / "heads").write_bytes(content)
    (tmp_path / "folder").mkdir()

    for path in (tmp_path / "heads", tmp_path / "folder"):
        ended = verify(desk.file, "--heads", path)
        assert (ended.exit_code, "has no heads in it" in ended.stderr) == (2, True)


def test_what_the_sidecar_explains_is_shown_and_is_no_problem(desk: Desk) -> None:
    """A worker that was killed between two records' notes."""
    desk.writer()._chain.seal(record(5))
    desk.writer().write_to(AuditSink(str(desk.file)))

    ended = verify(desk.file)
    assert (ended.exit_code, "stopped in mid-record before: 1 may be missing, 0 there" in ended.stdout) == (0, True)


@pytest.mark.parametrize("field", ["service", "time", "error"])
def test_what_a_file_says_orders_no_terminal_about(tmp_path: Path, field: str) -> None:
    """A forger's record may say anything: it is shown, on its finding's line, and is neither colour nor verdict."""
    desk = Desk(tmp_path)
    desk.write(1)
    evil = "\x1b[2J\x1b[32m\r\nintact\u202e[bold]"
    more = {"event": "audit_gap", "after_seq": 0, "after_chain": "0" * 32, "lost": 1, "passed": 0, field: evil}
    prepare(tmp_path / "another", b"")
    desk.rewrite([*desk.lines(), Chain(str(tmp_path / "another"), 0).seal(record(1, **more))])

    told = verify(desk.file)

    assert r"\x1b[2J\x1b[32m\r\nintact\u202e[bold]" in told.stdout
    assert told.stdout.replace("\n", "").isprintable()
    assert told.stdout.splitlines().count("intact") <= 1


def test_the_heads_of_a_state_directory_are_the_workers_and_envoys(desk: Desk, tmp_path: Path) -> None:
    """Where what Envoy repeated was cut off, it is missed like any other."""
    state = state_directory(desk, tmp_path / "state")
    prepare(state / "audit" / "envoy-chain", b"")
    chain = Chain(str(state / "audit" / "envoy-chain"), 0)
    for number in (5, 6):
        with desk.file.open("ab") as file:
            file.write(chain.seal(record(number)))
        chain.written()

    good = verify(desk.file, "--heads", state)
    assert (good.exit_code, good.stdout.count("end confirmed")) == (0, 2)
    desk.rewrite(desk.lines()[:-1])
    bad = verify(desk.file, "--heads", state)
    assert bad.exit_code == 1
    assert f"{chain.writer} seq 2: cut off" in bad.stdout
