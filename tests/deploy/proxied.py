"""A real nginx with the configuration of deploy/nginx, and processes behind it that tell what reached them."""

from __future__ import annotations

import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPResponse, HTTPSConnection
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tests.conftest import free_port

PROJECT = Path(__file__).parents[2]
RENDER = PROJECT / "deploy/nginx/render.py"
PROGRAM = shutil.which("nginx", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
WHERE_FROM = "needs nginx: sudo make servers"
NAME = "portal.test"
HSTS = "max-age=31536000; includeSubDomains"


class Behind(ThreadingHTTPServer):
    """A process behind the proxy: it answers what it was asked, and keeps it."""

    daemon_threads = True

    def __init__(self, port: int = 0) -> None:
        super().__init__(("127.0.0.1", port), _Told)
        self.port = self.server_address[1]
        self.asked: list[str] = []
        self.hangs_up = False
        self.silent_below = ""
        """What begins with this is not answered before the end."""
        self.ends = threading.Event()
        threading.Thread(target=self.serve_forever, args=[0.02], daemon=True).start()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def handle_error(self, *_: Any) -> None:
        """A connection that ends early is what some tests are about."""

    def stop(self) -> None:
        self.ends.set()
        self.shutdown()
        self.server_close()


class _Told(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Behind

    def do_GET(self) -> None:
        self.rfile.read(int(self.headers.get("content-length") or 0))
        self.server.asked.append(f"{self.command} {self.path}")
        if self.server.silent_below and self.path.startswith(self.server.silent_below):
            self.server.ends.wait()
        if self.server.hangs_up:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)
            return
        body = json.dumps({"port": self.server.port, "headers": {k.lower(): v for k, v in self.headers.items()}}).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Strict-Transport-Security", HSTS)
        self.send_header("X-Correlation-ID", self.headers.get("X-Correlation-ID", ""))
        self.end_headers()
        self.wfile.write(body)

    do_POST = do_PATCH = do_GET

    def log_message(self, *_: object) -> None:
        """The test asks what came."""


@dataclass
class Answer:
    status: int
    headers: Mapping[str, str]
    all_headers: list[tuple[str, str]]
    body: bytes

    def json(self) -> dict[str, Any]:
        return dict(json.loads(self.body))

    @property
    def port(self) -> int:
        """Which of the processes behind answered."""
        return int(self.json()["port"])


@dataclass
class Proxy:
    """nginx while the `with` lasts."""

    directory: Path
    web: list[str]
    console: list[str]
    http: int = field(default_factory=free_port)
    https: int = field(default_factory=free_port)
    name: str = NAME

    def __post_init__(self) -> None:
        certificate(self.directory)
        self.run = self.directory / "run"
        self.run.mkdir()
        self.main = self._render()
        self.log = self.directory / "access.log"

    def _render(self) -> Path:
        root = "user root; " if os.geteuid() == 0 else ""
        options = {"name": self.name, "certificate": self.directory / "chain.pem", "key": self.directory / "key.pem", "run": self.run}
        options |= {"http": f"127.0.0.1:{self.http}", "https": f"127.0.0.1:{self.https}", "public-port": f":{self.https}"}
        options |= {"log": self.directory / "access.log", "challenges": self.directory, "main": root + "daemon off;"}
        words = [f"--{name}={value}" for name, value in options.items()]
        command = [sys.executable, str(RENDER), str(self.directory / "conf"), *words, "--web", *self.web, "--console", *self.console]
        return Path(subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip())

    def test(self) -> subprocess.CompletedProcess[str]:
        """`nginx -t`."""
        assert PROGRAM is not None
        return subprocess.run([PROGRAM, "-t", "-e", "stderr", "-c", self.main], capture_output=True, text=True, check=False)

    def __enter__(self) -> Proxy:
        assert PROGRAM is not None
        self._errors = (self.directory / "errors.log").open("wb")
        self._process = subprocess.Popen([PROGRAM, "-e", "stderr", "-c", self.main], stderr=self._errors)
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self.https), 1).close()
                return self
            except OSError:
                assert self._process.poll() is None, (self.directory / "errors.log").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)

    def __exit__(self, *_: object) -> None:
        self._process.terminate()
        self._process.wait(20)
        self._errors.close()

    def ask(self, path: str, method: str = "GET", *, tls: bool = True, body: bytes = b"", host: str = NAME, **headers: str) -> Answer:
        """One request on a connection of its own; `headers` with `_` for `-`."""
        connection: HTTPConnection = HTTPConnection("127.0.0.1", self.http, timeout=20)
        if tls:
            connection = HTTPSConnection("127.0.0.1", self.https, timeout=20, context=self.trust())
        sent = {"Host": host, **{name.replace("_", "-"): value for name, value in headers.items()}}
        try:
            connection.request(method, path, body or None, sent)
            got: HTTPResponse = connection.getresponse()
            return Answer(got.status, dict(got.getheaders()), got.getheaders(), got.read())
        finally:
            connection.close()

    def trust(self) -> ssl.SSLContext:
        made = ssl.create_default_context(cafile=str(self.directory / "chain.pem"))
        made.check_hostname = False  # it is asked by its address
        return made

    def logged(self, correlation_id: str, count: int) -> list[dict[str, Any]]:
        """The access log's lines of one story, once there are so many: they are written within a second."""
        until = time.monotonic() + 15
        while True:
            lines = [json.loads(line) for line in self.log.read_text().splitlines(keepends=True) if line.endswith("\n")]
            found = [line for line in lines if line["correlation_id"] == correlation_id]
            if len(found) == count:
                return found
            assert time.monotonic() < until, found
            time.sleep(0.05)


def certificate(directory: Path) -> None:
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    more = ["-subj", f"/CN={NAME}", "-addext", f"subjectAltName=DNS:{NAME}"]
    files = ["-keyout", str(directory / "key.pem"), "-out", str(directory / "chain.pem")]
    subprocess.run([*command.split(), *more, *files], check=True, capture_output=True)
