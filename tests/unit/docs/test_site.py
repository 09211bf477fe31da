"""The site has every page of docs/. That no link of it leads nowhere, `make site` says itself."""

from __future__ import annotations

import re

from tests.unit.docs.pages import ROOT, read

CONFIG = read("site/mkdocs.yml")
NAV = re.findall(r"([\w/-]+\.md)$", CONFIG.partition("\nnav:")[2], re.MULTILINE)


def test_every_page_has_its_place_in_the_sites_navigation() -> None:
    """Once; and each place is a page of docs/, or one that is brought in from elsewhere."""
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    brought = re.findall(r'^    "([\w./-]+\.md)": "([\w-]+\.md)",$', read("site/hooks.py"), re.MULTILINE)

    assert sorted(NAV) == sorted(pages | {page for _, page in brought})
    assert [source for source, _ in brought if not (ROOT / source).exists()] == []
