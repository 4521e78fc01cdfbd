"""All that the page of a ticket shows, read at once."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session, col, select

from services.accounts.permissions import Permission, Principal
from services.console import drafts
from services.console.customer_story import StoryPage, story
from services.console.models import Draft
from services.fieldwork.desk import FieldWork, field_work
from services.tickets import attachments, enrichment, links, operations, replies, tags, watching
from services.tickets.drafts import place_of
from services.tickets.enrichment import CustomerFacts
from services.tickets.intake_models import Attachment
from services.tickets.links import Linked
from services.tickets.models import Ticket
from services.tickets.queries import TicketStory, ticket_story
from services.tickets.reach import Reach, reach
from services.tickets.replies import Delivery
from services.tickets.work_models import TicketOperation

Refresh = Callable[[], Awaitable[None]]
TABS = ("reply", "note")
_LATELY = 5


@dataclass(frozen=True)
class Shown:
    story: TicketStory
    facts: CustomerFacts
    tags: tuple[str, ...]
    known_tags: tuple[str, ...]
    links: tuple[Linked, ...]
    watchers: tuple[str, ...]
    is_watching: bool
    deliveries: Mapping[int, Delivery]
    files: Mapping[int, tuple[Attachment, ...]]
    reach: Reach
    # The last merge or split that can still be taken back.
    undoable: TicketOperation | None
    # The references of the ticket that took this one in, and of those in which messages were said that have moved here.
    merged_into: str | None
    said_in: Mapping[int, str]
    field: FieldWork
    # The last few things that happened to the customer; None where there is none, or for who may not know of them.
    lately: StoryPage | None

    @property
    def ticket(self) -> Ticket:
        return self.story.row.ticket


def read(session: Session, *, actor: Principal, reference: str, now: datetime) -> Shown:
    """Raises Forbidden or TicketNotFound."""
    told = ticket_story(session, actor=actor, reference=reference)
    ticket = told.row.ticket
    assert ticket.id is not None
    last = operations.latest(session, ticket.id, now=now) if actor.may(Permission.TICKETS_EDIT) else None
    others = {message.said_in_id for message in told.messages if message.said_in_id is not None and message.said_in_id != ticket.id}
    named = _references(session, others | ({ticket.merged_into_id} if ticket.merged_into_id else set()))
    return Shown(
        story=told,
        facts=enrichment.story(session, ticket, actor=actor, now=now),
        tags=tags.of(session, [ticket.id]).get(ticket.id, ()),
        known_tags=tags.known(session),
        links=links.of(session, actor=actor, ticket_id=ticket.id),
        watchers=watching.names(session, ticket.id),
        is_watching=watching.is_watching(session, actor=actor, ticket_id=ticket.id),
        deliveries=replies.deliveries(session, ticket.id),
        files=attachments.of_ticket(session, ticket.id),
        reach=reach(session, ticket),
        undoable=last,
        merged_into=named.get(ticket.merged_into_id or 0),
        said_in={number: named[number] for number in others if number in named},
        field=field_work(session, ticket.id),
        lately=_lately(session, ticket, actor=actor, now=now),
    )


def _lately(session: Session, ticket: Ticket, *, actor: Principal, now: datetime) -> StoryPage | None:
    if ticket.customer_id is None or not actor.may(Permission.CUSTOMERS_READ):
        return None
    return story(session, actor=actor, customer_id=ticket.customer_id, limit=_LATELY, now=now)


def _references(session: Session, ids: set[int]) -> dict[int, str]:
    if not ids:
        return {}
    rows = session.exec(select(Ticket.id, Ticket.reference).where(col(Ticket.id).in_(ids))).all()
    return {number: reference for number, reference in rows if number is not None}


def own_drafts(session: Session, *, actor: Principal, reference: str) -> dict[str, Draft]:
    """What this person was writing here, by tab."""
    return drafts.kept(session, actor=actor, places={tab: place_of(reference, tab) for tab in TABS})
