"""Two sidecars of one service with `token_store: redis`: the target sees one token from both, and loses no request."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from tests.support.echo_service import EchoService
from tests.support.live import Live
from tests.support.lone_sidecar import LoneSidecar, until
from tests.support.patience import PATIENCE
from tests.support.redis_server import RedisServer
from tests.support.target_service import target_service

KEY = "a key of thirty-two characters.."


@pytest.fixture(scope="module")
def redis(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RedisServer]:
    with RedisServer(tmp_path_factory.mktemp("redis")) as server:
        yield server


@pytest.fixture(scope="module")
def target(live: Live) -> Iterator[EchoService]:
    with target_service(live) as service:
        yield service


def replica(live: Live, target: EchoService, store: dict[str, str]) -> LoneSidecar:
    return LoneSidecar(live, {"egress.token_store": store}, target=(target.host, target.port))


def token_of(sidecar: LoneSidecar, target: EchoService) -> str:
    assert sidecar.call_egress("GET", "/data/x").status == 200
    [authorization] = target.seen[-1].values("authorization")
    return authorization


def test_replicas_send_one_token_and_without_redis_each_its_own(
    live: Live, target: EchoService, redis: RedisServer
) -> None:
    store = {"type": "redis", "url": redis.url, "encryption_key": KEY}
    with replica(live, target, store) as one, replica(live, target, store) as two:
        assert token_of(one, target) == token_of(two, target)
        with replica(live, target, {"type": "memory"}) as alone:  # the twin
            assert token_of(alone, target) != token_of(one, target)

        redis.kill()
        try:
            with replica(live, target, store) as late:  # it starts without Redis
                assert token_of(late, target) != token_of(one, target)
                assert token_of(two, target) == token_of(one, target)
                until(lambda: "tokens are not shared" in ready_page(late))
        finally:
            redis.start()


def ready_page(sidecar: LoneSidecar) -> str:
    return httpx.get(f"http://{sidecar.address}:9901/readyz", trust_env=False, timeout=PATIENCE).text


def test_no_secret_of_the_store_is_in_a_log_or_a_page(live: Live, target: EchoService, redis: RedisServer) -> None:
    store = {"type": "redis", "url": redis.url, "encryption_key": KEY}
    with replica(live, target, store) as one:
        assert token_of(one, target)
        pages = [
            httpx.get(f"http://{one.address}:9901/{name}", trust_env=False, timeout=PATIENCE).text
            for name in ("readyz", "tokens", "metrics")
        ]
        files = [path.read_bytes() for path in Path(one.folder).rglob("*") if path.is_file() and path.suffix != ".yaml"]
    shown = "".join(pages).encode() + b"".join(files)
    assert KEY.encode() not in shown
    assert redis.url.encode() not in shown
