"""What Customer Care does for a customer from their page: each act asks first, and is done, or refused, by the service that knows how."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.acting import on_the_page
from pages.components.dialogs import confirm, dialog_card, show_secret
from pages.components.forms import form_buttons, text_field
from pages.components.parts import action_button
from pages.refund_actions import ask_for_refund
from pages.session_actions import end_session, extend_time
from pages.shell import current_staff, toast_on_refusal
from pages.ticket_by_phone import by_phone_form
from services.accounts.permissions import Permission, Principal
from services.apps import phones
from services.console import customer_help
from services.console.customer_now import PaymentNow, Standing, TimeNow
from services.packages.service import offers
from services.payments.desk import retry_now
from services.payments.models import Payment
from services.tickets import notes
from services.tickets.models import Ticket

Refresh = Callable[[], Awaitable[None]]
Act = Callable[[], Any]
_HONEST_LET_IN = "The last router that the device stood before is asked to let it in, for the time that is left. It asks us within seconds."


class Actions:
    """Of one customer. `standing` is what the buttons were last drawn from; each act asks the services anew."""

    def __init__(self, standing: Standing, refresh: Refresh) -> None:
        self._standing, self._refresh = standing, refresh
        self._id = standing.customer.id or 0

    def buttons(self, actor: Principal) -> None:
        """What is done most often; the rest stands in the menu."""
        shown = self._standing
        if actor.may(Permission.TICKETS_REPLY) and shown.payments:
            action_button("Text the code", on_the_page(self.text_code), icon="forward_to_inbox").mark("text-code")
        if actor.may(Permission.SESSIONS_EXTEND) and shown.times:
            action_button("More time", on_the_page(self.extend), icon="more_time").props("data-key=m").mark("extend")
        if actor.may(Permission.TICKETS_EDIT):
            new = action_button("Open a ticket", on_the_page(self.open_ticket), icon="support_agent", main=True)
            new.props("data-key=n").mark("open-ticket")
        self._menu(actor)

    def _menu(self, actor: Principal) -> None:
        entries = [entry for entry in self._entries() if all(actor.may(one) for one in entry[3]) and entry[4]]
        if not entries:
            return
        with ui.button(icon="more_horiz").props('outline color=link aria-label="More to do"').mark("more"), ui.menu():
            for text, marker, act, _, _ in entries:
                ui.menu_item(text, on_the_page(act)).mark(marker)

    def _entries(self) -> tuple[tuple[str, str, Act, tuple[Permission, ...], bool], ...]:
        """Words, name, act, who may, and whether there is anything to do it to."""
        shown, may = self._standing, Permission
        refundable = any(one.may_be_refunded for one in shown.payments or ())
        return (
            ("Give a voucher", "give-voucher", self.give_voucher, (may.VOUCHERS_ISSUE,), True),
            ("Give money back", "refund", self.refund, (may.PAYMENTS_REFUND,), refundable),
            ("Write a note", "note", self.note, (may.TICKETS_EDIT,), bool(shown.tickets)),
            ("End the session", "end-session", self.end_session, (may.SESSIONS_END,), bool(shown.online)),
            ("Log out of the app", "log-out-app", self.log_out, (may.TICKETS_EDIT,), shown.phones > 0),
        )

    async def let_in(self, time: TimeNow) -> None:
        with ui.context.client.content, toast_on_refusal():
            if await confirm("Let the device in again?", _HONEST_LET_IN, yes="Let it in") is None:
                return
            await self._do(customer_help.let_in_again, entitlement_id=time.entitlement_id)
            ui.notify("The router is asked to let it in.", type="positive")
            await self._refresh()

    def extend(self) -> Any:
        return _choose(
            "Give more time: to which purchase?",
            {one.entitlement_id: f"{one.package}, {_left(one)}" for one in self._standing.times or ()},
            extend_time,
        )

    async def try_again(self, payment: Payment) -> None:
        with ui.context.client.content, toast_on_refusal():
            await in_transaction(retry_now, actor=await current_staff(), public_id=payment.public_id, now=utc_now())
            ui.notify("It is being tried now; this page follows.", type="positive")
            await self._refresh()

    def text_code(self) -> Any:
        return _choose("Text the code of which payment?", _payments(self._standing.payments or ()), self._text_code)

    async def _text_code(self, reference: str) -> None:
        with ui.context.client.content, toast_on_refusal():
            chosen = next(one.payment for one in self._standing.payments or () if one.payment.reference == reference)
            what = "the code of the voucher that was a gift" if chosen.is_gift else f"the receipt code {reference}"
            if await confirm("Send it again?", f"The customer gets an SMS with {what}.", yes="Send it") is None:
                return
            await self._do(customer_help.text_code_again, reference=reference)
            ui.notify("On its way.", type="positive")
            await self._refresh()

    def refund(self) -> Any:
        may_be = [one for one in self._standing.payments or () if one.may_be_refunded]
        by_reference = {one.payment.reference: one.payment.public_id for one in may_be}

        async def ask(reference: str) -> None:
            with ui.context.client.content:
                await ask_for_refund(by_reference[reference], self._refresh)

        return _choose("Give the money of which payment back?", _payments(may_be), ask)

    async def give_voucher(self) -> None:
        with ui.context.client.content, toast_on_refusal():
            sold = await in_transaction(partial(offers, on_sale_only=True))
            choices = {offer.public_id: f"{offer.terms.name} · {words.money(offer.terms.amount_bututs)}" for offer in sold}
            self._voucher_form(choices)

    def _voucher_form(self, choices: dict[str, str]) -> None:
        with dialog_card("Give a voucher") as dialog:
            ui.label("It costs the customer nothing. Its code is shown once, for you to tell them: it is not texted.").classes("soft")
            package = ui.select(choices, label="Package", value=next(iter(choices), None)).props("outlined hide-bottom-space")
            package.classes("w-full").mark("field-package")
            reason = text_field("Reason", "reason", props='maxlength=200 hint="it stands on the voucher"')

            async def act() -> None:
                _, code = await self._do(customer_help.give_voucher, package_id=package.value or "", reason=reason.value or "")
                show_secret("The voucher's code", "Read it out now: it is not shown here again. It works in a moment.", code, marker="code")
                await self._refresh()

            form_buttons(dialog, {"reason": reason}, yes="Give it", act=act, danger=True)
        dialog.open()

    async def open_ticket(self) -> None:
        await by_phone_form(phone=self._standing.customer.phone_e164)

    def note(self) -> Any:
        """A customer has no notes of their own: what staff know belongs to the ticket that waits."""
        titles = {one.reference: f"{one.reference}: {' '.join((one.subject or one.body).split())[:60]}" for one in self._tickets}
        return _choose("A note in which ticket?", titles, self._note_form)

    @property
    def _tickets(self) -> tuple[Ticket, ...]:
        return self._standing.tickets or ()

    def _note_form(self, reference: str) -> None:
        with dialog_card(f"Note in {reference}") as dialog:
            text = ui.textarea("Only staff read it").props("outlined autogrow autofocus hide-bottom-space maxlength=20000")
            text.classes("w-full").mark("field-note")

            async def act() -> None:
                by = await current_staff()
                await in_transaction(notes.note, actor=by, reference=reference, text=text.value or "", now=utc_now())
                ui.notify(f"Kept in {reference}.", type="positive")
                await self._refresh()

            form_buttons(dialog, {"note": text}, yes="Keep the note", act=act)
        dialog.open()

    def end_session(self) -> Any:
        running = {one.session_id: f"{one.gateway}, {words.relative(one.since, utc_now())}" for one in self._standing.online or ()}
        return _choose("End which session?", running, self._end_session)

    async def _end_session(self, session_id: int) -> None:
        with ui.context.client.content:
            if await end_session(session_id):
                await self._refresh()

    async def log_out(self) -> None:
        with ui.context.client.content, toast_on_refusal():
            count = self._standing.phones
            which = "The phone" if count == 1 else f"All {count} phones"
            text = f"{which} with INET-Go: out with the next request, and no push any more. The customer logs in again with a key by SMS."
            if await confirm("Log the customer out of the app?", text, yes="Log out", danger=True) is None:
                return
            done = await self._do(customer_help.log_out_everywhere)
            ui.notify("1 phone is logged out." if done == 1 else f"{done} phones are logged out.", type="positive")
            await self._refresh()

    async def log_out_phone(self, phone_id: int) -> None:
        by = await current_staff()
        await in_transaction(phones.log_out_of_customer, actor=by, customer_id=self._id, phone_id=phone_id, now=utc_now())

    async def _do(self, act: Callable[..., Any], **values: Any) -> Any:
        return await in_transaction(act, actor=await current_staff(), customer_id=self._id, now=utc_now(), **values)


def _payments(found: Any) -> dict[str, str]:
    listed: tuple[PaymentNow, ...] = tuple(found)
    return {
        one.payment.reference: f"{one.package}, {words.money(one.payment.amount_bututs)}, "
        f"{words.relative(one.payment.created_at, utc_now())} ({one.payment.reference})"
        for one in listed
    }


def _left(time: TimeNow) -> str:
    return f"{words.span(time.seconds_left)} left" if time.seconds_left else "used up"


def _choose(title: str, choices: Mapping[Any, str], act: Callable[[Any], Any]) -> Any:
    """With one thing to choose from nobody is asked; the newest is chosen beforehand otherwise."""
    if len(choices) == 1:
        return act(next(iter(choices)))
    with dialog_card(title) as dialog:
        field = ui.radio(dict(choices), value=next(iter(choices), None)).props("dense").classes("choose").mark("choose")

        async def go_on() -> None:
            dialog.close()
            done = act(field.value)
            if isinstance(done, Awaitable):
                await done

        with ui.element("div").classes("buttons"):
            ui.button("Cancel", on_click=dialog.close).props("flat color=link")
            ui.button("Go on", on_click=go_on).props("unelevated color=primary").mark("go-on")
    return dialog.open()
