"""Real processes of the small schedule (tests/jobs/noted.py), started, stopped, frozen and killed by a test."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import sqlalchemy as sa

from tests.jobs.noted import noted

_ROOT = Path(__file__).parents[2]


class Standing:
    """Those that run now. Every one of them is gone when the block of `standing` ends."""

    def __init__(self, engine: sa.Engine, log: Path) -> None:
        self.engine, self.log = engine, log
        self._processes: list[subprocess.Popen[bytes]] = []

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[bytes]:
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "tests.jobs.noted", *arguments],
                env={**os.environ, "INET_LOG_FORMAT": "json", **environment},
                cwd=_ROOT,
                stdout=log,
                stderr=log,
            )
        self._processes.append(process)
        return process

    def noted(self, what: str = "run") -> list[int | None]:
        """The slots of what was noted under that word, in order."""
        with self.engine.connect() as connection:
            found = connection.execute(sa.text("SELECT slot FROM noted WHERE what = :what ORDER BY id"), {"what": what})
            return list(found.scalars())

    def asked(self, query: str) -> list[tuple[object, ...]]:
        with self.engine.connect() as connection:
            return [tuple(row) for row in connection.execute(sa.text(query))]

    def await_(self, holds: Callable[[], object], *, seconds: float = 40.0) -> None:
        deadline = time.monotonic() + seconds
        while not holds():
            if time.monotonic() > deadline:
                raise AssertionError(f"not within {seconds} s; the processes said:\n{self.log.read_text()[-4000:]}")
            time.sleep(0.05)

    def end(self) -> None:
        for process in self._processes:
            process.send_signal(signal.SIGCONT)
            process.kill()
            process.wait()


@contextmanager
def standing(engine: sa.Engine, log: Path) -> Iterator[Standing]:
    with noted(engine):
        made = Standing(engine, log)
        try:
            yield made
        finally:
            made.end()
