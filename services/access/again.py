"""Letting a customer in again from the desk: the router that their device stood before last is asked anew, for the time that is left."""

from __future__ import annotations

from datetime import datetime

from sqlmodel import Session, col, select

from app.errors import Conflict
from services.access.context import HotspotContext
from services.access.grants import grant_entitlement
from services.access.models import Entitlement, Grant
from services.access.slots import held
from services.accounts.models import Device


class NowhereToLetIn(Conflict):
    code, title = "nowhere_to_let_in", "No device to let in"
    message = "No device was let in with this purchase yet. The customer opens the portal's page at the hotspot, which lets them in."


def offer_again(session: Session, entitlement: Entitlement, *, by: str, now: datetime) -> Grant:
    """Offer the newest device that holds a place on the purchase to its router anew. The caller has asked who may.

    Raises NowhereToLetIn or NoTimeLeft.
    """
    devices = [slot.device_id for slot in held(session, entitlement.id)]
    newest = select(Grant).where(Grant.entitlement_id == entitlement.id, col(Grant.device_id).in_(devices)).order_by(col(Grant.id).desc())
    last = session.exec(newest.limit(1)).first()
    if last is None or last.hid is None:
        raise NowhereToLetIn
    device = session.get_one(Device, last.device_id)
    # The MAC is the grant's own, as far as its router vouched for it: nobody learns a new one here.
    context = HotspotContext(last.gateway_id, last.hid, last.mac or "", False, now)
    return grant_entitlement(session, entitlement, device, context, now=now, actor=by)
