"""The only way to register console pages, who is asking on every action, and what a refusal looks like."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import wraps
from typing import Any, get_type_hints
from urllib.parse import quote, urlencode

import structlog
from fastapi import Depends
from nicegui import app, ui
from nicegui.language import Language
from starlette.responses import RedirectResponse, Response

from app import correlation, origin, refusals
from app.access import Gate, public
from app.db import in_transaction
from app.errors import DomainError, ErrorKind, Forbidden, Unauthenticated
from app.problems import route_of
from pages import browser_store, frame
from pages.components.again import again_every
from pages.components.states import broken_state, not_allowed_state, refused_state
from pages.connection import RECONNECT_SECONDS
from services.accounts.permissions import Permission, Principal
from services.accounts.sessions import SessionIdle
from services.accounts.staff import log_out as end_staff_session
from services.accounts.staff import principal_for_session

LOGIN_PATH = "/console/login"
# Said in the document, so that a screen reader reads it with the right voice.
LANGUAGE: Language = "en-GB"
HOME_PATH = "/console"
OWN_PATH = "/console/account"
TOKEN = "staff_session"  # noqa: S105 - the name it is stored under
_ACTOR = "actor"
# How often an open page looks whether its session has ended, so that a screen nobody sits before does not stay open.
_LOOK_SECONDS = 60.0
log = structlog.get_logger(__name__)
# True while a page does something that nobody asked for: such things keep no session open.
_by_itself: ContextVar[bool] = ContextVar("by_itself", default=False)


@dataclass(frozen=True)
class ConsolePage:
    """A registered page. `permission` is None only for a page that says in `public_because` why everybody may open it."""

    path: str
    title: str
    permission: Permission | None
    icon: str = ""
    group: str = ""
    in_navigation: bool = False
    public_because: str | None = None


PAGES: dict[str, ConsolePage] = {}
"""Every console page by its path."""
_ROUTES: dict[str, Callable[[], object]] = {}
_HEADER: list[Callable[[], Awaitable[None]]] = []


class PageGate(Gate):
    async def __call__(self) -> None:
        """Names the permission for the walk over all routes; the page itself asks, to answer in its own frame."""


def console_page(
    path: str, *, title: str, permission: Permission, icon: str = "", group: str = "", in_navigation: bool = False
) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., Awaitable[Response | None]]]:
    """Declare a page for staff who hold `permission`. The builder may take `actor: Principal` beside path and query parameters."""

    def register(build: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[Response | None]]:
        page = ConsolePage(path, title, permission, icon, group, in_navigation)
        PAGES[path] = page

        @wraps(build)
        async def opened(**values: Any) -> Response | None:
            return await _open(page, build, values)

        _take_signature(opened, build)
        gate = Depends(PageGate(permission=permission.value))
        _ROUTES[path] = lambda: ui.page(
            path, title=f"{title} · INET", language=LANGUAGE, response_timeout=20, reconnect_timeout=RECONNECT_SECONDS, dependencies=[gate]
        )(opened)
        return opened

    return register


def public_page(path: str, *, title: str, because: str) -> Callable[[Callable[..., Awaitable[None]]], Callable[..., Awaitable[None]]]:
    """Declare a page that everybody may open, and say why."""

    def register(build: Callable[..., Awaitable[None]]) -> Callable[..., Awaitable[None]]:
        PAGES[path] = ConsolePage(path, title, None, public_because=because)
        _ROUTES[path] = lambda: ui.page(path, title=f"{title} · INET", language=LANGUAGE, dependencies=[public(because)])(build)
        return build

    return register


def console_file(
    path: str, *, permission: Permission
) -> Callable[[Callable[..., Awaitable[Response]]], Callable[..., Awaitable[Response]]]:
    """Declare an address under which the console's session gets bytes and no page. It asks for the person itself (`current_staff`)."""

    def register(serve: Callable[..., Awaitable[Response]]) -> Callable[..., Awaitable[Response]]:
        gate = Depends(PageGate(permission=permission.value))
        _ROUTES[path] = lambda: app.get(path, dependencies=[gate], include_in_schema=False)(serve)
        return serve

    return register


def in_header(draw_part: Callable[[], Awaitable[None]]) -> None:
    """Have a part drawn into the header of every page, for whoever is logged in. It must refuse nothing."""
    _HEADER.append(draw_part)


def serve_pages() -> None:
    """Put every page that was declared so far on NiceGUI's application."""
    for serve in _ROUTES.values():
        serve()


def _take_signature(opened: Callable[..., Any], build: Callable[..., Any]) -> None:
    """The web framework sees the builder's parameters, with real types, but for `actor`, which is not the browser's to send."""
    hints = get_type_hints(build)
    signature = inspect.signature(build)
    parameters = [value.replace(annotation=hints[name]) for name, value in signature.parameters.items() if name != "actor"]
    opened.__signature__ = signature.replace(parameters=parameters, return_annotation=None)  # type: ignore[attr-defined]
    opened.__annotations__ = {parameter.name: parameter.annotation for parameter in parameters}


async def _open(page: ConsolePage, build: Callable[..., Awaitable[None]], values: dict[str, Any]) -> Response | None:
    try:
        # Another process may have logged this browser in or out since it was last seen here.
        await browser_store.own().reload()
        actor = await _find_staff()
    except SessionIdle as ended:
        return RedirectResponse(login_address(_here(), ended), status_code=303)
    except DomainError as refusal:
        frame.draw_bare()
        refused_state(refusal)
        return None
    if actor is None:
        return RedirectResponse(login_address(_here()), status_code=303)
    if actor.must_enrol and page.path != OWN_PATH:
        return RedirectResponse(OWN_PATH, status_code=303)
    ui.context.client.storage[_ACTOR] = f"{actor.kind}:{actor.id}"
    again_every(_LOOK_SECONDS, _look)
    with frame.draw(page=page, pages=PAGES.values(), actor=actor, on_log_out=log_out) as header:
        with header:
            for draw_part in _HEADER:
                await draw_part()
        if page.permission is None or not actor.may(page.permission):
            note_refusal(Forbidden())
            not_allowed_state(actor)
            return None
        wanted = inspect.signature(build).parameters
        try:
            await build(**values, **({"actor": actor} if "actor" in wanted else {}))
        except DomainError as refusal:
            refused_state(refusal)
        except Exception:
            log.exception("console.page_failed", path=page.path)
            broken_state(correlation.current())
    return None


def _here() -> str:
    request = ui.context.client.request
    return request.url.path + (f"?{request.url.query}" if request.url.query else "")


async def _look() -> None:
    with silent_on_refusal():
        await current_staff()


def login_address(back_to: str, ended: Unauthenticated | None = None) -> str:
    """The log-in page, which leads back to `back_to` and says when a session `ended` because nobody used it."""
    values = {"next": back_to} if back_to not in ("", HOME_PATH) else {}
    if isinstance(ended, SessionIdle):
        values["idle"] = str(ended.minutes)
    query = urlencode(values, quote_via=quote, safe="/")
    return f"{LOGIN_PATH}?{query}" if values else LOGIN_PATH


def query_address(path: str, values: dict[str, str]) -> str:
    return f"{path}?{urlencode(values)}" if values else path


async def _find_staff() -> Principal | None:
    try:
        found = await _look_up()
    except SessionIdle:
        if not await browser_store.own().reload():
            raise
        return await _look_up()
    if found is None and await browser_store.own().reload():
        # The token was changed through another process.
        found = await _look_up()
    return found


async def _look_up() -> Principal | None:
    return await in_transaction(principal_for_session, app.storage.user.get(TOKEN), is_use=not _by_itself.get())


async def current_staff() -> Principal:
    """Who is acting now, with the rights of this moment: a websocket outlives a revoked role. Raises Unauthenticated, SessionIdle."""
    actor = await _find_staff()
    if actor is None:
        raise Unauthenticated("You have been logged out. Log in again.")
    return actor


def keep_token(token: str) -> None:
    """This browser's session goes on under a new token."""
    app.storage.user[TOKEN] = token


def own_token() -> str:
    return str(app.storage.user.get(TOKEN) or "")


def agent_here() -> str:
    """The browser, as it names itself."""
    return str(ui.context.client.request.headers.get("user-agent", ""))


@contextmanager
def from_this_browser() -> Iterator[str]:
    """What comes over the page's socket comes from the address that opened the page. Answers the correlation ID."""
    with correlation.correlated() as correlation_id, origin.coming_from(ui.context.client.ip):
        yield correlation_id


async def log_out() -> None:
    """End the staff session and forget its token in this browser."""
    token = app.storage.user.pop(TOKEN, None)
    if token:
        with toast_on_refusal():
            await in_transaction(lambda _: end_staff_session(token))
            await browser_store.own().save()
    ui.navigate.to(LOGIN_PATH)


def note_refusal(refusal: DomainError) -> None:
    """Keep in the log that somebody was refused: on which page, by its template, and who."""
    client = ui.context.client
    refusals.note(refusal, route=route_of(client.request.scope), actor=client.storage.get(_ACTOR))


@contextmanager
def toast_on_refusal() -> Iterator[None]:
    """Around every action: a refusal becomes a toast, anything unexpected a toast with the number under which it is logged."""
    with from_this_browser() as correlation_id:
        try:
            yield
        except Unauthenticated as ended:
            ui.navigate.to(login_address(_here(), ended))
        except DomainError as refusal:
            note_refusal(refusal)
            grave = refusal.kind in (ErrorKind.FORBIDDEN, ErrorKind.UNAVAILABLE)
            ui.notify(refusal.text, type="negative" if grave else "warning", multi_line=True, timeout=7000)
        except Exception:
            log.exception("console.action_failed")
            words = f"That did not work, and it is not your fault. Tell the administrator this number: {correlation_id}"
            ui.notify(words, type="negative", multi_line=True, timeout=0, close_button="Close")


@contextmanager
def _without_asking(is_use: bool) -> Iterator[None]:
    before = _by_itself.set(not is_use)
    try:
        yield
    finally:
        _by_itself.reset(before)


@contextmanager
def silent_on_refusal(*, is_use: bool = False) -> Iterator[None]:
    """Around a refresh that nobody asked for: it never disturbs and is no activity; it only leaves when the person was logged out.

    `is_use` for what follows from somebody's typing, which keeps their session open.
    """
    with correlation.correlated(), _without_asking(is_use):
        try:
            yield
        except Unauthenticated as ended:
            ui.navigate.to(login_address(_here(), ended))
        except DomainError as refusal:
            log.info("console.refresh_refused", code=refusal.code)
        except Exception:
            log.warning("console.refresh_failed", exc_info=True)
