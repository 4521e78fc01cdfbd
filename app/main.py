"""The only place that composes: every process's application from the same routers and pages (design.md, "Processes")."""

from __future__ import annotations

import gc
import os
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio.to_thread
import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app import db, failpoints, faults, logs, openapi, problems, redis, tracing
from app.edge import Edge
from app.headers import CONSOLE_PATHS, let_templates_carry_nonces
from app.metrics import running
from app.protocol import BoundedProtocol
from app.settings import Face, get_settings
from jobs.schedule import PERIODIC
from services.operations import errors, periodic
from services.operations.beating import Beating
from services.operations.models import ProcessKind

_UVICORN: dict[str, Any] = {
    "access_log": False,
    "log_config": None,
    "timeout_graceful_shutdown": 5,
    "server_header": False,
    "http": BoundedProtocol,
}


def compose(app: FastAPI, faces: Sequence[Face]) -> FastAPI:
    """Add the faces that this process serves. Router code never knows whether NiceGUI is beside it."""
    from app.api import auth, authmon, inbound_reports, inbound_sms, mail_stop, metrics, operations
    from app.api.v1 import router as v1

    periodic.declare(PERIODIC)
    problems.install(app)
    app.add_middleware(Edge)
    if "portal" in faces:
        from portal import api as portal_api
        from portal import captive as portal_captive
        from portal import pages as portal_pages
        from portal import payment_status, router_calls

        # The hot addresses are matched before all others.
        app.router.routes[:0] = [router_calls.route, payment_status.route]
        app.include_router(portal_api.webhook_router)
        app.include_router(portal_api.router)
        app.include_router(portal_captive.router)
        app.include_router(portal_pages.router)
    app.include_router(operations.router)
    app.include_router(metrics.router)
    if "api" in faces or "portal" in faces:
        app.include_router(inbound_reports.router)
        app.include_router(inbound_sms.router)
        app.include_router(mail_stop.router)
    if "mobile" in faces:
        from mobile.router import router as apps

        app.include_router(apps)
    if "api" in faces:
        app.include_router(authmon.router)
        app.include_router(auth.router)
        app.include_router(v1.router)
    if "portal" in faces:
        app.include_router(portal_pages.fallback)
    return app


def plain_app(faces: Sequence[Face]) -> FastAPI:
    """An application without the console: what a web process serves, one of many."""
    from app.api import reference

    app = FastAPI(
        title="INET Portal",
        docs_url=None,  # ours is in app/api/reference.py
        openapi_url="/api/openapi.json",
        redoc_url=None,
        generate_unique_id_function=openapi.operation_id,
        lifespan=_life,
    )
    # Before the portal's last route, which answers whatever no other did.
    app.include_router(reference.router)
    compose(app, faces)
    openapi.describe(app, _bare_routes(faces))
    if "portal" in faces:
        from portal.idle_polls import IdlePolls

        build_full_stack = app.build_middleware_stack
        app.build_middleware_stack = lambda: IdlePolls(build_full_stack())  # type: ignore[method-assign]
    return app


def _bare_routes(faces: Sequence[Face]) -> Sequence[openapi.Documented]:
    if "portal" not in faces:
        return ()
    from portal import payment_status, schemas

    return (openapi.Documented(payment_status.route.path, schemas.VERIFY, (schemas.PaymentTruth,)),)


class _Split:
    """Keeps NiceGUI's middleware (cookies, compression, page tracking) to the console: a phone at a hotspot needs none of it."""

    def __init__(self, console: ASGIApp, others: ASGIApp) -> None:
        self._console, self._others = console, others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_other = scope["type"] == "http" and not scope["path"].startswith(CONSOLE_PATHS)
        await (self._others if is_other else self._console)(scope, receive, send)


def console_app(faces: Sequence[Face]) -> FastAPI:
    """NiceGUI's own application, which is a FastAPI instance, with every router included."""
    # Read by NiceGUI when it is imported: it would else keep browsers' storage in the folder it was started from.
    os.environ.setdefault("NICEGUI_STORAGE_PATH", str(get_settings().data_dir.resolve() / "console"))
    from nicegui import app
    from nicegui.client import templates

    import pages
    from pages.garbage import LettingGo

    let_templates_carry_nonces(templates.env)
    compose(app, faces)
    pages.register()
    # NiceGUI's application lives here, and the plain one beside it does not.
    app.on_startup(_begin_beating)
    app.on_shutdown(_end_beating)
    build_full_stack = app.build_middleware_stack
    app.build_middleware_stack = lambda: _Split(LettingGo(build_full_stack()), plain_app(faces))  # type: ignore[method-assign]
    return app


_beating: Beating | None = None


def _begin_beating() -> None:
    if _beating is not None:
        _beating.start()


async def _end_beating() -> None:
    if _beating is not None:
        await anyio.to_thread.run_sync(_beating.stop)


@asynccontextmanager
async def _life(_: FastAPI) -> AsyncIterator[None]:
    _begin_beating()
    try:
        yield
    finally:
        await _end_beating()


def prepare() -> Sequence[Face]:
    """Check the settings and set the process up; answers the faces to serve. Raises SettingsError when one is wrong or missing."""
    settings = get_settings()
    settings.check()
    logs.configure(settings, process="console" if "console" in settings.faces else "web")
    faults.keep_with(errors.record)
    failpoints.arm_from_environment()
    kind = "console" if "console" in settings.faces else "web"
    running.start(kind)
    tracing.start(kind)
    global _beating
    # Only a process that serves says that it lives; an application that a test makes does not.
    _beating = Beating(ProcessKind.CONSOLE if "console" in settings.faces else ProcessKind.WEB, settings.faces)
    return settings.faces


def serve(host: str, port: int) -> None:
    """One web process, until it is told to stop."""
    faces = prepare()
    try:
        if "console" in faces:
            _serve_console(faces, host, port)
        else:
            uvicorn.run(plain_app(faces), host=host, port=port, **_UVICORN)
    finally:
        db.dispose()
        redis.forget()


def _console_cookie() -> dict[str, Any]:
    """The cookie that names a browser's storage. Starlette makes it HttpOnly; Lax, so that a link in a mail leads into the console."""
    is_production = get_settings().env == "production"
    # With this prefix a browser takes it only over TLS and from this very host (RFC 6265bis §4.1.3).
    return {"session_cookie": "__Host-inet" if is_production else "inet", "https_only": is_production, "same_site": "lax"}


def _serve_console(faces: Sequence[Face], host: str, port: int) -> None:
    from nicegui import ui

    from app.keys import derived_secret

    console_app(faces)
    # What was loaded stays. Walking through it anew at each full collection would hold up every open page.
    gc.collect()
    gc.freeze()
    ui.run(
        host=host,
        port=port,
        title="INET Portal",
        storage_secret=derived_secret("console-storage"),
        session_middleware_kwargs=_console_cookie(),
        reload=False,
        show=False,
        show_welcome_message=False,
        # From this NiceGUI takes how often it asks whether a browser is there (every 8 s, and 4 s for the answer): a slow mobile link
        # is not taken for a lost one. How long a page itself is kept: pages/connection.py.
        reconnect_timeout=10.0,
        **_UVICORN,
    )
