"""One person who works with the console: what they may do, where they are logged in, and what an admin does about it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import Unavailable
from pages.components.dialogs import confirm, dialog_card
from pages.components.forms import form_buttons, text_field
from pages.components.parts import Facts, action_button, moment, notice, page_header, panel, tone_chip
from pages.components.phones import phones_panel
from pages.components.states import empty_state
from pages.live import refresh_on
from pages.shell import console_page, current_staff, toast_on_refusal
from pages.staff import PATH as LIST_PATH
from pages.staff import hand_over, show_link, state_of
from services.accounts import administration as admin
from services.accounts.models import Role, Staff
from services.accounts.permissions import Permission, Principal
from services.accounts.queries import staff_page
from services.accounts.sessions import OpenSession
from services.apps import phones
from services.apps.phones import PhoneRow

Refresh = Callable[[], Awaitable[None]]


@console_page(f"{LIST_PATH}/{{staff_id}}", title="Staff member", permission=Permission.STAFF_READ)
async def staff_member_page(staff_id: int, actor: Principal) -> None:
    staff = await in_transaction(staff_page, actor=actor, staff_id=staff_id)
    with page_header(staff.name, back=(LIST_PATH, "Staff"), lead=staff.email):
        pass
    body = ui.element("div").classes("columns wide-left")

    async def refresh() -> None:
        by = await current_staff()
        await draw(await in_transaction(staff_page, actor=by, staff_id=staff_id), by)

    async def draw(shown: Staff, by: Principal) -> None:
        places = await _sessions_of(by, staff_id)
        held = await in_transaction(phones.phones_of_staff, actor=by, staff_id=staff_id)
        body.clear()
        with body:
            with ui.element("div").classes("stack"):
                _sessions(places, shown, by, refresh)
                _phones(held, shown, by, refresh)
                _actions(shown, by, refresh)
            with panel("Facts"):
                _facts(shown)

    await draw(staff, actor)
    refresh_on(("staff_phones",), refresh)


async def _sessions_of(actor: Principal, staff_id: int) -> tuple[OpenSession, ...] | None:
    """None while Redis is away: the rest of the page stands without it."""
    try:
        return await in_transaction(admin.sessions_of, actor=actor, staff_id=staff_id)
    except Unavailable:
        return None


def _facts(staff: Staff) -> None:
    facts = Facts()
    with facts.row("State"):
        tone_chip(*state_of(staff)).mark("state")
    facts.add("Role", staff.role.label)
    facts.add("E-mail", staff.email)
    facts.add("Second factor", "on" if staff.has_second_factor else "not set up")
    facts.add_time("Last log-in", staff.last_login_at, otherwise="never")
    facts.add_time("Account made", staff.created_at)


def _sessions(places: tuple[OpenSession, ...] | None, staff: Staff, by: Principal, refresh: Refresh) -> None:
    with panel("Logged in", aside=str(len(places)) if places else "", flush=True):
        if places is None:
            empty_state("Not known at the moment", "The session store is not answering.", icon="cloud_off")
        elif not places:
            empty_state("Nowhere", "This person is not logged in.", icon="devices")
        else:
            with ui.element("div").classes("rows q-mt-sm"):
                for place in places:
                    session_row(place)
            if admin.may_change(by, staff):
                with ui.element("div").classes("row justify-end q-pa-md"):
                    words = "Every open page and app of this person asks for the log-in with its next step."
                    go = partial(_do, staff, admin.log_out_everywhere, "Log out everywhere?", words, "Log out", refresh)
                    action_button("Log out everywhere", go, icon="logout").mark("log-out-everywhere")


def _phones(held: tuple[PhoneRow, ...], staff: Staff, by: Principal, refresh: Refresh) -> None:
    async def log_out(phone_id: int) -> None:
        actor = await current_staff()
        await in_transaction(phones.log_out_of_staff, actor=actor, staff_id=staff.id or 0, phone_id=phone_id, now=utc_now())

    may = admin.may_change(by, staff)
    add_for = staff.id if may and staff.is_active else None
    none = "No phone is enrolled for this person."
    phones_panel("Phones with INET-Tech", held, none=none, log_out=log_out if may else None, add_for=add_for, refresh=refresh)


def session_row(place: OpenSession, *, is_here: bool = False, on_end: Callable[[], Awaitable[None]] | None = None) -> None:
    with ui.element("div").classes("item"):
        ui.icon("devices").classes("soft")
        ui.label(place.address or "unknown address").classes("mono")
        ui.label(place.agent or "unknown browser").classes("soft small room")
        with ui.element("div").classes("end soft small"):
            moment(place.began_at)
        if is_here:
            tone_chip("This one", "good")
        elif on_end:
            ui.button("End", on_click=on_end).props("flat dense color=link").mark("end-session")


def _actions(staff: Staff, by: Principal, refresh: Refresh) -> None:
    if not by.may(Permission.STAFF_EDIT):
        return
    with panel("Change this account"):
        if not admin.may_change(by, staff):
            words = "This is your own account; another admin changes it." if by.id == staff.id else "Only Root changes this account."
            notice("off", words).mark("hands-off")
            return
        with ui.element("div").classes("row q-gutter-sm"):
            action_button("Change the role", partial(_change_role, staff, by, refresh), icon="swap_horiz").mark("change-role")
            if staff.is_active:
                text = "Make a reset link" if staff.password_hash else "Invite again"
                action_button(text, partial(_make_link, staff, refresh), icon="link").mark("make-link")
            if staff.has_second_factor:
                words = (
                    "For a person who lost phone and recovery codes. Be sure that it is them: the password alone opens the account then."
                )
                go = partial(_do, staff, admin.reset_second_factor, "Take away the second factor?", words, "Take it away", refresh)
                action_button("Reset the second factor", go, icon="phonelink_erase", danger=True).mark("reset-factor")
            if staff.is_active:
                words = "The person is out with the next step, also in pages that are open. The account and what it did stay in the audit."
                go = partial(_do, staff, admin.disable, f"Disable {staff.name}?", words, "Disable", refresh)
                action_button("Disable", go, icon="block", danger=True).mark("disable")
            else:
                words = "The person may log in again. Old sessions and links stay dead."
                go = partial(_do, staff, admin.enable, f"Enable {staff.name}?", words, "Enable", refresh)
                action_button("Enable", go, icon="check_circle").mark("enable")


async def _do(staff: Staff, service: Callable[..., object], title: str, words: str, yes: str, refresh: Refresh) -> None:
    with toast_on_refusal():
        reason = await confirm(title, words, yes=yes, danger=True, ask_reason=True)
        if reason is None:
            return
        await in_transaction(service, actor=await current_staff(), staff_id=staff.id, reason=reason, now=utc_now())
        ui.notify("Done.", type="positive")
        await refresh()


async def _make_link(staff: Staff, refresh: Refresh) -> None:
    # On the page itself: news of the change may redraw the button before this is done.
    with ui.context.client.content, toast_on_refusal():
        words = "Every session and every older link of this person ends. The old password opens the account until a new one is chosen."
        reason = await confirm("Make a link to choose a password?", words, yes="Make the link", ask_reason=True)
        if reason is None:
            return
        by = await current_staff()
        assert staff.id is not None
        made = await in_transaction(admin.make_link, actor=by, staff_id=staff.id, reason=reason, now=utc_now())
        await refresh()
        if staff.password_hash:
            show_link(made, "It is good for 30 minutes, and for one password.")
        else:
            await hand_over(made, by)


def _change_role(staff: Staff, by: Principal, refresh: Refresh) -> None:
    with dialog_card(f"Change the role of {staff.name}") as dialog:
        ui.label("The person has to log in again, and has the new role from then on.").classes("soft")
        choice = ui.select({role.value: role.label for role in admin.roles_open_to(by)}, label="Role", value=None)
        choice.props("outlined").classes("w-full").mark("field-role")
        fields = {"role": choice, "reason": text_field("Reason", "reason", props="maxlength=200")}

        async def act() -> None:
            await in_transaction(
                admin.change_role,
                actor=await current_staff(),
                staff_id=staff.id or 0,
                role=Role(choice.value or staff.role),
                reason=fields["reason"].value or "",
                now=utc_now(),
            )
            ui.notify("The role is changed.", type="positive")
            await refresh()

        form_buttons(dialog, fields, yes="Change the role", act=act)
    dialog.open()
