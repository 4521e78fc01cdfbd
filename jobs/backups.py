"""Back-ups by schedule and on request. The work is a process of its own: it takes minutes, and a worker of one process moves money too.

That process ends with its worker; what it has left is put away by the next one (services/operations/backup/making.py).
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys

import structlog

from app.children import spawn
from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.operations.backup import keeping

log = structlog.get_logger(__name__)
_HANGS_AFTER_SECONDS = 6 * 3600
_child: tuple[subprocess.Popen[bytes], float] | None = None


@job
def sweep() -> None:
    """Begin a back-up when one is due, and see whether the newest good one is old."""
    with transaction() as session:
        is_due = keeping.is_due(session, now=utc_now())
        keeping.watch_age(session, now=utc_now())
    if is_due:
        _begin("scheduler")


@job
def make_now(asked_by: str) -> None:
    """Begin one because somebody asked for it."""
    _begin(asked_by)


def _begin(asked_by: str) -> None:
    """Start `inet backup`, unless one that this worker started still goes on. Of several workers' one wins by PostgreSQL's lock."""
    global _child
    now = utc_now().timestamp()
    if _child is not None and _child[0].poll() is None:
        if now - _child[1] < _HANGS_AFTER_SECONDS:
            return
        log.error("backup.hangs", seconds=int(now - _child[1]))
        _child[0].kill()
        _child[0].wait()
    command = [sys.executable, "-m", "app.cli", "backup", "--scheduled", "--asked-by", asked_by]
    # Its lines go where this worker's go.
    _child = spawn(command, parent_death_signal=signal.SIGTERM, env=dict(os.environ), stdout=sys.stderr.fileno()), now
