"""The audit records of one correlation id, from every sidecar, joined into one tree. Reads files; judges nothing."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterable
from typing import Any

from rich.markup import escape
from rich.tree import Tree

from authz_devkit.demo.mesh import PODS, Mesh

Record = dict[str, Any]


def records(mesh: Mesh, correlation_id: str) -> list[Record]:
    """Every audit record of that id, in order of time. Records of gaps have none."""
    found = [
        record
        for pod in PODS
        for record in _lines(mesh.audit_file(pod))
        if record.get("correlation_id") == correlation_id
    ]
    return sorted(found, key=lambda record: str(record["time"]))


def _lines(path: Any) -> Iterable[Record]:
    if not path.exists():
        return
    with path.open(encoding="utf-8") as file:
        for line in file:
            with contextlib.suppress(json.JSONDecodeError):  # the rest of a line whose writer was killed
                yield json.loads(line)


def tree(title: str, found: list[Record]) -> Tree:
    """Who called whom: a record hangs below the last decision of the service whose certificate its caller showed."""
    root = Tree(f"[bold]{escape(title)}")
    last: dict[str, Tree] = {}
    for record in found:
        caller = str(record["mtls_client"]).removesuffix("-client")
        parent = last.get(caller, root)
        last[record["service"]] = parent.add(_line(record))
    return root


def _line(record: Record) -> str:
    colour = "green" if record["decision"] == "allow" else "red"
    who = record["user_name"] or record["calling_service"] or "nobody"
    via = record["mtls_client"] or "TLS without a client certificate"
    context = (
        f", on behalf of {record['user_context']}" if record["user_context"] not in {"", record["user_id"]} else ""
    )
    reasons = f" — {'; '.join(record['reasons'])}" if record["reasons"] else ""
    return (
        f"[bold]{record['service']}[/] [dim]({record['zone']})[/] {escape(record['method'])} {escape(record['path'])}  "
        f"[{colour}]{record['decision']}[/] {record['reason']}{escape(reasons)}\n"
        f"[dim]peer {escape(via)} · token of {escape(who)}{escape(context)} · {record['duration_us']} µs · "
        f"{record['time'][11:23]}[/]"
    )
