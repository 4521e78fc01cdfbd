"""The only place that composes: every process's application from the same routers and pages (design.md, "Processes")."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

import uvicorn
from fastapi import FastAPI
from starlette.types import ASGIApp, Receive, Scope, Send

from app import db, failpoints, logs, problems, redis
from app.edge import Edge
from app.settings import Face, get_settings

_CONSOLE_PATHS = ("/console", "/_nicegui")
_UVICORN: dict[str, Any] = {"access_log": False, "log_config": None, "timeout_graceful_shutdown": 5, "server_header": False}


def compose(app: FastAPI, faces: Sequence[Face]) -> FastAPI:
    """Add the faces that this process serves. Router code never knows whether NiceGUI is beside it."""
    from app.api import authmon, operations

    problems.install(app)
    app.add_middleware(Edge)
    if "portal" in faces:
        from portal import api as portal_api
        from portal import pages as portal_pages
        from portal import payment_status, router_calls

        # The hot addresses are matched before all others.
        app.router.routes[:0] = [router_calls.route, payment_status.route]
        app.include_router(portal_api.router)
        app.include_router(portal_pages.router)
    app.include_router(operations.router)
    if "api" in faces:
        app.include_router(authmon.router)
    if "portal" in faces:
        app.include_router(portal_pages.fallback)
    return app


def plain_app(faces: Sequence[Face]) -> FastAPI:
    """An application without the console: what a web process serves, one of many."""
    app = FastAPI(title="INET Portal", docs_url="/api/docs", openapi_url="/api/openapi.json", redoc_url=None)
    return compose(app, faces)


class _Split:
    """Keeps NiceGUI's middleware (cookies, compression, page tracking) to the console: a phone at a hotspot needs none of it."""

    def __init__(self, console: ASGIApp, others: ASGIApp) -> None:
        self._console, self._others = console, others

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        is_other = scope["type"] == "http" and not scope["path"].startswith(_CONSOLE_PATHS)
        await (self._others if is_other else self._console)(scope, receive, send)


def console_app(faces: Sequence[Face]) -> FastAPI:
    """NiceGUI's own application, which is a FastAPI instance, with every router included."""
    # Read by NiceGUI when it is imported: it would else keep browsers' storage in the folder it was started from.
    os.environ.setdefault("NICEGUI_STORAGE_PATH", str(get_settings().data_dir.resolve() / "console"))
    from nicegui import app

    import pages

    compose(app, faces)
    pages.register()
    build_full_stack = app.build_middleware_stack
    app.build_middleware_stack = lambda: _Split(build_full_stack(), plain_app(faces))  # type: ignore[method-assign]
    return app


def prepare() -> Sequence[Face]:
    """Check the settings and set the process up; answers the faces to serve. Raises SettingsError when one is wrong or missing."""
    settings = get_settings()
    settings.check()
    logs.configure(settings, process="web")
    failpoints.arm_from_environment()
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


def _serve_console(faces: Sequence[Face], host: str, port: int) -> None:
    from nicegui import ui

    from app.keys import derived_secret

    console_app(faces)
    ui.run(
        host=host,
        port=port,
        title="INET Portal",
        storage_secret=derived_secret("console-storage"),
        reload=False,
        show=False,
        show_welcome_message=False,
        **_UVICORN,
    )
