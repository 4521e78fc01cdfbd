"""Data used but not yet settled: what scripts on routers counted of sessions whose end report has not come."""

from __future__ import annotations

from collections.abc import Collection

import sqlalchemy as sa
from sqlmodel import Session, col

from services.access.models import AccessSession


def unsettled_bytes(session: Session, entitlement_ids: Collection[int]) -> dict[int, int]:
    """Live bytes by entitlement, over running sessions and those that ended without a report; an end report replaces its session's."""
    if not entitlement_ids:
        return {}
    live = sa.func.coalesce(col(AccessSession.live_bytes_down), 0) + sa.func.coalesce(col(AccessSession.live_bytes_up), 0)
    found = session.execute(
        sa.select(col(AccessSession.entitlement_id), sa.func.sum(live))
        .where(
            col(AccessSession.entitlement_id).in_(entitlement_ids),
            col(AccessSession.bytes_down).is_(None),
            col(AccessSession.live_at).is_not(None),
        )
        .group_by(col(AccessSession.entitlement_id))
    ).all()
    return {int(row[0]): int(row[1]) for row in found}
