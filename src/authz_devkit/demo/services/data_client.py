"""How order and payment call the data service: through the egress, on behalf of one user. No credentials here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
from pydantic import BaseModel
from starlette.requests import Request

from authz_devkit.demo.services.problems import Problem

# Passed from the request that we serve to the calls that we make for it.
PROPAGATED = ("x-correlation-id", "traceparent", "tracestate", "idempotency-key")
# What data says about the request itself; every other refusal is between the services, and no business of the caller.
PASSED_ON = frozenset(
    {
        "product_not_found",
        "order_not_found",
        "out_of_stock",
        "already_paid",
        "amount_mismatch",
        "idempotency_key_invalid",
        "idempotency_key_reused",
    }
)


class DataClient:
    """Calls to the data service."""

    def __init__(
        self, egress_url: str, *, timeout: float = 10, transport: httpx.AsyncBaseTransport | None = None
    ) -> None:
        self._http = httpx.AsyncClient(
            base_url=egress_url.rstrip("/") + "/data",
            timeout=httpx.Timeout(timeout, connect=2),  # below the sidecar's 15 s: our answer is the one that arrives
            transport=transport,
            trust_env=False,
        )

    async def close(self) -> None:
        await self._http.aclose()

    async def get(self, path: str, request: Request, user: str) -> dict[str, Any]:
        """The answer's object. Raises Problem."""
        return await self._call("GET", path, request, user, None)

    async def post(self, path: str, request: Request, user: str, body: BaseModel) -> dict[str, Any]:
        """The answer's object. Raises Problem."""
        return await self._call("POST", path, request, user, body.model_dump(exclude_none=True))

    async def _call(
        self, method: str, path: str, request: Request, user: str, body: Mapping[str, object] | None
    ) -> dict[str, Any]:
        headers = {name: request.headers[name] for name in PROPAGATED if name in request.headers}
        headers["X-User-Context"] = user
        try:
            answer = await self._http.request(method, path, headers=headers, json=body)
        except (httpx.ConnectTimeout, httpx.PoolTimeout):
            raise Problem("data_unavailable") from None
        except httpx.TimeoutException:
            raise Problem("data_slow") from None
        except httpx.HTTPError:
            raise Problem("data_unavailable") from None
        document = _object(answer)
        if answer.is_success and document is not None:
            return document
        raise problem_of(answer.status_code, (document or {}).get("code"), answer.headers.get("Retry-After", ""))


def problem_of(status: int, code: object, retry_after: str) -> Problem:
    """What our caller is told when data, or a sidecar on the way, did not do as asked."""
    if isinstance(code, str) and code in PASSED_ON:
        return Problem(code)
    if status in {401, 403}:
        return Problem("data_refused")
    if status in {429, 503}:
        seconds = retry_after if retry_after.isascii() and retry_after.isdigit() and len(retry_after) <= 5 else "1"
        return Problem("data_unavailable", retry_after=seconds)
    return Problem("data_slow" if status == 504 else "data_failed")


def _object(answer: httpx.Response) -> dict[str, Any] | None:
    try:
        document = answer.json()
    except ValueError:
        return None
    return document if isinstance(document, dict) else None
