"""A lean HTTP load: raw keep-alive connections on one event loop, so that the server is the slower side. Bounded in time."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """The same request over and over on `connections` connections for `seconds`."""

    host: str
    port: int
    request: bytes
    seconds: float
    connections: int = 16
    expect: bytes = b"HTTP/1.1 200"


def requests_per_second(load: Load) -> float:
    """Measured from a process of its own. Raises RuntimeError when an answer is not the expected one."""
    with multiprocessing.get_context("spawn").Pool(1) as pool:
        return pool.apply(_run, (load,))


def _run(load: Load) -> float:
    return asyncio.run(_hammer(load))


async def _hammer(load: Load) -> float:
    counts = [0] * load.connections
    started = time.perf_counter()
    await asyncio.gather(*(_connection(load, counts, number, started + load.seconds) for number in range(load.connections)))
    return sum(counts) / (time.perf_counter() - started)


async def _connection(load: Load, counts: list[int], number: int, until: float) -> None:
    reader, writer = await asyncio.open_connection(load.host, load.port)
    while time.perf_counter() < until:
        writer.write(load.request)
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(load.expect):
            raise RuntimeError(f"unexpected answer: {head[:80]!r}")
        await reader.readexactly(_length(head))
        counts[number] += 1
    writer.close()


def _length(head: bytes) -> int:
    for line in head.split(b"\r\n"):
        if line.lower().startswith(b"content-length:"):
            return int(line.split(b":")[1])
    return 0


def get(path: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n\r\n".encode()


def post_form(path: str, body: str) -> bytes:
    head = f"POST {path} HTTP/1.1\r\nHost: bench\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {len(body)}\r\n\r\n"
    return (head + body).encode()
