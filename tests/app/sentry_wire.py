"""A Sentry that only listens: it takes envelopes over HTTP as the real one does, and keeps them."""

from __future__ import annotations

import gzip
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Taken:
    """A Sentry that only listens."""

    url: str = ""
    bodies: list[bytes] = field(default_factory=list)
    came: threading.Event = field(default_factory=threading.Event)

    @property
    def events(self) -> list[dict[str, Any]]:
        found = []
        for body in self.bodies:
            lines = body.split(b"\n")
            found += [json.loads(lines[n + 1]) for n, line in enumerate(lines[:-1]) if line.startswith(b'{"type":"event"')]
        return found


@contextmanager
def listening() -> Iterator[Taken]:
    """Until the block ends; `url` is the DSN."""
    taken = Taken()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            taken.bodies.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            taken.came.set()
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    taken.url = f"http://public@127.0.0.1:{server.server_address[1]}/7"
    yield taken
    server.shutdown()
    thread.join()
    server.server_close()
