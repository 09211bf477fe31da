"""The mesh that a test session shares, with its identity provider; called from plain tests and from async rows."""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import shutil
import ssl
import threading
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import httpx
from joserfc import jws
from joserfc.jwk import KeySet
from tests.support.blocks import claim_block
from tests.support.patience import PATIENCE

from authz_devkit.certs.tree import ca_bundle
from authz_devkit.demo.caller import Answer, Caller, Tokens
from authz_devkit.demo.identity import IdentityProvider, signing_keys_file
from authz_devkit.demo.leftovers import new_folder
from authz_devkit.demo.mesh import PODS, Mesh, Pod, get
from authz_devkit.keycloak.admin import Admin

_T = TypeVar("_T")
Json = dict[str, Any]


class Live:
    """The identity provider runs from `start` on, the example's services and sidecars from `start_pods` on."""

    def __init__(self, identity: IdentityProvider = IdentityProvider.DEVELOPMENT) -> None:
        block, self._claim = claim_block()
        self.mesh = Mesh(new_folder(), block, identity=identity)
        self.caller, self.tokens = Caller(self.mesh), Tokens(self.mesh)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="live", daemon=True)
        self._thread.start()
        self._numbers = itertools.product(range(100, 255), range(1, 255))
        self._pods_started = False

    def run(self, work: Coroutine[Any, Any, _T]) -> _T:
        """In a thread with an event loop of its own: the caller may have one too."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def start(self) -> None:
        self.mesh.prepare()
        self.run(self._start_identity_provider())

    def start_pods(self) -> None:
        """Once, whoever asks first."""
        if not self._pods_started:
            self.run(self._start_pods())
            self._pods_started = True

    def stop(self) -> None:
        self.run(self.caller.close())
        self.run(self.mesh.stop())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()
        shutil.rmtree(self.mesh.folder)
        self._claim.close()

    def free_address(self) -> str:
        """An address of our block that nobody has been given; `short_name` makes it part of a file's name."""
        third, fourth = next(self._numbers)
        return f"127.{self.mesh.block}.{third}.{fourth}"

    def call(self, pod: Pod, method: str, path: str, **more: Any) -> Answer:
        """One request to an ingress of the mesh, as `Caller.call`."""
        return self.run(self.caller.call(pod, method, path, **more))

    def user(self, name: str) -> str:
        return self.run(self.tokens.user(name))

    def service(self, client_id: str, scope: str = "data-service:read data-service:write") -> str:
        return self.run(self.tokens.service(client_id, scope))

    def signed(self, realm: str, token: str, **changes: object) -> str:
        """The token's claims with changes (`...` removes one), truly signed by the realm's own key."""
        head, claims = decoded(token)
        for name, value in changes.items():
            claims.pop(name, None) if value is ... else claims.update({name: value})
        state = json.loads(signing_keys_file(self.mesh.folder).read_text())
        keys = KeySet.import_key_set({"keys": state[realm]["keys"]})
        return jws.serialize_compact(head, json.dumps(claims).encode(), keys)

    def administer(self, work: Callable[[Admin], Coroutine[Any, Any, _T]]) -> _T:
        """Change something on our Keycloak (`--idp keycloak`)."""

        async def change() -> _T:
            async with self.mesh.client() as http:
                return await work(self.mesh.admin(http))

        return self.run(change())

    @property
    def identity_tls(self) -> ssl.SSLContext:
        """Trusts the identity provider, and nobody else."""
        return ssl.create_default_context(cafile=ca_bundle(self.mesh.certs, "identity"))

    async def _start_identity_provider(self) -> None:
        await self.mesh.start_identity_provider()
        deadline = time.monotonic() + PATIENCE
        async with self.mesh.client() as client:
            while True:
                try:
                    await get(client, self.mesh.hosts, f"{self.mesh.identity_url}/realms/users")
                except httpx.TransportError:
                    assert time.monotonic() < deadline, self.mesh.log_file("identity-provider").read_text()
                    await asyncio.sleep(0.05)
                else:
                    return

    async def _start_pods(self) -> None:
        for pod in PODS:
            if pod.service is not None:
                await self.mesh.start_service(pod)
            await self.mesh.start_sidecar(pod)
        await self.mesh.wait_ready()


def decoded(token: str) -> tuple[Json, Json]:
    """Header and claims, unverified."""
    head, payload, _ = token.split(".")
    return tuple(json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))) for part in (head, payload))


def short_name(address: str) -> str:
    """Unique within a run, and short: paths of sockets may have no more than 107 bytes."""
    return "-".join(address.split(".")[2:])


def lines(path: Path, *, only_json: bool = False) -> list[Json]:
    """The records of a file of JSON lines; none when it is not there yet. `only_json` leaves out other lines."""
    found = path.read_text().splitlines() if path.exists() else []
    return [json.loads(line) for line in found if not only_json or line.startswith("{")]
