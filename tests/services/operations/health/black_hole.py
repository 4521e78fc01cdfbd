"""A server that accepts connections and then says nothing at all, and a passage to a real one that can become such."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress


@contextmanager
def black_hole() -> Iterator[int]:
    """Answers its port. The kernel takes the connections; nobody ever reads them."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen(64)
        yield int(listening.getsockname()[1])


class Passage:
    """Hands every connection on to a Unix socket, as long as it is `open`; else what is sent vanishes, and nothing is closed."""

    def __init__(self, to: str) -> None:
        self._to = to
        self._is_open = threading.Event()
        self._is_open.set()
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listening.getsockname()[1])
        self._held: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def swallow(self) -> None:
        self._is_open.clear()

    def open(self) -> None:
        self._is_open.set()

    def close(self) -> None:
        for one in (self._listening, *self._held):
            with suppress(OSError):
                one.shutdown(socket.SHUT_RDWR)
            one.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._listening.accept()
                far = socket.socket(socket.AF_UNIX)
                far.connect(self._to)
                self._held += [near, far]
                for one, other in ((near, far), (far, near)):
                    threading.Thread(target=self._carry, args=[one, other], daemon=True).start()

    def _carry(self, one: socket.socket, other: socket.socket) -> None:
        with suppress(OSError):
            while data := one.recv(65536):
                if self._is_open.is_set():
                    other.sendall(data)
            if self._is_open.is_set():
                other.shutdown(socket.SHUT_WR)
