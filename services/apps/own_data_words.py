"""What a customer's own data says of their tickets, and of what we told them."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from app.keys import unseal
from services.apps.own_data_shape import Part, columns, part, tickets
from services.fieldwork.models import VisitConfirmation
from services.notifications.events import event_named
from services.notifications.models import ContactPreference, DeliveryReport, Medium, Notification, Urgency
from services.notifications.service import SUBJECT, body_of
from services.tickets.closure_models import TicketRating
from services.tickets.forgetting import said_with
from services.tickets.intake_models import Attachment, Correspondent, InboundMessage
from services.tickets.models import Ticket, TicketMessage
from services.tickets.people import ADDRESS


def _told(row: dict[str, Any]) -> dict[str, Any]:
    subject, body = row.pop("subject_sealed"), row.pop("body_sealed")
    if row.pop("urgency") is Urgency.ONE_TIME or event_named(row["event"]).holds_secret:
        return {**row, "title": None, "body": None}
    return {**row, "title": unseal(SUBJECT, subject).decode() if subject else None, "body": body_of(body)}


def _address(row: dict[str, Any]) -> dict[str, Any]:
    return {"address": unseal(ADDRESS, row.pop("address_sealed")).decode(), **row}


_REFERENCE: Any = col(Ticket.reference).label("ticket")
PARTS: tuple[Part, ...] = (
    part(
        "tickets",
        Ticket,
        [
            *columns(Ticket, "reference", "channel", "subject", "language", "state", "category", "client_mac"),
            *columns(Ticket, "created_at", "resolved_at", "closed_at"),
        ],
        lambda customer: col(Ticket.customer_id) == customer.id,
    ),
    part(
        "words_in_tickets",
        TicketMessage,
        [_REFERENCE, *columns(TicketMessage, "id", "kind", "channel", "body", "created_at")],
        lambda customer: said_with(tickets(customer)),
        joined=lambda query: query.join(
            Ticket, col(Ticket.id) == sa.func.coalesce(col(TicketMessage.said_in_id), col(TicketMessage.ticket_id))
        ),
    ),
    part(
        "files_in_tickets",
        Attachment,
        columns(Attachment, "message_id", "name", "media_type", "size_bytes", "why", "facts", "created_at"),
        lambda customer: said_with(tickets(customer)),
        joined=lambda query: query.join(TicketMessage, col(TicketMessage.id) == col(Attachment.message_id)),
    ),
    part(
        "ratings",
        TicketRating,
        [_REFERENCE, *columns(TicketRating, "score", "comment", "at")],
        lambda customer: col(TicketRating.ticket_id).in_(tickets(customer)),
        joined=lambda query: query.join(Ticket, col(Ticket.id) == col(TicketRating.ticket_id)),
    ),
    part(
        "confirmed_work",
        VisitConfirmation,
        [_REFERENCE, *columns(VisitConfirmation, "works", "name", "comment", "at")],
        lambda customer: col(VisitConfirmation.ticket_id).in_(tickets(customer)),
        joined=lambda query: query.join(Ticket, col(Ticket.id) == col(VisitConfirmation.ticket_id)),
    ),
    part(
        "received_from_you",
        InboundMessage,
        columns(InboundMessage, "source", "subject", "state", "received_at"),
        lambda customer: col(InboundMessage.ticket_id).in_(tickets(customer)),
    ),
    part(
        "mail_addresses",
        Correspondent,
        columns(Correspondent, "address_sealed", "name", "created_at", "last_wrote_at"),
        lambda customer: col(Correspondent.customer_id) == customer.id,
        shown=_address,
    ),
    part(
        "told_to_you",
        Notification,
        [
            *columns(Notification, "event", "medium", "urgency", "language", "subject_sealed", "body_sealed", "state", "error"),
            *columns(Notification, "created_at", "sent_at", "delivered_at", "read_at"),
        ],
        # Mails of their tickets are addressed to an address, which may belong to no customer.
        lambda customer: (
            (col(Notification.customer_id) == customer.id)
            | (
                col(Notification.ticket_id).in_(tickets(customer))
                & col(Notification.staff_id).is_(None)
                & col(Notification.customer_id).is_(None)
                & (col(Notification.medium) == Medium.EMAIL)
            )
        ),
        shown=_told,
    ),
    part(
        "reports_of_texts",
        DeliveryReport,
        columns(DeliveryReport, "provider", "status", "reason", "at"),
        lambda customer: col(DeliveryReport.customer_id) == customer.id,
    ),
    part(
        "wishes",
        ContactPreference,
        columns(ContactPreference, "medium", "opted_out_at", "opted_out_by", "quiet_from", "quiet_until"),
        lambda customer: col(ContactPreference.customer_id) == customer.id,
    ),
)
