"""A real sandbox and a stand-in for the portal, each on a free port of the loopback."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp

from app.sandbox.config import SandboxConfig
from app.sandbox.main import create_app

WAIT_SECONDS = 10.0
# Long enough that a router polls on its own only when it is switched on; tests ask for every further poll.
NEVER = 3600.0


class _Server(uvicorn.Server):
    def __init__(self, app: ASGIApp) -> None:
        super().__init__(uvicorn.Config(app, port=0, log_level="error", access_log=False, ws="none", timeout_graceful_shutdown=1))
        self.ready = threading.Event()

    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        self.ready.set()

    async def main_loop(self) -> None:
        # uvicorn's own loop looks ten times a second whether it should stop, which would be most of a test's time.
        while not self.should_exit:  # noqa: ASYNC110 - set from another thread
            await asyncio.sleep(0.005)


@contextmanager
def serving(app: ASGIApp, *, linger: bool = False) -> Iterator[str]:
    """Serve an app from a thread; gives its base URL.

    uvicorn takes a tenth of a second to stop. With `linger` the test does not wait for it (Python does, before it exits).
    """
    server = _Server(app)
    thread = threading.Thread(target=server.run)
    thread.start()
    assert server.ready.wait(WAIT_SECONDS)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        if not linger:
            thread.join(WAIT_SECONDS)


@dataclass(frozen=True)
class Received:
    """One request that reached the portal, byte for byte."""

    method: str
    path: str
    query: str
    headers: dict[str, str]
    body: bytes

    @property
    def text(self) -> str:
        """Where a router's call holds its parameters: the body at level 3, the query at level 4."""
        return self.body.decode() or self.query


@dataclass
class PortalStub:
    """Records webhooks and router calls; answers them as told."""

    webhooks: list[Received] = field(default_factory=list)
    polls: list[Received] = field(default_factory=list)
    webhook_statuses: list[int] = field(default_factory=list)
    lists: list[str] = field(default_factory=list)
    url: str = ""
    _changed: threading.Condition = field(default_factory=threading.Condition)

    def app(self) -> Starlette:
        """The ASGI side."""
        return Starlette(
            routes=[
                Route("/api/wave/webhook", self._webhook, methods=["POST"]),
                Route("/fas/{slug}", self._poll, methods=["GET", "POST"]),
            ]
        )

    def wait_for(self, condition: Callable[[PortalStub], bool]) -> None:
        """Wait until what was received fulfils the condition."""
        with self._changed:
            assert self._changed.wait_for(lambda: condition(self), WAIT_SECONDS), "the portal never got it"

    async def _webhook(self, request: Request) -> Response:
        status = self.webhook_statuses.pop(0) if self.webhook_statuses else 200
        await self._record(self.webhooks, request)
        return Response(status_code=status)

    async def _poll(self, request: Request) -> Response:
        received = await self._record(self.polls, request)
        if "auth_get=view" in received.text and "payload=bm9uZQ" in received.text:
            return PlainTextResponse(self.lists.pop(0) if self.lists else "*")
        return PlainTextResponse("ack")

    async def _record(self, into: list[Received], request: Request) -> Received:
        body = await request.body()
        headers = dict(request.headers)
        received = Received(request.method, request.url.path, request.scope["query_string"].decode(), headers, body)
        with self._changed:
            into.append(received)
            self._changed.notify_all()
        return received


class SandboxClient(httpx.Client):
    """HTTP to a sandbox, with the calls that most tests make."""

    def control(self, path: str, body: object = None, method: str = "POST") -> Any:
        """A control call that must succeed; gives its JSON."""
        response = self.request(method, f"/_control/{path}", json=body)
        assert response.is_success, response.text
        return response.json()

    def state(self) -> Any:
        """What the outside world knows."""
        return self.control("state", method="GET")

    def open_session(self, **fields: object) -> Any:
        """Open a Wave checkout session; gives it."""
        response = self.post("/v1/checkout/sessions", json=CREATE | fields, headers=WAVE_KEY)
        assert response.status_code == 200, response.text
        return response.json()

    def get_session(self, session_id: str) -> Any:
        """Ask Wave about a session."""
        return self.get(f"/v1/checkout/sessions/{session_id}", headers=WAVE_KEY).json()


WAVE_KEY = {"Authorization": "Bearer sandbox-wave-key"}
CREATE = {
    "amount": "25",
    "currency": "GMD",
    "client_reference": "inet-pay-1",
    "success_url": "https://portal.example.gm/ok",
    "error_url": "https://portal.example.gm/ko",
}


def make_config(data_dir: Path, **fields: object) -> SandboxConfig:
    """A sandbox that talks to nobody unless told."""
    defaults: dict[str, object] = {
        "data_dir": data_dir,
        "portal_url": "http://127.0.0.1:9",
        "poll_interval_seconds": NEVER,
        "webhook_backoff_seconds": 0.01,
        "wave_api_key": "sandbox-wave-key",
        "wave_webhook_secret": "sandbox-wave-webhook-secret",
        "wave_signing_secret": "",
        "portabilling_user": "inet",
        "portabilling_password": "sandbox-portabilling",
        "portabilling_token": "",
    }
    return SandboxConfig(**(defaults | fields))


@contextmanager
def running_sandbox(config: SandboxConfig, *, linger: bool = False) -> Iterator[SandboxClient]:
    """A served sandbox and a client for it."""
    with (
        serving(create_app(config), linger=linger) as url,
        SandboxClient(base_url=url, trust_env=False, timeout=WAIT_SECONDS, verify=False) as client,
    ):
        yield client
