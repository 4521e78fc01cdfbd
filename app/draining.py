"""Whether this process was told to stop: from then on it is not ready, so that a proxy sends nothing new while it finishes what it has."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_is_on = threading.Event()


def begin() -> None:
    """Say at /healthz/ready that no new work should come."""
    _is_on.set()


def is_on() -> bool:
    return _is_on.is_set()


@contextmanager
def watching() -> Iterator[None]:
    """Inside the block SIGTERM also begins the draining; whoever handled it before still does. Only the main thread hears signals."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.getsignal(signal.SIGTERM)

    def told(number: int, frame: FrameType | None) -> None:
        begin()
        if callable(before):
            before(number, frame)

    # Without a handler of a server's own, the signal ends the process as ever: there is nothing to drain.
    if callable(before):
        signal.signal(signal.SIGTERM, told)
    try:
        yield
    finally:
        if callable(before) and signal.getsignal(signal.SIGTERM) is told:
            signal.signal(signal.SIGTERM, before)
        _is_on.clear()
