"""The teams that answer for tickets: their members, what each knows, and who is on duty."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.dialogs import confirm, dialog_card
from pages.components.forms import form_buttons, text_field
from pages.components.parts import action_button, page_header, panel, tone_chip
from pages.components.states import empty_state
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.tickets import teams
from services.tickets.queries import Assignee, assignable_staff
from services.tickets.sla.telling import LEAD
from services.tickets.teams import MemberView, TeamView

PATH = "/console/teams"
Refresh = Callable[[], Awaitable[None]]


@console_page(PATH, title="Teams", permission=Permission.TICKETS_READ, icon="groups", group="Help", in_navigation=True)
async def teams_page(actor: Principal) -> None:
    place = ui.element("div").classes("stack")

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            draw(await in_transaction(teams.list_teams, actor=by), by)

    def draw(views: tuple[TeamView, ...], by: Principal) -> None:
        place.clear()
        with place:
            _page(views, may_edit=by.may(Permission.DESK_EDIT), refresh=refresh)

    draw(await in_transaction(teams.list_teams, actor=actor), actor)
    refresh_on(("teams",), refresh)


def _page(views: tuple[TeamView, ...], *, may_edit: bool, refresh: Refresh) -> None:
    lead = f"Who answers for tickets together. Whoever has the skill “{LEAD}” hears of it when a deadline is at risk."
    with page_header("Teams", lead=lead):
        if may_edit:
            action_button("New team", partial(_new_form, refresh), icon="group_add", main=True).mark("new-team")
    if not views:
        with panel():
            empty_state("No teams yet", "Tickets lie with people alone until there is one.", icon="groups")
    for view in views:
        _team(view, may_edit=may_edit, refresh=refresh)


def _team(view: TeamView, *, may_edit: bool, refresh: Refresh) -> None:
    waiting = f"{view.open_tickets:,} open" if view.is_active else f"{view.open_tickets:,} open, not in use"
    with panel(view.name, aside=waiting):
        with ui.element("div").classes("rows"):
            if not view.members:
                empty_state("Nobody is in it", "A team without members hears of nothing.", icon="person_off")
            for member in view.members:
                _member(view, member, may_edit=may_edit, refresh=refresh)
        if may_edit:
            with ui.element("div").classes("row").style("gap: 8px; padding-top: 12px"):
                action_button("Take somebody in", partial(_open_member_form, view, refresh), icon="person_add").mark(f"add-to-{view.id}")
                action_button("Change", partial(_change_form, view, refresh), icon="edit").mark(f"change-{view.id}")


def _member(view: TeamView, member: MemberView, *, may_edit: bool, refresh: Refresh) -> None:
    with ui.element("div").classes("item"):
        ui.label(member.name).classes("strong")
        for skill in member.skills:
            tone_chip(skill, "busy")
        with ui.element("div").classes("end row items-center").style("gap: 4px"):
            if not member.is_active:
                tone_chip("Account disabled", "wait")
            tone_chip("On duty", "good") if member.is_on_duty else tone_chip("Off duty", "off")
            if may_edit:
                edit = ui.button(icon="edit", color=None, on_click=partial(_member_form, view, member, (), refresh))
                edit.props(f'flat round dense aria-label="Change {member.name}"').mark(f"member-{view.id}-{member.staff_id}")
                gone = ui.button(icon="person_remove", color=None, on_click=partial(_remove, view, member, refresh))
                gone.props(f'flat round dense aria-label="Take {member.name} out"').mark(f"remove-{view.id}-{member.staff_id}")


def _new_form(refresh: Refresh) -> None:
    with dialog_card("New team") as dialog:
        name = text_field("Name", "team-name", props="autofocus maxlength=80")

        async def act() -> None:
            await in_transaction(teams.make_team, actor=await current_staff(), name=name.value or "", now=utc_now())
            ui.notify("Made.", type="positive")
            await refresh()

        form_buttons(dialog, {"name": name}, yes="Make it", act=act)
    dialog.open()


def _change_form(view: TeamView, refresh: Refresh) -> None:
    with dialog_card(f"Change {view.name}") as dialog:
        name = text_field("Name", "team-name", value=view.name, props="autofocus maxlength=80")
        in_use = ui.switch("In use", value=view.is_active).mark("field-in-use")
        ui.label("Out of use it keeps its tickets and is given no new ones.").classes("soft small")

        async def act() -> None:
            await in_transaction(
                teams.change_team,
                actor=await current_staff(),
                team_id=view.id,
                name=name.value or "",
                is_active=bool(in_use.value),
                expected_revision=view.revision,
                now=utc_now(),
            )
            ui.notify("Changed.", type="positive")
            await refresh()

        form_buttons(dialog, {"name": name}, yes="Change", act=act)
    dialog.open()


async def _open_member_form(view: TeamView, refresh: Refresh) -> None:
    with ui.context.client.content, toast_on_refusal():
        people = await in_transaction(assignable_staff, actor=await current_staff())
        _member_form(view, None, people, refresh)


def _member_form(view: TeamView, member: MemberView | None, people: tuple[Assignee, ...], refresh: Refresh) -> None:
    inside = {one.staff_id for one in view.members}
    title = f"{member.name} in {view.name}" if member else f"Take somebody into {view.name}"
    with dialog_card(title) as dialog:
        names = {member.staff_id: member.name} if member else {one.id: one.name for one in people if one.id not in inside}
        who = ui.select(names, label="Who", value=member.staff_id if member else None, with_input=member is None)
        who.props("outlined hide-bottom-space").classes("w-full").mark("field-who")
        who.set_visibility(member is None)
        written = ", ".join(member.skills) if member else ""
        skills = text_field("Skills", "skills", value=written, props=f'maxlength=500 hint="With commas between them, like {LEAD}, wolof"')
        on_duty = ui.switch("On duty", value=member.is_on_duty if member else True).mark("field-on-duty")

        async def act() -> None:
            await in_transaction(
                teams.set_member,
                actor=await current_staff(),
                team_id=view.id,
                staff_id=who.value or 0,
                skills=(skills.value or "").split(","),
                is_on_duty=bool(on_duty.value),
                now=utc_now(),
            )
            ui.notify("Kept.", type="positive")
            await refresh()

        form_buttons(dialog, {"staff_id": who, "skills": skills}, yes="Keep it", act=act, marker="keep-member")
    dialog.open()


async def _remove(view: TeamView, member: MemberView, refresh: Refresh) -> None:
    with ui.context.client.content, toast_on_refusal():
        words = "Their tickets stay with them. They can be taken in again at any time."
        if await confirm(f"Take {member.name} out of {view.name}?", words, yes="Take out", danger=True) is None:
            return
        await in_transaction(teams.remove_member, actor=await current_staff(), team_id=view.id, staff_id=member.staff_id, now=utc_now())
        ui.notify("Taken out.", type="positive")
        await refresh()
