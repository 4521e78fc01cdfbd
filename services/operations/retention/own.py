"""What is taken away by other means than one statement."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import Begin
from services.network import retention as network
from services.tickets import forgetting, inbound_store
from services.tickets.intake_models import InboundMessage, InboundState

_AT_ONCE = 200


def add_up_periods(begin: Begin, now: datetime, before: datetime) -> int:
    """Its own months count, not the days (services/network/retention.py)."""
    return len(network.roll_up(begin, now=now))


def end_erasures(begin: Begin, now: datetime, before: datetime) -> int:
    return forgetting.sweep(begin)


def forget_large_messages(begin: Begin, now: datetime, before: datetime) -> int:
    """Messages that lie in files. Each is a transaction: a file that is gone and a row that still names it is mended by the next run."""
    with begin() as session:
        found = _large(session, before)
    for number in found:
        with begin() as session:
            message = session.get(InboundMessage, number, with_for_update=True)
            if message is not None:
                inbound_store.discard(message)
                message.sender_sealed, message.subject = None, ""
    return len(found)


def _large(session: Session, before: datetime) -> list[int]:
    held = sa.or_(col(InboundMessage.raw_sealed).is_not(None), col(InboundMessage.raw_file).is_not(None))
    wanted = select(InboundMessage.id).where(
        InboundMessage.received_at < before,
        held,
        col(InboundMessage.raw_file).is_not(None),
        col(InboundMessage.state).not_in((InboundState.STORED, InboundState.HELD)),
    )
    return [number for number in session.exec(wanted.order_by(col(InboundMessage.received_at)).limit(_AT_ONCE)).all() if number is not None]
