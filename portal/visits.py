"""One request of a customer's browser, and how a page answers it, refusals included."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

import structlog
from fastapi import Depends, Form, Query, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import AfterValidator
from sqlalchemy.exc import OperationalError
from starlette.exceptions import HTTPException

from app.clock import utc_now
from app.errors import DomainError
from app.problems import HTTP_STATUS, route_of
from portal import rendering
from portal.visitor import DEVICE_HEADER
from services.access.context import HotspotContext, read_context
from services.access.errors import StaleContext

log = structlog.get_logger(__name__)
_MAX_TOKEN = 1000


def _clean(text: str) -> str:
    # PostgreSQL takes no NUL, and no person types one.
    return text.replace("\x00", "").strip()


Text = Annotated[str, Form(max_length=200), AfterValidator(_clean)]
# What is too long is refused in words, by who knows how long it may be; so what was typed stays in the form.
LongText = Annotated[str, Form(max_length=200_000), AfterValidator(_clean)]


@dataclass(frozen=True)
class Visit:
    """Who asks, from where and when. `is_stale`: they hold a context too old to be of use, so they count as at no hotspot."""

    request: Request
    context: HotspotContext | None
    now: datetime
    token: str = ""
    is_stale: bool = False

    @property
    def device_token(self) -> str | None:
        return self.request.headers.get(DEVICE_HEADER)

    @property
    def context_token(self) -> str | None:
        """For a use case. Raises StaleContext, so that nobody spends something on a hotspot that no longer knows them."""
        if self.is_stale:
            raise StaleContext
        return self.token or None

    def link(self, path: str, **query: str) -> str:
        return rendering.link(path, context_token=self.token, **query)

    def page(self, template: str, **values: Any) -> Response:
        said = {"context_token": self.token, "is_stale": self.is_stale, "now": self.now, **values}
        return rendering.page(self.request, template, **said)

    def go(self, path: str, *, device_token: str | None = None, **query: str) -> Response:
        return rendering.go(self.request, self.link(path, **query), device_token=device_token)


def visit_from(request: Request, token: str) -> Visit:
    """The visit behind a context token, good or not; a refusal's page finds it again on the request."""
    now = utc_now()
    try:
        visit = Visit(request, read_context(token, now=now), now, token)
    except StaleContext:
        visit = Visit(request, None, now, is_stale=True)
    request.state.visit = visit
    return visit


def _visit_of(request: Request) -> Visit:
    known = getattr(request.state, "visit", None)
    return known if isinstance(known, Visit) else visit_from(request, request.query_params.get("c", ""))


def _linked(request: Request, c: Annotated[str, Query(max_length=_MAX_TOKEN)] = "") -> Visit:
    return visit_from(request, c)


def _posted(request: Request, c: Annotated[str, Form(max_length=_MAX_TOKEN)] = "") -> Visit:
    return visit_from(request, c)


Linked = Annotated[Visit, Depends(_linked)]
Posted = Annotated[Visit, Depends(_posted)]


@dataclass(frozen=True)
class Problem:
    """A refusal as a page shows it: at its field (`prefix` tells two forms of one page apart), or on top."""

    title: str
    text: str
    status: int
    field: str | None = None
    prefix: str = ""
    retry_after: int | None = None
    # What the form has to send along the next time (portal/proof.py).
    proof: str = ""
    bits: int | None = None

    @property
    def headers(self) -> dict[str, str]:
        return {} if self.retry_after is None else {"Retry-After": str(self.retry_after)}


def problem_of(error: DomainError, *, prefix: str = "", fields: tuple[str, ...] = ()) -> Problem:
    """What to tell the customer. A refusal that names none of the form's `fields` goes on top of the page."""
    own_words = rendering.texts()["refusals"].get(error.code)
    text = own_words.format(**error.extra) if own_words else error.text
    at = error.field if error.field in fields else None
    more = {name: error.extra[name] for name in ("retry_after", "proof", "bits") if name in error.extra}
    return Problem(error.title, text, HTTP_STATUS[error.kind], at, prefix, **more)


def form_page(visit: Visit, template: str, problem: Problem | None, **values: Any) -> Response:
    """A page with a form, and what was wrong with what came from it."""
    if problem is None:
        return visit.page(template, **values)
    return visit.page(template, problem=problem, status=problem.status, headers=problem.headers, **values)


def refused_page(request: Request, error: DomainError) -> Response:
    """A whole page for a refusal, in words, with a way on."""
    problem = problem_of(error)
    return _visit_of(request).page("error", heading=problem.title, text=problem.text, status=problem.status, headers=problem.headers)


def error_page(request: Request, kind: str, *, status: int) -> Response:
    """`kind` is one of `not_found`, `unexpected`, `unreadable`."""
    said = rendering.texts()["error"]
    return _visit_of(request).page("error", heading=said[f"{kind}_title"], text=said[f"{kind}_text"], status=status)


class PageRoute(APIRoute):
    """Answers refusals as pages: a customer never sees JSON."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()

        async def handle_in_words(request: Request) -> Response:
            try:
                return await handle(request)
            except DomainError as error:
                return refused_page(request, error)
            except RequestValidationError:
                return error_page(request, "unreadable", status=422)
            except HTTPException as error:
                # A form that cannot be taken apart: cut off, or with far too many parts.
                return error_page(request, "unreadable", status=error.status_code)
            except OperationalError:
                log.warning("database.away")
                return error_page(request, "unexpected", status=503)
            except Exception:
                log.exception("page.failed", route=route_of(request.scope))
                return error_page(request, "unexpected", status=500)

        return handle_in_words
