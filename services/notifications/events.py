"""Everything that people are told of: how urgent it is, on which media, and what its words may name."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from services.notifications.models import Medium, Urgency

Audience = Literal["customer", "staff"]
_EVERYWHERE = (Medium.PUSH, Medium.SMS, Medium.EMAIL)


@dataclass(frozen=True)
class Event:
    """`sample` names each placeholder that a template may use, with a value for previews."""

    name: str
    title: str
    audience: Audience
    media: tuple[Medium, ...]
    urgency: Urgency = Urgency.NORMAL
    # The answer to what the person wrote or asked for is mailed to them also after they wanted no more mails.
    is_answer: bool = False
    sample: Mapping[str, str] = field(default_factory=dict, hash=False)
    # Its words hold what is worth money: nobody but the person reads them.
    holds_secret: bool = False

    @property
    def is_kept_in_app(self) -> bool:
        """Whether a customer's app shows it among the notices: what may be pushed, and never a one-time code."""
        return self.audience == "customer" and Medium.PUSH in self.media and self.urgency is not Urgency.ONE_TIME

    @property
    def is_app_first(self) -> bool:
        """Whether its text waits for the app, because a text costs money. What is urgent, such as a receipt, is texted at once as well."""
        return self.is_kept_in_app and self.urgency in (Urgency.NORMAL, Urgency.NEWS)


_TICKET = {"reference": "T-4KM7PX", "subject": "Wi-Fi does not connect"}
_STAFF_TICKET = _TICKET | {"by": "Awa Ceesay"}
_KEY = {"key": "402718", "minutes": "10"}
_SMS = (Medium.SMS,)
_APP = (Medium.PUSH, Medium.SMS)
_DESK = (Medium.BELL, Medium.PUSH)
_DESK_AND_MAIL = (Medium.BELL, Medium.PUSH, Medium.EMAIL)
_ALL = (
    Event("purchase_receipt", "Receipt of a purchase", "customer", _APP, Urgency.URGENT, True, {"dalasi": "25", "reference": "K7M2PX9Q"}),
    Event("receipt_reminder", "Receipt codes that were asked for", "customer", _SMS, Urgency.URGENT, True, {"references": "K7M2PX9Q"}),
    Event("one_time_code", "Code to log in", "customer", _SMS, Urgency.ONE_TIME, True, {"code": "402 718", "minutes": "5"}),
    Event("login_key", "Key to log in to the app", "customer", _SMS, Urgency.ONE_TIME, True, _KEY),
    Event("number_key", "Key to change the phone number", "customer", _SMS, Urgency.ONE_TIME, True, _KEY),
    Event("deletion_key", "Key to delete the account", "customer", _SMS, Urgency.ONE_TIME, True, _KEY),
    Event("erasure_asked", "Deletion of the account was asked for", "customer", _SMS, Urgency.URGENT, True, {"day": "24.11.2026"}),
    Event("number_changed", "The phone number was changed", "customer", _SMS, Urgency.URGENT, True, {"number": "..2345"}),
    Event("time_given_back", "Time given back after an outage", "customer", _APP, Urgency.NEWS, False, {"place": "", "minutes": "45"}),
    Event("refund_on_its_way", "Your money goes back", "customer", _APP, Urgency.NORMAL, True, {"dalasi": "25", "reference": "K7M2PX9Q"}),
    # Its code is worth money: it goes by SMS alone, the app only says that there is one.
    Event(
        "voucher_given",
        "A voucher was given to you",
        "customer",
        _APP,
        Urgency.URGENT,
        True,
        {"package": "1 day", "code": "ABCD-EFGHJ-KMNPR", "until": "22.12.2026"},
        holds_secret=True,
    ),
    Event("ticket_received", "Request received", "customer", _EVERYWHERE, Urgency.NORMAL, True, _TICKET),
    Event("ticket_reply", "Reply to a request", "customer", _EVERYWHERE, Urgency.NORMAL, True, _TICKET | {"text": "Please try once more."}),
    Event("ticket_resolved", "Request resolved", "customer", _EVERYWHERE, Urgency.NORMAL, True, _TICKET | {"link": "https://inet.gm/s/x"}),
    Event("ticket_closing", "Request closes by silence", "customer", _EVERYWHERE, Urgency.NEWS, False, _TICKET | {"days": "1"}),
    Event("ticket_outage", "Known outage", "customer", _EVERYWHERE, Urgency.NORMAL, False, _TICKET | {"place": "Serekunda Market"}),
    # While they are to open the door, also at night; hours later it is worth nothing, and is not said (services/fieldwork/visits.py).
    Event("technician_on_the_way", "Technician on the way", "customer", _EVERYWHERE, Urgency.URGENT, True, _TICKET),
    Event(
        "ticket_satisfaction", "How was our help?", "customer", _EVERYWHERE, Urgency.NEWS, False, _TICKET | {"link": "https://inet.gm/s/x"}
    ),
    Event("ticket_assigned", "A ticket was given to you", "staff", _DESK, sample=_STAFF_TICKET),
    Event("ticket_mention", "You were mentioned", "staff", _DESK, sample=_STAFF_TICKET),
    Event("ticket_watched", "News of a ticket you watch", "staff", (Medium.BELL,), sample=_STAFF_TICKET | {"text": "A reply was sent."}),
    Event("ticket_customer_wrote", "The customer wrote", "staff", _DESK, sample=_TICKET),
    Event("sla_warning", "A deadline comes near", "staff", _DESK_AND_MAIL, Urgency.URGENT, sample=_TICKET | {"clock": "first response"}),
    Event("sla_breach", "A deadline has passed", "staff", _DESK_AND_MAIL, Urgency.URGENT, sample=_TICKET | {"clock": "first response"}),
    Event("sla_escalation", "A ticket was escalated", "staff", _DESK_AND_MAIL, Urgency.URGENT, sample=_TICKET | {"clock": "resolution"}),
    Event(
        "finding_assigned",
        "A finding was given to you",
        "staff",
        (Medium.BELL,),
        sample={"what": "wrong amount", "day": "2026-11-22", "by": "Awa Ceesay"},
    ),
    Event(
        "erasure_waits",
        "A customer's deletion waits for a second person",
        "staff",
        (Medium.BELL,),
        sample={"customer": "417", "by": "Awa Ceesay"},
    ),
    Event(
        "refund_waits",
        "A refund waits for a second person",
        "staff",
        (Medium.BELL,),
        sample={"reference": "K7M2PX9Q", "dalasi": "25", "by": "Awa Ceesay"},
    ),
    Event(
        "step_waits",
        "A step on many rows waits for a second person",
        "staff",
        (Medium.BELL,),
        sample={"by": "Awa Ceesay", "what": "End, 120 sessions"},
    ),
    Event(
        "error_found",
        "An error of the product itself",
        "staff",
        _DESK_AND_MAIL,
        Urgency.URGENT,
        sample={
            "what": "A new error",
            "kind": "KeyError",
            "place": "services.payments.absorb:absorb",
            "process": "worker",
            "release": "1.4.0",
        },
    ),
    Event("sms_held", "Texts are held up", "staff", (Medium.BELL, Medium.EMAIL), Urgency.URGENT, sample={"why": "InsufficientBalance"}),
)
EVENTS: Mapping[str, Event] = {event.name: event for event in _ALL}


def event_named(name: str) -> Event:
    """The event, also one of an earlier release whose rows are still there: of that nothing is known but its name."""
    return EVENTS.get(name) or Event(name, name.replace("_", " ").capitalize(), "customer", _EVERYWHERE, sample={"text": ""})
