"""The own account: password, second factor, and where one is logged in."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from urllib.parse import parse_qs, urlsplit

import segno
from nicegui import background_tasks, ui
from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction
from app.errors import InvalidInput
from app.outbound import run_outbound
from pages.components.dialogs import dialog_card
from pages.components.forms import code_field, form_buttons, secret_field
from pages.components.parts import Facts, action_button, copy_button, notice, page_header, panel, tone_chip
from pages.components.phones import phones_panel
from pages.live import refresh_on
from pages.shell import OWN_PATH, agent_here, console_page, current_staff, keep_token, own_token, toast_on_refusal
from pages.staff_member import session_row
from services.accounts import own
from services.accounts.mailing import mail_change, mailer
from services.accounts.own import OwnAccount
from services.accounts.permissions import Permission, Principal
from services.accounts.second_factor import WrongSecondFactor
from services.accounts.sessions import OpenSession, session_id_of
from services.apps import phones
from services.apps.phones import PhoneRow

Refresh = Callable[[], Awaitable[None]]


@console_page(OWN_PATH, title="Your account", permission=Permission.SELF_EDIT)
async def own_account_page(actor: Principal) -> None:
    account = await in_transaction(_account, actor)
    with page_header("Your account", lead=f"{account[0].name} · {account[0].email}"):
        pass
    body = ui.element("div").classes("stack")

    async def refresh() -> None:
        by = await current_staff()
        draw(await in_transaction(_account, by), by)

    def draw(found: tuple[OwnAccount, tuple[PhoneRow, ...]], by: Principal) -> None:
        shown, own_phones = found
        body.clear()
        with body:
            if by.must_enrol:
                words = "Your role needs one. Set it up here; everything else opens as soon as it is on."
                notice("wait", words, title="A second factor first").mark("must-enrol")
            with ui.element("div").classes("columns wide-left"):
                with ui.element("div").classes("stack"):
                    _second_factor(shown, refresh)
                    _sessions(shown.sessions, refresh)
                    _phones(own_phones, by, refresh)
                _password()

    draw(account, actor)
    refresh_on(("staff_phones",), refresh)


def _account(session: Session, actor: Principal) -> tuple[OwnAccount, tuple[PhoneRow, ...]]:
    return own.own_account(session, actor=actor), phones.phones_of_staff(session, actor=actor, staff_id=actor.id)


def _phones(own_phones: tuple[PhoneRow, ...], by: Principal, refresh: Refresh) -> None:
    async def log_out(phone_id: int) -> None:
        actor = await current_staff()
        await in_transaction(phones.log_out_of_staff, actor=actor, staff_id=actor.id, phone_id=phone_id, now=utc_now())

    none = "Add one to have your tickets at hand in the field, with no network too."
    # A phone is no way round a second factor that is asked for.
    add_for = None if by.must_enrol else by.id
    phones_panel("Your phones with INET-Tech", own_phones, none=none, log_out=log_out, add_for=add_for, refresh=refresh)


def _told(to: str, what: str) -> None:
    """Word of the change by mail, behind the answer: whoever did it, the owner learns of it."""
    mail = mailer()
    if mail is not None:
        background_tasks.create(run_outbound(mail_change, mail, to, what, utc_now()))


def _password() -> None:
    with panel("Password"):
        ui.label("12 characters or more, of any kind. A few words that have nothing to do with each other keep well.").classes("soft")
        with ui.element("div").classes("row justify-end q-mt-md"):
            action_button("Change the password", _change_password, icon="password").mark("change-password")


def _change_password() -> None:
    with dialog_card("Change your password") as dialog:
        ui.label("You stay logged in here, and are logged out everywhere else.").classes("soft")
        present, wanted = secret_field("Present password", "present"), secret_field("New password", "password", is_new=True)

        async def act() -> None:
            by = await current_staff()
            token = await in_transaction(
                own.change_password, actor=by, present=present.value or "", wanted=wanted.value or "", now=utc_now(), agent=agent_here()
            )
            keep_token(token)
            _told(by.email or "", "The password was changed")
            ui.notify("The new password counts from now on.", type="positive")

        form_buttons(dialog, {"present": present, "password": wanted}, yes="Change it", act=act)
    dialog.open()


def _second_factor(account: OwnAccount, refresh: Refresh) -> None:
    with panel("Second factor"):
        facts = Facts()
        with facts.row("State"):
            (tone_chip("On", "good") if account.has_second_factor else tone_chip("Not set up", "wait")).mark("factor")
        if account.has_second_factor:
            facts.add_time("Since", account.second_factor_since)
            facts.add("Recovery codes left", str(account.recovery_codes_left))
            words = "Take it away and set it up again to move to another phone, or to get new recovery codes."
        else:
            words = "An app on your phone shows a code that is asked for at every log-in, so that a stolen password opens nothing."
        ui.label(words).classes("soft q-mt-sm")
        with ui.element("div").classes("row justify-end q-mt-md"):
            if account.has_second_factor:
                action_button("Take it away", partial(_remove_factor, refresh), icon="phonelink_erase", danger=True).mark("remove-factor")
            else:
                action_button("Set it up", partial(_begin_factor, refresh), icon="phonelink_lock", main=True).mark("begin-factor")


def _begin_factor(refresh: Refresh) -> None:
    with dialog_card("Set up the second factor") as dialog:
        ui.label("First show that it is you.").classes("soft")
        present = secret_field("Present password", "present")

        async def act() -> None:
            address = await in_transaction(own.begin_second_factor, actor=await current_staff(), present=present.value or "")
            _confirm_factor(address, refresh)

        form_buttons(dialog, {"present": present}, yes="Go on", act=act)
    dialog.open()


def _confirm_factor(address: str, refresh: Refresh) -> None:
    seed = parse_qs(urlsplit(address).query)["secret"][0]
    drawn = segno.make(address, error="m").svg_inline(scale=5, border=3, dark="#000", light="#fff")
    with dialog_card("Scan this with your authenticator app") as dialog:
        ui.html(drawn, sanitize=False).classes("self-center").props('role=img aria-label="QR code for the authenticator app"')
        ui.label("Or type this key into the app:").classes("soft small")
        ui.label(" ".join(seed[place : place + 4] for place in range(0, len(seed), 4))).classes("mono text-center w-full").mark("seed")
        code = code_field("The six digits that the app shows now")

        async def act() -> None:
            by = await current_staff()
            codes, token = await in_transaction(
                own.confirm_second_factor, actor=by, code=code.value or "", now=utc_now(), agent=agent_here()
            )
            keep_token(token)
            _told(by.email or "", "A second factor was added to the log-in")
            await refresh()
            _show_recovery_codes(codes, by.must_enrol)

        form_buttons(dialog, {"code": code}, yes="Switch it on", act=act, marker="switch-on")
    dialog.props("persistent").open()


def _show_recovery_codes(codes: list[str], was_awaited: bool) -> None:
    def done() -> None:
        dialog.close()
        if was_awaited:
            ui.navigate.to("/console")

    with dialog_card("Your recovery codes") as dialog:
        words = "Each opens your account once, when the phone is not at hand. Keep them where the phone is not. They are not shown again."
        ui.label(words).classes("soft")
        text = "\n".join(codes)
        ui.label(text).classes("big-code mono many").mark("recovery-codes")
        with ui.element("div").classes("buttons"):
            copy_button(text)
            ui.button("I have them", on_click=done).props("unelevated color=primary").mark("done")
    dialog.props("persistent").open()


def _remove_factor(refresh: Refresh) -> None:
    with dialog_card("Take the second factor away?") as dialog:
        ui.label("Until you set up a new one, your password alone opens the account.").classes("soft")
        present, code = secret_field("Present password", "present"), code_field("A code of the app, or a recovery code")

        async def act() -> None:
            by = await current_staff()
            try:
                token = await in_transaction(
                    own.remove_second_factor,
                    actor=by,
                    present=present.value or "",
                    code=code.value or "-",
                    now=utc_now(),
                    agent=agent_here(),
                )
            except WrongSecondFactor as refusal:
                raise InvalidInput(refusal.text, field="code") from None
            keep_token(token)
            _told(by.email or "", "The second factor was taken away")
            await refresh()

        form_buttons(dialog, {"present": present, "code": code}, yes="Take it away", act=act, danger=True)
    dialog.open()


def _sessions(places: tuple[OpenSession, ...], refresh: Refresh) -> None:
    here = session_id_of(own_token())
    with panel("Where you are logged in", aside=str(len(places)), flush=True):
        with ui.element("div").classes("rows q-mt-sm"):
            for place in places:
                session_row(place, is_here=place.id == here, on_end=partial(_end, place, refresh))
        if len(places) > 1:
            with ui.element("div").classes("row justify-end q-pa-md"):
                action_button("Log out everywhere else", partial(_end_others, refresh), icon="logout").mark("end-others")


async def _end(place: OpenSession, refresh: Refresh) -> None:
    with toast_on_refusal():
        await in_transaction(own.end_own_session, actor=await current_staff(), session_id=place.id, now=utc_now())
        ui.notify("Ended.", type="positive")
        await refresh()


async def _end_others(refresh: Refresh) -> None:
    with toast_on_refusal():
        keep_token(await in_transaction(own.end_other_sessions, actor=await current_staff(), now=utc_now(), agent=agent_here()))
        ui.notify("You are logged in only here.", type="positive")
        await refresh()
