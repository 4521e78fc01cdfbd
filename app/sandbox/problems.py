"""Errors of the control addresses and pages as RFC 9457 problem JSON."""

from __future__ import annotations

from http import HTTPStatus

import orjson
from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException


def json_response(content: object, status: int = 200) -> Response:
    """JSON without FastAPI's own encoding step: the state of a drill is megabytes."""
    return Response(orjson.dumps(content), status_code=status, media_type="application/json")


def install_problem_handlers(app: FastAPI) -> None:
    """Answer refused requests with problem JSON."""
    app.add_exception_handler(HTTPException, _http_problem)
    app.add_exception_handler(RequestValidationError, _validation_problem)


def _problem(request: Request, status: int, detail: str, **more: object) -> Response:
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": status, "detail": detail}
    body |= {"instance": request.url.path, **more}
    return Response(orjson.dumps(body), status_code=status, media_type="application/problem+json")


async def _http_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    return _problem(request, error.status_code, str(error.detail))


async def _validation_problem(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    fields = [{"field": ".".join(str(part) for part in item["loc"][1:]), "message": item["msg"]} for item in error.errors()]
    return _problem(request, 422, "The request is not understood.", errors=fields)
