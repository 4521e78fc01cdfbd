"""What reports are counted from. Every question is bounded by its range through an index, so old tickets cost nothing.

Each thing counts on the day on which it happened: a ticket when it came, an answer when it was given, a promise when it was kept or when
it broke. What was merged counts as the ticket that took it in.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa
from sqlmodel import Session

from services.tickets.models import UNDONE

By = Literal["all", "team", "person", "category", "site", "channel", "priority"]
COLUMNS: Mapping[By, str] = {
    "all": "'all'",
    "team": "t.team_id",
    "person": "t.assignee_id",
    "category": "t.category",
    "site": "t.site_id",
    "channel": "t.channel",
    "priority": "t.priority",
}
"""By what tickets are grouped: as they are now, so that a ticket that was handed over counts for who has it."""
AGES = (1, 3, 7, 30)
"""Days at which the backlog's ages are cut."""
_UNDONE = ", ".join(f"'{state.value}'" for state in UNDONE)
_DONE = "'resolved', 'closed'"
_WITHIN = "e.at >= :start AND e.at < :until"
_PARTS: Mapping[str, str] = {
    "done": _DONE,
    "undone": _UNDONE,
    "within": _WITHIN,
    "is_solving": f"e.kind = 'state' AND {_WITHIN} AND e.data->>'to' IN ({_DONE}) AND e.data->>'from' IN ({_UNDONE})",
    "is_reply": f"e.kind = 'message' AND {_WITHIN} AND e.data->>'kind' = 'reply'",
    "of_ticket": "JOIN ticket t ON t.id = e.ticket_id AND t.merged_into_id IS NULL",
    "younger": ", ".join(f"count(*) FILTER (WHERE t.created_at > :now - interval '{days} days') AS under_{days}" for days in AGES),
}
# Days are those of Banjul, whose clock is UTC all year.
_CREATED = """
    SELECT {by} AS key, (t.created_at AT TIME ZONE 'UTC')::date AS day, count(*) AS number
    FROM ticket t WHERE t.created_at >= :start AND t.created_at < :until AND t.merged_into_id IS NULL GROUP BY 1, 2"""
# A ticket that was opened again is solved once more, in a further run of its clock.
_SOLVED = """
    SELECT {by} AS key, e.ticket_id, e.at, (e.at AT TIME ZONE 'UTC')::date AS day, t.created_at, t.sla_policy_version_id AS version_id,
        v.resolution_seconds IS NOT NULL AS is_promised,
        EXISTS (SELECT 1 FROM sla_step s WHERE s.ticket_id = t.id AND s.clock = 'resolution' AND s.step LIKE 'breach:%'
            AND s.round = CASE WHEN t.reopened_count = 0 THEN 1 ELSE 1 + (
                SELECT count(*) FROM ticket_event b WHERE b.ticket_id = t.id AND b.id < e.id AND b.kind = 'state'
                AND b.data->>'to' IN ({done}) AND b.data->>'from' IN ({undone})) END) AS is_broken
    FROM ticket_event e {of_ticket} LEFT JOIN sla_policy_version v ON v.id = t.sla_policy_version_id WHERE {is_solving}"""
_ANSWERED = """
    SELECT DISTINCT ON (e.ticket_id) {by} AS key, e.ticket_id, e.at, t.created_at, t.sla_policy_version_id AS version_id,
        v.first_response_seconds IS NOT NULL AS is_promised,
        EXISTS (SELECT 1 FROM sla_step s WHERE s.ticket_id = t.id AND s.clock = 'first_response' AND s.step LIKE 'breach:%') AS is_broken
    FROM ticket_event e {of_ticket} AND t.first_responded_at = e.at LEFT JOIN sla_policy_version v ON v.id = t.sla_policy_version_id
    WHERE {is_reply} ORDER BY e.ticket_id, e.id"""
# As the clock itself: it starts with the customer's first words after a reply of ours, or with a merge that brings in words which nobody
# has answered, and our next reply ends it.
_ANSWERED_NEXT = """
    WITH touched AS (SELECT DISTINCT e.ticket_id FROM ticket_event e WHERE {is_reply}),
    said AS (
        SELECT ticket_id, id, at, kind, lag(kind) OVER (PARTITION BY ticket_id ORDER BY id) AS before
        FROM (SELECT e.ticket_id, e.id, e.at, CASE e.kind WHEN 'took_in' THEN 'customer' ELSE e.data->>'kind' END AS kind
            FROM touched JOIN ticket_event e USING (ticket_id) WHERE (e.kind = 'message' AND e.data->>'kind' IN ('customer', 'reply'))
            OR (e.kind = 'took_in' AND e.data->>'unanswered' = 'true')) e),
    runs AS (
        SELECT said.*, count(*) FILTER (WHERE kind = 'customer' AND before = 'reply') OVER (PARTITION BY ticket_id ORDER BY id) AS round
        FROM said)
    SELECT {by} AS key, count(*) AS number FROM runs e {of_ticket}
    JOIN sla_policy_version v ON v.id = t.sla_policy_version_id AND v.next_response_seconds IS NOT NULL
    WHERE e.kind = 'reply' AND e.before = 'customer' AND e.round > 0 AND {within} AND NOT EXISTS (
        SELECT 1 FROM sla_step s WHERE s.ticket_id = e.ticket_id AND s.clock = 'next_response' AND s.round = e.round
        AND s.step LIKE 'breach:%') GROUP BY 1"""
_BROKEN = """
    SELECT {by} AS key, e.clock, count(DISTINCT (e.ticket_id, e.round)) AS number
    FROM sla_step e {of_ticket} WHERE {within} AND e.step LIKE 'breach:%' GROUP BY 1, 2"""
_REOPENED = """
    SELECT {by} AS key, count(*) AS number FROM ticket_event e {of_ticket}
    WHERE e.kind = 'state' AND {within} AND e.data->>'from' IN ({done}) AND e.data->>'to' IN ({undone}) GROUP BY 1"""
_RATED = "SELECT {by} AS key, e.score, count(*) AS number FROM ticket_rating e {of_ticket} WHERE {within} GROUP BY 1, 2"
_MESSAGES = """
    SELECT {by} AS key, count(DISTINCT t.id) AS tickets, count(*) AS number
    FROM (SELECT DISTINCT e.ticket_id FROM ticket_event e WHERE {is_solving}) e {of_ticket}
    JOIN ticket_message m ON m.ticket_id = t.id AND m.kind IN ('customer', 'reply') GROUP BY 1"""
_BACKLOG = """
    SELECT {by} AS key, min(t.created_at) AS oldest_at, {younger}, count(*) AS number
    FROM ticket t WHERE t.state IN ({undone}) GROUP BY 1"""
# How each ticket that was answered or solved in the range came to that: what stopped its clocks meanwhile.
_STATES = """
    SELECT b.ticket_id, b.at, b.data->>'to' AS state, b.data->>'hold_reason' AS hold
    FROM (SELECT e.ticket_id FROM ticket_event e WHERE {is_solving} UNION SELECT e.ticket_id FROM ticket_event e WHERE {is_reply}) e
    JOIN ticket_event b USING (ticket_id) WHERE b.kind = 'state' AND b.at < :until ORDER BY b.ticket_id, b.id"""


def created(session: Session, by: By, start: datetime, until: datetime) -> Sequence[Any]:
    """`key`, `day`, `number`."""
    return _ask(session, _CREATED, by, start=start, until=until)


def solved(session: Session, by: By, start: datetime, until: datetime) -> Sequence[Any]:
    """A row for each time that a ticket was resolved or closed: `key`, `at`, `day`, and whether its promise was broken before."""
    return _ask(session, _SOLVED, by, start=start, until=until)


def answered(session: Session, by: By, start: datetime, until: datetime) -> Sequence[Any]:
    """A row for each ticket that had its first answer."""
    return _ask(session, _ANSWERED, by, start=start, until=until)


def answered_next(session: Session, by: By, start: datetime, until: datetime) -> Sequence[Any]:
    """`key`, `number` of further answers that were given in time."""
    return _ask(session, _ANSWERED_NEXT, by, start=start, until=until)


def broken(session: Session, by: By, start: datetime, until: datetime) -> Sequence[Any]:
    """`key`, `clock`, `number` of promises that broke."""
    return _ask(session, _BROKEN, by, start=start, until=until)


def reopened(session: Session, by: By, start: datetime, until: datetime) -> Sequence[Any]:
    """`key`, `number`."""
    return _ask(session, _REOPENED, by, start=start, until=until)


def rated(session: Session, by: By, start: datetime, until: datetime) -> Sequence[Any]:
    """`key`, `score`, `number`."""
    return _ask(session, _RATED, by, start=start, until=until)


def messages(session: Session, by: By, start: datetime, until: datetime) -> Sequence[Any]:
    """`key`, and of the tickets that were solved how many there are (`tickets`) and how much was said in them (`number`)."""
    return _ask(session, _MESSAGES, by, start=start, until=until)


def backlog(session: Session, by: By, now: datetime) -> Sequence[Any]:
    """What is undone now: `key`, `number`, `oldest_at`, and how many are younger than each of AGES (`under_7`)."""
    return _ask(session, _BACKLOG, by, now=now)


def states(session: Session, start: datetime, until: datetime) -> Sequence[Any]:
    """Every change of state of the tickets that were answered or solved: `ticket_id`, `at`, `state`, `hold`, in their order."""
    return _ask(session, _STATES, "all", start=start, until=until)


def _ask(session: Session, question: str, by: By, **values: Any) -> Sequence[Any]:
    return session.execute(sa.text(question.format(by=COLUMNS[by], **_PARTS)), values).all()
