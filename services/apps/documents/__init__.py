"""What each phone holds a copy of: every kind of document, loaded in bulk, each narrowed to what its caller may see."""

from __future__ import annotations

from collections.abc import Collection

from sqlmodel import Session

from services.apps.callers import Caller
from services.apps.documents import airtime, customer_tickets, network, people, shop, staff_tickets
from services.apps.documents.shape import Data, Document, Loader, digest_of
from services.apps.models import App
from services.apps.versions import ticket_versions

__all__ = ["KINDS_OF", "SHAPE", "Document", "digest_of", "load", "one"]
SHAPE = 1
"""Raised when what stands in documents changes with a release: every phone then begins anew."""
_TICKET = "ticket"
_LOADERS: dict[App, dict[str, Loader]] = {
    App.GO: {
        "profile": people.customer_profiles,
        "package": shop.packages,
        "payment": shop.payments,
        "voucher": shop.vouchers,
        "access": airtime.accesses,
        "session": airtime.sessions,
        "device": airtime.devices,
        _TICKET: customer_tickets.tickets,
        "place": network.places,
        "notice": people.notices,
    },
    App.TECH: {
        "profile": people.staff_profiles,
        _TICKET: staff_tickets.tickets,
        "site": network.sites,
        "access_point": network.access_points,
        "incident": network.incidents,
    },
}
KINDS_OF: dict[App, tuple[str, ...]] = {app: tuple(loaders) for app, loaders in _LOADERS.items()}
"""What each app may ask for."""


def load(session: Session, caller: Caller, kind: str, ids: Collection[int]) -> dict[int, Document]:
    """Those of these rows that the caller's phone is to hold. Raises KeyError for a kind that the caller's app does not know."""
    return _documents(session, kind, _LOADERS[caller.app][kind](session, caller, sorted(ids)) if ids else {})


def one(session: Session, caller: Caller, kind: str, id: int) -> Document | None:
    """One document as it stands now, also in the midst of a transaction. None for what there is not, or is not for this caller.

    A desk's member may look at tickets that others look after; `load` leaves those out, because nobody would tell that phone of changes.
    """
    loader = staff_tickets.in_sight_of if (caller.app, kind) == (App.TECH, _TICKET) else _LOADERS[caller.app][kind]
    return _documents(session, kind, loader(session, caller, [id])).get(id)


def _documents(session: Session, kind: str, found: dict[int, Data]) -> dict[int, Document]:
    if kind == _TICKET:
        return {number: Document(kind, number, str(version), found[number]) for number, version in ticket_versions(session, found).items()}
    return {number: Document(kind, number, digest_of(data), data) for number, data in found.items()}
