"""An access point as the technician before it sees it: found by the label on the box, with how it fares and fared."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import InvalidInput
from services.accounts.permissions import Permission, Principal
from services.network.access_point_queries import AccessPointNotFound, AccessPointRow, access_point_page, canonical_mac
from services.network.incident_models import Incident, IncidentMember, IncidentState
from services.network.models import AccessPoint, Site
from services.network.uptime import Stretch, Uptime, history, months_by_access_point
from services.tickets.models import IS_UNDONE, Ticket
from services.tickets.sight import in_sight

LABEL = "inet:ap:"
"""What a QR on a box begins with; the MAC follows."""
LOOKED_BACK = timedelta(days=30)
_MONTHS, _SHOWN = 2, 50


@dataclass(frozen=True)
class Box:
    """`months` are the last and the running one. `tickets` are those that are not done and that the person may know of."""

    row: AccessPointRow
    site: Site | None
    periods: tuple[Stretch, ...]
    months: Mapping[date, Uptime]
    incident: Incident | None
    tickets: tuple[Ticket, ...]


def label_of(mac: str) -> str:
    """What the QR of a box says."""
    return f"{LABEL}{mac}"


def scanned(session: Session, *, actor: Principal, code: str, now: datetime) -> Box:
    """The box with this label: our own, or the MAC that its maker printed, in any notation.

    Raises Forbidden, InvalidInput for what is neither, or AccessPointNotFound.
    """
    actor.require(Permission.NETWORK_READ)
    text = code.strip()
    mac = canonical_mac(text[len(LABEL) :] if text.lower().startswith(LABEL) else text)
    if mac is None:
        raise InvalidInput("This is no label of an access point. Scan the INET label, or the MAC that is printed on the box.", field="code")
    # Two boxes of one MAC: one took the other's place.
    there_first = select(AccessPoint.id).where(AccessPoint.mac == mac).order_by(col(AccessPoint.vanished_at).desc().nulls_first())
    found = session.exec(there_first.order_by(col(AccessPoint.id).desc()).limit(1)).first()
    if found is None:
        raise AccessPointNotFound("No access point with this MAC is known. If it is new, OpenWISP may not have listed it yet.")
    return box(session, actor=actor, access_point_id=found, now=now)


def box(session: Session, *, actor: Principal, access_point_id: int, now: datetime) -> Box:
    """Raises Forbidden or AccessPointNotFound."""
    row = access_point_page(session, actor=actor, access_point_id=access_point_id)
    point = row.point
    return Box(
        row=row,
        site=session.get(Site, point.site_id) if point.site_id is not None else None,
        periods=tuple(history(session, row.id, start=now - LOOKED_BACK, end=now, now=now)),
        months=months_by_access_point(session, row.id, months=_MONTHS, now=now),
        incident=_running(session, row.id),
        tickets=_tickets(session, actor, point) if actor.may(Permission.TICKETS_READ) else (),
    )


def _running(session: Session, access_point_id: int) -> Incident | None:
    """The outage that it is in now."""
    member = select(IncidentMember.incident_id).where(
        IncidentMember.access_point_id == access_point_id, col(IncidentMember.ended_at).is_(None)
    )
    return session.exec(select(Incident).where(Incident.state == IncidentState.OPEN, col(Incident.id).in_(member))).first()


def _tickets(session: Session, actor: Principal, point: AccessPoint) -> tuple[Ticket, ...]:
    """About it, or from behind its gateway."""
    about = [col(Ticket.access_point_id) == point.id]
    if point.gateway_id is not None:
        about.append(sa.and_(col(Ticket.gateway_id) == point.gateway_id, col(Ticket.access_point_id).is_(None)))
    wanted = select(Ticket).where(IS_UNDONE, sa.or_(*about), *in_sight(actor))
    return tuple(session.exec(wanted.order_by(col(Ticket.due_at).asc().nulls_last(), col(Ticket.id)).limit(_SHOWN)).all())
