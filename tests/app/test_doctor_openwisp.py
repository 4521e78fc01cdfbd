"""What `inet doctor` says of OpenWISP, asked over a real socket."""

from __future__ import annotations

import json
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import pytest
from pydantic import SecretStr

from app.settings import Settings
from services.operations.health.outside import openwisp
from tests.conftest import free_port


class Peer(ThreadingHTTPServer):
    """Answers each path as `answers` says: a status and a body; Django's page for what is not there."""

    daemon_threads = True

    def __init__(self) -> None:
        self.answers: dict[str, tuple[int, Any]] = {}
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"


class Handler(BaseHTTPRequestHandler):
    server: Peer

    def do_GET(self) -> None:
        status, data = self.server.answers.get(self.path.partition("?")[0], (404, None))
        body = b"<html>Not Found</html>" if data is None else json.dumps(data).encode()
        self.send_response(status)
        self.send_header("Content-Type", "text/html" if data is None else "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def peer() -> Iterator[Peer]:
    serving = Peer()
    thread = Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield serving
    serving.shutdown()
    serving.server_close()
    thread.join()


def settings(url: str, token: str = "secret-token") -> Settings:
    return Settings(openwisp_base_url=url, openwisp_token=SecretStr(token))


MONITORING, CONTROLLER = "/api/v1/monitoring/device/", "/api/v1/controller/device/"
FIVE = (200, {"count": 5, "results": []})


def test_without_openwisp_it_says_what_is_missed_and_is_well() -> None:
    found = openwisp(settings(""))
    assert found.ok
    assert "INET_OPENWISP_BASE_URL" in found.said


def test_an_openwisp_that_shows_devices_is_well(peer: Peer) -> None:
    peer.answers = {MONITORING: FIVE}
    found = openwisp(settings(peer.url))
    assert (found.ok, found.said) == (True, "answers and shows 5 devices")


@pytest.mark.parametrize(
    ("answers", "said", "advice"),
    [
        ({MONITORING: (401, {"detail": "Invalid token."})}, "is not accepted", "Put a token"),
        ({MONITORING: (403, {"detail": "No."})}, "lacks the right to view devices", "Give that user the right"),
        ({MONITORING: (429, {"detail": "Later."})}, "too many requests", "Wait"),
        ({MONITORING: (200, None)}, "a page instead of an answer", "Something else answers"),
        ({MONITORING: (500, {"detail": "Oh."})}, "HTTP 500", "Check INET_OPENWISP_BASE_URL"),
        ({MONITORING: (200, {"count": 0, "results": []})}, "shows no device", "Make the token's user a manager"),
        ({CONTROLLER: FIVE}, "has no monitoring", "Install openwisp-monitoring"),
        ({}, "not_found", "INET_OPENWISP_BASE_URL must be"),
    ],
)
def test_each_trouble_comes_with_what_to_do(peer: Peer, answers: dict[str, tuple[int, Any]], said: str, advice: str) -> None:
    peer.answers = answers
    found = openwisp(settings(peer.url))
    assert not found.ok
    assert said in found.said
    assert found.advice.startswith(advice)
    assert "secret-token" not in repr(found)


def test_nobody_there_is_said() -> None:
    found = openwisp(settings(f"http://127.0.0.1:{free_port()}"))
    assert not found.ok
    assert "not connected" in found.said
