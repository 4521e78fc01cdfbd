"""A link as in the field: a TCP proxy that breaks each connection after some hundred kilobytes, and eats answers."""

from __future__ import annotations

import random
import selectors
import socket
import struct
import threading
from dataclasses import dataclass

_READ = 16 * 1024
_AT_LEAST, _AT_MOST = 100_000, 600_000
# Of the connections: the server has read a whole request, and the phone never hears what came of it.
_EATS_ANSWERS = 0.25
_RESET = struct.pack("ii", 1, 0)


@dataclass
class Cuts:
    """How often what happened, counted over all connections."""

    connections: int = 0
    broken: int = 0
    eaten: int = 0
    carried_bytes: int = 0


class CuttingProxy:
    """Listens on a port of its own and hands on to `target`, until it is closed. Each connection has its own bad luck."""

    def __init__(self, target: int, *, seed: int) -> None:
        self._target, self._chance = target, random.Random(seed)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._listener.getsockname()[1])
        self.cuts = Cuts()
        self._lock, self._is_closed = threading.Lock(), False
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._is_closed = True
        self._listener.close()

    def _accept(self) -> None:
        while not self._is_closed:
            try:
                phone, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.cuts.connections += 1
                budget = self._chance.randint(_AT_LEAST, _AT_MOST)
                eats, resets = self._chance.random() < _EATS_ANSWERS, self._chance.random() < 0.5
                answers = self._chance.randint(1, 3)
            threading.Thread(target=self._carry, args=(phone, budget, answers if eats else 0, resets), daemon=True).start()

    def _carry(self, phone: socket.socket, budget: int, eaten_answer: int, resets: bool) -> None:
        """Until `budget` bytes have passed in both directions, or the `eaten_answer`-th answer begins (0: none is eaten)."""
        carried = answers = 0
        is_asking = False
        with phone:
            try:
                server = socket.create_connection(("127.0.0.1", self._target), timeout=10)
            except OSError:
                return self._break(phone, resets)  # it is being started anew
            with server, selectors.DefaultSelector() as ready:
                for one in (phone, server):
                    one.settimeout(60)
                    ready.register(one, selectors.EVENT_READ)
                while True:
                    for key, _ in ready.select(60):
                        source = phone if key.fileobj is phone else server
                        try:
                            piece = source.recv(min(_READ, budget - carried))
                            if not piece:
                                return None
                            if source is server and is_asking:
                                answers += 1
                                if answers == eaten_answer:
                                    self.cuts.eaten += 1
                                    return self._break(phone, resets)
                            is_asking = source is phone
                            (server if source is phone else phone).sendall(piece)
                        except OSError:
                            return self._break(phone, resets)
                        carried += len(piece)
                        self.cuts.carried_bytes += len(piece)
                        if carried >= budget:
                            self.cuts.broken += 1
                            return self._break(phone, resets)

    @staticmethod
    def _break(phone: socket.socket, resets: bool) -> None:
        if resets:
            phone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
