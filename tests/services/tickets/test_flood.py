"""A sender's mails are counted once each, also those that lie in the mailbox twice."""

from __future__ import annotations

from datetime import timedelta

from sqlmodel import Session

from services.tickets.inbound_store import sender_macs
from services.tickets.intake_models import InboundMessage, InboundSource, InboundState
from services.tickets.loops import _before
from tests.conftest import NOON

SENDER = "bomb@example.gm"


def came(session: Session, number: int, mail_id: str, state: InboundState, *, size: int = 100) -> InboundMessage:
    message = InboundMessage(
        source=InboundSource.IMAP,
        source_key=f"{mail_id}-{number}",
        sender_mac=sender_macs(SENDER)[0],
        mail_id=mail_id,
        raw_bytes=size,
        state=state,
        received_at=NOON + timedelta(seconds=number),
    )
    session.add(message)
    session.flush()
    return message


def counted(session: Session, message: InboundMessage) -> int:
    return _before(session, message, sender_macs(SENDER), since=NOON - timedelta(minutes=10))


def test_what_came_a_second_time_and_was_not_looked_at_yet_counts_once(session: Session) -> None:
    came(session, 1, "one@x", InboundState.TAKEN)
    came(session, 2, "one@x", InboundState.STORED)
    came(session, 3, "two@x", InboundState.STORED)
    came(session, 4, "two@x", InboundState.STORED)
    assert counted(session, came(session, 5, "three@x", InboundState.STORED)) == 2


def test_mails_that_bear_one_name_but_differ_all_count(session: Session) -> None:
    came(session, 1, "same@x", InboundState.TAKEN)
    came(session, 2, "same@x", InboundState.TAKEN)
    came(session, 3, "same@x", InboundState.STORED, size=101)
    assert counted(session, came(session, 4, "same@x", InboundState.STORED, size=102)) == 3
