"""Who has to agree to a step on many rows that nothing takes back, and how they hear of it (product.md, "Undo, preview, four eyes")."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from sqlmodel import Session, col, select

from app.events import publish
from services.accounts.models import Role, Staff
from services.accounts.permissions import ROLE_PERMISSIONS, Principal
from services.console.bulk.models import BulkOperation
from services.console.bulk.shape import Action
from services.notifications import Recipient, tell

TOPIC = "bulk"
"""News of steps that wait for a second person."""


def tell_deciders(session: Session, step: BulkOperation, action: Action[Any], number: int, actor: Principal, *, now: datetime) -> None:
    """Everybody who might do it themselves, but for who asks."""
    roles = [role for role in Role if action.permission in ROLE_PERMISSIONS[role]]
    people = session.exec(select(Staff.id).where(col(Staff.role).in_(roles), col(Staff.is_active))).all()
    for staff_id in people:
        if staff_id is not None and (actor.kind, actor.id) != ("staff", staff_id):
            tell(
                session,
                event="step_waits",
                to=Recipient(staff_id=staff_id),
                values={"by": actor.name, "what": f"{action.label}, {number:,} {action.things[1]}"},
                dedupe_key=f"step-waits:{step.id}:{staff_id}",
                link=action.address,
                now=now,
            )
    publish(session, TOPIC, step.id)
