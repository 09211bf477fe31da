"""What a page points at exists: files, sections, tests, commands."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from tests.unit.docs.pages import ROOT, anchors, code_words, first_cells, links, pages, prose, read, section

from authz_devkit.cli import COMMANDS
from authz_service.cli.main import authz

_MAKE = re.compile(r"^make ([\w-]+)", re.MULTILINE)
_TARGET = re.compile(r"^([\w-]+):", re.MULTILINE)
_COMMAND = re.compile(r"\bauthz(-dev)? ([a-z]+)\b")
_CITED_PAGE = re.compile(r"docs/[\w/-]+\.(?:md|json)")
_TEST = re.compile(r"`(test_\w+)`")
_CORRECTION = re.compile(r"corrections? (\d+)")
_TRAP = re.compile(r"(?:SECURITY|trap) (T\d+)")


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", pages(), ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    """To a file, and where it names a section, to that."""
    broken = []
    for link in links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            broken.append(link)

    assert broken == []


def test_a_broken_link_would_be_found(tmp_path: Path) -> None:
    """The finder finds: of a page's links, and of its headings."""
    page = tmp_path / "page.md"
    page.write_text(
        "# A `b` c\n[x](no.md) [y](#a-b-c) [z](https://example.com)\n```\n[w](none.md)\n```\n", encoding="utf-8"
    )

    assert links(page) == ["no.md", "#a-b-c"]
    assert anchors(page) == {"a-b-c"}


@pytest.mark.parametrize("page", ["README.md", "CONTRIBUTING.md", "docs/development-kit.md"])
def test_every_make_target_that_is_named_exists(page: str) -> None:
    """A reader types them."""
    assert set(_MAKE.findall(read(page))) <= set(_TARGET.findall(read("Makefile")))


def test_every_command_that_is_named_exists() -> None:
    """`authz …` and `authz-dev …`, wherever they stand as code."""
    known = {(False, name) for name in authz.commands} | {(True, name) for name in COMMANDS}
    named = set()
    for page in pages():
        code = "\n".join(
            re.findall(r"`[^`\n]+`|^```sh\n.*?^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
        )
        named |= {(bool(dev), command) for dev, command in _COMMAND.findall(code)}

    assert named <= known
    assert known <= named


def test_every_page_that_the_code_cites_exists() -> None:
    """Comments point at pages; the pages stay where they are."""
    cited = {found for file in (ROOT / "src").rglob("*.py") for found in _CITED_PAGE.findall(file.read_text("utf-8"))}

    assert cited
    assert {page for page in cited if not (ROOT / page).exists()} == set()


_MODULE = re.compile(r"`((?:[a-z_]+/)*[a-z_]+\.py|[a-z_]+(?:/[a-z_]+)+)`")
_ROOMS = ["control_plane", "decision_worker"]


def test_the_file_behind_each_step_exists() -> None:
    """A reader of how it works is one jump away from the code."""
    named = set(_MODULE.findall(read("docs/how-it-works.md"))) - {"src/authz_service"}

    assert len(named) > 30
    assert {name for name in named if not (ROOT / "src/authz_service" / name).exists()} == set()


@pytest.mark.parametrize("room", _ROOMS)
def test_a_rooms_page_names_all_that_is_in_it(room: str) -> None:
    """And nothing that is not."""
    folder = ROOT / "src/authz_service" / room
    there = {f"{each.name}/" if each.is_dir() else each.name for each in folder.iterdir()}
    there -= {"README.md", "__init__.py", "__pycache__/"}
    told = {word for cell in first_cells((folder / "README.md").read_text("utf-8")) for word in code_words(cell)}

    assert {word.partition("/")[0] + "/" if "/" in word else word for word in told} == there


def test_every_trap_that_the_code_cites_is_explained() -> None:
    """`SECURITY T6` in a comment leads to a row of docs/security.md."""
    files = [file for folder in ("src", "tests") for file in (ROOT / folder).rglob("*.py")]
    cited = {found for file in files for found in _TRAP.findall(file.read_text("utf-8"))}

    assert cited
    assert {trap.lower() for trap in cited} <= anchors(ROOT / "docs/security.md")


def test_every_correction_that_is_cited_is_in_the_table() -> None:
    """`correction 9` means a row of examples/three_zones/README.md, which has all seventeen."""
    table = section(read("examples/three_zones/README.md"), "## What differs from the specification")
    files = [
        file
        for folder in ("src", "examples")
        for file in (ROOT / folder).rglob("*.*")
        if file.suffix in {".py", ".yaml", ".rego"}
    ]
    cited = {found for file in files for found in _CORRECTION.findall(file.read_text("utf-8"))}

    assert first_cells(table) == [str(number) for number in range(1, 18)]
    assert cited
    assert cited <= set(first_cells(table))


def test_no_comment_cites_a_page_that_is_not_here() -> None:
    """The design, the style guide and the list of Envoy facts were working papers; their contents are in docs/."""
    papers = re.compile(r"DESIGN|STYLE\b|ENVOY\.md")
    citing = [_name(file) for file in (ROOT / "src").rglob("*.py") if papers.search(file.read_text("utf-8"))]

    assert citing == []


def test_every_proof_that_is_promised_exists() -> None:
    """docs/security.md names the tests that prove its promises."""
    page = prose(read("docs/security.md"))
    defined = {
        name
        for file in (ROOT / "tests").rglob("test_*.py")
        for name in re.findall(r"def (test_\w+)", file.read_text("utf-8"))
    }
    files = re.findall(r"`(tests/[\w/.]+)`", page)

    assert set(_TEST.findall(page)) - defined == set()
    assert [file for file in files if not (ROOT / file).exists()] == []


def test_every_decision_is_in_the_index() -> None:
    """And every page in docs/ is linked from the README or from another page."""
    decisions = {page.name for page in (ROOT / "docs/decisions").glob("*.md")} - {"README.md"}
    linked = {(page.parent / link.partition("#")[0]).resolve() for page in pages() for link in links(page)}

    assert decisions == {link for link in links(ROOT / "docs/decisions/README.md") if "/" not in link}
    assert [page.name for page in (ROOT / "docs").glob("*.md") if page not in linked] == []
