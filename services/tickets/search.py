"""What a ticket is found by, kept beside it: its words for full-text search, its names and numbers for search with typing errors."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from services.accounts.models import Customer
from services.network.models import AccessPoint, Site
from services.payments.models import Payment
from services.tickets.intake_models import Correspondent
from services.tickets.models import MessageKind, Ticket, TicketMessage, TicketSearch

# Longer words are not searched for; the messages keep them whole.
_MAX_WORDS = 200_000
# What looks like a code or a number in what was said: found by any part of it, like a voucher of which a customer reads out the end.
_RUN, _UP_TO_LAST_DIGIT, _CODE = re.compile(r"[\w+:-]{4,}"), re.compile(r".*\d"), re.compile(r"[\w+][\w:-]{3,39}")
_MAX_CODES = 60


def index(session: Session, ticket: Ticket) -> None:
    """Write anew what this ticket is found by. Part of the change's transaction."""
    session.flush()
    messages = session.exec(select(TicketMessage).where(TicketMessage.ticket_id == ticket.id).order_by(col(TicketMessage.id))).all()
    said = "\n".join(message.body for message in messages)[:_MAX_WORDS]
    # The subject weighs more than the rest, so that what is about a thing comes before what merely mentions it.
    words = sa.func.setweight(_vector(ticket.subject), sa.literal_column("'A'")).op("||")(_vector(said))
    values = {"ticket_id": ticket.id, "words": words, "names": " ".join(dict.fromkeys(_names(session, ticket, messages)))}
    written = insert(TicketSearch).values(**values)
    session.execute(
        written.on_conflict_do_update(index_elements=["ticket_id"], set_={"words": written.excluded.words, "names": written.excluded.names})
    )


def _vector(text: str) -> sa.ColumnElement[object]:
    return sa.func.to_tsvector("simple", sa.func.unaccent(text))


def _names(session: Session, ticket: Ticket, messages: Sequence[TicketMessage]) -> Iterable[str]:
    """Reference, phone in both forms, MAC with and without colons, payment, place, access point, writers, codes; lower-case."""
    names: list[str | None] = [ticket.reference, ticket.client_mac, (ticket.client_mac or "").replace(":", "")]
    if ticket.customer_id is not None:
        customer = session.get_one(Customer, ticket.customer_id)
        names += [customer.phone_e164, customer.legacy_e164]
    if ticket.payment_id is not None:
        names.append(session.get_one(Payment, ticket.payment_id).reference)
    if ticket.site_id is not None:
        names.append(session.get_one(Site, ticket.site_id).name)
    if ticket.access_point_id is not None:
        names.append(session.get_one(AccessPoint, ticket.access_point_id).name)
    if ticket.correspondent_id is not None:
        names.append(session.get_one(Correspondent, ticket.correspondent_id).name)
    names += [message.author for message in messages if message.kind is MessageKind.CUSTOMER and message.author != "customer"]
    names += _codes("\n".join((ticket.subject, *(message.body for message in messages)))[:_MAX_WORDS])
    return [name.lower() for name in names if name]


def _codes(text: str) -> Iterable[str]:
    """As they were written and, where that differs, without what stands between their parts."""
    for code in list(dict.fromkeys(_with_digits(text)))[:_MAX_CODES]:
        yield code
        if (joined := re.sub(r"[:-]", "", code)) != code:
            yield joined


def _with_digits(text: str) -> Iterable[str]:
    """Each character is looked at a few times, however long a run without a space is: anybody may send one."""
    for run in _RUN.finditer(text):
        numbered = _UP_TO_LAST_DIGIT.match(run.group())
        if numbered is not None:
            yield from (part.group() for part in _CODE.finditer(run.group()) if part.start() < numbered.end())
