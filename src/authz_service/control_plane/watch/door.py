"""Whether other people's proxies can ask (`proxy.mode: decision_only`). Not the door itself (`decision_point.door`)."""

from __future__ import annotations

from authz_service.control_plane.child_process import Child
from authz_service.control_plane.data_plane.door import door_missing
from authz_service.control_plane.part import Part
from authz_service.control_plane.reload.rollout import Rollout
from authz_service.envoy.paths import StatePaths


class DoorWatch(Part):
    def __init__(self, rollout: Rollout, child: Child, paths: StatePaths) -> None:
        self._rollout = rollout
        self._child = child
        self._paths = paths
        self._missing: list[str] = []

    def look(self) -> None:
        self._missing = door_missing(self._paths, self._rollout.current.door, self._child.pid)

    def missing(self, *, starting: bool) -> list[str]:  # noqa: ARG002 - always
        return self._missing
