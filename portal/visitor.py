"""Who stands before the portal: the hotspot context and the device token of a request, neither of them needed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from services.access.context import HotspotContext, read_context
from services.accounts.customers import device_from_token
from services.accounts.models import Device

DEVICE_HEADER = "X-Device-Token"


@dataclass(frozen=True)
class Visitor:
    context: HotspotContext | None
    device: Device | None


def visitor(session: Session, *, context: str | None, device_token: str | None, now: datetime) -> Visitor:
    """Raises StaleContext for a context that is old or not ours; an unreadable device token is simply no device."""
    return Visitor(read_context(context, now=now), device_from_token(session, device_token))
