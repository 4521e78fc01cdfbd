"""Forms of the teams' page: a team, and one of its members."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.errors import InvalidInput
from pages.components.dialogs import confirm, dialog_card
from pages.components.forms import form_buttons, text_field
from pages.shell import current_staff, toast_on_refusal
from services.tickets import teams
from services.tickets.candidates import Position
from services.tickets.queries import Assignee, assignable_staff
from services.tickets.sla.telling import LEAD
from services.tickets.team_views import DEFAULT_CAPACITY
from services.tickets.teams import LEAST_CAPACITY, MOST_CAPACITY, SPOKEN, MemberView, TeamView

Refresh = Callable[[], Awaitable[None]]
_FIELD_WORDS = "A field team's tickets go to whoever is nearest and has the least to do today; those of others to who has the least to do."


def new_form(refresh: Refresh) -> None:
    with dialog_card("New team") as dialog:
        name = text_field("Name", "team-name", props="autofocus maxlength=80")
        is_field = ui.switch("Field team").mark("field-is-field")
        ui.label(_FIELD_WORDS).classes("soft small")

        async def act() -> None:
            by = await current_staff()
            await in_transaction(teams.make_team, actor=by, name=name.value or "", is_field=bool(is_field.value), now=utc_now())
            ui.notify("Made.", type="positive")
            await refresh()

        form_buttons(dialog, {"name": name}, yes="Make it", act=act)
    dialog.open()


def change_form(view: TeamView, refresh: Refresh) -> None:
    with dialog_card(f"Change {view.name}") as dialog:
        name = text_field("Name", "team-name", value=view.name, props="autofocus maxlength=80")
        is_field = ui.switch("Field team", value=view.is_field).mark("field-is-field")
        ui.label(_FIELD_WORDS).classes("soft small")
        in_use = ui.switch("In use", value=view.is_active).mark("field-in-use")
        ui.label("Out of use it keeps its tickets and is given no new ones.").classes("soft small")

        async def act() -> None:
            await in_transaction(
                teams.change_team,
                actor=await current_staff(),
                team_id=view.id,
                name=name.value or "",
                is_active=bool(in_use.value),
                is_field=bool(is_field.value),
                expected_revision=view.revision,
                now=utc_now(),
            )
            ui.notify("Changed.", type="positive")
            await refresh()

        form_buttons(dialog, {"name": name}, yes="Change", act=act)
    dialog.open()


async def open_member_form(view: TeamView, member: MemberView | None, refresh: Refresh) -> None:
    """Of somebody who is in it, or with None to take somebody in."""
    with ui.context.client.content, toast_on_refusal():
        by = await current_staff()
        people = await in_transaction(assignable_staff, actor=by) if member is None else ()
        _member_form(view, member, people, await in_transaction(teams.zone_choices, actor=by), refresh)


def _member_form(
    view: TeamView, member: MemberView | None, people: tuple[Assignee, ...], places: dict[str, Position], refresh: Refresh
) -> None:
    inside = {one.staff_id for one in view.members}
    title = f"{member.name} in {view.name}" if member else f"Take somebody into {view.name}"
    with dialog_card(title) as dialog:
        names = {member.staff_id: member.name} if member else {one.id: one.name for one in people if one.id not in inside}
        who = ui.select(names, label="Who", value=member.staff_id if member else None, with_input=member is None)
        who.props("outlined hide-bottom-space").classes("w-full").mark("field-who")
        who.set_visibility(member is None)
        written = ", ".join(member.skills) if member else ""
        skills = text_field("Skills", "skills", value=written, props=f'maxlength=500 hint="With commas between them, like {LEAD}, radio"')
        spoken = ui.select(SPOKEN, label="Languages", value=list(member.languages) if member else [], multiple=True)
        spoken.props('outlined use-chips hint="None chosen: English"').classes("w-full").mark("field-languages")
        most = ui.number("Tickets at once", value=member.capacity if member else DEFAULT_CAPACITY, min=LEAST_CAPACITY, max=MOST_CAPACITY)
        most.props('outlined hint="Over it, nothing more is given by itself"').classes("w-full").mark("field-capacity")
        zone = _zone_fields(view, member, places)
        on_duty = ui.switch("On duty", value=member.is_on_duty if member else True).mark("field-on-duty")

        async def act() -> None:
            await in_transaction(
                teams.set_member,
                actor=await current_staff(),
                team_id=view.id,
                staff_id=who.value or 0,
                skills=(skills.value or "").split(","),
                is_on_duty=bool(on_duty.value),
                terms={"languages": list(spoken.value or []), "zone": _read_zone(zone.value), "capacity": _read_capacity(most.value)},
                now=utc_now(),
            )
            ui.notify("Kept.", type="positive")
            await refresh()

        fields = {"staff_id": who, "skills": skills, "languages": spoken, "capacity": most, "zone": zone}
        form_buttons(dialog, fields, yes="Keep it", act=act, marker="keep-member")
    dialog.open()


def _zone_fields(view: TeamView, member: MemberView | None, places: dict[str, Position]) -> ui.input:
    """Where somebody is at home: as latitude and longitude, or as one of our places."""
    written = f"{member.zone[0]:g}, {member.zone[1]:g}" if member and member.zone else ""
    with ui.element("div").classes("stack near") as box:
        zone = text_field("Zone", "zone", value=written, props='maxlength=60 hint="Latitude, longitude: like 13.4412, -16.6781"')
        if places:
            near = ui.select(sorted(places), label="Or near one of our places", with_input=True, clearable=True)
            near.props("outlined hide-bottom-space").classes("w-full").mark("field-near")

            def take() -> None:
                if near.value in places:
                    zone.set_value(f"{places[near.value][0]:g}, {places[near.value][1]:g}")

            near.on_value_change(take)
    box.set_visibility(view.is_field)
    return zone


def _read_zone(text: str | None) -> Position | None:
    parts = [part.strip() for part in (text or "").split(",") if part.strip()]
    if not parts:
        return None
    try:
        latitude, longitude = (float(part) for part in parts)
    except ValueError:
        raise InvalidInput("Two numbers with a comma between them, like 13.4412, -16.6781.", field="zone") from None
    return latitude, longitude


def _read_capacity(value: float | None) -> int:
    if value is None or value != int(value):
        raise InvalidInput("A whole number.", field="capacity")
    return int(value)


async def remove(view: TeamView, member: MemberView, refresh: Refresh) -> None:
    with ui.context.client.content, toast_on_refusal():
        words = "Their tickets stay with them. They can be taken in again at any time."
        if await confirm(f"Take {member.name} out of {view.name}?", words, yes="Take out", danger=True) is None:
            return
        await in_transaction(teams.remove_member, actor=await current_staff(), team_id=view.id, staff_id=member.staff_id, now=utc_now())
        ui.notify("Taken out.", type="positive")
        await refresh()


async def switch_duty(view: TeamView, member: MemberView, refresh: Refresh) -> None:
    """Somebody's duty in this team, by who keeps the desk."""
    with ui.context.client.content, toast_on_refusal():
        await in_transaction(
            teams.set_member,
            actor=await current_staff(),
            team_id=view.id,
            staff_id=member.staff_id,
            skills=member.skills,
            is_on_duty=not member.is_on_duty,
            now=utc_now(),
        )
        ui.notify(f"{member.name} is {'off' if member.is_on_duty else 'on'} duty.", type="positive")
        await refresh()
