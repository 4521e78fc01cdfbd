"""Which gateway an access point belongs to, as soon as the gateway's own MAC is known."""

from __future__ import annotations

import sqlalchemy as sa
from sqlalchemy.orm import aliased
from sqlmodel import Session, col

from app.events import publish
from services.listing import pick
from services.network.models import AccessPoint, SetBy


def link_by_mac(session: Session, *, gateway_id: int, mac: str) -> None:
    """Link the one access point of this MAC that belongs to no gateway yet; discovery, an hour later, looks at all of them.

    Two of the same MAC (in two organisations) link none, and what staff set stays.
    """
    same = aliased(AccessPoint)
    others = pick(same.id).where(col(same.mac) == mac, col(same.id) != AccessPoint.id, col(same.vanished_at).is_(None)).exists()
    linked = session.execute(
        sa.update(AccessPoint)
        .where(
            col(AccessPoint.mac) == mac,
            col(AccessPoint.gateway_id).is_(None),
            col(AccessPoint.gateway_set_by) == SetBy.DISCOVERY,
            col(AccessPoint.vanished_at).is_(None),
            ~others,
        )
        .values(gateway_id=gateway_id)
        .returning(col(AccessPoint.id))
    ).all()
    if linked:
        publish(session, "network", None)
