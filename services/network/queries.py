"""Long reads of places."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col

from app.errors import NotFound
from services.access.models import Gateway
from services.accounts.permissions import Permission, Principal
from services.listing import Listing, Slice, count, fetch, pick
from services.network.models import Site


class SiteNotFound(NotFound):
    code, title = "site_not_found", "No such site"
    message = "There is no site under that number."


@dataclass(frozen=True)
class SiteRow:
    id: int
    name: str
    gateway_count: int


_SORTS: dict[str, Sequence[Any]] = {"newest": (col(Site.id),)}


def _rows_query() -> sa.Select[Any]:
    gateways = sa.select(sa.func.count()).select_from(Gateway).where(col(Gateway.site_id) == Site.id).scalar_subquery()
    return pick(Site.id, Site.name, gateways)


def list_sites(session: Session, *, actor: Principal, search: str, part: Slice) -> Listing[SiteRow]:
    """One page of places; `search` is looked for anywhere in their names. Raises Forbidden."""
    actor.require(Permission.GATEWAYS_READ)
    text = search.strip()
    conditions = [col(Site.name).icontains(text, autoescape=True)] if text else []
    found = fetch(session, _rows_query().where(*conditions), part, sorts=_SORTS, default_sort="newest")
    total, is_estimate = count(session, pick(Site.id).where(*conditions), part=part)
    return Listing(tuple(SiteRow(*row) for row in found), total, is_estimate)


def site_page(session: Session, *, actor: Principal, site_id: int) -> SiteRow:
    """Raises Forbidden or SiteNotFound."""
    actor.require(Permission.GATEWAYS_READ)
    found = session.execute(_rows_query().where(col(Site.id) == site_id)).one_or_none()
    if found is None:
        raise SiteNotFound
    return SiteRow(*found)
