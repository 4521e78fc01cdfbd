"""What becomes of each table's rows when a customer deletes their account: unlinked, blanked or gone, statement by statement."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.keys import seal
from services.access.models import AccessSession, DeauthOrder, DeviceSlot, Entitlement, Grant
from services.accounts.models import Customer, Device
from services.apps import devices
from services.apps.models import AppDevice, AppMutation, PhoneKey, PhotoUpload, SyncChange, UploadState
from services.audit.models import AuditEntry
from services.notifications.models import ContactPreference, DeliveryReport, Notification, NotificationState, PushToken
from services.notifications.service import BODY
from services.payments.models import Payment, WebhookEvent
from services.payments.reconciliation.models import WaveMovement
from services.tickets import search
from services.tickets.forgetting import DELETED
from services.tickets.models import Ticket
from services.vouchers.models import Voucher

_WHY = "account deleted"
# No country begins with a zero, so this is nobody's number, and `parse_phone` reads none such.
_NOBODYS = "+000{:012d}"
_NO_MAC = "00:00:00:00:00:00"
# Where Wave's webhooks say who paid (wave.md §5).
_PAYERS = ("sender_mobile", "payer_mobile", "restrict_payer_mobile", "counterparty_mobile")


def wipe(session: Session, customer: Customer, tickets: Sequence[int], *, now: datetime) -> None:
    """Take the person out of everything but the help desk's words. The customer's row is locked and has its number yet."""
    assert customer.id is not None
    _wipe_purchases(session, customer.id)
    _wipe_access(session, customer.id, now=now)
    _wipe_told(session, customer, tickets)
    _wipe_phones(session, customer.id, now=now)
    _run(session, sa.delete(PhoneKey).where((col(PhoneKey.phone_e164) == customer.phone_e164) | (col(PhoneKey.customer_id) == customer.id)))
    customer.phone_e164, customer.legacy_e164 = _NOBODYS.format(customer.id), None
    customer.name, customer.language, customer.erased_at = None, "en", now
    session.flush()
    for ticket in session.exec(select(Ticket).where(col(Ticket.id).in_(tickets)).order_by(col(Ticket.id))).all():
        # Found neither by the number nor by the words any more.
        search.index(session, ticket)
    _run(session, sa.delete(SyncChange).where(col(SyncChange.audience) == f"c:{customer.id}"))
    session.expire_all()


def _run(session: Session, statement: Any) -> None:
    session.execute(statement.execution_options(synchronize_session=False))


def _wipe_purchases(session: Session, customer_id: int) -> None:
    own = col(Payment.customer_id) == customer_id
    # Its address lets whoever has it read how it stands, and the keys of repeats were made with the number.
    address = sa.func.replace(sa.func.gen_random_uuid().cast(sa.Text), "-", "")
    gone: dict[str, Any] = dict.fromkeys(("device_id", "client_hid", "client_mac", "idempotency_mac", "request_digest"))
    _run(session, sa.update(Payment).where(own).values(gone | {"mac_trusted": False, "public_id": address}))
    body: Any = col(WebhookEvent.body)
    for name in _PAYERS:
        body = body.op("#-")(sa.cast(["data", name], sa.ARRAY(sa.Text)))
    references = sa.select(col(Payment.reference)).where(own)
    _run(session, sa.update(WebhookEvent).where(col(WebhookEvent.client_reference).in_(references)).values(body=body))
    _run(session, sa.update(Voucher).where(col(Voucher.customer_id) == customer_id).values(note=None))
    _run(session, sa.update(Payment).where(col(Payment.bought_by_id) == customer_id).values(bought_by_id=None))
    _wipe_reconciliation(session, customer_id)


def _wipe_reconciliation(session: Session, customer_id: int) -> None:
    """Wave's list says who paid: the sums stay, the number goes, also of money that no purchase knows."""
    phone = sa.select(col(Customer.phone_e164)).where(col(Customer.id) == customer_id).scalar_subquery()
    paid = sa.select(col(Payment.id)).where(col(Payment.customer_id) == customer_id)
    theirs = col(WaveMovement.payment_id).in_(paid) | (col(WaveMovement.counterparty_mobile) == phone)
    _run(session, sa.update(WaveMovement).where(theirs).values(counterparty_mobile=None))


def _wipe_access(session: Session, customer_id: int, *, now: datetime) -> None:
    """All of it has ended. The token that the person's browser keeps names a device that has nothing of theirs any more."""
    times = sa.select(col(Entitlement.id)).where(col(Entitlement.customer_id) == customer_id)
    grants = sa.select(col(Grant.id)).where(col(Grant.entitlement_id).in_(times))
    _run(session, sa.update(AccessSession).where(col(AccessSession.customer_id) == customer_id).values(device_id=None, mac=None))
    # An order that stands still needs the address; the router forgets it with the client.
    done = col(DeauthOrder.grant_id).in_(grants) & col(DeauthOrder.done_at).is_not(None)
    _run(session, sa.update(DeauthOrder).where(done).values(mac=_NO_MAC))
    _run(session, sa.update(Grant).where(col(Grant.entitlement_id).in_(times)).values(device_id=None, mac=None, hid="-"))
    nobodys = Device(created_at=now, last_seen_at=now)
    session.add(nobodys)
    session.flush()
    released = sa.func.coalesce(col(DeviceSlot.released_at), now)
    slots = sa.update(DeviceSlot).where(col(DeviceSlot.entitlement_id).in_(times))
    _run(session, slots.values(device_id=nobodys.id, mac_hint=None, released_at=released))
    _run(session, sa.update(Device).where(col(Device.customer_id) == customer_id).values(customer_id=None, last_mac=None))


def _wipe_told(session: Session, customer: Customer, tickets: Sequence[int]) -> None:
    """Also what staff was told of their tickets: it begins with their words."""
    told = (col(Notification.customer_id) == customer.id) | col(Notification.ticket_id).in_(tickets)
    told |= col(Notification.dedupe_key).in_(_texts_to_their_numbers(session, customer))
    to_them = col(Notification.staff_id).is_(None)
    _run(
        session,
        sa.update(Notification)
        .where(told)
        .values(
            customer_id=sa.case((to_them, customer.id), else_=col(Notification.customer_id)),
            body_sealed=seal(BODY, DELETED.encode()),
            **dict.fromkeys(("subject_sealed", "headers_sealed", "address_sealed")),
        ),
    )
    # What goes out to them no more. What a provider has in hand already ends as it ends.
    _suppress(session, (col(Notification.customer_id) == customer.id))
    _run(session, sa.update(DeliveryReport).where(col(DeliveryReport.customer_id) == customer.id).values(customer_id=None))
    _run(session, sa.delete(ContactPreference).where(col(ContactPreference.customer_id) == customer.id))


def _suppress(session: Session, which: sa.ColumnElement[bool]) -> None:
    waits = col(Notification.state) == NotificationState.QUEUED
    state = sa.case((waits, NotificationState.SUPPRESSED), else_=col(Notification.state))
    why = sa.case((waits, "The account was deleted."), else_=col(Notification.error))
    # One whose sender has it in hand is called unknown by the sweep, should the sender die.
    due = sa.case((col(Notification.state) == NotificationState.SENDING, col(Notification.next_attempt_at)), else_=None)
    _run(session, sa.update(Notification).where(which).values(state=state, error=why, next_attempt_at=due))


def _texts_to_their_numbers(session: Session, customer: Customer) -> list[str]:
    """Texts that went to a number and to no account: keys for a log-in that was the first, and word to a number that was given up."""
    keys = session.exec(select(PhoneKey.id).where(PhoneKey.phone_e164 == customer.phone_e164)).all()
    changes = select(AuditEntry.at).where(
        AuditEntry.target_type == "customer", AuditEntry.target_id == str(customer.id), AuditEntry.action == "customer.change_number"
    )
    changed = [f"number-changed:{customer.id}:{int(at.timestamp())}" for at in session.exec(changes).all()]
    return [f"phone-key:{number}" for number in keys] + changed


def _wipe_phones(session: Session, customer_id: int, *, now: datetime) -> None:
    own = sa.select(col(AppDevice.id)).where(col(AppDevice.customer_id) == customer_id)
    for device in session.exec(select(AppDevice).where(AppDevice.customer_id == customer_id).with_for_update()).all():
        devices.let_go(session, device, why=_WHY, now=now)
        device.device_id = device.latitude = device.longitude = device.located_at = device.skew_ms = None
        device.name = device.platform = device.app_version = ""
    session.flush()
    _run(session, sa.delete(AppMutation).where(col(AppMutation.app_device_id).in_(own)))
    _wipe_photos(session, col(PhotoUpload.app_device_id).in_(own))
    tokens = sa.select(col(PushToken.id)).where(col(PushToken.customer_id) == customer_id)
    _suppress(session, col(Notification.push_token_id).in_(tokens))
    _run(session, sa.update(Notification).where(col(Notification.push_token_id).in_(tokens)).values(push_token_id=None))
    _run(session, sa.delete(PushToken).where(col(PushToken.customer_id) == customer_id))


def _wipe_photos(session: Session, theirs: sa.ColumnElement[bool]) -> None:
    """Of what was on its way nothing arrives any more: its bytes go with the next sweep (services/photos/sweeping.py)."""
    comes = col(PhotoUpload.state) == UploadState.RECEIVING
    ended = {
        "state": sa.case((comes, UploadState.REFUSED), else_=col(PhotoUpload.state)),
        "why": sa.case((comes, _WHY), else_=col(PhotoUpload.why)),
    }
    # The hash tells whoever has the photo that it was sent here. One phone's are different from each other.
    nothing = {"name": "", "sha256": sa.func.concat("deleted:", col(PhotoUpload.id))} | dict.fromkeys(("taken_at", "latitude", "longitude"))
    _run(session, sa.update(PhotoUpload).where(theirs).values(ended | nothing))
