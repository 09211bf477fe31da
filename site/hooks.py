"""MkDocs: brings in pages from outside of docs/, and leads links to where things are on the site. Not their checking.

A link to a file that is no page goes to `extra.source`; one that leads nowhere is left for MkDocs to complain about.
"""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from pathlib import Path
from typing import Any

from mkdocs.structure.files import File

ROOT = Path(__file__).resolve().parents[1]
# Path in the repository -> page of the site.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "SECURITY.md": "reporting.md",
    "deploy/compose/README.md": "containers.md",
    "deploy/helm/README.md": "kubernetes.md",
    "deploy/observability/README.md": "observability.md",
    "examples/three_zones/README.md": "three-zones.md",
    "examples/three_zones/realms/README.md": "realms.md",
    "src/authz_rego/README.md": "rego.md",
    "tests/attacks/README.md": "attacks.md",
}
_SOURCES = {page: path for path, page in PAGES.items()}
_FENCE = re.compile(r"(^```.*?^```)", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\]\(([^)\s#]+)(#[^)\s]*)?\)")


def on_files(files: Any, config: Any) -> Any:
    for path, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / path).read_text(encoding="utf-8")))
    return files


def on_page_markdown(markdown: str, page: Any, config: Any, files: Any) -> str:
    here = page.file.src_uri

    def led(link: re.Match[str]) -> str:
        return f"]({_target(link[1], here, config.extra['source'])}{link[2] or ''})"

    parts = _FENCE.split(markdown)
    parts[::2] = [_LINK.sub(led, prose) for prose in parts[::2]]
    return "".join(parts)


def _target(link: str, here: str, source: str) -> str:
    if "://" in link or link.startswith("mailto:"):
        return link
    path = posixpath.normpath(posixpath.join(posixpath.dirname(_SOURCES.get(here, f"docs/{here}")), link))
    page = PAGES.get(path) or path.removeprefix("docs/")
    if path in PAGES or path.startswith("docs/"):
        return posixpath.relpath(page, posixpath.dirname(here) or ".")
    return source + path if (ROOT / path).exists() else link


def _is_version(folder: Path) -> bool:
    return not folder.is_symlink() and (folder / "index.html").exists()


def on_post_build(config: Any) -> None:
    """Into a folder by its version, beside those that are there: versions.json lists them, as mike does."""
    version = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
    built = Path(config.site_dir)
    if built.name != version:
        return
    there = sorted((folder.name for folder in built.parent.iterdir() if _is_version(folder)), reverse=True)
    listed = [{"version": each, "title": each, "aliases": ["latest"] if each == version else []} for each in there]
    (built.parent / "versions.json").write_text(json.dumps(listed, indent=1) + "\n", encoding="utf-8")
    latest = built.parent / "latest"
    latest.unlink(missing_ok=True)
    latest.symlink_to(version)
