"""A web process of ours in all but what it serves: its workers import for as long as a gate is shut.

`python -m tests.gated_web PORT GATE WORKERS` is the process, `GatedWeb` starts one.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import dataclass, field
from http.client import HTTPConnection
from pathlib import Path

import psutil
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.types import ASGIApp

from app import serving
from tests.conftest import free_port

_PATIENCE = 30


async def _told(request: Request) -> PlainTextResponse:
    await request.body()
    return PlainTextResponse(str(os.getpid()))


class _Gated(serving.WebApplication):
    def __init__(self, port: int, gate: Path, workers: int) -> None:
        self._gate = gate
        super().__init__(serving.options("127.0.0.1", port, workers=workers, max_requests=0))

    def load(self) -> ASGIApp:
        while not self._gate.exists():
            time.sleep(0.02)
        return Starlette(routes=[Route("/{path:path}", _told, methods=["GET", "POST"])])


@dataclass
class GatedWeb:
    """One such process. It may be stopped and started again at the same port."""

    gate: Path
    workers: int = 2
    port: int = field(default_factory=free_port)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self) -> None:
        """Until its workers have begun to import, which they finish when the gate is open."""
        command = [sys.executable, "-m", "tests.gated_web", str(self.port), str(self.gate), str(self.workers)]
        self.process = subprocess.Popen(command, start_new_session=True)
        until = time.monotonic() + _PATIENCE
        while len(self.pids()) < self.workers:
            assert self.process.poll() is None, "the process ended"
            assert time.monotonic() < until, "the workers do not start"
            time.sleep(0.02)

    def open(self) -> None:
        self.gate.touch()

    def shut(self) -> None:
        """For workers that start from now on."""
        self.gate.unlink()

    def pids(self) -> set[int]:
        return {child.pid for child in psutil.Process(self.process.pid).children()}

    def listens(self) -> bool:
        with closing(socket.socket()) as tried:
            return tried.connect_ex(("127.0.0.1", self.port)) == 0

    def ask(self) -> int:
        """The worker that answered."""
        with closing(HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE)) as connection:
            connection.request("POST", "/", b"{}")
            return int(connection.getresponse().read())

    def await_service(self) -> None:
        until = time.monotonic() + _PATIENCE
        while not self.listens():
            assert time.monotonic() < until, "it does not serve"
            time.sleep(0.02)

    def stop(self) -> None:
        self.process.terminate()
        assert self.process.wait(_PATIENCE) == 0

    def kill(self) -> None:
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait(_PATIENCE)


if __name__ == "__main__":
    serving.Master(_Gated(int(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3]))).run()
