"""What this phone itself did about an entity, so that what waits on it never conflicts with what it sent before."""

from __future__ import annotations

import sqlalchemy as sa
from sqlmodel import Session, col

from services.apps.callers import Caller
from services.apps.models import AppMutation, MutationOutcome

# More of its own than that no phone has waiting about one thing.
_OWN_STEPS = 500


def own_way(session: Session, *, caller: Caller, entity: str, base: str) -> list[str]:
    """The versions that this phone's own mutations led to from the one it saw: what waits on it was built on all of them."""
    way = [base]
    for before, after in own_spans(session, caller=caller, entity=entity):
        if before in way and after != way[-1]:
            way = [*(one for one in way if one != after), after]
    return way


def own_spans(session: Session, *, caller: Caller, entity: str) -> list[tuple[str, str]]:
    """The versions before and after each of this phone's own mutations of an entity, oldest first: what lies between was its doing."""
    own = sa.select(col(AppMutation.before_version), col(AppMutation.after_version)).where(
        col(AppMutation.app_device_id) == caller.app_device_id,
        col(AppMutation.entity) == entity,
        col(AppMutation.outcome) == MutationOutcome.APPLIED,
    )
    newest = session.execute(own.order_by(col(AppMutation.received_at).desc()).limit(_OWN_STEPS)).all()
    return [(before, after) for before, after in reversed(newest) if before is not None and after is not None]
