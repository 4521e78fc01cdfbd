"""Making two sites one: staff sees that a place is held twice, sees what merging would do, and merges."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import Conflict, InvalidInput
from app.events import publish
from services.access.models import Gateway
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.network.checks import lock_network
from services.network.incident_models import Incident, IncidentState
from services.network.models import AccessPoint, SetBy, Site
from services.network.site_queries import SiteNotFound
from services.packages import selling
from services.revision import require, revision_of
from services.vouchers.batch_models import VoucherBatch


class BothSitesDown(Conflict):
    code, title = "both_sites_down", "Both sites have an outage"
    message = "Each of the two has an outage that is not over. Merge them when at least one is over."


@dataclass(frozen=True)
class Merger:
    """What merging would do: how many move, and which of the two OpenWISP's place lives on. `revision` is of what was previewed."""

    source: str
    target: str
    access_points: int
    gateways: int
    incidents: int
    place_moves: bool
    place_returns: bool
    """Both are places of OpenWISP: the source's comes back as an empty site until it is deleted there."""
    position_moves: bool
    revision: str


def preview_merger(session: Session, *, actor: Principal, source_id: int, target_id: int) -> Merger:
    """What would happen. Raises Forbidden, SiteNotFound, InvalidInput for one and the same, or BothSitesDown."""
    actor.require(Permission.NETWORK_EDIT)
    source, target = _two_sites(session, source_id, target_id)
    _be_mergeable(session, source_id, target_id)
    points, gateways, incidents = (_count(session, model, source_id) for model in (AccessPoint, Gateway, Incident))
    return Merger(
        source=source.name,
        target=target.name,
        access_points=points,
        gateways=gateways,
        incidents=incidents,
        place_moves=source.external_id is not None and target.external_id is None,
        place_returns=source.external_id is not None and target.external_id is not None,
        position_moves=source.latitude is not None and target.latitude is None,
        revision=revision_of(source.revision, target.revision, source.external_id, target.external_id, points, gateways, incidents),
    )


def merge_sites(
    session: Session, *, actor: Principal, source_id: int, target_id: int, expected_revision: str | None, now: datetime
) -> Site:
    """Make two sites one: everything at the source moves to the target, and the source is gone.

    `expected_revision` is of the preview that was agreed to. Raises what `preview_merger` raises, and Stale.
    """
    # A discovery that is being written must not look for the source any more when it is gone.
    lock_network(session)
    merger = preview_merger(session, actor=actor, source_id=source_id, target_id=target_id)
    require(expected_revision, merger.revision)
    source, target = _two_sites(session, source_id, target_id, lock=True)
    moved: dict[str, Any] = {"site_id": target_id}
    if merger.place_returns:
        # OpenWISP still says the source's place of them; only staff's word outlives the next discovery.
        moved["site_set_by"] = SetBy.STAFF
    _move(session, AccessPoint, source_id, moved)
    _move(session, Gateway, source_id, {"site_id": target_id})
    _move(session, VoucherBatch, source_id, {"site_id": target_id})
    _move(session, Incident, source_id, {"site_id": target_id})
    selling.move_site(session, source_id, target_id)
    given = {"external_id": source.external_id, "address": source.address, "latitude": source.latitude, "longitude": source.longitude}
    session.delete(source)
    session.flush()
    _give_what_lacks(target, given, merger)
    session.flush()
    after = {"merged": merger.source, "access_points": merger.access_points, "gateways": merger.gateways, "incidents": merger.incidents}
    audit.record(session, actor, "site.merge", target=("site", target_id), now=now, after=after)
    for topic in ("network", "gateways", "incidents"):
        publish(session, topic, None)
    return target


def _two_sites(session: Session, source_id: int, target_id: int, *, lock: bool = False) -> tuple[Site, Site]:
    if source_id == target_id:
        raise InvalidInput("Choose another site: one cannot be merged with itself.", field="site_id")
    query = select(Site).where(col(Site.id).in_((source_id, target_id))).order_by(col(Site.id))
    if lock:
        query = query.with_for_update().execution_options(populate_existing=True)
    found = {site.id: site for site in session.exec(query).all()}
    if len(found) < 2:
        raise SiteNotFound(field="site_id")
    return found[source_id], found[target_id]


def _be_mergeable(session: Session, *site_ids: int) -> None:
    standing = sa.select(sa.func.count()).where(col(Incident.site_id).in_(site_ids), col(Incident.state) == IncidentState.OPEN)
    if session.execute(standing).scalar_one() > 1:
        raise BothSitesDown


_Placed = type[AccessPoint] | type[Gateway] | type[Incident] | type[VoucherBatch]


def _count(session: Session, model: _Placed, site_id: int) -> int:
    return int(session.execute(sa.select(sa.func.count()).select_from(model).where(col(model.site_id) == site_id)).scalar_one())


def _move(session: Session, model: _Placed, source_id: int, values: dict[str, Any]) -> None:
    session.execute(
        sa.update(model).where(col(model.site_id) == source_id).values(**values), execution_options={"synchronize_session": "fetch"}
    )


def _give_what_lacks(target: Site, given: dict[str, Any], merger: Merger) -> None:
    if merger.place_moves:
        target.external_id = given["external_id"]
    if merger.position_moves:
        target.latitude, target.longitude = given["latitude"], given["longitude"]
    target.address = target.address or given["address"]
