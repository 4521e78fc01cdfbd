"""A customer's story in words: each thing that happened as one line of the timeline."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime
from typing import cast

from pages.components import words
from pages.components.timeline import Happening, Remark
from pages.components.words import Tone
from pages.ticket_words import CHANNEL_WORDS
from services.access.models import SessionState
from services.accounts.models import Device
from services.accounts.permissions import Permission, Principal
from services.console.customer_events import (
    Audited,
    GivenBackRow,
    MessageRow,
    PaymentRow,
    RefundStep,
    SessionStory,
    TicketRow,
    Trouble,
    VoucherRow,
)
from services.console.customer_network import Outage
from services.console.customer_parts import Kind, What
from services.console.customer_story import StoryEvent
from services.network.models import Health
from services.notifications.events import event_named
from services.notifications.models import Medium, NotificationState
from services.payments.models import EventKind, PaymentStatus, RefundState, SaleChannel
from services.tickets.models import MessageKind
from services.tickets.people import headline
from services.vouchers.models import VoucherOrigin

KINDS = {
    Kind.PAYMENTS: "Payments",
    Kind.REFUNDS: "Refunds",
    Kind.VOUCHERS: "Vouchers",
    Kind.SESSIONS: "Sessions",
    Kind.DEVICES: "Devices",
    Kind.TICKETS: "Tickets",
    Kind.MESSAGES: "Messages",
    Kind.COMPENSATION: "Given back",
    Kind.APP: "App",
}
_MEDIA = {Medium.SMS: ("SMS", "sms"), Medium.EMAIL: ("Mail", "mail_outline"), Medium.PUSH: ("Push", "notifications_none")}
_CHANNELS = {SaleChannel.PORTAL: "in the portal", SaleChannel.MOBILE: "in the app", SaleChannel.API: "by an outside service"}
_TROUBLES = {
    EventKind.ATTEMPT_FAILED: "A try to pay failed at Wave",
    EventKind.FAILED: "It could not be paid",
    EventKind.DELAYED: "Delayed",
    EventKind.STOCK_BOUND: "Served from the stock, because PortaBilling did not answer",
    EventKind.SECOND_SUCCESS: "Paid a second time; the second sum goes back by itself",
    EventKind.ATTENTION: "Needed a person",
}
_UNPAID = (PaymentStatus.CREATED, PaymentStatus.CHECKOUT_OPEN, PaymentStatus.EXPIRED, PaymentStatus.FAILED)
_CLIPPED = 240
_GOOD_SCORE, _FAIR_SCORE = 4, 3


def tell(event: StoryEvent, actor: Principal) -> Happening:
    """One line; it leads only where the reader may go."""
    return _TELLERS[event.what](event, actor)


def _payment(event: StoryEvent, actor: Principal) -> Happening:
    row = cast(PaymentRow, event.row)
    payment, what = row.payment, f"{row.package} for {words.money(row.payment.amount_bututs)}"
    where = f"at {row.gateway}" if row.gateway else _CHANNELS[payment.channel]
    return Happening(
        event.at,
        _bought(event.what, row, what),
        words.words_of(payment.status).tone,
        aside=" · ".join((where, payment.reference)),
        more=_steps(row),
        href=f"/console/payments/{payment.reference}",
        state=payment.status,
        icon="payments",
        remarks=tuple(_went_wrong(row)),
    )


def _bought(what: What, row: PaymentRow, text: str) -> str:
    if what is What.GIFT_BOUGHT:
        return f"Bought {text}, as a gift for {row.other or 'another person'}"
    if row.payment.is_gift:
        return f"Got {text} as a gift of {row.other or 'another person'}"
    return f"Began to buy {text}" if row.payment.status in _UNPAID else f"Bought {text}"


def _steps(row: PaymentRow) -> str:
    payment, told = row.payment, []
    if payment.paid_at is not None:
        told.append(f"paid after {_between(payment.created_at, payment.paid_at)}")
    if payment.served_at is not None and payment.paid_at is not None:
        told.append(f"online {_between(payment.paid_at, payment.served_at)} later")
    return ", ".join(told).capitalize()


def _between(first: datetime, last: datetime) -> str:
    return words.span(max(0, int((last - first).total_seconds())))


def _went_wrong(row: PaymentRow) -> Iterator[Remark]:
    payment, is_over = row.payment, row.payment.status in (PaymentStatus.SERVED, PaymentStatus.REFUNDED)
    said = {trouble.why for trouble in row.troubles}
    for trouble in row.troubles:
        yield Remark(_trouble(trouble), "off" if is_over else "bad" if trouble.kind is EventKind.ATTENTION else "wait")
    if payment.reason and payment.reason not in said and not is_over:
        yield Remark(payment.reason, "bad" if payment.status is PaymentStatus.ATTENTION else "wait")


def _trouble(trouble: Trouble) -> str:
    times = f", {trouble.times} times" if trouble.times > 1 else ""
    return f"{_TROUBLES[trouble.kind]}{times}" + (f": {trouble.why}" if trouble.why else "")


def _refund(event: StoryEvent, actor: Principal) -> Happening:
    row = cast(RefundStep, event.row)
    refund, money = row.refund, words.money(row.refund.amount_bututs)
    is_asked = event.what is What.REFUND_ASKED
    ends = {
        RefundState.REFUNDED: (f"{money} given back", "good"),
        RefundState.PAID_OUT: (f"{money} paid out another way", "good"),
        RefundState.DECLINED: (f"Giving {money} back was declined", "off"),
        RefundState.FAILED: (f"Wave refused to give {money} back", "bad"),
    }
    title, tone = (f"Giving {money} back was asked for", "wait") if is_asked else ends.get(refund.state, (f"Refund of {money}", "wait"))
    return Happening(
        event.at,
        title,
        cast(Tone, tone),
        aside=by(refund.asked_by) if is_asked else by(refund.paid_out_by or refund.decided_by or ""),
        more=refund.reason if is_asked else refund.decision_note or "",
        href=f"/console/payments/{row.reference}",
        state=refund.state if is_asked else None,
        icon="undo",
    )


def _voucher(event: StoryEvent, actor: Principal) -> Happening:
    row = cast(VoucherRow, event.row)
    voucher, worth = row.voucher, f"{row.package}, {words.span(row.seconds)}"
    title, aside, more, tone = f"Voucher issued: {row.package}", "", "", "busy"
    # What a payment brings about by itself is told smaller than the payment.
    is_own = row.reference is not None
    if event.what is What.VOUCHER_USED:
        title, tone = f"Voucher used: {row.package}", "good"
    elif event.what is What.VOUCHER_EXPIRED:
        title, tone, is_own = f"Voucher expired unused: {row.package}", "wait", False
    elif voucher.origin is VoucherOrigin.CREDIT:
        title, aside, more = f"The rest of their time became a voucher: {worth}", by(voucher.issued_by), voucher.note or ""
    elif voucher.origin is VoucherOrigin.HAND and not is_own:
        title, aside, more = f"Given a voucher: {row.package}", by(voucher.issued_by), voucher.note or ""
    elif voucher.origin is VoucherOrigin.STOCK:
        title = f"Voucher of the stock given: {row.package}"
    return Happening(
        event.at,
        title,
        cast(Tone, tone),
        aside=aside or (f"payment {row.reference}" if row.reference else ""),
        more=more,
        is_call=is_own,
        href=f"/console/vouchers/{voucher.id}",
        state=voucher.state if event.what is What.VOUCHER_MADE else None,
        icon="confirmation_number",
    )


def _audited_voucher(event: StoryEvent, actor: Principal) -> Happening:
    row = cast(Audited, event.row)
    said: dict[str, tuple[str, Tone]] = {
        "voucher.block": ("Voucher blocked", "bad"),
        "voucher.unblock": ("The voucher's block was lifted", "good"),
        "voucher.give": ("Got a voucher from another person", "good") if row.is_received else ("Gave a voucher to another person", "busy"),
    }
    title, tone = said.get(row.action, (row.action, "off"))
    aside = "" if row.action == "voucher.give" else by(row.by)
    # Given away, it is another person's; what is theirs stands on that page.
    return Happening(event.at, title, tone, aside=aside, href=f"/console/vouchers/{row.target_id}", icon="confirmation_number")


def _session(event: StoryEvent, actor: Principal) -> Happening:
    row = cast(SessionStory, event.row)
    session = row.row
    # How long one runs is told by its beginning; said here it would be news every minute.
    told = [
        _between(session.started_at, session.ended_at) if session.ended_at is not None else "still running",
        words.size(row.bytes_so_far) if row.bytes_so_far is not None else "",
        words.end_reason(session.end_reason) if session.ended_at is not None else "",
        session.mac or "",
    ]
    return Happening(
        event.at,
        f"Online at {row.gateway}",
        words.words_of(session.state).tone if session.state is not SessionState.ENDED else "good",
        aside=row.point.name if row.point and row.point.name != row.gateway else "",
        more=" · ".join(filter(None, told)),
        href=f"/console/sessions/{session.id}",
        state=session.state if session.state is not SessionState.ENDED else None,
        icon="wifi",
        remarks=tuple(_network(row)),
    )


def _network(row: SessionStory) -> Iterator[Remark]:
    for outage in row.outages:
        yield Remark(_outage(outage), "bad", f"/console/incidents/{outage.reference}")
    if row.point is not None and not row.outages and row.point.then not in (None, Health.ONLINE):
        health = words.words_of(row.point.then).text.lower()
        yield Remark(f"{row.point.name} was {health} when it began", "wait", f"/console/access-points/{row.point.id}")


def _outage(outage: Outage) -> str:
    lasted = f"{outage.started_at:%H:%M}"
    if outage.ended_at is None:
        lasted = f"since {lasted}"
    else:
        another_day = "" if outage.ended_at.date() == outage.started_at.date() else f"{outage.ended_at.day} {outage.ended_at:%b} "
        lasted = f"from {lasted} to {another_day}{outage.ended_at:%H:%M} ({_between(outage.started_at, outage.ended_at)})"
    return f"Outage {outage.reference}: {outage.access_point} was down {lasted}"


def _time(event: StoryEvent, actor: Principal) -> Happening:
    row = cast(Audited, event.row)
    if row.action == "entitlement.extend":
        given = _number(row.after.get("seconds_total")) - _number(row.before.get("seconds_total"))
        title = f"{words.span(given)} more time given" if given > 0 else "More time given"
    elif row.action == "entitlement.let_in":
        title = "The router was asked to let the device in again"
    else:
        title = f"Device taken off the purchase, place {row.after.get('place')}"
    return Happening(event.at, title, "good", aside=by(row.by), more=row.reason, icon="more_time")


def _number(value: object) -> int:
    return value if isinstance(value, int) else 0


def _device(event: StoryEvent, actor: Principal) -> Happening:
    device = cast(Device, event.row)
    return Happening(event.at, "First seen with a device", "off", aside=device.last_mac or "", is_call=True, icon="devices")


def _ticket_opened(event: StoryEvent, actor: Principal) -> Happening:
    row = cast(TicketRow, event.row)
    ticket, remarks = row.ticket, []
    if row.incident:
        remarks.append(Remark(f"Known outage {row.incident}", "wait", f"/console/incidents/{row.incident}"))
    if row.point is not None and row.point.then not in (None, Health.ONLINE):
        health = words.words_of(row.point.then).text.lower()
        tone: Tone = "bad" if row.point.then is Health.OFFLINE else "wait"
        remarks.append(Remark(f"{row.point.name} was {health} when they wrote", tone, f"/console/access-points/{row.point.id}"))
    return Happening(
        event.at,
        f"Asked for help: {_clip(headline(ticket), 80)}",
        words.words_of(ticket.state).tone if ticket.is_open else "good",
        aside=f"{ticket.reference} · by {CHANNEL_WORDS[ticket.channel]}",
        more=_clip(ticket.body) if ticket.subject else "",
        href=f"/console/tickets/{ticket.reference}",
        state=ticket.state,
        icon="support_agent",
        remarks=tuple(remarks),
    )


def _ticket_said(event: StoryEvent, actor: Principal) -> Happening:
    row = cast(TicketRow, event.row)
    assert row.message is not None
    is_ours = row.message.kind is MessageKind.REPLY
    return Happening(
        event.at,
        "We answered" if is_ours else "They wrote again",
        "good" if is_ours else "wait",
        aside=f"{row.ticket.reference} · {row.message.author}" if is_ours and row.message.author else row.ticket.reference,
        more=_clip(row.message.body),
        href=f"/console/tickets/{row.ticket.reference}",
        icon="forum",
    )


def _ticket_moved(event: StoryEvent, actor: Principal) -> Happening:
    row = cast(TicketRow, event.row)
    assert row.event is not None
    to = str(row.event.data.get("to"))
    titles: dict[str, tuple[str, Tone]] = {"resolved": ("Ticket resolved", "good"), "closed": ("Ticket closed", "off")}
    title, tone = titles.get(to, ("Ticket opened again", "wait"))
    aside = " · ".join(filter(None, (row.ticket.reference, by(row.event.actor))))
    return Happening(event.at, title, tone, aside=aside, href=f"/console/tickets/{row.ticket.reference}", icon="support_agent")


def _ticket_rated(event: StoryEvent, actor: Principal) -> Happening:
    row = cast(TicketRow, event.row)
    assert row.rating is not None
    score = row.rating.score
    tone: Tone = "good" if score >= _GOOD_SCORE else "wait" if score >= _FAIR_SCORE else "bad"
    href = f"/console/tickets/{row.ticket.reference}"
    title, icon = f"Rated our help {score} of 5", "star_outline"
    return Happening(event.at, title, tone, aside=row.ticket.reference, more=_clip(row.rating.comment), href=href, icon=icon)


def _given_back(event: StoryEvent, actor: Principal) -> Happening:
    row = cast(GivenBackRow, event.row)
    lost = _between(row.row.lost_from, row.row.lost_until)
    worth = f", worth {words.money(row.row.worth_bututs)}" if row.row.worth_bututs else ""
    return Happening(
        event.at,
        f"{words.span(row.row.seconds)} given back for an outage",
        "good",
        aside=row.incident,
        more=f"{lost} lost{worth}",
        href=f"/console/incidents/{row.incident}" if actor.may(Permission.NETWORK_READ) else "",
        icon="restore",
    )


def _account(event: StoryEvent, actor: Principal) -> Happening:
    row = cast(Audited, event.row)
    phone = str(row.after.get("phone") or "")
    if row.action == "customer.change_number":
        return Happening(event.at, "Changed the phone number", "busy", aside=f"{row.before.get('phone', '')} → {phone}", icon="smartphone")
    if row.action == "customer.log_out_phone":
        return Happening(event.at, "A phone was logged out of the app", "off", aside=f"{phone} · {by(row.by)}", icon="smartphone")
    return Happening(event.at, "Logged in with the app", "good", aside=phone, is_call=True, icon="smartphone")


def _message(event: StoryEvent, actor: Principal) -> Happening:
    row = cast(MessageRow, event.row)
    message = row.message
    medium, icon = _MEDIA.get(message.medium, (message.medium.value, "sms"))
    is_lost = message.state in (NotificationState.FAILED, NotificationState.UNKNOWN)
    return Happening(
        event.at,
        f"{medium}: {event_named(message.event).title}",
        words.words_of(message.state).tone,
        more=_clip(row.words),
        is_call=True,
        state=message.state,
        icon=icon,
        remarks=(Remark(message.error, "bad"),) if message.error and is_lost else (),
    )


def by(label: str) -> str:
    """`by awa@inet.gm`; of the product itself and of the customer nothing need be said."""
    kind, _, name = label.partition(":")
    return f"by {name}" if name and kind != "customer" else ""


def _clip(text: str, most: int = _CLIPPED) -> str:
    line = " ".join(text.split())
    return line if len(line) <= most else f"{line[: most - 1].rstrip()}…"


def quiet(happening: Happening) -> Happening:
    """For a narrow place: without what is said at length."""
    return replace(happening, more="", remarks=tuple(remark for remark in happening.remarks if remark.tone == "bad"), icon="")


_Teller = Callable[[StoryEvent, Principal], Happening]
_TELLERS: dict[What, _Teller] = {
    What.BOUGHT: _payment,
    What.GIFT_BOUGHT: _payment,
    What.VOUCHER_MADE: _voucher,
    What.VOUCHER_USED: _voucher,
    What.VOUCHER_EXPIRED: _voucher,
    What.VOUCHER_CHANGED: _audited_voucher,
    What.VOUCHER_GIVEN: _audited_voucher,
    What.DEVICE_SEEN: _device,
    What.SESSION: _session,
    What.TIME_CHANGED: _time,
    What.TICKET_OPENED: _ticket_opened,
    What.TICKET_SAID: _ticket_said,
    What.TICKET_MOVED: _ticket_moved,
    What.TICKET_RATED: _ticket_rated,
    What.REFUND_ASKED: _refund,
    What.REFUND_ENDED: _refund,
    What.GIVEN_BACK: _given_back,
    What.ACCOUNT: _account,
    What.MESSAGE: _message,
}
