"""The teams that answer for tickets: their members, what each knows and carries, who is on duty, and what lies with those who are not."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial

from nicegui import ui
from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction
from pages import team_forms
from pages.components.dialogs import confirm
from pages.components.parts import action_button, notice, page_header, panel, tone_chip
from pages.components.site_map import Dot, SiteMap
from pages.components.states import empty_state
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.tickets import duty, teams
from services.tickets.duty import LeftBehind
from services.tickets.rerouting import reroute
from services.tickets.sla.telling import LEAD
from services.tickets.teams import SPOKEN, MemberView, TeamView

PATH = "/console/teams"
Refresh = Callable[[], Awaitable[None]]


@dataclass(frozen=True)
class _Shown:
    views: tuple[TeamView, ...]
    left: tuple[LeftBehind, ...]


def _load(session: Session, *, actor: Principal) -> _Shown:
    return _Shown(teams.list_teams(session, actor=actor), duty.left_behind(session, actor=actor))


@console_page(PATH, title="Teams", permission=Permission.TICKETS_READ, icon="groups", group="Help", in_navigation=True)
async def teams_page(actor: Principal) -> None:
    place = ui.element("div").classes("stack")

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            draw(await in_transaction(_load, actor=by), by)

    def draw(shown: _Shown, by: Principal) -> None:
        place.clear()
        with place:
            _page(shown, by, refresh)

    draw(await in_transaction(_load, actor=actor), actor)
    refresh_on(("teams",), refresh)


def _page(shown: _Shown, by: Principal, refresh: Refresh) -> None:
    may_edit = by.may(Permission.DESK_EDIT)
    lead = f"Who answers for tickets together. Whoever has the skill “{LEAD}” hears of it when a deadline is at risk."
    with page_header("Teams", lead=lead):
        action_button("Rules", partial(ui.navigate.to, "/console/routing"), icon="alt_route").mark("to-routing")
        if may_edit:
            action_button("New team", partial(team_forms.new_form, refresh), icon="group_add", main=True).props("data-key=n").mark(
                "new-team"
            )
    if shown.left and by.may(Permission.TICKETS_ASSIGN):
        _left_behind(shown.left, refresh)
    if not shown.views:
        with panel():
            empty_state("No teams yet", "Tickets lie with people alone until there is one.", icon="groups")
    for view in shown.views:
        _team(view, may_edit=may_edit, refresh=refresh)


def _left_behind(left: tuple[LeftBehind, ...], refresh: Refresh) -> None:
    names = sorted({one.name for one in left})
    people = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    tickets = "1 ticket lies" if len(left) == 1 else f"{len(left)} tickets lie"
    with notice("wait", f"{tickets} with {people}, off duty now or with a disabled account.", title="Nobody looks after these"):
        action_button("Give them out anew", partial(_give_out_anew, left, refresh), icon="alt_route").mark("give-out-anew")


async def _give_out_anew(left: tuple[LeftBehind, ...], refresh: Refresh) -> None:
    with ui.context.client.content, toast_on_refusal():
        text = "Each goes to somebody of its team who is on duty and can take it, else it waits in the team: " + ", ".join(
            one.reference for one in left[:8]
        )
        text += " …" if len(left) > 8 else "."
        if await confirm(f"Give out {len(left)} anew?", text, yes="Give them out") is None:
            return
        given = 0
        for one in left:
            # One by one, each in a transaction of its own: who was faster with one of them does not spoil the others.
            with toast_on_refusal():
                by = await current_staff()
                why = f"{one.name} is not on duty."
                _, decision = await in_transaction(reroute, actor=by, reference=one.reference, reason=why, within_team=True, now=utc_now())
                given += decision.person is not None
        ui.notify(f"{given} of {len(left)} have somebody new; the others wait in their team.", type="positive")
        await refresh()


def _team(view: TeamView, *, may_edit: bool, refresh: Refresh) -> None:
    said = [f"{view.open_tickets:,} open", f"{view.waiting:,} with nobody" if view.waiting else "", "" if view.is_active else "not in use"]
    with panel(view.name, aside=", ".join(part for part in said if part)):
        if view.is_field:
            ui.label("A field team: its tickets go to whoever is nearest and has the least to do today.").classes("soft small")
        with ui.element("div").classes("rows"):
            if not view.members:
                empty_state("Nobody is in it", "A team without members hears of nothing.", icon="person_off")
            for member in view.members:
                _member(view, member, may_edit=may_edit, refresh=refresh)
        if view.is_field and any(member.zone for member in view.members):
            _zones(view)
        if may_edit:
            with ui.element("div").classes("line q-pt-sm"):
                take_in = partial(team_forms.open_member_form, view, None, refresh)
                action_button("Take somebody in", take_in, icon="person_add").mark(f"add-to-{view.id}")
                action_button("Change", partial(team_forms.change_form, view, refresh), icon="edit").mark(f"change-{view.id}")


def _zones(view: TeamView) -> None:
    zones = [(one, one.zone) for one in view.members if one.zone is not None]
    middle = (sum(zone[0] for _, zone in zones) / len(zones), sum(zone[1] for _, zone in zones) / len(zones))
    shown = SiteMap(f"Where the people of {view.name} are at home", at=middle, zoom=9)
    shown.show(
        Dot(one.staff_id, zone[0], zone[1], "good" if one.is_on_duty and one.is_active else "off", 4, one.name, "") for one, zone in zones
    )


def _member(view: TeamView, member: MemberView, *, may_edit: bool, refresh: Refresh) -> None:
    with ui.element("div").classes("item"):
        ui.label(member.name).classes("strong")
        for skill in member.skills:
            tone_chip(skill, "busy")
        for code in member.languages:
            tone_chip(SPOKEN.get(code, code), "off")
        if view.is_field and member.zone is None:
            tone_chip("No zone", "wait")
        ui.label(f"{member.load} of {member.capacity}").classes("soft small").props('title="Undone tickets, and how many at once"')
        with ui.element("div").classes("end line"):
            if not member.is_active:
                tone_chip("Account disabled", "wait")
            if may_edit:
                _duty_switch(view, member, refresh)
                edit = partial(team_forms.open_member_form, view, member, refresh)
                _icon("edit", f"Change {member.name}", edit, f"member-{view.id}-{member.staff_id}")
                gone = partial(team_forms.remove, view, member, refresh)
                _icon("person_remove", f"Take {member.name} out", gone, f"remove-{view.id}-{member.staff_id}")
            else:
                tone_chip("On duty", "good") if member.is_on_duty else tone_chip("Off duty", "off")


def _duty_switch(view: TeamView, member: MemberView, refresh: Refresh) -> None:
    switch = ui.switch("On duty" if member.is_on_duty else "Off duty", value=member.is_on_duty)
    switch.props(f'dense aria-label="{member.name} on duty"').mark(f"duty-{view.id}-{member.staff_id}")
    switch.on_value_change(partial(team_forms.switch_duty, view, member, refresh))


def _icon(icon: str, label: str, act: Callable[[], object], marker: str) -> None:
    ui.button(icon=icon, color=None, on_click=act).props(f'flat round dense aria-label="{label}"').mark(marker)
