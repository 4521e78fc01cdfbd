"""What every request passes first, as one plain ASGI layer: correlation ID, body limit, log line."""

from __future__ import annotations

import time

import orjson
import structlog
from starlette.requests import ClientDisconnect, Request
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app import correlation, origin, problems

log = structlog.get_logger(__name__)
MAX_BODY_BYTES = 256 * 1024
_QUIET_MS = 1000
_HEADER = correlation.HEADER.lower().encode()


class BodyTooLarge(Exception):
    """More was sent than any route here takes."""


class Edge:
    """Wraps the application. Requests are logged when slow or failed; routine ones only count (metrics)."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        sent_id, length = None, 0
        for name, value in scope["headers"]:
            if name == _HEADER:
                sent_id = value.decode("latin-1")
            elif name == b"content-length" and value.isdigit():
                length = int(value)
        client = scope.get("client")
        with correlation.correlated(sent_id) as correlation_id, origin.coming_from(client[0] if client else ""):
            if length > MAX_BODY_BYTES:
                await _refuse_large(scope, send, correlation_id)
                return
            await self._serve(scope, receive, send, correlation_id)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, correlation_id: str) -> None:
        started, status, received = time.perf_counter(), 0, 0

        async def counted() -> Message:
            nonlocal received
            message = await receive()
            received += len(message.get("body", b""))
            if received > MAX_BODY_BYTES:
                raise BodyTooLarge
            return message

        async def stamped(message: Message) -> None:
            nonlocal status
            if received > MAX_BODY_BYTES and status in (0, 413):
                status = 413  # whatever the route made of its cut-off body, the reason is this
                return
            if message["type"] == "http.response.start":
                status = message["status"]
                message["headers"] = [*message["headers"], (_HEADER, correlation_id.encode())]
            await send(message)

        try:
            await self.app(scope, counted, stamped)
        except BodyTooLarge:
            status = status or 413
        except ClientDisconnect:
            log.info("request.client_left", route=problems.route_of(scope))
        except Exception as error:
            if status:
                raise
            # The framework's own net hangs outside of this layer, where the correlation ID is gone.
            answer = await problems.render_unexpected(Request(scope), error)
            await answer(scope, receive, stamped)
        finally:
            if status == 413 and received > MAX_BODY_BYTES:
                await _refuse_large(scope, send, correlation_id)
            took_ms = int((time.perf_counter() - started) * 1000)
            if status >= 500 or took_ms > _QUIET_MS:
                log.warning(
                    "request.slow_or_failed",
                    route=problems.route_of(scope),
                    method=scope["method"],
                    status=status,
                    duration_ms=took_ms,
                )


async def _refuse_large(scope: Scope, send: Send, correlation_id: str) -> None:
    body = orjson.dumps(
        {
            "type": "urn:inet:problem:body_too_large",
            "title": "The request is too large",
            "status": 413,
            "detail": f"A request may be at most {MAX_BODY_BYTES // 1024} KB.",
            "instance": scope["path"],
            "code": "body_too_large",
            "correlation_id": correlation_id,
        }
    )
    headers = [(b"content-type", b"application/problem+json"), (_HEADER, correlation_id.encode()), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
