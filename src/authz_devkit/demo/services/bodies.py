"""What callers may send: bodies, ids and the user's id, each checked before use. Not whether the user may do it."""

from __future__ import annotations

import re
from typing import Annotated, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from starlette.requests import Request

from authz_devkit.demo.services.problems import Problem

MAX_BODY = 64 * 1024
_ID = r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$"  # no dots, slashes or escapes: an id is put into a URL as it is
_USER = re.compile(r"[\x21-\x7e]{1,255}")

Id = Annotated[str, Field(pattern=_ID)]


class NewOrder(BaseModel):
    """The body of POST /orders."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    product_id: Id
    quantity: Annotated[int, Field(ge=1, le=1000)]


class NewPayment(BaseModel):
    """The body of POST /payments; `amount` is in cents and defaults to the order's total."""

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True)
    order_id: Id
    amount: Annotated[int, Field(ge=1, le=10**12)] | None = None


_Body = TypeVar("_Body", bound=BaseModel)


async def read_body(request: Request, model: type[_Body]) -> _Body:
    """The request's body. Raises Problem: 413, 400 for what is not JSON, 422 with the wrong fields' names."""
    raw = b""
    async for chunk in request.stream():
        raw += chunk
        if len(raw) > MAX_BODY:
            raise Problem("body_too_large")
    try:
        return model.model_validate_json(raw)
    except ValidationError as invalid:
        errors = invalid.errors(include_url=False, include_context=False, include_input=False)
        code = "body_malformed" if errors[0]["type"] == "json_invalid" else "body_invalid"
        fields = [{"field": ".".join(map(str, error["loc"])), "message": error["msg"]} for error in errors]
        raise Problem(code, errors=fields) from None


def path_id(request: Request, *, missing: str) -> str:
    """The `{id}` of the path. Raises Problem `missing` for what cannot be an id."""
    value: str = request.path_params["id"]
    if re.fullmatch(_ID, value) is None:
        raise Problem(missing)
    return value


def require_user(request: Request, header: str) -> str:
    """The user for whom the call is made, as the sidecar (X-User-ID) or the calling service (X-User-Context) says."""
    value = request.headers.get(header, "")
    if _USER.fullmatch(value) is None:
        raise Problem("user_unknown")
    return value
