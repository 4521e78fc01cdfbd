"""The people who work with the console."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.outbound import run_outbound
from pages.components.columns import Column, chip_cell, time_cell
from pages.components.dialogs import dialog_card, show_secret
from pages.components.forms import form_buttons, text_field
from pages.components.list_file import list_file
from pages.components.list_state import Choice, ListState
from pages.components.list_views import BuiltIn
from pages.components.parts import action_button, page_header
from pages.components.table import ServerTable
from pages.components.words import Tone
from pages.shell import console_page, current_staff
from services.accounts.administration import Invitation, invite_staff, roles_open_to
from services.accounts.mailing import mail_invitation, mailer
from services.accounts.models import Role, Staff
from services.accounts.permissions import Permission, Principal
from services.accounts.queries import StaffFilter, list_staff
from services.listing import Listing

PATH = "/console/staff"
COLUMNS = (
    Column("name", "Name", "link", sortable=True, phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("email", "E-mail"),
    Column("role", "Role"),
    Column("factor", "Second factor"),
    Column("seen", "Last log-in", "time", sortable=True),
)
_FILTERS = (
    Choice("role", "Role", {role.value: role.label for role in Role}),
    Choice("state", "State", {"active": "Active", "disabled": "Disabled"}),
)
VIEWS: tuple[BuiltIn, ...] = (("All", {}), ("Active", {"state": "active"}), ("Disabled", {"state": "disabled"}))


def state_of(staff: Staff) -> tuple[str, Tone]:
    if not staff.is_active:
        return "Disabled", "off"
    return ("Active", "good") if staff.password_hash else ("Invited", "wait")


def row_cells(staff: Staff) -> dict[str, Any]:
    return {
        "id": staff.id,
        "href": f"{PATH}/{staff.id}",
        "name": staff.name,
        "state": chip_cell(*state_of(staff)),
        "email": staff.email,
        "role": staff.role.label,
        "factor": "on" if staff.has_second_factor else None,
        "seen": time_cell(staff.last_login_at),
    }


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    role, shown = state.filters.get("role"), state.filters.get("state")
    wanted = StaffFilter(state.search, Role(role) if role else None, None if shown is None else shown == "active")
    found = await in_transaction(list_staff, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


_DEFAULT = ListState(sort="name", descending=False)
FILE = list_file(PATH, "staff", columns=COLUMNS, load=load, default=_DEFAULT, filters=_FILTERS)


@console_page(PATH, title="Staff", permission=Permission.STAFF_READ, icon="badge", group="Administration", in_navigation=True)
async def staff_list_page(actor: Principal) -> None:
    with page_header(
        "Staff", lead="Who works with the console. Nobody's password is known to anybody else: people get a link, and choose."
    ):
        action_button("What each role may do", lambda: ui.navigate.to("/console/roles"), icon="rule")
        if actor.may(Permission.STAFF_EDIT):
            action_button("Invite somebody", lambda: _invite(actor, table), icon="person_add", main=True).props("data-key=n").mark("invite")
    table = ServerTable(
        path=PATH,
        marker="staff",
        file=FILE,
        views=VIEWS,
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Name or e-mail",
        filters=_FILTERS,
    )
    await table.first()


def _invite(actor: Principal, table: ServerTable) -> None:
    with dialog_card("Invite somebody") as dialog:
        fields = {
            "email": text_field("E-mail", "email", props="type=email autocapitalize=off autofocus maxlength=254"),
            "name": text_field("Name", "name", props="maxlength=120"),
            "role": ui.select({role.value: role.label for role in roles_open_to(actor)}, label="Role", value=Role.CUSTOMER_CARE.value)
            .props("outlined")
            .classes("w-full")
            .mark("field-role"),
        }

        async def act() -> None:
            by = await current_staff()
            invitation = await in_transaction(
                invite_staff,
                actor=by,
                email=fields["email"].value or "",
                name=fields["name"].value or "",
                role=Role(fields["role"].value),
                now=utc_now(),
            )
            await table.reload()
            await hand_over(invitation, by)

        form_buttons(dialog, fields, yes="Invite", act=act)
    dialog.open()


async def hand_over(invitation: Invitation, by: Principal) -> None:
    """Mail the invitation where there is a mail server; show its link where there is none, or it did not take it."""
    mail = mailer()
    if mail is not None and await run_outbound(mail_invitation, mail, invitation, by.name):
        ui.notify(f"The invitation is on its way to {invitation.email}.", type="positive")
        return
    show_link(invitation, "It is good for three days, and for one password.")


def show_link(invitation: Invitation, good_for: str) -> None:
    words = f"Give this link to {invitation.email}, and to nobody else: whoever opens it chooses the password. {good_for}"
    show_secret("A link to choose a password", words, invitation.link, marker="link")
