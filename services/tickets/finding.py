"""Search: which tickets a text means. What is exact goes first, then names and numbers, then words; newest first among equals."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql
from sqlmodel import Session, col, select

from app.keys import keyed_macs
from services.accounts.customers import find_customer
from services.accounts.errors import BadPhone
from services.listing import pick
from services.tickets import vocabulary
from services.tickets.intake_models import Correspondent
from services.tickets.models import Ticket, TicketSearch
from services.tickets.people import ADDRESS

SHORTEST_PART = 3
MAX_TEXT = 100
# How far back to look, in tickets, before looking at all; how many of those that meet conditions to look at first; and how many are few.
_WINDOWS = (4_000, 50_000)
_FIRST = (400, 4_000)
_FEW = 400
_MAIL = re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")
_NUMBER = re.compile(r"\+?[\d\s()./-]{3,}")
_HEX = re.compile(r"[0-9A-Fa-f]{1,2}([:-][0-9A-Fa-f]{1,2})+[:-]?")
_REFERENCE = re.compile(r"[Tt]-[0-9A-Za-z]{4,13}")
_MAC = re.compile(r"(?:[0-9A-Fa-f]{2}[:-]?){5}[0-9A-Fa-f]{2}")
_NUMBERS = postgresql.ARRAY(sa.BigInteger)
_WORD = re.compile(r"[^\W\d_]{4,40}")
Conditions = Sequence[sa.ColumnElement[bool]]


@dataclass(frozen=True)
class Found:
    """The tickets' numbers, best first. `corrected` is the word that was searched for instead of a mistyped one."""

    ids: tuple[int, ...]
    is_cut: bool = False
    corrected: str | None = None


def find(session: Session, text: str, *, within: Conditions, most: int) -> Found:
    """Search among the tickets that meet `within`; at most `most`."""
    wanted = " ".join(text.replace("\x00", "").split())[:MAX_TEXT]
    if exact := _exact(session, wanted, within, most):
        return Found(exact, len(exact) == most)
    ids = _newest(session, _asked(wanted, [wanted]), within, most)
    return Found(ids, len(ids) == most) if ids else _corrected(session, wanted, within, most)


def _exact(session: Session, text: str, within: Conditions, most: int) -> tuple[int, ...]:
    """By reference, by a customer's phone number in either form, by a device, or by a mail address."""
    if _REFERENCE.fullmatch(text):
        return tuple(session.execute(pick(Ticket.id).where(col(Ticket.reference) == text.upper(), *within)).scalars())
    if _MAC.fullmatch(text):
        digits = re.sub(r"[:-]", "", text.lower())
        mac = ":".join(digits[at : at + 2] for at in range(0, 12, 2))
        return _newest_of(session, [col(Ticket.client_mac) == mac, *within], most)
    if _MAIL.fullmatch(text):
        # The address is kept sealed; it is known again by its keyed hash, which only the whole address has.
        macs = keyed_macs(ADDRESS, text.lower())
        writer = session.exec(select(Correspondent.id).where(col(Correspondent.address_mac).in_(macs))).first()
        return () if writer is None else _newest_of(session, [col(Ticket.correspondent_id) == writer, *within], most)
    try:
        customer = find_customer(session, phone=text)
    except BadPhone:
        return ()
    return () if customer is None else _newest_of(session, [col(Ticket.customer_id) == customer.id, *within], most)


def _newest_of(session: Session, conditions: Conditions, most: int) -> tuple[int, ...]:
    return tuple(session.execute(pick(Ticket.id).where(*conditions).order_by(col(Ticket.id).desc()).limit(most)).scalars())


@dataclass(frozen=True)
class _Asked:
    """What to look for: `is_named` in names and numbers, `is_about` in the subject, and all of it, also in what was said."""

    matches: sa.ColumnElement[bool]
    is_named: sa.ColumnElement[bool]
    is_about: sa.ColumnElement[bool]


def _asked(words: str, names: Sequence[str]) -> _Asked:
    """By `words` that were said, or any part (of at least three characters) of a phone number, device, payment, code, place or name."""
    query = sa.func.websearch_to_tsquery("simple", sa.func.unaccent(words))
    said = col(TicketSearch.words).op("@@")(query)
    parts = [part for name in names for part in _spellings(name.lower()) if len(part) >= SHORTEST_PART]
    named = sa.or_(*(col(TicketSearch.names).contains(part, autoescape=True) for part in parts)) if parts else sa.false()
    # Weights of D, C, B and A: of these only the subject's words have one.
    is_about = sa.func.ts_rank(sa.literal_column("'{0,0,0,1}'::float4[]"), col(TicketSearch.words), query) > 0
    return _Asked(sa.or_(named, said) if parts else said, named, is_about)


def _spellings(text: str) -> tuple[str, ...]:
    """As it is kept: a number without spaces and brackets, a device's address without what stands between its parts."""
    if _HEX.fullmatch(text):
        return (re.sub(r"[:-]", "", text),)
    if _NUMBER.fullmatch(text):
        return (re.sub(r"\D", "", text),)
    return (text,)


def _corrected(session: Session, text: str, within: Conditions, most: int) -> Found:
    """Nothing is written like this: search for the words that were said and are written nearly so."""
    near = {word: vocabulary.nearest(session, word) for word in dict.fromkeys(_WORD.findall(text.lower()))}
    if not any(near.values()):
        return Found(())
    meant = " ".join(" or ".join(near[word] or (word,)) for word in near)
    likeliest = " ".join((near[word] or (word,))[0] for word in near)
    ids = _newest(session, _asked(meant, [likeliest]), within, most)
    return Found(ids, len(ids) == most, likeliest)


def _newest(session: Session, asked: _Asked, within: Conditions, most: int) -> tuple[int, ...]:
    """The newest of those that match; of these, the best first.

    What is common is soon found among the newest tickets, what is rare by the index of words; left to itself, the planner takes one way
    for both. So: a short look at the newest; then, if there are few, all; then further back, and only for want of them at all.
    """
    if within:
        return _newest_within(session, asked, within, most)
    newest = session.execute(sa.select(sa.func.max(col(TicketSearch.ticket_id)))).scalar() or 0
    for window in _WINDOWS:
        found = _rows(session, asked, [asked.matches, _since(max(newest - window, 0), newest, is_short=window == _WINDOWS[0])], (), most)
        if len(found) == most or window >= newest:
            return found
        if window == _WINDOWS[0] and (ids := _all_if_few(session, asked)) is not None:
            return _rows(session, asked, [_among(ids)], (), most)
    return _rows(session, asked, [asked.matches], (), most)


def _newest_within(session: Session, asked: _Asked, within: Conditions, most: int) -> tuple[int, ...]:
    """The same among the tickets that meet conditions: from these to the words while words are common, from the words to these else."""
    for first in _FIRST:
        ids = session.execute(pick(Ticket.id).where(*within).order_by(col(Ticket.id).desc()).limit(first)).scalars().all()
        found = _rows(session, asked, [asked.matches, _among(ids)], (), most)
        if len(found) == most or len(ids) < first:
            return found
        if first == _FIRST[0] and (all_of_them := _all_if_few(session, asked)) is not None:
            return _rows(session, asked, [_among(all_of_them)], within, most)
    return _rows(session, asked, [asked.matches], within, most)


def _since(number: int, newest: int, *, is_short: bool) -> sa.ColumnElement[bool]:
    """A short stretch is named number by number: so each is looked at, which is faster there than reading the index of words."""
    return _among(range(number + 1, newest + 1)) if is_short else col(TicketSearch.ticket_id) > number


def _among(ids: Sequence[int]) -> sa.ColumnElement[bool]:
    return col(TicketSearch.ticket_id) == sa.func.any(sa.literal(list(ids), _NUMBERS))


def _all_if_few(session: Session, asked: _Asked) -> list[int] | None:
    """All that match, by the index; None if they are more than a few."""
    session.execute(sa.text("SET LOCAL enable_seqscan = off"))  # by the index, however many the planner expects
    ids = list(session.execute(sa.select(col(TicketSearch.ticket_id)).where(asked.matches).limit(_FEW + 1)).scalars())
    session.execute(sa.text("SET LOCAL enable_seqscan = on"))
    return ids if len(ids) <= _FEW else None


def _rows(session: Session, asked: _Asked, matches: Conditions, within: Conditions, most: int) -> tuple[int, ...]:
    # OFFSET 0: all that match are found before they are sorted, so that the order does not choose the way to them.
    found = sa.select(col(TicketSearch.ticket_id).label("id")).where(*matches).offset(sa.literal_column("0")).subquery("found")
    wanted = sa.select(found.c.id)
    if within:
        wanted = wanted.join(Ticket, col(Ticket.id) == found.c.id).where(*within)
    newest = wanted.order_by(found.c.id.desc()).limit(most).subquery("newest")
    # Only of these it is asked how well they fit: that costs more than finding them.
    fitting = sa.select(newest.c.id, asked.is_named.label("named"), asked.is_about.label("about"))
    rows = session.execute(fitting.join(TicketSearch, col(TicketSearch.ticket_id) == newest.c.id)).all()
    return tuple(row.id for row in sorted(rows, key=lambda row: (not row.named, not row.about, -row.id)))
