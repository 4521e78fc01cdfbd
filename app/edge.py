"""What every request passes first, as one plain ASGI layer: correlation ID, hosts, body limits, security headers, log line."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import urlsplit

import orjson
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import correlation, headers, metrics, origin, problems, refusals, tracing
from app.settings import get_settings

log = structlog.get_logger(__name__)
MAX_BODY_BYTES = 256 * 1024
_SMALL_BODY_BYTES = 64 * 1024
# Wave's events and routers' reports are a few hundred bytes.
_SMALL_BODIES = ("/api/wave/webhook", "/fas/")
# Reports with pictures: twenty megabytes of them and the form around them (services/tickets/attachment_checks.py).
MAX_UPLOAD_BYTES = 21 * 1024 * 1024
_UPLOADS = ("/api/portal/tickets", "/portal/help", "/ticket/")
BODY_SECONDS = 15.0
# Two pictures over a slow mobile network.
UPLOAD_SECONDS = 120.0
# Photos of the apps come in pieces (mobile/photos.py): a whole one fits into a piece.
MAX_PIECE_BYTES = 16 * 1024 * 1024
_PIECES, _PIECE_TYPE = "/api/mobile/v1/photos", b"application/offset+octet-stream"
_QUIET_MS = 1000
_HEADER = correlation.HEADER.lower().encode()
_SAFE_METHODS = ("GET", "HEAD", "OPTIONS")
# Probes of the platform and Prometheus come by address, not by name.
_ANY_HOST = ("/healthz/", "/metrics")


@dataclass(frozen=True)
class _Refusal:
    status: int
    code: str
    title: str
    detail: str


_TOO_SLOW = _Refusal(408, "body_too_slow", "The request came too slowly", f"A whole request must arrive within {BODY_SECONDS:.0f} seconds.")
_UPLOAD_TOO_SLOW = _Refusal(
    408,
    "body_too_slow",
    "The request came too slowly",
    f"Files must arrive within {UPLOAD_SECONDS:.0f} seconds. Send fewer, or smaller ones.",
)
_PIECE_TOO_SLOW = _Refusal(
    408, "body_too_slow", "The photo came too slowly", "What has arrived is kept. Ask how far it has come, and go on from there."
)
_FOREIGN_HOST = _Refusal(400, "unknown_host", "Unknown host", "This server does not answer under that name.")
_FOREIGN_ORIGIN = _Refusal(403, "foreign_origin", "Not from another site", "The console is not used from other sites' pages.")


def _too_large(limit: int) -> _Refusal:
    return _Refusal(413, "body_too_large", "The request is too large", f"A request may be at most {limit // 1024} KB.")


class BodyRefused(Exception):
    """The body is larger than any route here takes, or comes too slowly."""


@dataclass(frozen=True)
class Patience:
    """How long a body may take: `seconds`, and what it earns by arriving, for those that are kept as they come.

    With `bytes_per_second` each byte buys time at that rate, and `silence` is the longest gap: a slow link goes on, a dead one ends.
    """

    seconds: float
    bytes_per_second: int = 0
    silence: float = 0.0

    def until(self, started: float, received: int, now: float) -> float:
        """When to give up waiting for the next bytes, on the loop's clock."""
        if not self.bytes_per_second:
            return started + self.seconds
        return min(now + self.silence, started + self.seconds + received / self.bytes_per_second)


# 30 KB a minute, after a minute's grace.
PIECE_PATIENCE = Patience(60.0, bytes_per_second=512, silence=30.0)


@dataclass
class _Head:
    """What this layer needs of a request's header lines."""

    correlation_id: str | None = None
    content_length: int = 0
    host: str = ""
    origin: str | None = None
    is_multipart: bool = False
    is_of_piece_type: bool = False

    def is_upload(self, path: str) -> bool:
        return self.is_multipart and path.startswith(_UPLOADS)

    def is_piece(self, path: str) -> bool:
        return self.is_of_piece_type and path.startswith(_PIECES)


def _read_head(lines: Iterable[tuple[bytes, bytes]]) -> _Head:
    head = _Head()
    for name, value in lines:
        if name == _HEADER:
            head.correlation_id = value.decode("latin-1")
        elif name == b"content-length" and value.isdigit():
            head.content_length = int(value[:15])
        elif name == b"host":
            head.host = value.decode("latin-1")
        elif name == b"content-type":
            head.is_multipart = value.startswith(b"multipart/form-data")
            head.is_of_piece_type = value == _PIECE_TYPE
        elif name == b"origin":
            head.origin = value.decode("latin-1")
    return head


def _hostname(address: str) -> str:
    try:
        return urlsplit(address if "//" in address else f"//{address}").hostname or ""
    except ValueError:
        return ""


class Edge:
    """Wraps the application. Requests are logged when slow or failed; routine ones only count (metrics)."""

    def __init__(self, app: ASGIApp, *, body_seconds: float = BODY_SECONDS, piece_patience: Patience = PIECE_PATIENCE) -> None:
        settings = get_settings()
        self.app = app
        self._is_production = settings.env == "production"
        self._own_host = _hostname(settings.public_url)
        self._tiles = settings.map_tile_origin
        self._body, self._piece = Patience(body_seconds), piece_patience

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self.app(scope, receive, send)
            return
        head = _read_head(scope["headers"])
        refusal = self._refusal(scope, head)
        if scope["type"] == "websocket" and refusal is None:
            await self.app(scope, receive, send)
            return
        client = scope.get("client")
        with correlation.correlated(head.correlation_id), origin.coming_from(client[0] if client else ""):
            if refusal is not None:
                # No route was asked yet, and the address itself may hold a code.
                refusals.name(scope, refusal.code)
                refusals.note_answer(scope, route="none", status=refusal.status)
                if scope["type"] == "websocket":
                    await send({"type": "websocket.close", "code": 1008})
                else:
                    metrics.answered("none", scope["method"], refusal.status, 0.0)
                    await self._refuse(scope, send, refusal)
                return
            # Made here, so that what a route keeps in it is found again when the answer passes.
            scope.setdefault("state", {})
            if scope["path"].startswith(headers.CONSOLE_PATHS):
                headers.begin_page()
            await self._serve(scope, receive, send, head)

    def _refusal(self, scope: Scope, head: _Head) -> _Refusal | None:
        path = scope["path"]
        if self._is_production and _hostname(head.host) != self._own_host and not path.startswith(_ANY_HOST):
            return _FOREIGN_HOST
        if head.origin is not None and path.startswith(headers.CONSOLE_PATHS):
            # The one place where a cookie says who is asking: other sites' pages may not ask there, whatever browsers send along.
            is_state_changing = scope["type"] == "websocket" or scope["method"] not in _SAFE_METHODS
            if is_state_changing and _hostname(head.origin) not in (_hostname(head.host), self._own_host):
                return _FOREIGN_ORIGIN
        if head.content_length > (limit := _body_limit(path, head)):
            return _too_large(limit)
        return None

    async def _serve(self, scope: Scope, receive: Receive, send: Send, head: _Head) -> None:
        started, status, received, limit = time.perf_counter(), 0, 0, _body_limit(scope["path"], head)
        patience, too_slow = self._patience(scope["path"], head)
        clock = asyncio.get_running_loop().time
        began = clock()
        is_whole, refusal = False, None

        async def bounded() -> Message:
            nonlocal received, is_whole, refusal
            if refusal is not None:
                return {"type": "http.disconnect"}
            if is_whole:
                return await receive()
            try:
                async with asyncio.timeout_at(patience.until(began, received, clock())):
                    message = await receive()
            except TimeoutError:
                refusal = too_slow
                raise BodyRefused from None
            received += len(message.get("body", b""))
            is_whole = not message.get("more_body", False)
            if received > limit:
                refusal = _too_large(limit)
                raise BodyRefused
            return message

        async def stamped(message: Message) -> None:
            nonlocal status
            if refusal is not None and status == 0:
                return  # whatever the route made of its cut-off body, the reason is another
            if message["type"] == "http.response.start":
                status = message["status"]
                self._stamp(scope, message)
                # Before it is sent: whoever reads the answer finds it in the log.
                self._note(scope, status)
            await send(message)

        span = tracing.begin_request(scope["method"])
        metrics.begin_request()
        try:
            await self.app(scope, bounded, stamped)
        except BodyRefused:
            pass
        except ClientDisconnect:
            log.info("request.client_left", route=problems.route_of(scope))
        except Exception as error:
            if status:
                raise
            if refusal is None:
                # The framework's own net hangs outside of this layer, where the correlation ID is gone.
                answer = await problems.render_unexpected(Request(scope), error)
                await answer(scope, receive, stamped)
        finally:
            if refusal is not None and status == 0:
                status = refusal.status
                self._note(scope, status)
                await self._refuse(scope, send, refusal)
            took = time.perf_counter() - started
            metrics.end_request()
            metrics.answered(problems.route_of(scope), scope["method"], status, took)
            tracing.end_request(span, route=problems.route_of(scope), method=scope["method"], status=status)
            took_ms = int(took * 1000)
            # A piece of a photo takes as long as the phone's link does.
            if status >= 500 or (took_ms > _QUIET_MS and patience is not self._piece):
                log.warning(
                    "request.slow_or_failed",
                    route=problems.route_of(scope),
                    method=scope["method"],
                    status=status,
                    duration_ms=took_ms,
                )

    def _patience(self, path: str, head: _Head) -> tuple[Patience, _Refusal]:
        if head.is_piece(path):
            return self._piece, _PIECE_TOO_SLOW
        return (Patience(UPLOAD_SECONDS), _UPLOAD_TOO_SLOW) if head.is_upload(path) else (self._body, _TOO_SLOW)

    @staticmethod
    def _note(scope: Scope, status: int) -> None:
        if status in refusals.STATUSES:
            refusals.note_answer(scope, route=problems.route_of(scope), status=status)

    def _stamp(self, scope: Scope, message: Message) -> None:
        """Add what every answer carries to its first message."""
        sent = message["headers"]
        names = {name.lower() for name, _ in sent}
        is_html = any(name.lower() == b"content-type" and value.startswith(b"text/html") for name, value in sent)
        added = headers.headers_for(scope["path"], is_html=is_html, is_production=self._is_production, tiles=self._tiles)
        own = [(name, value) for name, value in added if name not in names]
        message["headers"] = [*sent, *own, (_HEADER, correlation.current().encode())]

    async def _refuse(self, scope: Scope, send: Send, refusal: _Refusal) -> None:
        body = orjson.dumps(
            {
                "type": f"urn:inet:problem:{refusal.code}",
                "title": refusal.title,
                "status": refusal.status,
                "detail": refusal.detail,
                "instance": scope["path"].encode("utf-8", "replace").decode(),
                "code": refusal.code,
                "correlation_id": correlation.current(),
            }
        )
        lines = [(b"content-type", b"application/problem+json"), (b"content-length", str(len(body)).encode()), (b"connection", b"close")]
        start: Message = {"type": "http.response.start", "status": refusal.status, "headers": lines}
        self._stamp(scope, start)
        await send(start)
        await send({"type": "http.response.body", "body": body})


def _body_limit(path: str, head: _Head) -> int:
    if head.is_upload(path):
        return MAX_UPLOAD_BYTES
    if head.is_piece(path):
        return MAX_PIECE_BYTES
    return _SMALL_BODY_BYTES if path.startswith(_SMALL_BODIES) else MAX_BODY_BYTES
