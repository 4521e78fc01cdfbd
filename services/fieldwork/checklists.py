"""What is looked at on a visit, by what the ticket is about: our own lists until somebody with the desk's rights writes others."""

from __future__ import annotations

import secrets
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import InvalidInput
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.fieldwork.models import Checklist
from services.revision import require, revision_of
from services.tickets.models import IS_UNDONE, Category, Ticket
from services.tickets.texts import one_line

ALL_OTHERS = "*"
"""The list for tickets of which nobody said what they are about, or whose kind has no list of its own."""
KINDS: tuple[str, ...] = (*(category.value for category in Category), ALL_OTHERS)
MAX_ITEMS, MAX_TEXT = 30, 200


@dataclass(frozen=True)
class Item:
    """`key` is what a phone names it by; the words behind it may change, the key never does."""

    key: str
    text: str


@dataclass(frozen=True)
class Shown:
    """The list that counts for one kind. `is_own`: somebody wrote it; else it is the one we come with."""

    category: str
    items: tuple[Item, ...]
    is_own: bool
    changed_by: str = ""
    changed_at: datetime | None = None

    @property
    def revision(self) -> str:
        return revision_of(self.category, *(f"{item.key}:{item.text}" for item in self.items))


_POWER = Item("power", "The access point has power, and its light is as it should be")
_CABLE = Item("cable", "Cable, plugs and PoE injector are whole and dry")
_ONLINE = Item("online", "The access point answers and is online again")
_PORTAL = Item("portal", "A phone gets the portal and comes online through it")
_CUSTOMER = Item("customer", "The customer tried it on their own phone")
_PHOTO = Item("photo", "Photos of the place are taken")
_DEFAULTS: Mapping[str, tuple[Item, ...]] = {
    Category.CONNECTIVITY: (_POWER, _CABLE, _ONLINE, _PORTAL, _CUSTOMER),
    Category.SLOW_SPEED: (
        Item("speed-before", "Speed measured where the customer stands, before anything was changed"),
        Item("channel", "Channel and signal looked at; neighbours on the same channel noted"),
        _CABLE,
        Item("speed-after", "Speed measured again at the same place"),
        _CUSTOMER,
    ),
    Category.COVERAGE_INSTALLATION: (
        Item("survey", "Signal measured at the places where people stand"),
        Item("mount", "Mounted firmly, above reach, out of sun and rain"),
        _POWER,
        _CABLE,
        Item("label", "The label with the MAC can be read from below"),
        _PORTAL,
        _PHOTO,
    ),
    Category.DEVICE_SETUP: (
        Item("device", "Kind and system of the customer's device noted"),
        Item("random-mac", "Private address of the device looked at"),
        _PORTAL,
        _CUSTOMER,
    ),
    ALL_OTHERS: (_POWER, _PORTAL, _CUSTOMER),
}


def for_category(session: Session, category: str | None) -> tuple[Item, ...]:
    """What is looked at about a ticket of this kind."""
    return lists_for(session, [category])[category]


def lists_for(session: Session, categories: Collection[str | None]) -> dict[str | None, tuple[Item, ...]]:
    """The lists of several kinds at once."""
    written = {row.category: _items(row) for row in session.exec(select(Checklist)).all()}
    return {category: _chosen(written, category) for category in set(categories)}


def _chosen(written: Mapping[str, tuple[Item, ...]], category: str | None) -> tuple[Item, ...]:
    """A list that somebody wrote, ours, the general one that somebody wrote, ours: the first that there is."""
    found = [lists[name] for name in (category, ALL_OTHERS) for lists in (written, _DEFAULTS) if name is not None and name in lists]
    return found[0]


def all_lists(session: Session, *, actor: Principal) -> tuple[Shown, ...]:
    """Every kind with the list that counts for it. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    return _all(session)


def _all(session: Session) -> tuple[Shown, ...]:
    rows = {row.category: row for row in session.exec(select(Checklist).execution_options(populate_existing=True)).all()}
    lists = lists_for(session, KINDS)
    return tuple(_shown(kind, lists[kind], rows.get(kind)) for kind in KINDS)


def _shown(kind: str, items: tuple[Item, ...], row: Checklist | None) -> Shown:
    return Shown(kind, items, row is not None, row.changed_by if row else "", row.changed_at if row else None)


def save(
    session: Session, *, actor: Principal, category: str, items: Sequence[Item], expected_revision: str | None = None, now: datetime
) -> Shown:
    """Write the list of one kind anew, in this order. An item with an empty key is a new one. What was ticked keeps its words.

    Raises Forbidden, Stale or InvalidInput.
    """
    actor.require(Permission.DESK_EDIT)
    before = _locked(session, category)
    require(expected_revision, before.revision)
    kept = _cleaned(items)
    session.merge(
        Checklist(
            category=category,
            items=[{"key": item.key, "text": item.text} for item in kept],
            changed_by=actor.label,
            changed_at=now,
        )
    )
    return _changed(session, actor, before, now=now)


def reset(session: Session, *, actor: Principal, category: str, expected_revision: str | None = None, now: datetime) -> Shown:
    """Take our own list again. Raises Forbidden, Stale or InvalidInput."""
    actor.require(Permission.DESK_EDIT)
    before = _locked(session, category)
    require(expected_revision, before.revision)
    session.execute(sa.delete(Checklist).where(col(Checklist.category) == category))
    return _changed(session, actor, before, now=now)


def _locked(session: Session, category: str) -> Shown:
    """As it stands, while nobody else changes any list."""
    if category not in KINDS:
        raise InvalidInput("Choose one of the kinds of tickets.", field="category")
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(0x636865636B)))
    return next(one for one in _all(session) if one.category == category)


def _changed(session: Session, actor: Principal, before: Shown, *, now: datetime) -> Shown:
    session.flush()
    after = next(one for one in _all(session) if one.category == before.category)
    if after.revision != before.revision:
        _tell_phones(session)
        told = {"items": [item.text for item in before.items]}, {"items": [item.text for item in after.items]}
        target = ("checklist", before.category)
        audit.record(session, actor, "checklist.change", target=target, now=now, before=told[0], after=told[1])
    return after


def _tell_phones(session: Session) -> None:
    """The lists are shown with every ticket that somebody has before them: to their phones it changed (migration 0010, `sync_touch`)."""
    audience = sa.literal("s:") + sa.cast(col(Ticket.assignee_id), sa.Text)
    touched = sa.select(sa.func.sync_touch(audience, "ticket", col(Ticket.id))).where(IS_UNDONE, col(Ticket.assignee_id).is_not(None))
    session.execute(touched.order_by(col(Ticket.id)))


def _cleaned(items: Sequence[Item]) -> list[Item]:
    kept = [Item(item.key or f"i-{secrets.token_hex(6)}", one_line(item.text)) for item in items]
    if not kept or len(kept) > MAX_ITEMS:
        raise InvalidInput(f"A list has 1 to {MAX_ITEMS} items.", field="items")
    if any(not 1 <= len(item.text) <= MAX_TEXT for item in kept):
        raise InvalidInput(f"Every item has words, at most {MAX_TEXT} characters.", field="items")
    if any(len(item.key) > 40 for item in kept) or len({item.key for item in kept}) < len(kept):
        raise InvalidInput("Every item stands in the list once.", field="items")
    return kept


def _items(row: Checklist) -> tuple[Item, ...]:
    return tuple(Item(str(item["key"]), str(item["text"])) for item in row.items)


def as_json(items: Sequence[Item]) -> list[dict[str, Any]]:
    return [{"item": item.key, "text": item.text} for item in items]
