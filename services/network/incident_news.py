"""Telling those who were given time back, once for each incident, after the network has returned."""

from __future__ import annotations

from datetime import datetime

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.clock import Clock
from app.db import Begin
from app.queue import ring
from services.access.outage_models import Compensation, IncidentNotice
from services.network.incident_models import Incident, IncidentState
from services.network.incidents import TELL_JOB
from services.network.models import Site
from services.notifications.service import Recipient
from services.notifications.service import tell as tell_customer

_BATCH = 200
# With the longest place name that is kept, the text is still one segment.
_MAX_PLACE = 40


def tell(begin: Begin, incident_id: int, *, clock: Clock) -> int:
    """Text everybody whom this incident cost time, some at a time. Safe to run twice and to die midway. Answers how many were told."""
    told = 0
    while True:
        with begin() as session:
            # Locked, so that an outage that goes on meanwhile is not called told.
            incident = session.get(Incident, incident_id, with_for_update=True)
            if incident is None or incident.state is not IncidentState.RESOLVED or incident.told_at is not None:
                return told
            batch = _untold(session, incident_id)
            _tell(session, incident, batch, now=clock())
            told += len(batch)
            if len(batch) < _BATCH:
                incident.told_at = clock()
                return told


def ring_untold(session: Session, *, now: datetime) -> int:
    """The sweep: incidents that are over and of which somebody may not have heard, because a ring was lost."""
    waiting = session.exec(
        select(Incident.id).where(Incident.state == IncidentState.RESOLVED, col(Incident.told_at).is_(None)).limit(_BATCH)
    ).all()
    for incident_id in waiting:
        assert incident_id is not None
        ring(session, TELL_JOB, incident_id)
    return len(waiting)


def _untold(session: Session, incident_id: int) -> list[tuple[int, int]]:
    """Customers and the seconds that they were given for this incident, of whom none was told."""
    rows = session.execute(
        sa.select(col(Compensation.customer_id), sa.func.sum(Compensation.seconds))
        .where(
            col(Compensation.incident_id) == incident_id,
            col(Compensation.customer_id).is_not(None),
            ~sa.exists().where(
                col(IncidentNotice.incident_id) == incident_id, col(IncidentNotice.customer_id) == col(Compensation.customer_id)
            ),
        )
        .group_by(col(Compensation.customer_id))
        .order_by(col(Compensation.customer_id))
        .limit(_BATCH)
    ).all()
    return [(customer_id, int(seconds)) for customer_id, seconds in rows]


def _tell(session: Session, incident: Incident, batch: list[tuple[int, int]], *, now: datetime) -> None:
    if not batch:
        return
    site = session.get(Site, incident.site_id) if incident.site_id is not None else None
    place = f" at {site.name[:_MAX_PLACE]}" if site else ""
    session.execute(
        insert(IncidentNotice)
        .values([{"incident_id": incident.id, "customer_id": customer_id, "told_at": now} for customer_id, _ in batch])
        .on_conflict_do_nothing()
    )
    for customer_id, seconds in batch:
        tell_customer(
            session,
            event="time_given_back",
            to=Recipient(customer_id=customer_id),
            values={"place": place, "minutes": max(1, round(seconds / 60))},
            dedupe_key=f"incident:{incident.id}:{customer_id}",
            now=now,
        )
