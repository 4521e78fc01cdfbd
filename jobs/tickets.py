"""Jobs of the help desk: live facts, reading and routing of what came in."""

from __future__ import annotations

from app.clock import utc_now
from app.db import transaction
from app.settings import get_settings
from jobs.base import job
from services.tickets import duty, learning, processing


@job
def process(ticket_id: int) -> None:
    """Find what is known of a ticket, read it and give it to somebody; harmless to repeat."""
    try:
        processing.process(transaction, ticket_id, _reader(), clock=utc_now)
    except Exception:
        processing.route_unread(transaction, ticket_id, clock=utc_now)
        raise


@job
def sweep() -> None:
    """Find the tickets whose ring was lost."""
    with transaction() as session:
        processing.sweep(session, now=utc_now())


@job
def give_out(team_id: int) -> None:
    """Give what waits in a team to whoever can take it, one by one: each in a transaction of its own, by the team's lock."""
    with transaction() as session:
        waiting = duty.waiting_in(session, team_id)
    for ticket_id in waiting:
        with transaction() as session:
            duty.give_one(session, ticket_id, team_id, now=utc_now())


def warm_up() -> None:
    """Load the model before the first ticket asks for it."""
    _reader()


def _reader() -> processing.Reader:
    """With the model that is in use now; held by the process as long as it stays so."""
    return learning.reader_in_use(transaction, get_settings())
