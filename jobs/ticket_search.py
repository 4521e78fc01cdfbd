"""Jobs of search."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from jobs.base import job
from services.tickets import vocabulary

_AT_MOST = 20


@job
def gather_words() -> None:
    """Take in the words of what changed; what is left over is taken the next time."""
    for _ in range(_AT_MOST):
        with transaction() as session:
            if vocabulary.gather(session, now=utc_now()) < vocabulary.PORTION:
                break
