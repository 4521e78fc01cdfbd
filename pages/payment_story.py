"""A payment's ledger and outside calls, told in words."""

from __future__ import annotations

from typing import Any

from pages.components import words
from pages.components.timeline import Happening
from pages.components.words import Tone
from services.payments.models import EventKind, OutboundCallRecord, PaymentEvent
from services.payments.queries import TimelineEntry

E = EventKind
_EVENTS: dict[EventKind, tuple[str, Tone]] = {
    E.CREATED: ("The customer chose a package", "busy"),
    E.CREATE_CALLED: ("Wave is asked to open a session", "busy"),
    E.CHECKOUT_OPENED: ("Wave opened the session; the customer can pay", "busy"),
    E.ATTEMPT_FAILED: ("A try to pay failed at Wave", "wait"),
    E.PAID: ("Paid", "good"),
    E.ISSUE_CALLED: ("PortaBilling is asked to issue the voucher", "busy"),
    E.VOUCHER_ISSUED: ("PortaBilling issued the voucher", "good"),
    E.CHARGED: ("Charged in PortaBilling", "good"),
    E.VOUCHER_BLOCKED: ("The voucher is blocked against a second use", "busy"),
    E.ACCESS_GRANTED: ("The time was given to the customer", "good"),
    E.SERVED: ("A router confirmed: the customer is online", "good"),
    E.EXPIRED: ("Closed: not paid in time", "off"),
    E.FAILED: ("Closed: it could not be paid", "bad"),
    E.DELAYED: ("Delayed", "wait"),
    E.SECOND_SUCCESS: ("Paid a second time", "wait"),
    E.STOCK_BOUND: ("A voucher of the stock was given; PortaBilling is settled later", "wait"),
    E.REFUND_ASKED: ("Somebody asked to give the money back", "wait"),
    E.REFUND_DECLINED: ("Giving the money back was declined", "off"),
    E.REFUND_REQUESTED: ("Decided: the money goes back through Wave", "wait"),
    E.REFUNDED: ("Refunded", "off"),
    E.PAID_OUT: ("Paid out another way", "off"),
    E.ATTENTION: ("Put on the list for a person", "bad"),
    E.RETRIED: ("Retried by hand", "busy"),
}
_CALLS = {
    ("wave", "create_session"): "open a session",
    ("wave", "get_session"): "what became of it?",
    ("wave", "find_sessions"): "which sessions are there?",
    ("wave", "refund_session"): "give the money back",
}
_SERVICES = {"wave": "Wave", "portabilling": "PortaBilling", "sms": "SMS gateway"}
# Told by the title already, or of use to machines only.
_UNTOLD = {"why", "detail", "refund_id", "entitlement_id", "call", "i_account", "settled_later"}


def happening(entry: TimelineEntry) -> Happening:
    if entry.event is not None:
        return _of_event(entry.event)
    assert entry.call is not None
    return _of_call(entry.call)


def _of_event(event: PaymentEvent) -> Happening:
    title, tone = _EVENTS[event.kind]
    by = event.actor.removeprefix("staff:") if event.actor != "system" else ""
    parts = [words.money(event.amount_bututs) if event.amount_bututs else "", f"by {by}" if by else ""]
    return Happening(event.at, title, tone, aside=" · ".join(part for part in parts if part), more=_more(event.detail))


def _more(detail: dict[str, Any]) -> str:
    told = [str(detail[name]) for name in ("why", "detail") if detail.get(name)]
    for name, value in detail.items():
        if name.endswith("_bututs") and isinstance(value, int):
            told.append(f"{_label(name.removesuffix('_bututs'))}: {words.money(value)}")
        elif name not in _UNTOLD and value not in (None, "", False):
            told.append(f"{_label(name)}: {value}")
    if detail.get("settled_later"):
        told.append("settled afterwards, because PortaBilling did not answer at first")
    return " · ".join(told)


def _label(name: str) -> str:
    return name.replace("_", " ")


def _of_call(call: OutboundCallRecord) -> Happening:
    service = _SERVICES.get(call.service, call.service)
    asked = _CALLS.get((call.service, call.operation), call.operation.replace("_", " "))
    outcome = words.OUTCOMES.get(call.outcome, words.Words(call.outcome, "off"))
    return Happening(
        call.started_at,
        f"{service}: {asked}",
        outcome.tone,
        aside=f"{outcome.text} after {_duration(call.duration_ms)}",
        more=call.detail if call.outcome != "ok" else "",
        is_call=True,
    )


def _duration(milliseconds: int) -> str:
    return f"{milliseconds} ms" if milliseconds < 1000 else f"{milliseconds / 1000:.1f} s"
