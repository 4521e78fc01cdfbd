"""A lean HTTP load: raw keep-alive connections on one event loop, so that the server is the slower side. Bounded in time."""

from __future__ import annotations

import asyncio
import multiprocessing
import time
from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Load:
    """The same request over and over on `connections` connections for `seconds`."""

    request: bytes
    port: int = 0
    seconds: float = 1.0
    connections: int = 16
    expect: bytes = b"HTTP/1.1 200"


class Hammer:
    """A process of its own that puts load on this machine's servers."""

    def __enter__(self) -> Hammer:
        self._pool = multiprocessing.get_context("spawn").Pool(1)
        return self

    def __exit__(self, *_: object) -> None:
        self._pool.terminate()
        self._pool.join()

    def requests_per_second(self, load: Load) -> float:
        """Raises RuntimeError when an answer is not the expected one."""
        return self._pool.apply(_run, (load,))


def _run(load: Load) -> float:
    return asyncio.run(_hammer(load))


async def _hammer(load: Load) -> float:
    counts = [0] * load.connections
    started = time.perf_counter()
    await asyncio.gather(*(_connection(load, counts, number, started + load.seconds) for number in range(load.connections)))
    return sum(counts) / (time.perf_counter() - started)


async def _connection(load: Load, counts: list[int], number: int, until: float) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", load.port)
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


def get(path: str, **headers: str) -> bytes:
    return f"GET {path} HTTP/1.1\r\nHost: bench\r\n{_lines(headers)}\r\n".encode()


def post_form(path: str, body: str, **headers: str) -> bytes:
    return _post(path, body, "application/x-www-form-urlencoded", headers)


def post_json(path: str, body: str, **headers: str) -> bytes:
    return _post(path, body, "application/json", headers)


def _post(path: str, body: str, kind: str, headers: Mapping[str, str]) -> bytes:
    own = {"Content-Type": kind, "Content-Length": str(len(body)), **headers}
    return f"POST {path} HTTP/1.1\r\nHost: bench\r\n{_lines(own)}\r\n{body}".encode()


def _lines(headers: Mapping[str, str]) -> str:
    return "".join(f"{name}: {value}\r\n" for name, value in headers.items())
