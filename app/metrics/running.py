"""Figures of a running process: shared with the others of its machine, or served on a port of its own (worker and scheduler)."""

from __future__ import annotations

import atexit
import hmac
import os
import threading
from collections.abc import Iterable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import structlog
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE

from app import metrics, outbound
from app.metrics.families import Family, Sum, as_text, plain
from app.metrics.process import now, own
from app.metrics.shared import SharedFigures
from app.settings import get_settings

log = structlog.get_logger(__name__)
WRITE_SECONDS = 10.0
_JOIN_SECONDS = 3.0


class Running:
    """From `start` to `stop` of one process."""

    def __init__(self, kind: str, *, directory: Path | None, port: int = 0, token: str = "", every_seconds: float = WRITE_SECONDS) -> None:
        self._shared = SharedFigures(directory, kind) if directory is not None else None
        self._kind, self._port, self._token, self._every = kind, port, token, every_seconds
        self._server: ThreadingHTTPServer | None = None
        self._stop = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def port(self) -> int | None:
        """Where figures are served, if they are served here."""
        return self._server.server_address[1] if self._server is not None else None

    def start(self) -> None:
        if self._port and self._serve():
            # Scraped by itself: among the others it would be counted twice.
            self._shared = None
        if self._shared is not None:
            self._thread = threading.Thread(target=self._write_on, name="metrics", daemon=True)
            self._thread.start()

    def stop(self) -> None:
        """Leave the last figures for the others."""
        self._stop.set()
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)
        if self._shared is not None:
            self._shared.write(self._mine())
            self._shared.leave()

    def forget(self) -> None:
        """In a forked child: thread, server and place are the parent's."""
        if self._shared is not None:
            self._shared.forget()

    def together(self) -> Sum:
        """All figures that this process can tell. Reads files: not for the event loop."""
        total = self._shared.together(self._mine()) if self._shared is not None else Sum()
        if self._shared is None:
            total.add(self._mine())
        shared = GaugeMetricFamily("inet_metrics_shared", "1 if the processes of this machine are shown together", value=self._is_shared)
        total.add(plain([shared]))
        return total

    @property
    def _is_shared(self) -> int:
        return int(self._shared is not None and self._shared.is_shared)

    def _mine(self) -> list[Family]:
        name = self._shared.name if self._shared is not None else f"{self._kind}-1"
        return plain([*metrics.REGISTRY.collect(), *now(), *own(name)])

    def _write_on(self) -> None:
        assert self._shared is not None
        was_possible = True
        while True:
            try:
                is_possible = self._shared.write(self._mine())
            except Exception:
                # Figures are never worth a process.
                log.exception("metrics.failed")
                is_possible = False
            if was_possible and not is_possible:
                log.warning("metrics.not_shared", directory=str(self._shared.directory))
            was_possible = is_possible
            if self._stop.wait(self._every):
                return

    def _serve(self) -> bool:
        running, token = self, self._token

        class Handler(BaseHTTPRequestHandler):
            timeout = 10.0

            def do_GET(self) -> None:
                if self.path.partition("?")[0] != "/metrics":
                    self.send_error(404)
                elif not is_allowed(self.headers.get("Authorization", ""), token):
                    self.send_error(401)
                else:
                    body = as_text(running.together().metrics())
                    self.send_response(200)
                    self.send_header("Content-Type", CONTENT_TYPE)
                    self.send_header("Content-Length", str(len(body)))
                    self.end_headers()
                    self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        try:
            # Prometheus comes from another container; what it reads holds no name of a person, and can be kept behind a token.
            self._server = ThreadingHTTPServer(("", self._port), Handler)
        except OSError as error:
            log.warning("metrics.port_taken", port=self._port, error=str(error))
            return False
        threading.Thread(target=self._server.serve_forever, name="metrics-server", daemon=True).start()
        return True


_running: Running | None = None
_unstarted = Running("web", directory=None)


def start(kind: str) -> None:
    """Show this process's figures from now until it ends. `kind` is `web`, `console`, `worker` or `scheduler`."""
    global _running
    if _running is not None:
        return
    settings = get_settings()
    directory = settings.metrics_dir or settings.data_dir.resolve() / "metrics"
    port = settings.metrics_port if kind in ("worker", "scheduler") else 0
    if _count_call not in outbound.on_call:
        outbound.on_call.append(_count_call)
    _running = Running(kind, directory=directory, port=port, token=settings.metrics_token.get_secret_value())
    _running.start()


def stop() -> None:
    """The process ends."""
    global _running
    if _running is not None:
        _running.stop()
        _running = None


def together() -> Iterable[Metric]:
    """Every figure that this process can tell: those of all processes of the machine where they are shared, else its own."""
    return (_running or _unstarted).together().metrics()


def is_allowed(authorization: str, token: str) -> bool:
    """Whether the header's bearer token is the one that is asked for, if any is."""
    scheme, _, sent = authorization.partition(" ")
    return not token or (scheme.lower() == "bearer" and hmac.compare_digest(sent.strip().encode(), token.encode()))


def _count_call(call: outbound.OutboundCall) -> None:
    metrics.call_ended(call.service, call.operation, call.outcome, call.duration_ms / 1000)


def _in_child() -> None:
    global _running
    if _running is not None:
        _running.forget()
    _running = None


os.register_at_fork(after_in_child=_in_child)
atexit.register(stop)
