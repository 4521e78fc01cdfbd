"""Profiles, and what we told a customer."""

from __future__ import annotations

from collections.abc import Sequence

import sqlalchemy as sa
from sqlmodel import Session, col

from app.keys import unseal
from services.accounts.models import Customer, Staff
from services.apps.callers import Caller
from services.apps.documents.shape import Data, at
from services.notifications.models import Medium, Notification
from services.notifications.service import SUBJECT, body_of
from services.tickets.desk_models import Team, TeamMember


def customer_profiles(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    """One's own."""
    own = (col(Customer.id) == caller.customer(), col(Customer.erased_at).is_(None))
    wanted = sa.select(col(Customer.id), col(Customer.name), col(Customer.phone_e164), col(Customer.language))
    rows = session.execute(wanted.where(col(Customer.id).in_(ids), *own)).all()
    return {number: {"name": name, "phone": phone, "language": language} for number, name, phone, language in rows}


def staff_profiles(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    """One's own, with the rights of this moment: the caller has them from the same rows."""
    person = caller.technician()
    if person.id not in ids:
        return {}
    row = session.execute(sa.select(col(Staff.name), col(Staff.role)).where(col(Staff.id) == person.id)).one_or_none()
    if row is None:
        return {}
    member = sa.select(col(Team.id), col(Team.name), col(TeamMember.is_on_duty)).join(TeamMember, col(TeamMember.team_id) == col(Team.id))
    teams = session.execute(member.where(col(TeamMember.staff_id) == person.id).order_by(col(Team.id))).all()
    data = {
        "name": row.name,
        "role": row.role.value,
        "permissions": sorted(permission.value for permission in person.permissions),
        "teams": [{"id": str(number), "name": name, "is_on_duty": on_duty} for number, name, on_duty in teams],
    }
    return {person.id: data}


def notices(session: Session, caller: Caller, ids: Sequence[int]) -> dict[int, Data]:
    """What the app shows a customer of what we told them."""
    own = (col(Notification.medium) == Medium.BELL, col(Notification.customer_id) == caller.customer())
    wanted = sa.select(
        *(col(of) for of in (Notification.id, Notification.event, Notification.subject_sealed, Notification.body_sealed)),
        *(col(of) for of in (Notification.ticket_id, Notification.created_at, Notification.read_at)),
    )
    return {
        row.id: {
            "title": unseal(SUBJECT, row.subject_sealed).decode() if row.subject_sealed else "",
            "body": body_of(row.body_sealed),
            "event": row.event,
            "ticket_id": str(row.ticket_id) if row.ticket_id is not None else None,
            "at": at(row.created_at),
            "read_at": at(row.read_at),
        }
        for row in session.execute(wanted.where(col(Notification.id).in_(ids), *own)).all()
    }
