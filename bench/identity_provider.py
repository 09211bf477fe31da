"""What an identity provider costs: its start, and a token. `python -m bench.identity_provider [keycloak]`.

Not part of `python -m bench`: Keycloak needs Java and Maven (docs/development-kit.md).
"""

from __future__ import annotations

import asyncio
import statistics
import sys
import time

from authz_devkit.demo.caller import SERVICE_SECRETS
from authz_devkit.demo.identity import IdentityProvider
from authz_devkit.demo.leftovers import new_folder
from authz_devkit.demo.mesh import Mesh, at_address, free_block

_TOKENS = 300
_WARM_UP = 100


def main() -> None:
    for name in sys.argv[1:] or [kind.value for kind in IdentityProvider]:
        asyncio.run(_measure(IdentityProvider(name)))


async def _measure(identity: IdentityProvider) -> None:
    mesh = Mesh(new_folder(), free_block(), identity=identity)
    mesh.prepare()
    started = time.perf_counter()
    try:
        await mesh.start_identity_provider()
        await mesh.wait_identity_provider_ready()
        ready = time.perf_counter() - started
        times = sorted(await _token_times(mesh))
    finally:
        await mesh.stop()
    median, slow = (1000 * seconds for seconds in (statistics.median(times), times[len(times) * 95 // 100]))
    print(f"{identity}: ready after {ready:.1f} s; a token: median {median:.1f} ms, 95 of 100 within {slow:.1f} ms")


async def _token_times(mesh: Mesh) -> list[float]:
    url = f"{mesh.identity_url}/realms/services/protocol/openid-connect/token"
    name = "order-service"
    form = {"grant_type": "client_credentials", "client_id": name, "client_secret": SERVICE_SECRETS[name]}
    times = []
    async with mesh.client() as client:
        for _ in range(_WARM_UP + _TOKENS):
            request = at_address(client.build_request("POST", url, data=form), mesh.hosts)
            begun = time.perf_counter()
            answer = await client.send(request)
            times.append(time.perf_counter() - begun)
            answer.raise_for_status()
    return times[_WARM_UP:]


if __name__ == "__main__":
    main()
