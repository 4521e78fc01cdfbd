"""The panel beside a ticket's conversation: the customer's money, time, devices and place as they are now, and what helps in one click."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any, cast

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.dialogs import MIN_REASON, confirm, dialog_card
from pages.components.forms import form_buttons, text_field
from pages.components.parts import Facts, action_button, chip, moment, panel
from pages.components.words import Tone
from pages.shell import current_staff, toast_on_refusal
from pages.ticket_routing import draw_routing
from services.access.errors import BadExtension
from services.access.session_queries import PurchasedTime, SessionRow
from services.access.slots import DeviceView
from services.accounts.permissions import Permission, Principal
from services.network.incident_models import Incident, IncidentState
from services.network.models import Health
from services.payments.models import ASKING_WAVE, TO_BE_SERVED, Payment, PaymentStatus
from services.tickets import actions
from services.tickets.enrichment import CustomerFacts, PointFact, story_of
from services.tickets.models import Ticket
from services.tickets.people import headline
from services.tickets.queries import TicketStory
from services.vouchers.models import Voucher

Refresh = Callable[[], Awaitable[None]]
_RETRIED = TO_BE_SERVED | {PaymentStatus.ATTENTION}
_UNITS = {60: "minutes", 3600: "hours", 86400: "days"}


async def facts_panel(story: TicketStory, actor: Principal, refresh: Refresh) -> None:
    """Load what this person may know of, and draw it where the caller stands."""
    draw_facts(await load_facts(story, actor), actor, refresh)


async def load_facts(story: TicketStory, actor: Principal) -> CustomerFacts:
    return await in_transaction(story_of, actor=actor, reference=story.row.ticket.reference, now=utc_now())


def draw_facts(facts: CustomerFacts, actor: Principal, refresh: Refresh) -> None:
    """The panels, each only where there is something to say."""
    ticket = facts.ticket
    with ui.element("div").classes("stack").mark("live-facts"):
        if facts.unserved is not None:
            _unserved(ticket, facts.unserved, actor, refresh)
        if facts.incident is not None:
            _incident(facts.incident)
        if facts.point is not None:
            _place(facts.point)
        if facts.sessions is not None and ticket.customer_id is not None:
            _online(facts, actor, refresh)
        if facts.payments:
            with panel("Payments", flush=True), ui.element("div").classes("rows"):
                for payment, package in facts.payments:
                    _payment(ticket, payment, package, actor, refresh)
        if facts.vouchers:
            with panel("Vouchers", flush=True), ui.element("div").classes("rows"):
                for voucher, package in facts.vouchers:
                    _voucher(voucher, package)
        _earlier(facts)
        draw_routing(ticket, facts.routed, actor, refresh)


@contextmanager
def _notice(tone: Tone, icon: str, title: str) -> Iterator[ui.element]:
    """A box about the whole ticket, with more than words in it."""
    with ui.element("div").classes(f"notice tone-{tone}") as box:
        ui.icon(icon)
        with ui.element("div").classes("words stack tight"):
            ui.label(title).classes("strong")
            yield box


def _unserved(ticket: Ticket, payment: Payment, actor: Principal, refresh: Refresh) -> None:
    with _notice("bad", "error", "Paid, and not served yet") as box:
        ui.label(f"{words.money(payment.amount_bututs)}, code {payment.reference}.")
        if actor.may(Permission.PAYMENTS_RETRY):
            _button("Try again now", partial(_retry, ticket, payment, refresh), "refresh", f"retry-{payment.reference}")
    box.mark("unserved")


def _incident(incident: Incident) -> None:
    is_open = incident.state is IncidentState.OPEN
    tone, icon, title = ("wait", "schedule", "Known outage") if is_open else ("good", "check_circle", "An outage that is over")
    with _notice(cast(Tone, tone), icon, title) as box:
        with ui.element("div"):
            ui.link(incident.reference, f"/console/incidents/{incident.reference}")
            ui.label(", since ").classes("flow")
            moment(incident.started_at)
            if incident.resolved_at is not None:
                ui.label(", over ").classes("flow")
                moment(incident.resolved_at)
        if is_open:
            ui.label("The customer was told, if there is a way to them.").classes("soft small")
    box.mark("known-outage")


def _place(point: PointFact) -> None:
    with panel("Where they stand"):
        facts = Facts()
        facts.add_link("Access point", point.name, f"/console/access-points/{point.id}")
        with facts.row("Now"):
            chip(point.health)
        facts.add_time("Since", point.since)
        with facts.row("When they wrote"):
            if point.then is None:
                ui.label("not known").classes("faint")
            else:
                chip(point.then)
        if point.then is Health.OFFLINE and point.health is Health.ONLINE:
            ui.label("It was down when they wrote, and is back.").classes("soft small")


def _online(facts: CustomerFacts, actor: Principal, refresh: Refresh) -> None:
    with panel("Online and time"), ui.element("div").classes("stack near"):
        last = next(iter(facts.sessions or ()), None)
        if last is None:
            ui.label("This customer was never online with us.").classes("soft")
        else:
            _session(last)
        if facts.time is not None:
            _time(facts.ticket, facts.time, actor, refresh)
            for device in facts.devices:
                _device(facts.ticket, facts.time, device, actor, refresh)


def _session(row: SessionRow) -> None:
    shown = Facts()
    with shown.row("Last session" if row.ended_at else "Session"), ui.element("div").classes("line"):
        ui.link(row.gateway_name, f"/console/sessions/{row.id}")
        chip(row.state)
    shown.add_time("Began", row.started_at)
    if row.ended_at is not None:
        shown.add_time("Ended", row.ended_at)
        shown.add("Because", words.end_reason(row.end_reason))
    if row.bytes_so_far is not None:
        shown.add("Data", words.size(row.bytes_so_far))


def _time(ticket: Ticket, time: PurchasedTime, actor: Principal, refresh: Refresh) -> None:
    shown = Facts()
    with shown.row("Bought"), ui.element("div").classes("line"):
        ui.label(time.package_name)
        chip(time.state)
    shown.add("Left", f"{words.span(time.seconds_left)} of {words.span(time.seconds_total)}")
    if time.bytes_left is not None:
        shown.add("Data left", words.size(time.bytes_left))
    if time.paused_at is not None:
        shown.add_time("Stands still since", time.paused_at)
    with ui.element("div").classes("line q-pt-sm"):
        if actor.may(Permission.ACCESS_GRANT) and time.seconds_left > 0:
            _button("Let in again", partial(_let_in, ticket, time, refresh), "login", "let-in-again")
        if actor.may(Permission.SESSIONS_EXTEND):
            _button("Give more time", partial(_extend, ticket, time, refresh), "more_time", "give-more-time")


def _device(ticket: Ticket, time: PurchasedTime, device: DeviceView, actor: Principal, refresh: Refresh) -> None:
    with ui.element("div").classes("line q-pt-sm"):
        ui.label(f"Device {device.number} of {time.device_limit}").classes("strong small")
        ui.label(device.mac or "address not known").classes("mono small")
        ui.label("may be online" if device.is_in else "not in").classes("soft small")
        if actor.may(Permission.SESSIONS_END):
            off = ui.button(icon="phonelink_erase", color=None, on_click=partial(_free, ticket, time, device, refresh))
            off.props(f'flat round dense aria-label="Take device {device.number} off"').mark(f"free-{device.number}")


def _payment(ticket: Ticket, payment: Payment, package: str, actor: Principal, refresh: Refresh) -> None:
    with ui.element("div").classes("item"):
        with ui.element("div").classes("room"):
            ui.link(payment.reference, f"/console/payments/{payment.reference}").classes("mono")
            ui.label(f"{package}, {words.money(payment.amount_bututs)}").classes("small")
            with ui.element("div").classes("soft small"):
                moment(payment.created_at)
        with ui.element("div").classes("end line"):
            chip(payment.status)
            if actor.may(Permission.PAYMENTS_RETRY) and payment.status in ASKING_WAVE | _RETRIED:
                label = "Ask Wave now" if payment.status in ASKING_WAVE else "Try again now"
                _icon("refresh", label, partial(_retry, ticket, payment, refresh), f"again-{payment.reference}")
            if actor.may(Permission.TICKETS_REPLY) and payment.paid_at is not None:
                _icon(
                    "forward_to_inbox",
                    "Send the receipt code again",
                    partial(_resend, ticket, payment, refresh),
                    f"resend-{payment.reference}",
                )


def _voucher(voucher: Voucher, package: str) -> None:
    with ui.element("div").classes("item"):
        ui.link(package, f"/console/vouchers/{voucher.id}")
        with ui.element("div").classes("soft small"):
            moment(voucher.created_at)
        with ui.element("div").classes("end"):
            chip(voucher.state)


def _earlier(facts: CustomerFacts) -> None:
    if facts.ticket.customer_id is None:
        return
    with panel("Wrote before", flush=bool(facts.earlier)):
        if not facts.earlier:
            ui.label("Nothing before this.").classes("soft")
        with ui.element("div").classes("rows"):
            for other in facts.earlier:
                with ui.element("div").classes("item"):
                    ui.link(other.reference, f"/console/tickets/{other.reference}").classes("mono")
                    with ui.element("div").classes("soft small"):
                        moment(other.created_at)
                    with ui.element("div").classes("end"):
                        chip(other.state)
                    ui.label(headline(other)).classes("small ellipsis full-width")


def _button(text: str, act: Callable[[], Any], icon: str, marker: str) -> None:
    action_button(text, act, icon=icon).props("dense no-caps").mark(marker)


def _icon(icon: str, label: str, act: Callable[[], Any], marker: str) -> None:
    button = ui.button(icon=icon, color=None, on_click=act).props(f'flat round dense aria-label="{label}"').mark(marker)
    with button:
        ui.tooltip(label)


async def _do(act: Callable[..., Any], said: str, refresh: Refresh, ticket: Ticket, **more: Any) -> None:
    await in_transaction(act, actor=await current_staff(), reference=ticket.reference, now=utc_now(), **more)
    ui.notify(said, type="positive")
    await refresh()


async def _retry(ticket: Ticket, payment: Payment, refresh: Refresh) -> None:
    # On the page itself: news of the change may redraw the panel before this is done.
    with ui.context.client.content, toast_on_refusal():
        await _do(actions.retry_payment, "It is being tried now.", refresh, ticket, payment=payment.reference)


async def _resend(ticket: Ticket, payment: Payment, refresh: Refresh) -> None:
    with ui.context.client.content, toast_on_refusal():
        text = f"The customer gets a text with the code {payment.reference}."
        if await confirm("Send the receipt code again?", text, yes="Send it") is not None:
            await _do(actions.resend_receipt, "On its way.", refresh, ticket, payment=payment.reference)


async def _let_in(ticket: Ticket, time: PurchasedTime, refresh: Refresh) -> None:
    with ui.context.client.content, toast_on_refusal():
        text = "The last router that this device stood before is asked to let it in, for the time that is left. It asks us within seconds."
        if await confirm("Let the device in again?", text, yes="Let it in") is not None:
            await _do(actions.let_in_again, "The router is asked to let it in.", refresh, ticket, entitlement_id=time.id)


async def _free(ticket: Ticket, time: PurchasedTime, device: DeviceView, refresh: Refresh) -> None:
    with ui.context.client.content, toast_on_refusal():
        text = "Another device can take the place. This one is not let in again; its router may keep it on until its own end."
        reason = await confirm(f"Take device {device.number} off?", text, yes="Take it off", danger=True, ask_reason=True)
        if reason is not None:
            more = {"entitlement_id": time.id, "number": device.number, "reason": reason}
            await _do(actions.free_device, "The place is free.", refresh, ticket, **more)


def _extend(ticket: Ticket, time: PurchasedTime, refresh: Refresh) -> None:
    with dialog_card("Give more time") as dialog:
        ui.label("It is added to what is left. The router lets the device in for the rest when its present end comes.").classes("soft")
        with ui.element("div").classes("row no-wrap q-gutter-sm"):
            amount = text_field("How much", "seconds", value="1", props="type=number min=1 inputmode=numeric autofocus")
            unit = ui.select(_UNITS, value=3600, label="Unit").props("outlined").mark("unit")
        reason = text_field("Reason", "reason", props="maxlength=200")

        async def act() -> None:
            why = (reason.value or "").strip()
            if len(why) < MIN_REASON:
                raise BadExtension("Say in a few words why.", field="reason")
            more = {"entitlement_id": time.id, "seconds": _seconds(amount.value, int(unit.value or 60)), "reason": why}
            await _do(actions.extend, "The time is theirs.", refresh, ticket, **more)

        form_buttons(dialog, {"seconds": amount, "reason": reason}, yes="Give it", act=act, marker="give-time")
    dialog.open()


def _seconds(amount: object, unit: int) -> int:
    try:
        return round(float(str(amount)) * unit)
    except (ValueError, OverflowError):
        raise BadExtension("Give a number.", field="seconds") from None
