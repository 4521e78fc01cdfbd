"""`inet sandbox`: the outside services in one process, on one port."""

from __future__ import annotations

import signal
import socket
import sqlite3
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from types import FrameType

import uvicorn
from fastapi import FastAPI
from starlette.types import Scope

from app.sandbox.clock import SandboxClock
from app.sandbox.config import SandboxConfig
from app.sandbox.control import control_router
from app.sandbox.faults import Faults
from app.sandbox.mailbox.service import MailboxService
from app.sandbox.openwisp.service import OpenWispService
from app.sandbox.portabilling.service import PortaBillingService
from app.sandbox.problems import install_problem_handlers
from app.sandbox.push import PushService
from app.sandbox.routers.service import RoutersService
from app.sandbox.service import Service
from app.sandbox.sms import SmsService
from app.sandbox.store import Store
from app.sandbox.wave.errors import WaveError, render_wave_error
from app.sandbox.wave.service import WaveService
from app.sandbox.wire import SandboxApp

STORE_FILE = "sandbox.sqlite3"


class SandboxStartError(Exception):
    """The sandbox cannot start; the message says why, in one line."""


def create_app(config: SandboxConfig) -> SandboxApp:
    """Build the sandbox. Its background work (webhooks, polls) runs while the app's lifespan does. Raises SandboxStartError."""
    store = _open_store(config)
    clock, faults = SandboxClock(), Faults(config.seed)
    services: list[Service] = [
        WaveService(config, store, clock, faults),
        PortaBillingService(config, store, clock),
        SmsService(config, store, clock, faults),
        PushService(config, store, clock),
        MailboxService(config, store, clock),
        RoutersService(config, store, clock, faults),
        OpenWispService(config, store, clock),
    ]

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        for service in services:
            await service.start()
        yield
        for service in services:
            await service.stop()
        store.close()

    app = SandboxApp(
        faults=faults,
        identify=lambda scope: _identify(services, scope),
        title="INET sandbox",
        lifespan=lifespan,
        docs_url=None,
        openapi_url="/_control/openapi.json",
        redoc_url=None,
    )
    install_problem_handlers(app)
    app.add_exception_handler(WaveError, render_wave_error)
    app.include_router(control_router(services, faults, clock))
    for service in services:
        for router in service.routers():
            app.include_router(router)
    return app


def run(config: SandboxConfig) -> None:
    """Serve until SIGTERM or SIGINT, then stop at once. Raises SandboxStartError (port taken, data dir unusable)."""
    app = create_app(config)
    listener = _listen(config.host, config.port)
    # uvicorn stops its loop on a signal and then raises the signal again; without this the process would die *of* it.
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, _exit_cleanly)
    server = _PromptServer(
        uvicorn.Config(app, access_log=False, log_level="warning", lifespan="on", ws="none", timeout_graceful_shutdown=1)
    )
    try:
        server.run(sockets=[listener])
    finally:
        listener.close()


class _PromptServer(uvicorn.Server):
    """Lets go of the calls that a fault keeps waiting before it waits for calls to end."""

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        app = self.config.app
        assert isinstance(app, SandboxApp)
        app.leaving.set()
        await super().shutdown(sockets)


def _exit_cleanly(_number: int, _frame: FrameType | None) -> None:
    raise SystemExit(0)


def _open_store(config: SandboxConfig) -> Store:
    path = config.data_dir / STORE_FILE
    try:
        return Store(path)
    except (OSError, sqlite3.Error) as error:
        raise SandboxStartError(f"The sandbox cannot use {path}: {error}") from error


def _listen(host: str, port: int) -> socket.socket:
    listener = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind((host, port))
        listener.listen(256)
    except OSError as error:
        listener.close()
        raise SandboxStartError(f"The sandbox cannot listen on {host}:{port}: {error.strerror}") from error
    return listener


def _identify(services: Sequence[Service], scope: Scope) -> tuple[str, str] | None:
    for service in services:
        operation = service.operation(scope)
        if operation is not None:
            return service.name, operation
    return None
