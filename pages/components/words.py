"""One table from every state to its words and the meaning of its colour, and how money, time, sizes and phones are written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Literal

from services.access.models import EntitlementState, GrantState, SessionState
from services.fieldwork.models import VisitState
from services.network.alarm_models import CheckOutcome
from services.network.incident_models import IncidentState
from services.network.models import Health
from services.notifications.models import NotificationState
from services.operations.backup_models import BackupState
from services.operations.error_models import ErrorState
from services.operations.models import HealthState
from services.payments.models import PaymentStatus, RefundState
from services.payments.reconciliation.models import FindingState, RunState
from services.tickets.models import Priority, TicketState
from services.vouchers.batch_models import BatchState
from services.vouchers.models import VoucherState

Tone = Literal["good", "busy", "wait", "bad", "off"]
"""What a colour means, never what it looks like: `TONES` says it in words."""
TONES: dict[Tone, str] = {
    "good": "As it should be.",
    "busy": "Going on by itself.",
    "wait": "Somebody or something is awaited.",
    "bad": "A person must look.",
    "off": "Over; nothing is asked of anybody.",
}


@dataclass(frozen=True)
class Words:
    text: str
    tone: Tone
    explanation: str = ""


P = PaymentStatus
# By the kind of state first: states of two kinds may be spelled alike, and text enums of one spelling are equal.
STATES: dict[type[StrEnum], dict[StrEnum, Words]] = {
    PaymentStatus: {
        P.CREATED: Words("Opening", "busy", "We are opening the payment at Wave. Nothing has been charged."),
        P.CHECKOUT_OPEN: Words(
            "At Wave", "busy", "The customer has the link and has not paid yet. We ask Wave by ourselves, and stop when it is over."
        ),
        P.PAID: Words("Paid", "wait", "Wave has the money. The voucher is being issued in PortaBilling; the customer waits."),
        P.VOUCHER_ISSUED: Words("Voucher issued", "wait", "PortaBilling holds the voucher; the charge is being checked."),
        P.CHARGED: Words("Charged", "wait", "Charged in PortaBilling; access is about to be granted."),
        P.ACCESS_GRANTED: Words(
            "Access granted", "good", "The time is the customer's. It starts when their router confirms that it let them in."
        ),
        P.SERVED: Words("Served", "good", "Paid, and online: the router confirmed it. Nothing is left to do."),
        P.EXPIRED: Words("Not paid", "off", "The customer did not pay in time. If the money still comes, this payment goes on by itself."),
        P.FAILED: Words("Failed", "off", "Wave did not take the payment. Nothing was charged."),
        P.REFUNDING: Words("Refunding", "wait", "The money is on its way back through Wave."),
        P.REFUNDED: Words("Refunded", "off", "The money went back to the customer."),
        P.ATTENTION: Words(
            "Needs a person", "bad", "This cannot go on by itself. Read the reason and the timeline, mend the cause, then retry."
        ),
    },
    ErrorState: {
        ErrorState.OPEN: Words("Open", "bad", "Somebody has to look into it. Who mends errors was told once."),
        ErrorState.RESOLVED: Words("Resolved", "good", "Mended. If it happens again it is open again, and told again."),
        ErrorState.IGNORED: Words("Ignored", "off", "It is counted, and nobody is told of it."),
    },
    BackupState: {
        BackupState.RUNNING: Words("Being made", "busy", "The database and the files are written into one sealed file."),
        BackupState.MADE: Words("Not proven", "wait", "It is whole, and was not restored elsewhere to prove it."),
        BackupState.VERIFIED: Words("Proven", "good", "It was restored elsewhere and held what the database held."),
        BackupState.FAILED: Words("Failed", "bad", "Nothing is left of it. Why stands beside it."),
    },
    RefundState: {
        RefundState.ASKED: Words("Waits for approval", "wait", "Nothing changes for the customer before another person agrees."),
        RefundState.DECLINED: Words("Declined", "off", "The second person did not agree. The customer keeps what was bought."),
        RefundState.REQUESTED: Words("On its way", "wait", "What was bought is taken back, and Wave is asked until it answers."),
        RefundState.REFUNDED: Words("Refunded", "off", "Wave gave the money back."),
        RefundState.FAILED: Words("Refused by Wave", "bad", "What was bought is taken back, and the money is still owed to the customer."),
        RefundState.PAID_OUT: Words("Paid out", "off", "Wave refused, and staff gave the money back another way."),
    },
    VoucherState: {
        VoucherState.PENDING: Words("Being issued", "busy", "PortaBilling has not confirmed it yet; it can be used as soon as it has."),
        VoucherState.ACTIVE: Words("Ready", "good", "It can be entered at any hotspot."),
        VoucherState.USED: Words("Used", "off", "Its time was given to a customer."),
        VoucherState.BLOCKED: Words("Blocked", "bad", "Staff blocked it; it cannot be entered until the block is lifted."),
        VoucherState.EXPIRED: Words("Expired", "off", "It was not entered in time."),
    },
    BatchState: {
        BatchState.MAKING: Words("Being made", "busy", "None of its vouchers can be used, printed or seen before all are made."),
        BatchState.READY: Words("Ready", "good", "All of its vouchers are made. They can be printed, sold and used."),
        BatchState.CANCELLING: Words("Being taken away", "busy", "It was cancelled. None of its vouchers can be used any more."),
        BatchState.CANCELLED: Words("Cancelled", "off", "It was cancelled before a code of it was seen. Nothing of it can be used."),
    },
    RunState: {
        RunState.QUEUED: Words("Waits", "busy", "A worker takes it in a moment."),
        RunState.RUNNING: Words("Running", "busy", "Both sides are read page by page, then compared with our books."),
        RunState.DONE: Words("Done", "good", "All three sides were read whole and compared."),
        RunState.PARTIAL: Words(
            "In part",
            "wait",
            "One side was not read whole. What was seen is compared; nothing is called missing on the strength of the rest.",
        ),
        RunState.FAILED: Words("Failed", "bad", "It never came to its end."),
    },
    FindingState: {
        FindingState.OPEN: Words("Open", "wait", "Somebody has to decide it."),
        FindingState.ACCEPTED: Words("Accepted", "good", "What was proposed was done."),
        FindingState.REJECTED: Words("Rejected", "off", "It was left as it is, for the reason that stands beside it."),
        FindingState.GONE: Words("Gone", "off", "A later run found nothing wrong any more."),
    },
    EntitlementState: {
        EntitlementState.READY: Words("Not started", "wait"),
        EntitlementState.RUNNING: Words("Running", "good"),
        EntitlementState.ENDED: Words("Used up", "off"),
        EntitlementState.VOID: Words("Void", "off"),
    },
    GrantState: {
        GrantState.QUEUED: Words("Waiting for the router", "busy"),
        GrantState.OFFERED: Words("Offered to the router", "busy"),
        GrantState.ACKED: Words("Let in", "good"),
        GrantState.UNCONFIRMED: Words("Not confirmed", "wait"),
        GrantState.ENDED: Words("Ended", "off"),
        GrantState.VOID: Words("Void", "off"),
    },
    SessionState: {
        SessionState.ACTIVE: Words("Online", "good"),
        SessionState.UNCONFIRMED: Words("Probably online", "wait"),
        SessionState.ENDED: Words("Ended", "off"),
    },
    IncidentState: {
        IncidentState.OPEN: Words("Open", "bad", "Something there is down. Clocks of customers who are cut off stand."),
        IncidentState.RESOLVED: Words("Over", "good", "Everything there is back. The time that was lost was given back by the rule."),
        IncidentState.FALSE_ALARM: Words("False alarm", "off", "There was no outage: it counts neither in up-time nor in compensation."),
    },
    NotificationState: {
        NotificationState.QUEUED: Words("Waiting to be sent", "busy"),
        NotificationState.SENDING: Words("Being sent", "busy"),
        NotificationState.SENT: Words("Sent", "good"),
        NotificationState.DELIVERED: Words("Delivered", "good"),
        NotificationState.UNKNOWN: Words("Perhaps sent", "wait", "The answer was lost; it is not sent again by itself."),
        NotificationState.FAILED: Words("Not sent", "bad"),
        NotificationState.SUPPRESSED: Words(
            "Unwanted", "off", "The person does not want these messages, or had it in the app; so it was not sent."
        ),
    },
    Health: {
        Health.ONLINE: Words("Online", "good"),
        Health.DEGRADED: Words("Degraded", "wait", "It works, and something about it is not as it should be."),
        Health.OFFLINE: Words("Down", "bad", "OpenWISP does not reach it."),
        Health.UNKNOWN: Words("Unknown", "off", "OpenWISP does not say how it fares."),
        Health.RETIRED: Words("Out of service", "off", "It is deactivated in OpenWISP."),
    },
    HealthState: {
        HealthState.OK: Words("Well", "good"),
        HealthState.DEGRADED: Words("Degraded", "wait", "It works, and something about it is not as it should be."),
        HealthState.DOWN: Words("Down", "bad", "It does not answer, or not so that it can be used."),
        HealthState.OFF: Words("Not set up", "off", "Nothing is wrong with that."),
    },
    CheckOutcome: {
        CheckOutcome.DONE: Words("Done", "good"),
        CheckOutcome.NOT_CONFIGURED: Words("Not set up", "off"),
        CheckOutcome.UNREACHABLE: Words("No answer", "bad"),
        CheckOutcome.REFUSED: Words("Refused", "bad"),
        CheckOutcome.MALFORMED: Words("Not understood", "bad"),
        CheckOutcome.INCOMPLETE: Words("Not whole", "bad"),
        CheckOutcome.SUDDEN_LOSS: Words("Not believed", "bad"),
    },
    TicketState: {
        TicketState.NEW: Words("New", "wait"),
        TicketState.OPEN: Words("Open", "busy"),
        TicketState.PENDING: Words("Waits for the customer", "off"),
        TicketState.ON_HOLD: Words("On hold", "off"),
        TicketState.RESOLVED: Words("Resolved", "good"),
        TicketState.CLOSED: Words("Closed", "off"),
    },
    VisitState: {
        VisitState.ACCEPTED: Words("Accepted", "busy", "The technician has taken it on."),
        VisitState.ON_THE_WAY: Words("On the way", "busy"),
        VisitState.ON_SITE: Words("On site", "busy"),
        VisitState.DONE: Words("Visit done", "good"),
        VisitState.CANNOT: Words("Cannot be done", "wait", "The reason stands beside it."),
    },
    Priority: {
        Priority.LOW: Words("Low", "off"),
        Priority.NORMAL: Words("Normal", "busy"),
        Priority.HIGH: Words("High", "wait"),
        Priority.URGENT: Words("Urgent", "bad"),
    },
}
OUTCOMES: dict[str, Words] = {
    "ok": Words("answered", "good"),
    "refused": Words("refused", "bad"),
    "unknown": Words("answer lost", "wait"),
    "unavailable": Words("not reachable", "bad"),
}
END_REASONS = {
    "time_over": "Time over",
    "router_restart": "Router restarted",
    "ended_by_staff": "Ended by staff",
    "device_swapped": "Moved to another device",
    "never_fetched": "Router never asked",
    "no_time_left": "No time left",
    "client_deauth": "Customer logged out",
    "timeout_deauth": "Time over",
    "idle_deauth": "Left the hotspot",
    "downquota_deauth": "Data used up",
    "upquota_deauth": "Data used up",
    "download_quota_deauth": "Data used up",
    "upload_quota_deauth": "Data used up",
    "shutdown_deauth": "Router shut down",
    "ndsctl_deauth": "Put out at the router",
    "moved": "Went on at another hotspot",
    "not_there": "The device had left",
    "refunded": "Its money goes back",
    "credited": "The rest became a voucher",
}


def words_of(state: StrEnum) -> Words:
    return STATES[type(state)][state]


def spoken(name: str) -> str:
    """A class's name in words: `PaymentStatus` is `Payment status`."""
    return "".join(f" {letter.lower()}" if letter.isupper() else letter for letter in name).strip().capitalize()


def end_reason(code: str | None) -> str:
    return END_REASONS.get(code or "", (code or "").replace("_", " ").capitalize())


def money(bututs: int) -> str:
    """`D 25`, `D 1,250`, `D 2.50`; refunds carry a minus."""
    sign, whole, rest = ("-" if bututs < 0 else ""), abs(bututs) // 100, abs(bututs) % 100
    return f"{sign}D {whole:,}" + (f".{rest:02d}" if rest else "")


def span(seconds: int) -> str:
    """`45 s`, `25 min`, `1 h 5 min`, `3 d 4 h`: two units at most, because nobody plans by the third."""
    if seconds < 60:
        return f"{seconds} s"
    minutes = seconds // 60
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    if hours < 24:
        return f"{hours} h {minutes} min" if minutes else f"{hours} h"
    days, hours = divmod(hours, 24)
    return f"{days} d {hours} h" if hours else f"{days} d"


def _coarse(seconds: int) -> str:
    if seconds < 3600:
        return span(seconds - seconds % 60)
    return f"{seconds // 3600} h" if seconds < 86400 else f"{seconds // 86400} d"


def relative(at: datetime, now: datetime) -> str:
    """`just now`, `5 min ago`, `in 2 h`; from a day on the date itself."""
    seconds = round((now - at).total_seconds())
    if abs(seconds) < 60:
        return "just now" if seconds >= 0 else "in a moment"
    if seconds < 0:
        return f"in {_coarse(-seconds)}"
    if seconds < 86400:
        return f"{_coarse(seconds)} ago"
    year = "" if at.year == now.year else f" {at.year}"
    return f"{at.day} {at:%b}{year} {at:%H:%M}"


def time_left(at: datetime, now: datetime) -> str:
    return span(int((at - now).total_seconds())) if at > now else "over"


def due(at: datetime, now: datetime) -> str:
    """Of a deadline: `in 25 min`, `in 2 d 3 h`, `3 h late`."""
    seconds = int((at - now).total_seconds())
    if seconds > 0:
        return f"in {span(seconds)}" if seconds >= 60 else "in a moment"
    return f"{span(-seconds)} late" if seconds <= -60 else "now"


def exact(at: datetime) -> str:
    """For the hover. Banjul's clock is UTC all year."""
    return f"{at:%A} {at.day} {at:%B %Y, %H:%M:%S} (Banjul)"


def size(count: int | None) -> str:
    if count is None:
        return ""
    value, unit = float(count), "B"
    for unit in ("B", "KB", "MB", "GB", "TB"):
        if value < 1024 or unit == "TB":
            break
        value /= 1024
    return f"{value:.0f} {unit}" if value >= 10 or unit == "B" else f"{value:.1f} {unit}"


def rate(kbps: int) -> str:
    if kbps == 0:
        return "as the router allows"
    return f"{kbps / 1024:g} Mbit/s" if kbps >= 1024 and kbps % 1024 == 0 else f"{kbps:,} kbit/s"
