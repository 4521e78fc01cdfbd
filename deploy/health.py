"""A container's health check: `python -I -S health.py [URL]`. Only the standard library's fastest parts, for it runs every ten seconds.

`http://…` is healthy when it answers below 500 (a redirect, or figures that want a token, also show a live process); `tcp://…` when it
takes a connection.
"""

import http.client
import socket
import sys
from urllib.parse import urlsplit

DEFAULT = "http://127.0.0.1:8000/healthz/live"
SECONDS = 3


def is_healthy(url: str) -> bool:
    parts = urlsplit(url)
    try:
        if parts.scheme == "tcp":
            socket.create_connection((parts.hostname, parts.port), SECONDS).close()
            return True
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=SECONDS)
        connection.request("GET", parts.path or "/")
        return connection.getresponse().status < 500
    except (OSError, http.client.HTTPException):
        return False


if __name__ == "__main__":
    sys.exit(0 if is_healthy(sys.argv[1] if len(sys.argv) > 1 else DEFAULT) else 1)
