"""The pages of this repository, read as their readers do: sections, tables, links. No rendering."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
_FENCED = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^#{1,6} +(.+)$", re.MULTILINE)
_LINK = re.compile(r"\]\(([^)\s]+)\)")
_ANCHOR = re.compile(r'<a id="([^"]+)">')
_NO_PAGES = {
    ".git",
    ".venv",
    ".venv-audit",
    ".venv-site",
    ".venv-newest",
    ".demo",
    ".real",
    "build",
    "dist",
    ".hypothesis",
    ".pytest_cache",
}


def pages() -> list[Path]:
    """Every Markdown file of the repository."""
    return sorted(page for page in ROOT.rglob("*.md") if not _NO_PAGES.intersection(page.relative_to(ROOT).parts))


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def prose(text: str) -> str:
    """Without the fenced blocks: nothing in those is a heading or a link."""
    return _FENCED.sub("", text)


def links(page: Path) -> list[str]:
    """Targets inside the repository."""
    found = _LINK.findall(prose(page.read_text(encoding="utf-8")))
    return [target for target in found if "://" not in target and not target.startswith("mailto:")]


def anchors(page: Path) -> set[str]:
    """What a link can point at: headings, as the hosting sites name them, and explicit anchors."""
    text = page.read_text(encoding="utf-8")
    return {_slug(heading) for heading in _HEADING.findall(prose(text))} | set(_ANCHOR.findall(text))


def section(text: str, heading: str) -> str:
    """From the heading to the next one of its level or above."""
    level = len(heading) - len(heading.lstrip("#"))
    _, _, rest = text.partition(f"\n{heading}\n")
    assert rest, f"no section {heading}"
    return re.split(rf"^#{{1,{level}}} ", rest, maxsplit=1, flags=re.MULTILINE)[0]


def first_cells(text: str) -> list[str]:
    """The first cell of each row of the first table, without its backticks."""
    rows: list[str] = []
    for line in text.splitlines():
        if line.startswith("|"):
            rows.append(line)
        elif rows:
            break
    return [row.split("|")[1].strip() for row in rows[2:]]


def code_words(text: str) -> list[str]:
    """What stands between backticks."""
    return re.findall(r"`([^`]+)`", text)


def fenced(text: str, language: str) -> list[str]:
    """The contents of the fenced blocks of a language."""
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def written_files(text: str) -> dict[str, str]:
    """What the shell blocks of a page write by `cat > FILE <<'EOF'`."""
    return dict(
        re.findall(r"^cat > (\S+) <<'EOF'\n(.*?)^EOF$", "\n".join(fenced(text, "sh")), re.MULTILINE | re.DOTALL)
    )


def _slug(heading: str) -> str:
    plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).replace("`", "").strip().lower()
    return re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
