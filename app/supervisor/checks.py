"""What must be true of this machine before anything is started; each failure is one sentence."""

from __future__ import annotations

import contextlib
import errno
import socket

import psutil

from app.children import StartRefused


def require_free_port(host: str, port: int, *, option: str) -> None:
    """Raises StartRefused when nobody can listen on `host:port`, naming who does where that can be known."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family, socket.SOCK_STREAM) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except PermissionError:
            raise StartRefused(f"Port {port} needs root; choose one above 1023 with {option}.") from None
        except OSError as error:
            if error.errno != errno.EADDRINUSE:
                raise StartRefused(f"This machine cannot listen on {host} port {port}: {error.strerror}.") from None
            raise StartRefused(
                f"Port {port} on {host} is taken{_holder(port)}; stop that program or choose another port with {option}."
            ) from None


def free_port(wanted: int) -> int:
    """A port of this machine alone on which nobody listens: the wanted one, or else any."""
    for port in (wanted, 0):
        with socket.socket() as probe, contextlib.suppress(OSError, OverflowError):
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(("127.0.0.1", port))
            return int(probe.getsockname()[1])
    raise StartRefused("This machine has no free port left.")


def _holder(port: int) -> str:
    with contextlib.suppress(psutil.Error, OSError):
        for connection in psutil.net_connections(kind="tcp"):
            listens = connection.status == psutil.CONN_LISTEN and connection.laddr and connection.laddr.port == port
            if listens and connection.pid:
                return f" by {psutil.Process(connection.pid).name()} (process {connection.pid})"
    return ""
