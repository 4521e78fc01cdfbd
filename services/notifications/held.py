"""Word to those who run the system that messages wait: once an hour, on the bell and by mail."""

from __future__ import annotations

from datetime import datetime

import structlog
from sqlmodel import Session

from services.accounts.models import Role
from services.notifications.service import Recipient, staff_with, tell

log = structlog.get_logger(__name__)


def tell_of_hold(session: Session, why: str, *, now: datetime) -> None:
    """`why` is fit for staff's eyes, such as a provider's own code."""
    log.warning("notifications.held", why=why)
    for staff_id in staff_with(session, Role.ROOT.value, Role.SYSTEM_ADMIN.value):
        key = f"held:{now:%Y%m%d%H}:{staff_id}"
        tell(
            session,
            event="sms_held",
            to=Recipient(staff_id=staff_id),
            values={"why": why},
            dedupe_key=key,
            link="/console/messages",
            now=now,
        )
