"""Several web processes behind one socket: replaced under load, and not one request is lost."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil
import pytest
from starlette.responses import PlainTextResponse
from starlette.types import Receive, Scope, Send
from uvicorn.config import Config

from app import serving
from app.protocol import BoundedProtocol
from app.settings import SettingsError, get_settings
from tests.conftest import free_port
from tests.gated_web import GatedWeb


def test_the_console_is_one_process(servers: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INET_ROLES", "console,portal")
    get_settings.cache_clear()
    with pytest.raises(SettingsError, match="INET_ROLES must leave out console"):
        serving.run("127.0.0.1", 1, workers=2)
    get_settings.cache_clear()


def test_gunicorn_writes_nothing_to_a_disk_and_opens_no_door() -> None:
    chosen = serving.options("::1", 8000, workers=3, max_requests=1000)
    assert chosen["bind"] == "[::1]:8000"
    assert chosen["control_socket_disable"] is True
    assert chosen["worker_tmp_dir"] == "/dev/shm" or not os.access("/dev/shm", os.W_OK)
    assert not {"accesslog", "errorlog", "pidfile"} & chosen.keys()


@pytest.fixture
def gated(tmp_path: Path) -> Iterator[GatedWeb]:
    """A process whose workers are still importing."""
    web = GatedWeb(tmp_path / "gate")
    try:
        web.start()
        yield web
    finally:
        web.kill()


def test_until_a_worker_serves_connections_are_refused_and_do_not_wait(gated: GatedWeb) -> None:
    assert not gated.listens()
    gated.open()
    gated.await_service()
    assert gated.ask() in gated.pids()
    gated.stop()
    assert not gated.listens()
    gated.shut()
    gated.start()
    assert not gated.listens()


def test_while_fresh_workers_import_the_old_ones_serve(gated: GatedWeb) -> None:
    gated.open()
    gated.await_service()
    old = gated.pids()
    gated.shut()
    gated.process.send_signal(signal.SIGHUP)
    _until(lambda: len(gated.pids()) == 4, "fresh workers beside the old ones")
    assert {gated.ask() for _ in range(20)} <= old
    gated.open()
    _until(lambda: not gated.pids() & old, "fresh workers alone")
    assert gated.ask() in gated.pids()


def test_a_port_that_is_taken_is_said_in_a_line(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        command = [sys.executable, "-m", "tests.gated_web", str(other.getsockname()[1]), str(tmp_path / "gate"), "1"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].endswith("Address already in use")


def test_who_has_connected_when_the_door_is_closed_is_still_served() -> None:
    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await PlainTextResponse("served")(scope, receive, send)

    config = Config(answer, http=BoundedProtocol, lifespan="off", log_config=None)
    config.load()

    async def leave() -> list[bytes]:
        server, door = serving.Leaving(config), serving.Door("127.0.0.1", 0)
        server.lifespan = config.lifespan_class(config)
        await server.startup([door])
        # Nobody accepts them before the server leaves: the loop does not turn in between.
        asking = [socket.create_connection(door.getsockname()) for _ in range(5)]
        for one in asking:
            one.sendall(b"POST / HTTP/1.1\r\nHost: portal.test\r\nContent-Length: 2\r\n\r\n{}")
        await server.shutdown([door])
        for one in asking:
            one.settimeout(10)
        answers = [one.recv(4096) for one in asking]
        for one in asking:
            one.close()
        return answers

    with asyncio.Runner(loop_factory=config.get_loop_factory()) as runner:
        assert [answer.endswith(b"served") for answer in runner.run(leave())] == [True] * 5


@dataclass
class Load:
    """Asks without a pause, over connections that are kept and over new ones; what fails is kept."""

    url: str
    answered: int = 0
    failed: list[str] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)

    def __enter__(self) -> Load:
        self._threads = [threading.Thread(target=self._ask_again, args=[kind]) for kind in ("new", "new", "kept")]
        for thread in self._threads:
            thread.start()
        return self

    def _ask_again(self, kind: str) -> None:
        transport = httpx.HTTPTransport(limits=httpx.Limits(max_keepalive_connections=1 if kind == "kept" else 0))
        with httpx.Client(transport=transport, timeout=60) as client:
            while not self._stop.is_set():
                try:
                    # Kept connections are for what may be asked twice (deploy/nginx); a program that sees one closed asks again.
                    answer = client.get(self.url + "/healthz/live") if kind == "kept" else self._buy(client)
                    if answer.status_code not in (200, 404, 422, 429):
                        self.failed.append(f"{kind}: {answer.status_code}")
                    self.answered += 1
                except httpx.HTTPError as error:
                    self.failed.append(f"{kind}: {error!r}")

    def _buy(self, client: httpx.Client) -> httpx.Response:
        return client.post(self.url + "/api/wave/checkout", json={"package_id": "none", "phone": "+220833000001"})

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


@dataclass
class Served:
    process: subprocess.Popen[bytes]
    url: str

    def workers(self, master: int | None = None) -> set[int]:
        with suppress(psutil.NoSuchProcess):
            return {child.pid for child in psutil.Process(master or self.process.pid).children() if not _is_master(child)}
        return set()

    def next_master(self) -> int | None:
        return next((child.pid for child in psutil.Process(self.process.pid).children() if _is_master(child)), None)


def _is_master(process: psutil.Process) -> bool:
    with suppress(psutil.Error):
        return bool(process.children())
    return False


def _until(true: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + 120
    while not true():
        assert time.monotonic() < deadline, what
        time.sleep(0.1)


def _answers(url: str) -> bool:
    with suppress(httpx.HTTPError):
        return httpx.get(url + "/healthz/live", timeout=2).status_code == 200
    return False


@pytest.fixture
def served(database: None, tmp_path: Path) -> Iterator[Served]:
    port = free_port()
    env = {**os.environ, "INET_ROLES": "portal", "INET_LOG_LEVEL": "WARNING", "INET_DATA_DIR": str(tmp_path), "PYTHONPATH": str(Path.cwd())}
    command = [sys.executable, "-m", "app.cli", "serve", "--port", str(port), "--workers", "2"]
    process = subprocess.Popen(command, env=env, cwd=Path.cwd(), start_new_session=True)
    running = Served(process, f"http://127.0.0.1:{port}")
    try:
        _until(lambda: _answers(running.url), "the first answer")
        _until(lambda: len(running.workers()) == 2, "two workers")
        yield running
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(20)


@pytest.mark.timeout(400)
def test_workers_and_then_the_whole_program_are_replaced_and_no_request_is_lost(served: Served) -> None:
    with Load(served.url) as load:
        old = served.workers()
        served.process.send_signal(signal.SIGHUP)
        _until(lambda: len(served.workers()) == 2 and not served.workers() & old, "fresh workers alone")
        after_reload = load.answered

        served.process.send_signal(signal.SIGUSR2)
        _until(lambda: (found := served.next_master()) and len(served.workers(found)) == 2, "a second program")
        second = served.next_master()
        assert second is not None
        # How an operator tells that the second one serves: its workers have the port open and answer; here, they have loaded.
        _until(lambda: all(_has_loaded(pid) for pid in served.workers(second)), "the second program's workers serve")
        served.process.send_signal(signal.SIGTERM)
        assert served.process.wait(60) == 0
        _until(lambda: load.answered > after_reload + 20, "answers of the second program")
    assert load.failed == []
    assert load.answered > 50
    os.kill(second, signal.SIGTERM)
    _until(lambda: not psutil.pid_exists(second), "the end of the second program")


def _has_loaded(pid: int) -> bool:
    """A worker that serves has its event loop's descriptors; any of them may be closed while we look."""
    links = []
    with suppress(FileNotFoundError):
        for link in Path(f"/proc/{pid}/fd").iterdir():
            with suppress(FileNotFoundError):
                links.append(os.readlink(link))
    return any("eventpoll" in link for link in links)


@pytest.mark.timeout(200)
def test_a_request_under_way_is_finished_when_the_program_is_told_to_end(served: Served) -> None:
    """Its body comes slowly, begun before the signal and ended after it."""

    def body() -> Iterator[bytes]:
        yield b'{"package_id": "none",'
        served.process.send_signal(signal.SIGTERM)
        _until(lambda: not _answers(served.url), "no new request is taken")
        yield b'"phone": "+220833000001"}'

    answer = httpx.post(served.url + "/api/wave/checkout", content=body(), headers={"Content-Type": "application/json"}, timeout=60)
    assert answer.status_code in (404, 422)
    assert served.process.wait(60) == 0
