"""The last words of many tickets and the files that came with them, read in a few statements however many tickets there are."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.apps.documents.shape import MAX_WORDS, Data
from services.tickets.intake_models import Attachment

SHOWN = 30
"""So many of a ticket's messages, the newest, are kept on a phone."""
# Of a merged ticket what was said in it stands in another one (:at); what came from a ticket of somebody else stays with them.
_OF_CUSTOMER = """
    m.kind IN ('customer', 'reply') AND (
        (asked.id = asked.at AND (m.said_in_id IS NULL OR m.said_in_id = asked.id OR EXISTS (
            SELECT FROM ticket origin WHERE origin.id = m.said_in_id AND origin.customer_id = :customer_id
        ))) OR (asked.id <> asked.at AND m.said_in_id = asked.id)
    )
"""
_OF_STAFF = "m.kind IN ('customer', 'reply', 'note') AND CAST(:customer_id AS bigint) IS NULL"
_LAST = """
SELECT asked.id AS ticket_id, said.* FROM unnest(CAST(:ids AS bigint[]), CAST(:ats AS bigint[])) AS asked (id, at)
CROSS JOIN LATERAL (
    SELECT m.id, m.kind, m.channel, m.author, m.staff_id, m.created_at, left(m.body, :most) AS body, length(m.body) > :most AS is_cut
    FROM ticket_message m WHERE m.ticket_id = asked.at AND {condition}
    ORDER BY m.created_at DESC, m.id DESC LIMIT :shown
) AS said ORDER BY said.created_at, said.id
"""
_COUNT = """
SELECT asked.id, count(*) FROM unnest(CAST(:ids AS bigint[]), CAST(:ats AS bigint[])) AS asked (id, at)
JOIN ticket_message m ON m.ticket_id = asked.at WHERE {condition} GROUP BY asked.id
"""


def said_to_customer(session: Session, where: dict[int, int], customer_id: int) -> tuple[dict[int, list[sa.Row[Any]]], dict[int, int]]:
    """Their own words and our replies, oldest first, and how many there are in all; `where` says in which ticket each is gone on with."""
    return _said(session, _OF_CUSTOMER, where, customer_id)


def said_among_staff(session: Session, ids: Sequence[int]) -> tuple[dict[int, list[sa.Row[Any]]], dict[int, int]]:
    """The same with our notes; what moved to another ticket is found there."""
    return _said(session, _OF_STAFF, {number: number for number in ids}, None)


def _said(
    session: Session, condition: str, where: dict[int, int], customer_id: int | None
) -> tuple[dict[int, list[sa.Row[Any]]], dict[int, int]]:
    values: dict[str, Any] = {"ids": list(where), "ats": list(where.values()), "customer_id": customer_id}
    last = sa.text(_LAST.format(condition=condition))
    found: dict[int, list[sa.Row[Any]]] = {number: [] for number in where}
    for row in session.execute(last, values | {"most": MAX_WORDS, "shown": SHOWN}).all():
        found[row.ticket_id].append(row)
    # Only where there are as many as are shown can there be more.
    full = [number for number, rows in found.items() if len(rows) == SHOWN]
    totals = {number: len(rows) for number, rows in found.items()}
    if full:
        counted = session.execute(sa.text(_COUNT.format(condition=condition)), values | {"ids": full, "ats": [where[one] for one in full]})
        totals |= dict(counted.all())
    return found, totals


def files_of(session: Session, message_ids: Collection[int]) -> dict[int, list[Data]]:
    """By message. One that was refused has no size, and says why."""
    if not message_ids:
        return {}
    wanted = sa.select(
        *(col(of) for of in (Attachment.message_id, Attachment.id, Attachment.name, Attachment.media_type, Attachment.size_bytes)),
        *(col(of) for of in (Attachment.file, Attachment.why)),
    ).where(col(Attachment.message_id).in_(message_ids))
    found: dict[int, list[Data]] = {}
    for row in session.execute(wanted.order_by(col(Attachment.id))).all():
        kept = row.file is not None
        file = {"id": str(row.id), "name": row.name, "media_type": row.media_type, "size_bytes": row.size_bytes if kept else None}
        found.setdefault(row.message_id, []).append(file | {"why": row.why})
    return found
