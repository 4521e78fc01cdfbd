"""A voucher's history as lines: who made, printed, blocked and used it, where and when, and what PortaBilling was told."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from pages.components import words
from pages.components.timeline import Happening
from pages.components.words import Tone
from pages.sheets import LAYOUTS
from services.vouchers.history import Event, Happened
from services.vouchers.queries import VoucherPage
from services.vouchers.sheets.layouts import Layout

_SAID: dict[Happened, tuple[str, Tone]] = {
    Happened.MADE: ("Made", "busy"),
    Happened.REGISTERED: ("PortaBilling holds it", "good"),
    Happened.PRINTED: ("Printed", "busy"),
    Happened.EXPORTED: ("Its code was in a CSV file", "busy"),
    Happened.REVEALED: ("Its code was shown", "busy"),
    Happened.BLOCKED: ("Blocked", "bad"),
    Happened.UNBLOCKED: ("The block was lifted", "good"),
    Happened.EXPIRED: ("Expired", "off"),
    Happened.USED: ("Used: its time was given to a customer", "good"),
    Happened.CAME_ONLINE: ("Came online", "good"),
    Happened.WENT_OFFLINE: ("Went offline", "off"),
}


def happenings(shown: VoucherPage, events: Sequence[Event], *, now: datetime) -> list[Happening]:
    """From the first to the last."""
    return sorted((*map(_line, events), *_in_billing(shown), *_of_time(shown, now)), key=lambda one: one.at)


def _line(event: Event) -> Happening:
    text, tone = _SAID[event.what]
    aside = [f"by {event.by.partition(':')[2] or event.by}" if event.by else "", event.masked_phone or "", _place(event)]
    return Happening(event.at, text, tone, aside=" · ".join(filter(None, aside)), more=_detail(event))


def _detail(event: Event) -> str:
    if event.what is Happened.WENT_OFFLINE:
        return words.end_reason(event.detail)
    if event.what is Happened.PRINTED and event.detail in set(Layout):
        return LAYOUTS[Layout(event.detail)]
    return "" if event.what is Happened.EXPORTED else event.detail or ""


def _place(event: Event) -> str:
    """The site and the router there; often they have the same name."""
    return ", ".join(dict.fromkeys(filter(None, (event.site, event.gateway))))


def _in_billing(shown: VoucherPage) -> Iterator[Happening]:
    voucher = shown.voucher
    if voucher.porta_issue_called_at:
        yield Happening(voucher.porta_issue_called_at, "PortaBilling was asked to issue it", "busy", is_call=True)
    if voucher.porta_blocked_at:
        yield Happening(voucher.porta_blocked_at, "Blocked in PortaBilling", "busy", is_call=True)


def _of_time(shown: VoucherPage, now: datetime) -> Iterator[Happening]:
    entitlement = shown.entitlement
    if entitlement and entitlement.started_at:
        yield Happening(entitlement.started_at, "The time began to run", "good")
    if entitlement and entitlement.ends_at and entitlement.ends_at <= now:
        yield Happening(entitlement.ends_at, "The time was over", "off")
