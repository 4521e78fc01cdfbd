"""Short cut for what routers ask nearly always: "anything for me?" with nothing to fetch, and "I took nothing" (opennds.md §4.2).

Ten thousand routers ask two thousand times a second. Such a call is answered here, before routing and the general layers, exactly as
they would. Whatever is unusual in any way goes on to them untouched.
"""

from __future__ import annotations

import asyncio
import re
import time
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import correlation, headers, metrics, redis
from app.settings import get_settings
from portal.known_routers import known_routers
from portal.poll_question import Told, ask_about_poll

PREFIX = "/fas/"
TOLD = "inet.poll_told"
# Counted under the name of the route that would have answered.
_ROUTE = "/fas/{slug}"
_LONGEST, _BODY_SECONDS = 512, 1.0
# Both calls byte for byte as authmon makes them: `none` and `*` in base64, with the padding escaped or not.
_CALL = re.compile(rb"auth_get=view&gatewayhash=([0-9a-f]{64})&payload=(bm9uZQ|Kg)(?:==|%3[dD]%3[dD])")
_VIEW = b"bm9uZQ"
_NOTHING, _ACK = b"*", b"ack"
_CORRELATION = correlation.HEADER.lower().encode()


class IdlePolls:
    """Wraps the portal's application."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        is_production = get_settings().env == "production"
        # As in the general layer (app/edge.py): in production the product answers under its own name only.
        self._own_host = urlsplit(get_settings().public_url).netloc.encode() if is_production else None
        self._headers = [
            (b"content-type", b"text/plain; charset=utf-8"),
            (b"cache-control", b"no-store"),
            *headers.headers_for(PREFIX, is_html=False, is_production=is_production),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not scope["path"].startswith(PREFIX):
            await self._app(scope, receive, send)
            return
        began = time.perf_counter()
        call, receive = await _call_of(scope, receive)
        found = _CALL.fullmatch(call) if call is not None else None
        answer = await self._answer(scope, found) if found is not None else None
        if answer is None:
            await self._app(scope, receive, send)
            return
        await self._send(scope, send, answer)
        metrics.answered(_ROUTE, scope["method"], 200, time.perf_counter() - began)

    async def _answer(self, scope: Scope, call: re.Match[bytes]) -> bytes | None:
        """The whole answer, or None when it takes more to find it."""
        slug = scope["path"][len(PREFIX) :]
        router = known_routers.get(slug)
        if router is None or router.gateway_hash.encode() != call[1] or not self._is_own_host(scope):
            return None
        if call[2] != _VIEW:
            return _ACK
        try:
            told = await ask_about_poll((slug, _header(scope, b"user-agent").decode("latin-1")))
        except redis.Away:
            return None
        if told.may_have_work or not known_routers.is_edition(told.edition):
            scope[TOLD] = told
            return None
        return _NOTHING

    def _is_own_host(self, scope: Scope) -> bool:
        return self._own_host is None or _header(scope, b"host") == self._own_host

    async def _send(self, scope: Scope, send: Send, body: bytes) -> None:
        sent = correlation.accept(_header(scope, _CORRELATION).decode("latin-1"))
        lines = [(b"content-length", str(len(body)).encode()), *self._headers, (_CORRELATION, sent.encode())]
        await send({"type": "http.response.start", "status": 200, "headers": lines})
        await send({"type": "http.response.body", "body": body})


async def _call_of(scope: Scope, receive: Receive) -> tuple[bytes | None, Receive]:
    """A call's parameters if it is short and in one piece, and the channel from which all of it can be read again."""
    if scope["method"] == "GET":
        return scope["query_string"], receive
    length = _header(scope, b"content-length")
    if scope["method"] != "POST" or scope["query_string"] or not length.isdigit() or int(length[:9]) > _LONGEST:
        return None, receive
    try:
        # authmon's body comes with its head; who is slower has the general layer's patience.
        async with asyncio.timeout(_BODY_SECONDS):
            first = await receive()
    except TimeoutError:
        return None, receive
    is_whole = first["type"] == "http.request" and not first.get("more_body", False)
    return first.get("body", b"") if is_whole else None, _again(first, receive)


def _again(first: Message, receive: Receive) -> Receive:
    waiting = [first]

    async def replay() -> Message:
        return waiting.pop() if waiting else await receive()

    return replay


def _header(scope: Scope, name: bytes) -> bytes:
    for found, value in scope["headers"]:
        if found == name:
            return bytes(value)
    return b""


def told_already(scope: Scope) -> Told | None:
    """What Redis said of this poll a moment ago, so that it is neither asked nor counted twice."""
    told: Told | None = scope.get(TOLD)
    return told
