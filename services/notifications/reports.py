"""Delivery reports: hints of a provider that signs nothing (push-and-sms.md §B1). Kept as they came, applied forwards only.

They come twice, in any order, before our own call has returned, or never; and they name the number in whichever form.
"""

from __future__ import annotations

import hmac
from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col, select

from app.keys import keyed_macs
from app.settings import get_settings
from services.accounts.customers import find_customer
from services.accounts.errors import BadPhone
from services.notifications import preferences
from services.notifications.models import DeliveryReport, Medium, Notification, NotificationState

PROVIDER = "africastalking"
PATH = "/api/sms/reports"
_DELIVERED, _ON_THE_WAY, _FAILED = "Success", ("Submitted", "Sent", "Buffered"), ("Failed", "Rejected")
_UNWANTED = frozenset({"UserInBlackList", "DoNotDisturbRejection"})
# Our own call has long returned by then: who is still unknown stays it.
_CALL_IS_OVER, _GIVE_UP_AFTER = timedelta(minutes=3), timedelta(hours=24)
_SWEEP_BATCH = 200
S = NotificationState


def is_our_path(secret: str) -> bool:
    """Whether the last part of the address is one that we gave out: made from the current key, or from the one before it."""
    return any(hmac.compare_digest(secret.encode(), known.encode()) for known in _path_secrets())


def path() -> str:
    """Where the provider is told to send its reports; it cannot be guessed."""
    return f"{PATH}/{_path_secrets()[0]}"


def _path_secrets() -> tuple[str, ...]:
    chosen = get_settings().sms_report_secret
    if chosen is not None and chosen.get_secret_value():
        return (chosen.get_secret_value(),)
    return tuple(mac[:40] for mac in keyed_macs("sms-report-path", PROVIDER))


def take(session: Session, *, provider_id: str, status: str, number: str, reason: str | None, now: datetime) -> None:
    """Keep a report and act on it if it is about a message of ours; else it waits for our own call to return."""
    try:
        customer = find_customer(session, phone=number)
    except BadPhone:
        customer = None
    kept = session.execute(
        insert(DeliveryReport)
        .values(
            provider=PROVIDER,
            provider_id=provider_id[:120],
            status=status[:40],
            reason=reason[:120] if reason else None,
            customer_id=customer.id if customer else None,
            outcome="waiting",
            times=1,
            at=now,
        )
        .on_conflict_do_update(index_elements=["provider", "provider_id", "status"], set_={"times": sa.text("delivery_report.times + 1")})
        .returning(col(DeliveryReport.id), col(DeliveryReport.times))
    ).one()
    if kept.times == 1:
        _match(session, session.get_one(DeliveryReport, kept.id), now=now)


def match_waiting(session: Session, *, now: datetime) -> int:
    """The sweep of reports that came before their message was known. Answers how many found it."""
    waiting = session.exec(
        select(DeliveryReport)
        .where(DeliveryReport.outcome == "waiting")
        .order_by(col(DeliveryReport.at))
        .limit(_SWEEP_BATCH)
        .with_for_update(skip_locked=True)
    ).all()
    return sum(_match(session, report, now=now) for report in waiting)


def _match(session: Session, report: DeliveryReport, *, now: datetime) -> bool:
    message = session.exec(
        select(Notification)
        .where(Notification.provider == report.provider, Notification.provider_id == report.provider_id)
        .order_by(col(Notification.id).desc())
        .limit(1)
        .with_for_update()
        .execution_options(populate_existing=True)
    ).first()
    if message is None and now - report.at > _CALL_IS_OVER:
        message = _only_unknown_of(session, report)
    if message is None:
        if now - report.at > _GIVE_UP_AFTER:
            report.outcome = "unknown"
        return False
    if report.customer_id is not None and message.customer_id is not None and report.customer_id != message.customer_id:
        # Somebody else's number under our id: not a report of this message.
        report.outcome = "unknown"
        return False
    report.outcome = "applied" if _apply(session, message, report, now=now) else "late"
    return True


def _only_unknown_of(session: Session, report: DeliveryReport) -> Notification | None:
    """The message whose answer was lost, if the number that the report names has but one such: then the report is that answer."""
    if report.customer_id is None:
        return None
    unknown = session.exec(
        select(Notification)
        .where(
            Notification.customer_id == report.customer_id,
            Notification.medium == Medium.SMS,
            col(Notification.provider_id).is_(None),
            col(Notification.state).in_((S.UNKNOWN, S.SENDING)),
            col(Notification.handed_at).between(report.at - _GIVE_UP_AFTER, report.at),
        )
        .with_for_update()
        .limit(2)
    ).all()
    if len(unknown) != 1 or unknown[0].state is not S.UNKNOWN:
        return None
    unknown[0].provider, unknown[0].provider_id = report.provider, report.provider_id
    return unknown[0]


def _apply(session: Session, message: Notification, report: DeliveryReport, *, now: datetime) -> bool:
    """Forwards only, and the first end wins. Answers whether it changed anything."""
    if message.state not in (S.SENT, S.UNKNOWN):
        return False
    if report.status == _DELIVERED:
        message.state, message.delivered_at, message.error = S.DELIVERED, report.at, None
        message.sent_at = message.sent_at or report.at
    elif report.status in _FAILED:
        message.state, message.error = S.FAILED, f"The network did not deliver it: {report.reason or report.status}"
        if report.reason in _UNWANTED:
            preferences.opt_out(session, customer_id=message.customer_id, medium=Medium.SMS, by="gateway", now=now)
    elif report.status in _ON_THE_WAY and message.state is S.UNKNOWN:
        message.state, message.sent_at, message.error = S.SENT, report.at, None
    else:
        return False
    return True
