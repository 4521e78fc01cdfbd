"""The words and names that were said in tickets, so that a mistyped search is corrected to one that finds something."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from services.tickets.models import TicketWord

# Tickets at a time: words are gathered behind people's backs, and nobody waits for them.
PORTION = 2000
# Below, two words are no more alike than by chance (measured on the words of the development set).
_ALIKE = 0.4
_NEAREST = 4
_EVER = datetime(2000, 1, 1, tzinfo=UTC)
_GATHER = sa.text(
    "INSERT INTO ticket_word (word, seen_at)"
    " SELECT DISTINCT said.word, CAST(:now AS timestamptz) FROM ticket_search s, LATERAL (SELECT unnest(tsvector_to_array(s.words))"
    " UNION SELECT regexp_split_to_table(s.names, '[^[:alpha:]]+')) AS said(word)"
    " WHERE s.ticket_id = ANY(:ids) AND length(said.word) BETWEEN 4 AND 40 AND said.word ~ '^[[:alpha:]]+$'"
    " ON CONFLICT (word) DO NOTHING"
)
_PART = sa.text(
    "SELECT id, updated_at FROM ticket WHERE updated_at >= :since AND updated_at < :now ORDER BY updated_at, id LIMIT :portion"
).columns(id=sa.BigInteger, updated_at=sa.DateTime(timezone=True))


def gather(session: Session, *, now: datetime) -> int:
    """Take in the words of tickets that changed since the last time, some at a time; answers how many tickets were looked at."""
    # Two that begin at once make one mark, and wait for each other at it.
    session.execute(insert(TicketWord).values(word="", seen_at=_EVER).on_conflict_do_nothing())
    mark = session.get_one(TicketWord, "", with_for_update=True, populate_existing=True)
    rows = session.execute(_PART, {"since": mark.seen_at, "now": now, "portion": PORTION}).all()
    if not rows:
        return 0
    session.execute(_GATHER, {"ids": [row[0] for row in rows], "now": now})
    last = rows[-1][1]
    # More of one moment than a portion: passed over, or nothing newer would ever be looked at.
    is_stuck = len(rows) == PORTION and last == mark.seen_at
    mark.seen_at = last + timedelta(microseconds=1) if is_stuck else last
    session.flush()
    return len(rows)


def nearest(session: Session, word: str) -> tuple[str, ...]:
    """Words that were said and are written nearly like this one, the likest first."""
    alike = sa.func.similarity(col(TicketWord.word), word)
    session.execute(sa.text(f"SET LOCAL pg_trgm.similarity_threshold = {_ALIKE}"))
    found = select(TicketWord.word).where(col(TicketWord.word).op("%")(word)).order_by(alike.desc(), col(TicketWord.word)).limit(_NEAREST)
    return tuple(session.exec(found).all())
