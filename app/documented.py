"""What the OpenAPI document says of refusals: one model, and the statuses that a route can answer with."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from app.problems import MEDIA_TYPE

_WORDS = {
    400: ("The body is not text that can be read", "bad_request"),
    401: ("Log in first: no token, or one that is expired, revoked or forged", "unauthenticated"),
    403: ("The role or the token's scopes do not allow this", "forbidden"),
    404: ("There is nothing under that name", "not_found"),
    409: ("The state of the record, or the same request still at work, does not allow this now", "conflict"),
    410: ("It was there, and its time is over", "gone"),
    412: ("Somebody else changed the record since its ETag was read", "stale"),
    413: ("The body is larger than this route takes", "body_too_large"),
    422: ("The input is not valid; `errors` names the fields", "invalid_input"),
    428: ("This change needs an If-Match header", "precondition_missing"),
    429: ("Too many tries; `Retry-After` says how many seconds to wait", "too_many_tries"),
    503: ("A service that this needs is not answering; nothing was lost", "unavailable"),
}


class FieldProblem(BaseModel):
    """One wrong field of the request."""

    field: str
    message: str


class Problem(BaseModel):
    """A refusal (RFC 9457). `code` is stable and made for programs, `detail` for people."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(examples=["urn:inet:problem:forbidden"])
    title: str
    status: int
    detail: str
    instance: str
    code: str
    correlation_id: str
    errors: list[FieldProblem] = Field(default_factory=list)


def refusals(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that can refuse with these statuses."""
    return {status: _response(status) for status in statuses}


def _response(status: int) -> dict[str, Any]:
    words, code = _WORDS[status]
    example = {
        "type": f"urn:inet:problem:{code}",
        "title": words.split(";")[0].split(":")[0],
        "status": status,
        "detail": f"{words}.",
        "instance": "/api/v1/payments",
        "code": code,
        "correlation_id": "9f1c2e7ab04d5c6e8f901234",
    }
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}, "example": example}}
    response: dict[str, Any] = {"description": words, "content": content}
    if status in (429, 503):
        response["headers"] = {"Retry-After": {"description": "Seconds to wait before the next try", "schema": {"type": "integer"}}}
    return response
