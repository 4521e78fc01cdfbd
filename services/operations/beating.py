"""The thread in every process that says that it lives, writes what its jobs counted, and looks after the others in turn."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import structlog

from app.clock import utc_now
from app.db import Begin, transaction
from services.operations import processes
from services.operations.models import ProcessKind
from services.operations.periodic import DATABASE_AWAY
from services.operations.processes import BEAT_SECONDS, Identity
from services.operations.runs import Recorder, recorder
from services.operations.watch import Watch

FLUSH_SECONDS = 5.0
_JOIN_SECONDS = 1.0
log = structlog.get_logger(__name__)


class Beating:
    """Starts with `start` and ends with `stop`; PostgreSQL being away is waited out in between."""

    def __init__(
        self,
        kind: ProcessKind,
        serves: Sequence[str] = (),
        *,
        begin: Begin = transaction,
        counted: Recorder = recorder,
        every_seconds: float = FLUSH_SECONDS,
    ) -> None:
        self.me = Identity(kind, tuple(serves))
        self.database_ahead_seconds = 0.0
        """How far PostgreSQL's clock is before this machine's, as of the last beat."""
        self._begin, self._counted, self._every = begin, counted, every_seconds
        self._watch = Watch()
        self._stop = threading.Event()
        self._is_away = False
        self._beat_at = float("-inf")
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        self._thread = threading.Thread(target=self._run, name="beating", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Write what is left and say that this process ends; no longer than PostgreSQL takes to refuse a connection."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)
            if self._thread.is_alive():
                return  # it waits for PostgreSQL, and so would we
        try:
            self._counted.flush(self._begin)
            with self._begin() as session:
                processes.stopped(session, self.me)
        except DATABASE_AWAY:
            log.info("process.end_not_written")

    def _run(self) -> None:
        while True:
            self._once()
            if self._stop.wait(self._every):
                return

    def _once(self) -> None:
        try:
            self._counted.flush(self._begin)
            if time.monotonic() - self._beat_at >= BEAT_SECONDS - 0.5:
                self._beat()
            self._is_away = False
        except DATABASE_AWAY as error:
            if not self._is_away:
                log.warning("process.database_away", error=type(error).__name__)
            self._is_away = True
        except Exception:
            # The thread must outlive whatever one look met: without it the process would be taken for dead.
            log.exception("process.beat_failed")

    def _beat(self) -> None:
        with self._begin() as session:
            now = processes.beat(session, self.me)
        self._beat_at = time.monotonic()
        self.database_ahead_seconds = (now - utc_now()).total_seconds()
        self._watch.look(self._begin, now=now)
