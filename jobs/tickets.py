"""Jobs of the help desk: reading what came in."""

from __future__ import annotations

from functools import lru_cache

from app.clock import utc_now
from app.db import transaction
from app.settings import get_settings
from jobs.base import job
from services.tickets import processing
from services.tickets.triage import choose, engine


@job
def process(ticket_id: int) -> None:
    """Read one ticket; harmless to repeat."""
    processing.process(transaction, ticket_id, _reader(), clock=utc_now)


@job
def sweep() -> None:
    """Find the tickets whose ring was lost."""
    with transaction() as session:
        processing.sweep(session, now=utc_now())


@lru_cache(maxsize=1)
def _reader() -> processing.Reader:
    """Built once a process: it holds the model and, with a provider, its connections."""
    return choose.reader(get_settings(), engine.shipped())
