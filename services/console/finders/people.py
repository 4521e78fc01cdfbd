"""People, and the devices they came with."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from services.access.models import AccessSession, Gateway
from services.accounts import finding
from services.accounts.models import Customer, Device
from services.accounts.permissions import Permission, Principal
from services.console.finders.asked import Asked, number_slips, word_slips
from services.console.finders.hits import WANTED, Hit, Kind, Rank, numbers
from services.listing import pick

# With fewer or more digits nobody's number is meant that was only mistyped.
_SLIPPED = range(6, 11)
_OF_SESSION = "session-"
Ranked = dict[int, Rank]


def find_people(session: Session, actor: Principal, asked: Asked) -> list[Hit]:
    """By phone number in either form, how one begins or ends, or by name; mistyped ones where nothing else is found."""
    found: Ranked = {}
    if len(asked.digits) >= finding.LEAST_DIGITS:
        found = _near_number(session, asked) if asked.nearly else _by_number(session, asked)
    elif words := finding.words_of(asked.text):
        found = _near_name(session, asked, words) if asked.nearly else _by_name(session, asked, words)
    return _hits(session, found)


def people_of(session: Session, actor: Principal, keys: Sequence[str]) -> list[Hit]:
    return _hits(session, dict.fromkeys(numbers(keys), Rank.EXACT))


def _by_number(session: Session, asked: Asked) -> Ranked:
    whole = finding.by_whole_number(session, asked.text)
    if whole is not None:
        return {whole.id or 0: Rank.EXACT}
    begins, old, ends = finding.number_ways(asked.digits, is_international=asked.is_international)
    parts = [_ids(condition).order_by(order).limit(WANTED).subquery() for condition, order in (begins, old, ends)]
    ranked = (Rank.PREFIX, Rank.PREFIX, Rank.PART)
    rows = sa.union_all(*(sa.select(part.c.id, sa.literal(int(rank))) for part, rank in zip(parts, ranked, strict=True)))
    found: Ranked = {}
    for number, rank in session.execute(rows):
        found[number] = min(found.get(number, Rank.SIMILAR), Rank(rank))
    return found


def _near_number(session: Session, asked: Asked) -> Ranked:
    national = finding.national(asked.digits)
    if len(national) not in _SLIPPED:
        return {}
    meant = _ids(finding.is_one_of(number_slips(national))).limit(WANTED)
    return dict.fromkeys(session.execute(meant).scalars(), Rank.SIMILAR)


def _by_name(session: Session, asked: Asked, words: Sequence[str]) -> Ranked:
    begun = pick(Customer.id, Customer.name).where(finding.name_begins(asked.text)).order_by(finding.BY_NAME).limit(WANTED)
    exact = asked.text.lower()
    found: Ranked = {row.id: Rank.EXACT if row.name.lower() == exact else Rank.PREFIX for row in session.execute(begun)}
    _more(session, found, finding.name_has([[word] for word in words], begun=True), Rank.PART)
    return found


def _near_name(session: Session, asked: Asked, words: Sequence[str]) -> Ranked:
    meant = finding.put_right(session, words, word_slips) if len(asked.text) >= finding.LEAST_LETTERS else None
    found: Ranked = {}
    if meant is not None:
        _more(session, found, finding.name_has([near[:1] for near in meant], begun=True), Rank.SIMILAR)
        _more(session, found, finding.name_has(meant, begun=True), Rank.SIMILAR)
    return found


def _more(session: Session, found: Ranked, condition: finding.Condition, rank: Rank) -> None:
    if len(found) < WANTED:
        for number in finding.by_words(session, _ids(condition).limit(WANTED)):
            found.setdefault(number, rank)


def _ids(condition: finding.Condition) -> sa.Select[Any]:
    return pick(col(Customer.id).label("id")).where(condition, col(Customer.erased_at).is_(None))


def _hits(session: Session, found: Ranked) -> list[Hit]:
    if not found:
        return []
    rows = session.execute(pick(Customer).where(col(Customer.id).in_(found), col(Customer.erased_at).is_(None))).scalars()
    order = {number: at for at, number in enumerate(found)}
    return [
        Hit(
            Kind.PEOPLE,
            str(one.id),
            one.name or one.masked_phone,
            note=one.masked_phone if one.name else "",
            rank=found[one.id],
            at=one.created_at,
        )
        for one in sorted(rows, key=lambda one: (found[one.id], order[one.id]))
    ]


def find_devices(session: Session, actor: Principal, asked: Asked) -> list[Hit]:
    """By address: who came with it, and for those who may see sessions where it was last."""
    if asked.mac_range is None or asked.nearly:
        return []
    hits = _owners(session, *asked.mac_range) if actor.may(Permission.CUSTOMERS_READ) else []
    if actor.may(Permission.SESSIONS_READ):
        known = {hit.title for hit in hits}
        hits += [hit for hit in _seen(session, *asked.mac_range) if hit.title not in known]
    return hits


def _owners(session: Session, low: str, high: str) -> list[Hit]:
    wanted = (
        pick(Device.last_mac, Device.last_seen_at, Customer)
        .join(Customer, col(Customer.id) == Device.customer_id)
        .where(col(Device.last_mac).between(low, high), col(Customer.erased_at).is_(None))
        .order_by(col(Device.last_mac))
        .limit(WANTED)
    )
    return [
        Hit(Kind.DEVICES, str(who.id), mac, note=" · ".join(filter(None, (who.name, who.masked_phone))), rank=_rank(low, high), at=at)
        for mac, at, who in session.execute(wanted)
    ]


def _seen(session: Session, low: str, high: str) -> list[Hit]:
    newest = (
        pick(AccessSession.mac, sa.func.max(AccessSession.id).label("id"))
        .where(col(AccessSession.mac).between(low, high))
        .group_by(col(AccessSession.mac))
        .order_by(col(AccessSession.mac))
        .limit(WANTED)
        .subquery()
    )
    wanted = (
        pick(AccessSession, Gateway.name)
        .join(newest, newest.c.id == AccessSession.id)
        .join(Gateway, col(Gateway.id) == AccessSession.gateway_id)
        .order_by(newest.c.mac)
    )
    return [
        Hit(
            Kind.DEVICES,
            f"{_OF_SESSION}{one.id}",
            one.mac,
            note=gateway,
            rank=_rank(low, high),
            state=one.state,
            at=one.started_at,
        )
        for one, gateway in session.execute(wanted)
    ]


def _rank(low: str, high: str) -> Rank:
    return Rank.EXACT if low == high else Rank.PREFIX
