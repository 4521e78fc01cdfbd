"""uvicorn's protocol with bounds on what comes before a request's body: who opens connections and says little holds none for long."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 15.0
# A process that was told to stop still takes the request that a proxy is just sending on a connection it holds open.
LEAVING_SECONDS = 0.5
# A context token in the address and a browser's own lines are far below; a longer head is refused, give or take one read.
MAX_HEAD_BYTES = 32 * 1024
_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-type: text/plain; charset=utf-8\r\nx-content-type-options: nosniff\r\n"
    b"content-length: 38\r\nconnection: close\r\n\r\nThe request's header is far too large."
)


class BoundedProtocol(HttpToolsProtocol):
    """Ends a connection whose request line and headers are not whole within `HEAD_SECONDS` or `MAX_HEAD_BYTES`."""

    head_seconds = HEAD_SECONDS

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._is_in_head, self._head_bytes = True, 0
        self._head_timer: asyncio.TimerHandle | None = None
        self._is_leaving = False

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._head_timer = self.loop.call_later(self.head_seconds, transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        self._end_head()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._is_in_head or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.transport.write(_TOO_LARGE)
            self.transport.close()
        elif self._head_timer is None:
            self._head_timer = self.loop.call_later(self.head_seconds, self.transport.close)

    def on_message_begin(self) -> None:
        self._is_in_head = True
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._end_head()
        super().on_headers_complete()
        if self._is_leaving and self.cycle is not None:
            self.cycle.keep_alive = False

    def shutdown(self) -> None:
        """The process is to stop: what is under way is finished, what is on its way is taken, then the connection ends."""
        if self._is_leaving or (self.cycle is not None and not self.cycle.response_complete):
            super().shutdown()
            return
        self._is_leaving = True
        self.loop.call_later(LEAVING_SECONDS, self.shutdown)

    def _end_head(self) -> None:
        self._is_in_head, self._head_bytes = False, 0
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None
