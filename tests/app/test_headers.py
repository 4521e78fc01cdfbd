"""What every answer of every face carries, and what is refused before any route is asked (OWASP ASVS 5.0 V3, V4, V13)."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import Any

import httpx
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from app.edge import Edge
from app.protocol import MAX_HEAD_BYTES, BoundedProtocol
from tests.conftest import Sandbox, free_port
from tests.portal.served import Served, web_process

HOST = "portal.example.gm"
PRODUCTION = {
    "INET_PASSWORD_MEMORY_KIB": "65536",
    "INET_ENV": "production",
    "INET_PUBLIC_URL": f"https://{HOST}",
    "INET_ROLES": "console,portal,mobile,api",
    "INET_WAVE_BASE_URL": "https://127.0.0.1:9",
    "INET_WAVE_API_KEY": "a-real-key",
    "INET_WAVE_WEBHOOK_SECRET": "a-real-secret",
    "INET_PORTABILLING_URL": "https://127.0.0.1:9",
    "INET_PORTABILLING_PASSWORD": "a-real-password",
}
FACES = {
    "/": "html",
    "/portal/voucher": "html",
    "/portal/nothing": "html",
    "/fas/r-nobody?fas=x": "html",
    "/fas/r-nobody?auth_get=view&gatewayhash=" + "0" * 64 + "&payload=bm9uZQ==": "data",
    "/portal/static/none.js": "html",
    "/api/portal/packages": "data",
    "/api/wave/verify?payment_id=none": "data",
    "/api/nothing": "data",
    "/authmon/status": "data",
    "/healthz/live": "data",
    "/api/docs": "html",
    "/api/openapi.json": "data",
    "/console/login": "html",
    "/console": "any",
    "/console/static/console.css": "data",
    "/_nicegui/nothing": "any",
}


@pytest.fixture(scope="module")
def production(servers: None, sandbox_process: Sandbox, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The whole product in one process, set up as for production, behind a proxy that ends TLS."""
    directory = tmp_path_factory.mktemp("production")
    with ExitStack() as stack:
        with pytest.MonkeyPatch.context() as patched:
            # NiceGUI behaves otherwise where it sees pytest at work.
            for name in [name for name in os.environ if name.startswith(("PYTEST_", "NICEGUI_"))]:
                patched.delenv(name)
            process = stack.enter_context(web_process(directory, **PRODUCTION, INET_DATA_DIR=str(directory / "data")))
        yield process


@pytest.fixture
def outside(production: Served) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=production.url, headers={"Host": HOST}, timeout=15) as client:
        yield client


@pytest.mark.parametrize("path", FACES)
def test_every_answer_of_every_face_carries_the_security_headers(outside: httpx.Client, path: str) -> None:
    sent = outside.get(path).headers
    policy = sent["content-security-policy"]
    assert sent["strict-transport-security"] == "max-age=31536000; includeSubDomains"
    assert sent["x-content-type-options"] == "nosniff"
    assert sent["cross-origin-resource-policy"] == "same-origin"
    assert sent["referrer-policy"] in ("no-referrer", "same-origin")
    assert policy.startswith("default-src 'none'")
    assert "frame-ancestors 'none'" in policy
    assert len(sent.get_list("content-security-policy")) == 1
    assert "server" not in sent
    if FACES[path] == "html":
        assert sent["x-frame-options"] == "DENY"
        assert sent["cross-origin-opener-policy"] == "same-origin"
        assert "geolocation=()" in sent["permissions-policy"]
    if not path.startswith(("/console", "/_nicegui")):
        assert "unsafe" not in policy


@pytest.mark.parametrize(
    ("path", "limit"), [("/api/wave/webhook", 64), ("/fas/r-any", 64), ("/api/portal/voucher", 256), ("/console/login", 256)]
)
def test_refusals_of_the_edge_carry_them_too(outside: httpx.Client, path: str, limit: int) -> None:
    refused = outside.post(path, content=b"x" * (limit * 1024 + 1))
    assert refused.status_code == 413
    assert f"{limit} KB" in refused.json()["detail"]
    assert refused.headers["x-content-type-options"] == "nosniff"
    assert refused.json()["correlation_id"] == refused.headers["x-correlation-id"]


def test_the_consoles_scripts_run_by_a_nonce_that_is_new_each_time(outside: httpx.Client) -> None:
    pages = [outside.get("/console/login") for _ in range(2)]
    nonces = [page.headers["content-security-policy"].partition("'nonce-")[2].partition("'")[0] for page in pages]
    assert len(set(nonces)) == 2
    for page, nonce in zip(pages, nonces, strict=True):
        assert "script-src 'self' 'nonce-" in page.headers["content-security-policy"]
        assert page.text.count(f'<script nonce="{nonce}"') >= 4
        assert "<script>" not in page.text


def test_the_consoles_cookie_is_for_this_host_over_tls_alone(outside: httpx.Client) -> None:
    cookie = outside.get("/console/login").headers["set-cookie"].lower()
    assert cookie.startswith("__host-inet=")
    for flag in ("httponly", "secure", "samesite=lax", "path=/"):
        assert flag in cookie
    assert "domain=" not in cookie


def test_no_other_face_sets_a_cookie(outside: httpx.Client) -> None:
    for path in FACES:
        if not path.startswith(("/console", "/_nicegui")):
            assert "set-cookie" not in outside.get(path).headers


@pytest.mark.parametrize("host", ["evil.example", "portal.example.gm.evil.example", "127.0.0.1", "", "[", "portal.example.gm@evil.example"])
def test_in_production_only_its_own_name_is_answered(production: Served, host: str) -> None:
    with httpx.Client(base_url=production.url, headers={"Host": host}) as stranger:
        assert stranger.get("/portal/").status_code == 400
        assert stranger.get("/console/login").status_code == 400
        assert stranger.get("/healthz/live").status_code == 200


# --- what a cookie could reach


def test_another_sites_page_cannot_act_with_the_consoles_cookie(outside: httpx.Client) -> None:
    outside.get("/console/login")
    for path in ("/console/login", "/_nicegui_ws/socket.io/?EIO=4&transport=polling"):
        assert outside.post(path, headers={"Origin": "https://evil.example"}).status_code == 403
        assert outside.post(path, headers={"Origin": "null"}).status_code == 403
        assert outside.post(path, headers={"Origin": f"https://{HOST}"}).status_code != 403
    upgrade = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
    }
    answer = outside.get("/_nicegui_ws/socket.io/?EIO=4&transport=websocket", headers={**upgrade, "Origin": "https://evil.example"})
    assert answer.status_code == 403


def test_the_consoles_cookie_opens_no_json_face(outside: httpx.Client) -> None:
    cookie = outside.get("/console/login").headers["set-cookie"].partition(";")[0]
    described = outside.get("/api/openapi.json").json()
    guarded = [(method, path) for path, routes in described["paths"].items() for method, route in routes.items() if route.get("security")]
    for method, path in [*guarded, ("post", "/authmon/allow"), ("get", "/authmon/status")]:
        # Photos come by tus, which refuses other versions of itself before it looks who asks.
        headers = {"Cookie": cookie, "Tus-Resumable": "1.0.0"}
        answer = outside.request(method, path.replace("{", "").replace("}", ""), headers=headers, json={})
        assert answer.status_code in (401, 422), (method, path, answer.status_code)


# --- addresses and lines


@pytest.mark.parametrize(
    "name",
    [
        "../api.py",
        "..%2fapi.py",
        "..%2f..%2fapp%2fkeys.py",
        "%2e%2e/%2e%2e/app/keys.py",
        "....//api.py",
        "..\\api.py",
        "%00portal.js",
        "/etc/passwd",
    ],
)
def test_no_file_outside_the_portals_own_is_served(production: Served, name: str) -> None:
    answer = raw(production.url, f"GET /portal/static/{name} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n\r\n".encode())
    assert b" 404 " in answer.partition(b"\r\n")[0]
    assert b"from __future__" not in answer
    assert b"root:" not in answer


EVIL = "%0d%0aSet-Cookie:%20a=b%0d%0a%0d%0a<script>"


@pytest.mark.parametrize("path", ["/fas/{}?fas=x", "/portal/pay/{}", "/portal/v/{}", "/portal/?c={}", "/{}", "/portal/help?ticket={}"])
def test_line_ends_get_into_no_header_and_no_log(production: Served, path: str) -> None:
    begun = production.log.stat().st_size
    start = f"GET {path.format(EVIL)} HTTP/1.1\r\nHost: {HOST}\r\nConnection: close\r\n"
    for line in (
        "X-Correlation-ID: abcdefgh%0d%0aX-Evil: 1",
        'User-Agent: x\ty\x85{"event":"forged"}',
        "X-Correlation-ID: abcdefgh\rX-Evil: 1",
    ):
        answer = raw(production.url, f"{start}{line}\r\n\r\n".encode("latin-1"))
        head = answer.partition(b"\r\n\r\n")[0].lower()
        assert head.startswith(b"http/1.1 ")
        assert b"\r\nset-cookie: a" not in head
        assert b"x-evil" not in head
    logged = production.log.read_bytes()[begun:].decode()
    assert all(json.loads(line) for line in logged.splitlines())
    assert "forged" not in logged


def raw(url: str, request: bytes, *, timeout: float = 10.0) -> bytes:
    """What comes back for these very bytes, until the server closes."""
    host, port = url.removeprefix("http://").split(":")
    found = b""
    with socket.create_connection((host, int(port)), timeout=timeout) as connection:
        connection.sendall(request)
        while piece := connection.recv(65536):
            found += piece
    return found


# --- slow and large


class Hasty(BoundedProtocol):
    head_seconds = 0.3


async def _echo(request: Request) -> PlainTextResponse:
    return PlainTextResponse(str(len(await request.body())))


@contextmanager
def hasty_server() -> Iterator[str]:
    """The edge and the protocol as in production, with less patience."""
    port = free_port()
    app = Edge(Starlette(routes=[Route("/", _echo, methods=["GET", "POST"])]), body_seconds=0.3)
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_level="critical", lifespan="off", http=Hasty, timeout_keep_alive=5)
    server = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(server.serve()), daemon=True)
    thread.start()
    with httpx.Client(transport=httpx.HTTPTransport(retries=8)) as probe:
        assert probe.get(f"http://127.0.0.1:{port}/").text == "0"
    yield f"http://127.0.0.1:{port}"
    server.should_exit = True
    thread.join(10)


@pytest.fixture
def hasty(servers: None) -> Iterator[str]:
    with hasty_server() as url:
        yield url


@pytest.mark.parametrize("framing", ["Content-Length: 100", "Transfer-Encoding: chunked"])
def test_a_body_that_does_not_come_is_given_up(hasty: str, framing: str) -> None:
    began = time.monotonic()
    answer = raw(hasty, f"POST / HTTP/1.1\r\nHost: x\r\n{framing}\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 408")
    assert b'"code":"body_too_slow"' in answer
    assert 0.2 < time.monotonic() - began < 5


@pytest.mark.parametrize(
    "sent", [b"", b"GET / HTTP/1.1\r\nHost: x\r\nX-", b"GET /", b"GET / HTTP/1.1\r\nHost: x\r\n\r\nGET / HTTP/1.1\r\nX-"]
)
def test_a_connection_that_says_too_little_is_closed(hasty: str, sent: bytes) -> None:
    began = time.monotonic()
    answer = raw(hasty, sent)
    assert answer.count(b"HTTP/1.1 200") == sent.count(b"\r\n\r\n")
    assert time.monotonic() - began < 5


@pytest.mark.parametrize("start", [b"GET / HTTP/1.1\r\nHost: x\r\nX-Long: ", b"GET /?"])
def test_a_head_without_end_is_refused(hasty: str, start: bytes) -> None:
    host, port = hasty.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as connection, suppress(OSError):  # closed before all was sent
        for _ in range(64):
            connection.sendall(start + b"x" * 1024)
            start = b""
        answer = connection.recv(65536)
        assert answer == b"" or answer.startswith((b"HTTP/1.1 431", b"HTTP/1.1 400"))
    assert MAX_HEAD_BYTES < 64 * 1024


def test_an_honest_slow_answer_is_not_cut(servers: None) -> None:
    """The patience is for what a client sends; a route may take its time."""

    async def slow(_: Request) -> PlainTextResponse:
        await asyncio.sleep(0.5)
        return PlainTextResponse("done")

    async def ask() -> Any:
        edge = Edge(Starlette(routes=[Route("/", slow)]), body_seconds=0.1)
        async with httpx.AsyncClient(transport=httpx.ASGITransport(app=edge), base_url="http://test") as client:
            return await client.get("/")

    assert asyncio.run(ask()).text == "done"
