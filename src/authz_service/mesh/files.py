"""Where the files that a configuration names are on this machine: `files` of mesh.yaml, or what lies below the mesh."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Files:
    """Of one sidecar. A path that mesh.yaml does not place is looked for by its tail, the longest first: beside the
    configuration, then below the mesh's folder. What lies elsewhere on this machine is another mesh's.
    """

    folder: Path  # of the mesh
    own: Path  # of the configuration
    service: str
    placed: Mapping[str, str]

    def find(self, path: Path) -> Path | None:
        """None: it is not here, and nothing is said of it."""
        return next((one for one in self._candidates(path) if one.exists()), None)

    def _candidates(self, path: Path) -> list[Path]:
        text = path.as_posix()
        names = dict.fromkeys((self.service, self.own.relative_to(self.folder).as_posix()))
        for prefix, here in sorted(self.placed.items(), key=lambda pair: -len(pair[0])):
            bare = prefix.rstrip("/")
            if text == bare or text.startswith(f"{bare}/"):
                rest = text[len(bare) :].lstrip("/")
                return [self.folder / here.replace("{service}", name) / rest for name in names]
        if not path.is_absolute():
            return [self.own / path]
        parts = path.parts[1:]
        tails = [Path(*parts[start:]) for start in range(len(parts))]
        return [place / tail for tail in tails for place in (self.own, self.folder)]
