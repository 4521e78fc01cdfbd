"""Refusals as RFC 9457 problem documents: one shape for every JSON face (contract.md, "HTTP addresses")."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

import structlog
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from fastapi.routing import iter_route_contexts
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException
from starlette.routing import Match, Route
from starlette.types import Scope

from app import correlation, refusals
from app.errors import DomainError, ErrorKind

log = structlog.get_logger(__name__)
MEDIA_TYPE = "application/problem+json"
HTTP_STATUS = {
    ErrorKind.INVALID: 422,
    ErrorKind.UNAUTHENTICATED: 401,
    ErrorKind.FORBIDDEN: 403,
    ErrorKind.NOT_FOUND: 404,
    ErrorKind.CONFLICT: 409,
    ErrorKind.GONE: 410,
    ErrorKind.STALE: 412,
    ErrorKind.PRECONDITION_MISSING: 428,
    ErrorKind.TOO_MANY: 429,
    ErrorKind.UNAVAILABLE: 503,
}


class BareRoute(Route):
    """A route without FastAPI's machinery, for the hottest addresses. It says its template as theirs do."""

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        match, child_scope = super().matches(scope)
        child_scope["route"] = self
        return match, child_scope


def route_of(scope: Scope) -> str:
    """The address's template for logs and metrics: the address itself may hold a voucher code or a payment id."""
    route = scope.get("route")
    # A route knows itself without the prefix of the router that it came with.
    return str(_templates(scope.get("app")).get(id(route)) or getattr(route, "path", "unknown"))


def _templates(app: Any) -> dict[int, str]:
    if not isinstance(app, FastAPI):
        return {}
    found: dict[int, str] | None = getattr(app.state, "templates", None)
    if found is None:
        found = {id(one.original_route): one.path for one in iter_route_contexts(app.routes) if one.path is not None}
        app.state.templates = found
    return found


def problem(
    request: Request, *, status: int, code: str, title: str, detail: str, headers: dict[str, str] | None = None, **extra: Any
) -> JSONResponse:
    body = {
        "type": f"urn:inet:problem:{code}",
        "title": title,
        "status": status,
        "detail": detail,
        "instance": request.url.path,
        "code": code,
        "correlation_id": correlation.current(),
        **extra,
    }
    return JSONResponse(body, status_code=status, media_type=MEDIA_TYPE, headers=headers)


async def render_domain_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, DomainError)
    refusals.name(request.scope, error.code)
    extra = dict(error.extra)
    headers = {"Retry-After": str(extra["retry_after"])} if "retry_after" in extra else {}
    if error.kind is ErrorKind.UNAUTHENTICATED:
        headers["WWW-Authenticate"] = "Bearer"
    if error.field:
        extra["errors"] = [{"field": error.field, "message": error.text}]
    return problem(request, status=HTTP_STATUS[error.kind], code=error.code, title=error.title, detail=error.text, headers=headers, **extra)


async def render_validation_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, RequestValidationError)
    # The input itself is not repeated: it may be a code or a number that belongs to somebody.
    errors = [{"field": ".".join(str(part) for part in item["loc"][1:]), "message": item["msg"]} for item in error.errors()]
    first = errors[0]
    detail = f"{first['field'] or 'The request'}: {first['message']}."
    return problem(request, status=422, code="invalid_input", title="The input is not valid", detail=detail, errors=errors)


async def render_http_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, HTTPException)
    title = HTTPStatus(error.status_code).phrase
    headers = dict(error.headers) if error.headers else None
    code = title.lower().replace(" ", "_")
    return problem(request, status=error.status_code, code=code, title=title, detail=str(error.detail), headers=headers)


async def render_database_away(request: Request, error: Exception) -> JSONResponse:
    log.warning("database.away", error=type(error).__name__)
    return problem(
        request,
        status=503,
        code="database_away",
        title="The database is not answering",
        detail="Try again in a few seconds. What was answered before stands; nothing of it is lost.",
        headers={"Retry-After": "3"},
    )


async def render_unexpected(request: Request, error: Exception) -> JSONResponse:
    log.error("request.failed", exc_info=error, route=route_of(request.scope))
    return problem(
        request,
        status=500,
        code="internal_error",
        title="Something went wrong on our side",
        detail="It was recorded with the correlation ID below. Try again; if it stays, tell us that ID.",
    )


def install(app: FastAPI) -> None:
    app.add_exception_handler(DomainError, render_domain_error)
    app.add_exception_handler(RequestValidationError, render_validation_error)
    app.add_exception_handler(HTTPException, render_http_error)
    app.add_exception_handler(OperationalError, render_database_away)
    app.add_exception_handler(Exception, render_unexpected)
