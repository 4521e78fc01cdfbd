"""Mail is fetched: every mail of the folder is kept here before anything reads it, and both sides are counted after each round.

Nothing is deleted there, and a mail is marked as seen only once it is kept. Whoever dies anywhere in between leaves a mail that the next
round finds again, and knows again by its name there. After the server gave all mails new names they come once more, and are known by
what they say (services/tickets/mail_intake.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime

import sqlalchemy as sa
import structlog
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session

from app.clock import Clock
from app.db import Begin
from app.direct import direct_engine
from app.events import publish
from app.failpoints import boundary
from app.outbound import OutboundError, Refused
from app.queue import ring
from services.integrations.imap import ImapClient, Listed, OpenMailbox, Standing
from services.tickets import inbound_store
from services.tickets.intake_models import InboundCount, InboundSource, InboundState

READ_JOB = "jobs.intake.read"
# A larger mail is not fetched: its header is kept, and a person looks at it where it lies.
MOST_BYTES = 25 * 1024 * 1024
TOO_LARGE = "Larger than 25 MB: only its header was fetched. The mail itself is in the mailbox."
READ_BEFORE_US = "Somebody had read it before this mailbox was taken over."
# Kept with its reason, and put aside once its sender and subject are noted.
PUT_ASIDE = {TOO_LARGE: InboundState.HELD, READ_BEFORE_US: InboundState.IGNORED}
_LOCK = 5_120_501
_ROUND = 200
log = structlog.get_logger(__name__)


@dataclass
class Round:
    """What one look at the mailbox did. `left` are mails that wait for the next round; None of it when another round was going on."""

    kept: list[int] = field(default_factory=list)
    left: int = 0
    theirs: int = 0
    ours: int = 0
    is_unchanged: bool = False


@dataclass(frozen=True)
class _Memory:
    """What the last round that came to its end left: nothing is listed again while the folder stands like that.

    `taken_over_at` is the first name that a mail could get after we saw the folder first.
    """

    validity: int = 0
    next_uid: int = 0
    taken_over_at: int = 0

    @classmethod
    def read(cls, row: InboundCount | None) -> _Memory | None:
        parts = row.last_key.split(":") if row else []
        return cls(*map(int, parts)) if len(parts) == 3 and all(part.isdigit() for part in parts) else None

    def written(self) -> str:
        return f"{self.validity}:{self.next_uid}:{self.taken_over_at}"


def fetch(begin: Begin, client: ImapClient, *, clock: Clock) -> Round | None:
    """One round; None while another one is at it. Trouble with the server is noted in words, and ends the round."""
    with alone(_LOCK) as is_mine:
        if not is_mine:
            return None
        try:
            with client.open() as box:
                return _round(begin, client.place, box, clock=clock)
        except OutboundError as failure:
            log.warning("imap.failed", operation=failure.operation, detail=failure.detail)
            with begin() as session:
                _note(session, client.place, {"counted_at": clock(), "error": in_words(failure)})
            return Round()


def in_words(failure: OutboundError) -> str:
    """For the person who looks after the mailbox."""
    if isinstance(failure, Refused) and failure.operation == "log_in":
        return "The mail server refuses user or password. Correct them in INET_IMAP_URL."
    if isinstance(failure, Refused) and failure.operation == "select":
        return "There is no such folder in the mailbox. Correct it in INET_IMAP_URL."
    what = {
        "connect": "could not be reached",
        "fetch": "broke off while it handed over a mail",
        "store": "broke off while a mail was marked",
    }
    return f"The mail server {what.get(failure.operation, 'broke off')} ({failure.detail}). It is tried again by itself."


def source_key(place: str, validity: int, uid: int) -> str:
    return f"{place}:{validity}:{uid}"


def _round(begin: Begin, place: str, box: OpenMailbox, *, clock: Clock) -> Round:
    standing, memory = box.standing, _remember(begin, place, box.standing, now=clock())
    with begin() as session:
        row = session.get(InboundCount, (InboundSource.IMAP, place))
        assert row is not None
        if _is_as_it_was(row, memory, standing):
            _note(session, place, {"counted_at": clock(), "error": None})
            return Round(theirs=row.theirs, ours=row.ours, is_unchanged=True)
    there = box.uids()
    missing = _missing(begin, place, standing.validity, there)
    done = Round(theirs=len(there))
    chosen = missing[:_ROUND]
    listed = box.listed(chosen)
    for mail in listed:
        kept = _keep(begin, place, box, mail, is_old=memory.taken_over_at > mail.uid and mail.is_seen, now=clock())
        done.kept += [] if kept is None else [kept]
    unseen = set(box.uids("UNSEEN"))
    box.mark_seen(sorted(unseen & (set(there) - set(missing[_ROUND:]))))
    boundary("mail.marked")
    done.left = len(_missing(begin, place, standing.validity, there))
    done.ours = done.theirs - done.left
    with begin() as session:
        # Only a round that left nothing may say that the folder need not be listed again.
        seen = _Memory(standing.validity, standing.next_uid if not done.left else 0, memory.taken_over_at)
        values = {"counted_at": clock(), "theirs": done.theirs, "ours": done.ours, "error": None, "last_key": seen.written()}
        _note(session, place, values)
    return done


def _remember(begin: Begin, place: str, standing: Standing, *, now: datetime) -> _Memory:
    """The last round's memory; of a folder that is seen for the first time, where it stood then, kept before anything is fetched."""
    with begin() as session:
        memory = _Memory.read(session.get(InboundCount, (InboundSource.IMAP, place)))
        if memory is None:
            memory = _Memory(standing.validity, 0, standing.next_uid)
            _note(session, place, {"counted_at": now, "theirs": standing.messages, "ours": 0, "last_key": memory.written()})
        elif memory.validity != standing.validity:
            # All have new names: what was there before us cannot be told by name any more, but by what it says.
            memory = _Memory(standing.validity, 0, 0)
        return memory


def _is_as_it_was(row: InboundCount, memory: _Memory, standing: Standing) -> bool:
    """No mail came (names only grow) and none went: the folder holds what it held when it was last listed whole."""
    was = (memory.validity, memory.next_uid, row.theirs)
    return was == (standing.validity, standing.next_uid, standing.messages) and row.theirs == row.ours


def _missing(begin: Begin, place: str, validity: int, uids: Sequence[int]) -> list[int]:
    keys = {source_key(place, validity, uid): uid for uid in uids}
    with begin() as session:
        held = inbound_store.held_of(session, InboundSource.IMAP, list(keys))
    return [uid for key, uid in keys.items() if key not in held]


def _keep(begin: Begin, place: str, box: OpenMailbox, mail: Listed, *, is_old: bool, now: datetime) -> int | None:
    is_huge = mail.size > MOST_BYTES
    raw = box.fetch(mail.uid, headers_only=is_huge)
    if raw is None:  # somebody threw it away meanwhile
        return None
    boundary("mail.fetched")
    with begin() as session:
        kept = inbound_store.keep(
            session,
            source=InboundSource.IMAP,
            key=source_key(place, box.standing.validity, mail.uid),
            raw=raw,
            # The server's clock is not ours.
            received_at=min(mail.received_at, now),
            why=READ_BEFORE_US if is_old else TOO_LARGE if is_huge else None,
            size=mail.size if is_huge else None,
        )
        if kept is not None:
            ring(session, READ_JOB)
    boundary("mail.stored")
    return kept


def _note(session: Session, place: str, values: dict[str, object]) -> None:
    row = {"source": InboundSource.IMAP, "place": place, "theirs": 0, "ours": 0, "last_key": "", **values}
    session.execute(insert(InboundCount).values(row).on_conflict_do_update(index_elements=["source", "place"], set_=values))
    publish(session, inbound_store.TOPIC, None)


@contextmanager
def alone(lock: int) -> Iterator[bool]:
    """Whether nobody else is at it: held on a connection of its own, since no transaction stays open meanwhile. A death frees it."""
    # Of the server itself: behind a pooler the next statement may be on another connection, and so would be the lock.
    with direct_engine() as direct, direct.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        is_mine = bool(connection.execute(sa.select(sa.func.pg_try_advisory_lock(lock))).scalar_one())
        try:
            yield is_mine
        finally:
            if is_mine:
                connection.execute(sa.select(sa.func.pg_advisory_unlock(lock)))
