"""The head of a customer's page: who they are, how things stand now, and what wants to be done about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial

from nicegui import ui

from app.clock import utc_now
from pages.components import words
from pages.components.acting import on_the_page
from pages.components.parts import Facts, action_button, chip, moment, panel, tone_chip
from pages.components.words import Tone
from pages.customer_actions import Actions
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.accounts.phones import local_format
from services.accounts.queries import CustomerPage
from services.console.customer_now import Standing, TimeNow
from services.payments.models import Payment
from services.tickets.triage.language import NAMES

LIST = ("/console/customers", "Customers")


def title_of(customer: Customer) -> str:
    return customer.masked_phone if customer.erased_at is not None else local_format(customer.phone_e164)


def draw_heading(shown: Standing, actions: Actions, actor: Principal) -> None:
    customer = shown.customer
    with ui.element("div").classes("heading"):
        with ui.element("div").classes("crumb"):
            ui.link(f"‹ {LIST[1]}", LIST[0]).props("data-key=u")
        with ui.element("h1"):
            ui.label(title_of(customer))
        _chip(shown)
        with ui.element("div").classes("actions"):
            if not shown.is_gone:
                actions.buttons(actor)
        if lead := _lead(customer):
            ui.label(lead).classes("lead").classes("anywhere")


def _lead(customer: Customer) -> str:
    if customer.erased_at is not None:
        return "Only what the books need is kept."
    old = f"before: {local_format(customer.legacy_e164)}" if customer.legacy_e164 else ""
    return " · ".join(filter(None, (customer.name or "", old)))


def _chip(shown: Standing) -> None:
    """One word on how they are; nothing where there is nothing to say."""
    if shown.unserved is not None:
        tone_chip("Paid, not served", "bad").mark("standing-chip")
    elif shown.online:
        chip(shown.online[0].state).mark("standing-chip")
    elif shown.not_online is not None:
        tone_chip("Has time, not online", "wait").mark("standing-chip")


def draw_now(shown: Standing, actions: Actions, actor: Principal) -> None:
    """What wants doing, each with the button for it; then how things stand."""
    if shown.unserved is not None:
        _unserved(shown.unserved, actions, actor)
    for time in (shown.times or ()) if not shown.is_gone else ():
        if time.paused_at is not None:
            text = f"{time.package}: the network has been down since {words.relative(time.paused_at, utc_now())}."
            with _notice("wait", "schedule", "The clock stands still"):
                ui.label(text)
    if shown.not_online is not None:
        _not_online(shown.not_online, actions, actor)
    with panel() as box:
        box.classes("standing").mark("standing")
        _online(shown)
        _tickets(shown)
        _money(shown)
        _vouchers(shown)


@contextmanager
def _notice(tone: Tone, icon: str, title: str) -> Iterator[ui.element]:
    with ui.element("div").classes(f"notice tone-{tone}") as box:
        ui.icon(icon).props("aria-hidden=true")
        with ui.element("div").classes("words stack tight"):
            ui.label(title).classes("strong")
            yield box


def _unserved(payment: Payment, actions: Actions, actor: Principal) -> None:
    with _notice("bad", "error", "Paid, and not served yet") as box:
        with ui.element("div"):
            ui.label(f"{words.money(payment.amount_bututs)}, code ").classes("flow")
            ui.link(payment.reference, f"/console/payments/{payment.reference}").classes("mono")
            if payment.paid_at is not None:
                ui.label(", paid ").classes("flow")
                moment(payment.paid_at)
        if payment.reason:
            ui.label(payment.reason)
        if actor.may(Permission.PAYMENTS_RETRY):
            _button("Try again now", partial(actions.try_again, payment), "refresh", "try-again", key="a")
    box.mark("unserved")


def _not_online(time: TimeNow, actions: Actions, actor: Principal) -> None:
    with _notice("wait", "wifi_off", "Paid, and no device is online with it") as box:
        begun = "" if time.ends_at is not None else ", not begun yet"
        ui.label(f"{time.package}: {words.span(time.seconds_left)} left{begun}.")
        if actor.may(Permission.ACCESS_GRANT):
            _button("Let in again", partial(actions.let_in, time), "login", "let-in", key="l")
    box.mark("not-online")


def _button(text: str, act: Callable[[], Awaitable[None]], icon: str, marker: str, *, key: str) -> None:
    with ui.element("div").classes("line q-pt-xs"):
        button = action_button(text, on_the_page(act), icon=icon)
        button.props(f"dense no-caps padding='4px 12px' data-key={key}").mark(marker)


@contextmanager
def _item(label: str, *, alarm: bool = False) -> Iterator[None]:
    with ui.element("div").classes("item" + (" alarm" if alarm else "")):
        ui.label(label).classes("label")
        yield


def _online(shown: Standing) -> None:
    if shown.online is None:
        return
    with _item("Online now"):
        if not shown.online:
            ui.label("No").classes("value")
            time = next(iter(shown.times or ()), None)
            ui.label(_time_left(time) if time else "no time left").classes("note")
            return
        one = shown.online[0]
        ui.link(one.gateway, f"/console/sessions/{one.session_id}").classes("value")
        with ui.element("div").classes("note"):
            ui.label(f"until {_clock(shown)}, ").classes("flow")
            moment(one.until, mode="left")
            if len(shown.online) > 1:
                ui.label(f", and {len(shown.online) - 1} more").classes("flow")


def _clock(shown: Standing) -> str:
    until, now = (shown.online or ())[0].until, utc_now()
    return f"{until:%H:%M}" if until.date() == now.date() else f"{until.day} {until:%b} {until:%H:%M}"


def _time_left(time: TimeNow) -> str:
    return f"{words.span(time.seconds_left)} left of {time.package}" if time.seconds_left else f"{time.package} is used up"


def _tickets(shown: Standing) -> None:
    if shown.tickets is None:
        return
    with _item("Open tickets"):
        if not shown.tickets:
            ui.label("None").classes("value")
            return
        one = shown.tickets[0]
        with ui.element("div").classes("line"):
            ui.link(one.reference, f"/console/tickets/{one.reference}").classes("value mono").mark("to-ticket")
            chip(one.state)
        more = len(shown.tickets) - 1
        with ui.element("div").classes("note"):
            moment(one.created_at)
            if more:
                ui.label(f", and {more} more").classes("flow")


def _money(shown: Standing) -> None:
    if shown.spent_bututs is None:
        return
    with _item("Spent in all"):
        ui.label(words.money(shown.spent_bututs)).classes("value").mark("spent")
        count = shown.purchases or 0
        ui.label("1 purchase" if count == 1 else f"{count:,} purchases").classes("note")
    if shown.last_tried is not None:
        last = shown.last_tried
        with _item("Last payment"):
            with ui.element("div").classes("line"):
                ui.link(words.money(last.amount_bututs), f"/console/payments/{last.reference}").classes("value")
                chip(last.status)
            with ui.element("div").classes("note"):
                moment(last.created_at)


def _vouchers(shown: Standing) -> None:
    if shown.ready_vouchers is None or shown.blocked_vouchers is None:
        return
    with _item("Vouchers", alarm=shown.blocked_vouchers > 0):
        ui.label(f"{shown.ready_vouchers} ready").classes("value")
        if shown.blocked_vouchers:
            ui.label(f"{shown.blocked_vouchers} blocked").classes("note")


def draw_facts(page: CustomerPage, *, is_gone: bool) -> None:
    customer = page.customer
    with panel("Who"):
        facts = Facts()
        facts.add("Phone", "Deleted at the customer's wish" if is_gone else customer.phone_e164)
        if not is_gone:
            facts.add("Old form", customer.legacy_e164)
            facts.add("Name", customer.name)
            facts.add("Language", NAMES.get(customer.language, customer.language).capitalize())
        facts.add_time("Customer since", customer.created_at)
        if not is_gone:
            facts.add("Devices", str(len(page.devices)))
            for device in page.devices[:5]:
                facts.add_time(device.last_mac or f"device {device.id}", device.last_seen_at)
