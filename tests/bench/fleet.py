"""Ten thousand authmons on one event loop: each asks `view`, and acknowledges nothing as soon as it is answered (opennds.md §4).

Cheap enough not to be what is measured: raw keep-alive connections, as the proxy in front of the product holds them. How long a request
took counts from the moment it was due, so a server that falls behind cannot hide it.
"""

from __future__ import annotations

import asyncio
import contextlib
import multiprocessing
import os
from array import array
from collections import deque
from dataclasses import dataclass, field

_TICK_SECONDS = 0.002
_GRACE_SECONDS = 20.0


@dataclass(frozen=True)
class Gateway:
    """The two requests of one router's interval."""

    view: bytes
    acknowledge: bytes


@dataclass(frozen=True)
class Fleet:
    """Asks for `seconds` at a steady pace: each of the gateways once in `interval` seconds."""

    port: int
    gateways: tuple[Gateway, ...]
    interval: float
    seconds: float
    connections: int = 64
    cores: frozenset[int] = frozenset()


@dataclass
class Log:
    """Seconds that each request took. `late` is how long after the last was due all were answered; `wrong` counts other answers."""

    views: array[float] = field(default_factory=lambda: array("d"))
    acknowledgements: array[float] = field(default_factory=lambda: array("d"))
    wrong: int = 0
    late: float = 0.0


def run(fleet: Fleet) -> Log:
    """Poll from a process of its own."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (fleet,))


def _run(fleet: Fleet) -> Log:
    if fleet.cores:
        os.sched_setaffinity(0, fleet.cores)
    return asyncio.run(_Driver(fleet).run())


class _Connection(asyncio.Protocol):
    """Takes one gateway's two requests at a time."""

    def __init__(self, driver: _Driver) -> None:
        self._driver = driver
        self._loop = asyncio.get_running_loop()
        self._buffer = b""
        self._transport: asyncio.WriteTransport | None = None
        self._gateway: Gateway | None = None
        self._since, self._is_view = 0.0, True

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transport = transport

    def connection_lost(self, exc: Exception | None) -> None:
        self._driver.lost(self)

    def ask(self, gateway: Gateway, due: float) -> None:
        self._gateway, self._since, self._is_view = gateway, due, True
        self._send(gateway.view)

    def _send(self, request: bytes) -> None:
        assert self._transport is not None
        self._transport.write(request)

    def data_received(self, data: bytes) -> None:
        self._buffer += data
        head, found, body = self._buffer.partition(b"\r\n\r\n")
        if not found or len(body) < _length(head):
            return
        self._buffer = b""
        now = self._loop.time()
        assert self._gateway is not None
        self._driver.answered(head, body, seconds=now - self._since, is_view=self._is_view)
        if self._is_view:
            self._since, self._is_view = now, False
            self._send(self._gateway.acknowledge)
        else:
            self._driver.free(self)


def _length(head: bytes) -> int:
    start = head.find(b"content-length: ") + 16
    return int(head[start:].partition(b"\r")[0])


class _Driver:
    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet
        self._log = Log()
        self._idle: deque[_Connection] = deque()
        self._backlog: deque[tuple[Gateway, float]] = deque()
        self._all_idle = asyncio.Event()

    async def run(self) -> Log:
        fleet, loop = self._fleet, asyncio.get_running_loop()
        for _ in range(fleet.connections):
            _, connection = await loop.create_connection(lambda: _Connection(self), "127.0.0.1", fleet.port)
            self._idle.append(connection)
        pause = fleet.interval / len(fleet.gateways)
        polls, started = int(fleet.seconds / pause), loop.time()
        asked = 0
        while asked < polls:
            due = min(polls, int((loop.time() - started) / pause) + 1)
            for number in range(asked, due):
                self._take(fleet.gateways[number % len(fleet.gateways)], started + number * pause)
            asked = due
            await asyncio.sleep(_TICK_SECONDS)
        await self._finish()
        self._log.late = loop.time() - (started + polls * pause)
        return self._log

    async def _finish(self) -> None:
        self._all_idle.clear()
        if len(self._idle) < self._fleet.connections:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._all_idle.wait(), _GRACE_SECONDS)

    def _take(self, gateway: Gateway, due: float) -> None:
        if self._idle:
            # In turns: the server closes a connection that nobody uses.
            self._idle.popleft().ask(gateway, due)
        else:
            self._backlog.append((gateway, due))

    def free(self, connection: _Connection) -> None:
        if self._backlog:
            connection.ask(*self._backlog.popleft())
        else:
            self._idle.append(connection)
            if len(self._idle) == self._fleet.connections:
                self._all_idle.set()

    def lost(self, connection: _Connection) -> None:
        """A closed connection is not used again; what it was asked counts as not answered."""
        with contextlib.suppress(ValueError):
            self._idle.remove(connection)

    def answered(self, head: bytes, body: bytes, *, seconds: float, is_view: bool) -> None:
        (self._log.views if is_view else self._log.acknowledgements).append(seconds)
        if not head.startswith(b"HTTP/1.1 200") or body != (b"*" if is_view else b"ack"):
            self._log.wrong += 1
