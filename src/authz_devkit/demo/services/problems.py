"""Every error answer of the demo services (RFC 9457 problem details). Not the sidecar's: those have other reasons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse

# code -> (status, title). A sidecar says `reason`, a service says `code`: a caller can tell who answered.
PROBLEMS: Mapping[str, tuple[int, str]] = {
    "body_malformed": (400, "The body is not JSON"),
    "body_invalid": (422, "The body has missing or wrong fields"),
    "body_too_large": (413, "The body is larger than 64 KiB"),
    "user_unknown": (400, "The request does not say on whose behalf it is made"),
    "idempotency_key_invalid": (400, "Idempotency-Key must be 1 to 128 visible ASCII characters"),
    "idempotency_key_reused": (422, "This Idempotency-Key was used for another request"),
    "product_not_found": (404, "There is no such product"),
    "order_not_found": (404, "There is no such order"),
    "out_of_stock": (409, "There is not enough of this product in stock"),
    "already_paid": (409, "The order is already paid"),
    "amount_mismatch": (422, "The amount is not the order's total"),
    "data_refused": (502, "The data service refused the call"),
    "data_failed": (502, "The data service's answer could not be used"),
    "data_unavailable": (503, "The data service is not available"),
    "data_slow": (504, "The data service did not answer in time"),
    "database_unavailable": (503, "The database is not available"),
    "service_failed": (500, "The service failed"),
}


class Problem(Exception):  # noqa: N818 - most of these are normal life, not errors
    """One of PROBLEMS; becomes the answer. `errors` names the wrong fields, `retry_after` is in seconds."""

    def __init__(self, code: str, *, errors: Sequence[Mapping[str, str]] = (), retry_after: str = "1") -> None:
        super().__init__(code)
        self.code = code
        self.errors = errors
        self.retry_after = retry_after


async def answer_problem(_request: Request, problem: Exception) -> JSONResponse:
    """Starlette's handler for Problem."""
    if not isinstance(problem, Problem):
        raise problem
    status, title = PROBLEMS[problem.code]
    body: dict[str, object] = {"title": title, "status": status, "code": problem.code}
    if problem.errors:
        body["errors"] = list(problem.errors)
    return _problem_json(body, status, {"Retry-After": problem.retry_after} if status == 503 else {})


async def answer_http_exception(_request: Request, problem: Exception) -> JSONResponse:
    """Starlette's handler for its own 404 and 405."""
    if not isinstance(problem, HTTPException):
        raise problem
    body = {"title": problem.detail, "status": problem.status_code, "code": "not_served"}
    return _problem_json(body, problem.status_code, problem.headers or {})


async def answer_failure(request: Request, _failure: Exception) -> JSONResponse:
    """Starlette's handler for everything else; the traceback goes to the log, nothing of it to the caller."""
    return await answer_problem(request, Problem("service_failed"))


def _problem_json(body: Mapping[str, object], status: int, headers: Mapping[str, str]) -> JSONResponse:
    return JSONResponse(body, status, headers, media_type="application/problem+json")


HANDLERS = {Problem: answer_problem, HTTPException: answer_http_exception, Exception: answer_failure}
