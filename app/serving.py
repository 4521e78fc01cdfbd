"""Several web processes behind one socket: Gunicorn watches over them, each is uvicorn with our own protocol.

Nobody waits at a closed door. Until the first worker serves, connections are refused, so that a proxy goes elsewhere at once; when the last
one leaves, what waits at the socket is taken along.

Not preloaded: no thread, connection or lock is carried over a fork, and fresh workers read `.env` anew. What it costs is memory, for
each worker imports for itself (docs/deployment.md has the figures).
"""

from __future__ import annotations

import asyncio
import logging
import mmap
import os
import signal
import socket
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from gunicorn.app.base import BaseApplication
from gunicorn.arbiter import Arbiter
from gunicorn.errors import HaltServer
from gunicorn.glogging import Logger
from starlette.types import ASGIApp
from uvicorn.server import Server
from uvicorn_worker import UvicornWorker

from app import logs
from app.protocol import BoundedProtocol
from app.settings import SettingsError, get_settings

# A request under way when its worker is told to go may take this long; the longest a customer waits for a payment is well below.
GRACE_SECONDS = 30
# Idle polls of routers count too: thousands an hour, so this is hours to days. Against what leaks slowly, not against what leaks fast.
MAX_REQUESTS = 1_000_000
_SILENT_SECONDS = 30
_BIND_TRIES, _BIND_AGAIN_SECONDS = 10, 0.25
_MEMORY = Path("/dev/shm")  # noqa: S108 - files there are unlinked as soon as they are made, and hold nothing


class Leaving(Server):
    """uvicorn's, but who has connected already is served before the door is closed, not cut off."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        loop = asyncio.get_running_loop()
        # Taken first and closed at once: in what lies between, another connection would be lost.
        waiting = list(_connected(sockets or []))
        for server in self.servers:
            server.close()
        for one in sockets or []:
            one.close()
        for connection in waiting:
            with suppress(OSError):
                await loop.connect_accepted_socket(self._protocol, connection)
        await super().shutdown(sockets)

    def _protocol(self) -> BoundedProtocol:
        return BoundedProtocol(config=self.config, server_state=self.server_state, app_state=self.lifespan.state)


def _connected(sockets: Sequence[socket.socket]) -> Iterator[socket.socket]:
    """The connections that nobody has taken yet."""
    for one in sockets:
        with suppress(OSError):
            while True:
                connection, _ = one.accept()
                connection.setblocking(False)
                yield connection


class Worker(UvicornWorker):  # type: ignore[misc]  # no types are shipped
    """One web process. It tells its master when it serves, which is what a reload waits for."""

    CONFIG_KWARGS: dict[str, Any] = {
        "loop": "auto",
        "http": BoundedProtocol,
        "access_log": False,
        "server_header": False,
        "timeout_graceful_shutdown": GRACE_SECONDS,
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # uvicorn's own lines go the way of all others: to the root's handlers, as JSON.
        for name in ("uvicorn.error", "uvicorn.access"):
            logging.getLogger(name).handlers.clear()
            logging.getLogger(name).propagate = True
        # Made before the fork and shared by it: one byte from the worker to the master.
        self._told = mmap.mmap(-1, 1)

    @property
    def serves(self) -> bool:
        return self._told[0] == 1

    async def _serve(self) -> None:
        self.config.app = self.wsgi
        self._install_sigquit_handler()
        server = Leaving(self.config)
        try:
            # The sockets are bound already; from here on they listen.
            await server.serve(sockets=self.sockets)
        except OSError as error:
            if server.started:
                raise
            self.log.critical("Cannot listen: %s", error)
        if not server.started:
            sys.exit(Arbiter.WORKER_BOOT_ERROR)

    async def callback_notify(self) -> None:
        self._told[0] = 1
        await super().callback_notify()


class Master(Arbiter):  # type: ignore[misc]  # no types are shipped
    """Gunicorn's, but old workers serve until as many fresh ones do, and fresh ones that cannot start take nobody down."""

    LISTENERS: list[Any]

    def __init__(self, app: BaseApplication) -> None:
        super().__init__(app)
        # What SIGUSR2 runs again; Gunicorn would guess a path to a module, whose folder then shadows the libraries.
        self.START_CTX["args"] = [sys.executable, "-m", "app.cli", *sys.argv[1:]]
        self._leaving: set[int] = set()

    def start(self) -> None:
        # One that SIGUSR2 started finds its sockets in the environment: those listen, for the old program still serves.
        if not self.LISTENERS and "GUNICORN_FD" not in os.environ:
            self.LISTENERS = [_door(*address) for address in self.cfg.address]
        super().start()

    def manage_workers(self) -> None:
        if len(self.WORKERS) <= self.num_workers or self._relief_serves():
            super().manage_workers()

    def _relief_serves(self) -> bool:
        by_age = sorted(self.WORKERS.values(), key=lambda worker: worker.age)
        return all(worker.serves for worker in by_age[-self.num_workers :])

    def kill_worker(self, pid: int, sig: int) -> None:
        if sig == signal.SIGTERM:
            if pid in self._leaving:
                return
            self._leaving.add(pid)
        super().kill_worker(pid, sig)

    def reap_workers(self) -> None:
        try:
            super().reap_workers()
        except HaltServer:
            if not any(worker.serves for worker in self.WORKERS.values()):
                raise
            self.log.warning("A fresh worker could not start; those that serve go on.")
        self._leaving &= set(self.WORKERS)
        if len(self.WORKERS) > self.num_workers:
            # Gunicorn's reload waits here for the old ones to end, so here they are told to, once the fresh ones serve.
            self.manage_workers()


class Door(socket.socket):
    """Bound, but not listening: asyncio begins that in the first worker that serves. Gunicorn would listen now, seconds earlier."""

    def __init__(self, host: str, port: int) -> None:
        super().__init__(socket.AF_INET6 if ":" in host else socket.AF_INET)
        self.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.bind((host, port))
        self.setblocking(False)
        self.set_inheritable(True)

    def __str__(self) -> str:
        """As Gunicorn's log has it."""
        return "{} port {}, once a worker serves".format(*self.getsockname())


def _door(host: str, port: int) -> Door:
    """Ends the process, saying so, when the address stays taken."""
    tried = 0
    while True:
        try:
            return Door(host, port)
        except OSError as refused:
            tried += 1
            if tried == _BIND_TRIES:
                sys.exit(f"Cannot serve at {host} port {port}: {refused.strerror}")
            # Workers of a program that was killed may hold it for a moment.
            time.sleep(_BIND_AGAIN_SECONDS)


class _Log(Logger):  # type: ignore[misc]  # no types are shipped
    """Gunicorn's lines through our own chain, none of its own files."""

    def setup(self, cfg: Any) -> None:
        self.cfg = cfg
        self._access_log_enabled = False
        self.error_log.handlers.clear()
        self.error_log.propagate = True

    def reopen_files(self) -> None:
        pass

    def close_on_exec(self) -> None:
        pass


class WebApplication(BaseApplication):  # type: ignore[misc]  # no types are shipped
    """What Gunicorn runs: our settings instead of its command line, environment and configuration file."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        super().__init__()

    def load_config(self) -> None:
        for name, value in self._options.items():
            self.cfg.set(name, value)

    def load(self) -> ASGIApp:
        """Called in each worker after the fork."""
        # Read anew: `.env` may have changed since the master read it.
        get_settings.cache_clear()
        from app import main

        return main.plain_app(main.prepare())


def options(host: str, port: int, *, workers: int, max_requests: int) -> dict[str, Any]:
    """Gunicorn's settings."""
    return {
        "bind": f"[{host}]:{port}" if ":" in host else f"{host}:{port}",
        "workers": workers,
        "worker_class": Worker,
        "logger_class": _Log,
        # The sign of life is a file's time stamp: on a disk that stalls, it would get live workers killed.
        "worker_tmp_dir": str(_MEMORY) if os.access(_MEMORY, os.W_OK) else None,
        "timeout": _SILENT_SECONDS,
        "graceful_timeout": GRACE_SECONDS + 5,
        # Longer than the proxy keeps an idle connection (deploy/nginx), so that it is the proxy who ends it.
        "keepalive": 10,
        "max_requests": max_requests,
        "max_requests_jitter": max_requests // 5,
        "backlog": 2048,
        "preload_app": False,
        "control_socket_disable": True,
        "proc_name": "inet-web",
    }


def run(host: str, port: int, *, workers: int, max_requests: int = MAX_REQUESTS) -> None:
    """Serve with so many workers until told to stop. Raises SettingsError when a setting is wrong or the console is among the faces.

    SIGHUP replaces the workers, SIGUSR2 the whole program (a new release in its place), SIGTERM ends it; none of them cuts off a request.
    """
    settings = get_settings()
    settings.check()
    if "console" in settings.faces:
        raise SettingsError("INET_ROLES must leave out console for several workers (such as portal,mobile,api): a console is one process")
    logs.configure(settings, process="web")
    Master(WebApplication(options(host, port, workers=workers, max_requests=max_requests))).run()
