"""The business calendars: open hours a weekday, public holidays of this and the next year, and own days."""

from __future__ import annotations

from datetime import date
from functools import partial

from nicegui import ui
from nicegui.elements.mixins.disableable_element import DisableableElement

from app.clock import utc_now
from app.db import in_transaction
from app.errors import InvalidInput
from pages.components.forms import text_field
from pages.components.parts import action_button, page_header, panel, tone_chip
from pages.components.states import empty_state
from pages.shell import console_page, current_staff, toast_on_refusal
from pages.sla import CALENDARS_PATH, PATH
from pages.sla_preview import look_first
from services.accounts.permissions import Permission, Principal
from services.tickets.sla import calendars, desk
from services.tickets.sla.calendar import WEEKDAYS, OwnDay, countries, holidays_in
from services.tickets.sla.calendars import CalendarDraft, CalendarNotFound, CalendarView
from services.tickets.sla.preview import Preview, preview_calendar

_NONE = ""


@console_page(CALENDARS_PATH, title="Calendars", permission=Permission.TICKETS_READ)
async def calendars_page(actor: Principal) -> None:
    views = await in_transaction(calendars.list_calendars, actor=actor, now=utc_now())
    with page_header("Calendars", back=(PATH, "SLA"), lead="The hours by which promises are counted."):
        if actor.may(Permission.DESK_EDIT):
            action_button("New calendar", partial(ui.navigate.to, f"{CALENDARS_PATH}/new"), icon="add", main=True).props("data-key=n").mark(
                "new-calendar"
            )
    with panel(flush=True), ui.element("div").classes("rows").mark("calendars"):
        if not views:
            empty_state("No calendars yet", "A policy counts by a calendar.", icon="calendar_month")
        for view in views:
            with ui.element("div").classes("item"), ui.element("div").classes("room"):
                ui.link(view.draft.name, f"{CALENDARS_PATH}/{view.id}").classes("strong")
                ui.label("; ".join(view.calendar.hours_text())).classes("small")
                used = f"used by {', '.join(view.used_by)}" if view.used_by else "used by no policy"
                ui.label(f"{view.draft.timezone}, {used}").classes("soft small")


@console_page(f"{CALENDARS_PATH}/{{calendar_id}}", title="Calendar", permission=Permission.TICKETS_READ)
async def calendar_page(calendar_id: str, actor: Principal) -> None:
    if calendar_id != "new" and not (calendar_id.isascii() and calendar_id.isdigit() and len(calendar_id) < 18):
        raise CalendarNotFound
    now = utc_now()
    view = None
    if calendar_id != "new":
        view = await in_transaction(calendars.one_calendar, actor=actor, calendar_id=int(calendar_id), now=now)
    may_edit = actor.may(Permission.DESK_EDIT)
    with page_header(view.draft.name if view else "New calendar", back=(CALENDARS_PATH, "Calendars")):
        actions = ui.element("div")
    if view is not None and view.used_by:
        ui.label(f"Used by {', '.join(view.used_by)}: saving makes a new version of each.").classes("soft")
    form = _Form(view, year=now.year, may_edit=may_edit)
    if may_edit:
        with actions:
            action_button("Save …", form.look, icon="visibility", main=True).mark("look")


class _Form:
    def __init__(self, view: CalendarView | None, *, year: int, may_edit: bool) -> None:
        self._view, self._year, self._may_edit = view, year, may_edit
        week = {str(day): [["08:00", "17:00"]] for day in range(5)}
        draft = view.draft if view else CalendarDraft("", spans=week)
        self._days = dict(draft.days)
        with ui.element("div").classes("columns wide-left"):
            with panel("Open hours"), ui.element("div").classes("stack"):
                self._name = text_field("Name", "name", value=draft.name, props="maxlength=80")
                self._timezone = text_field("Time zone", "timezone", value=draft.timezone, props='maxlength=60 hint="Like Africa/Banjul"')
                self._hours = [self._weekday(day, draft) for day in range(7)]
                hint = "Like 08:00-12:30, 14:00-18:00. An end before its beginning lies on the next day: 22:00-06:00. Empty is closed."
                ui.label(hint).classes("soft small")
            with ui.element("div").classes("stack"):
                self._own_days()
                self._public(draft)
        if not may_edit:
            locked: tuple[DisableableElement, ...] = (self._name, self._timezone, self._country, *self._hours)
            for field in locked:
                field.disable()

    def _weekday(self, day: int, draft: CalendarDraft) -> ui.input:
        spans = ", ".join(f"{one}-{two}" for one, two in draft.spans.get(str(day), []))
        return text_field(WEEKDAYS[day], f"day-{day}", value=spans, props='maxlength=120 placeholder="closed"')

    def _public(self, draft: CalendarDraft) -> None:
        with panel("Public holidays"), ui.element("div").classes("stack"):
            options = {_NONE: "None", **{code: code for code in sorted(countries())}}
            self._country = ui.select(options, label="Of the country", value=draft.holidays_of or _NONE, with_input=True)
            self._country.props("outlined hide-bottom-space").classes("w-full").mark("field-country")
            ui.label("Days that hang on the moon are estimates. When one is proclaimed, put it right as an own day.").classes("soft small")
            listed = ui.element("div").classes("rows").mark("holidays")

            def show() -> None:
                listed.clear()
                with listed:
                    for year in (self._year, self._year + 1):
                        for day, name in sorted(holidays_in(self._country.value or None, year).items()):
                            _holiday(day, name)

            self._country.on_value_change(show)
            show()

    def _own_days(self) -> None:
        with panel("Own days"), ui.element("div").classes("stack"):
            listed = ui.element("div").classes("rows").mark("own-days")

            def show() -> None:
                listed.clear()
                with listed:
                    if not self._days:
                        ui.label("None.").classes("soft small")
                    for day in sorted(self._days):
                        self._own_day(day, show)

            show()
            if not self._may_edit:
                return
            with ui.element("div").classes("line"):
                when = ui.input("Day").props("outlined dense type=date hide-bottom-space stack-label").mark("own-date")
                called = ui.input("Name").props("outlined dense maxlength=80 hide-bottom-space").mark("own-name")
                is_open = ui.switch("Open").mark("own-open")

                def add() -> None:
                    with toast_on_refusal():
                        self._days[_read_day(when.value)] = OwnDay(bool(is_open.value), (called.value or "").strip())
                        show()

                action_button("Add", add, icon="add").mark("add-day")

    def _own_day(self, day: date, show: object) -> None:
        own = self._days[day]
        with ui.element("div").classes("item"):
            ui.label(f"{day:%a} {day.day} {day:%b %Y}")
            tone_chip("open" if own.is_open else "closed", "good" if own.is_open else "off")
            ui.label(own.name).classes("soft small")
            if self._may_edit:

                def remove() -> None:
                    del self._days[day]
                    assert callable(show)
                    show()

                ui.button(icon="close", color=None, on_click=remove).classes("end").props(f'flat round dense aria-label="Take {day} away"')

    def draft(self) -> CalendarDraft:
        spans = {str(day): _read_spans(day, field.value or "") for day, field in enumerate(self._hours)}
        return CalendarDraft(
            self._name.value or "",
            (self._timezone.value or "").strip(),
            {day: pairs for day, pairs in spans.items() if pairs},
            self._country.value or None,
            dict(self._days),
        )

    async def look(self) -> None:
        fields = {"name": self._name, "timezone": self._timezone, "holidays_of": self._country, "spans": self._hours[0]}
        fields |= {f"day-{day}": field for day, field in enumerate(self._hours)}
        await look_first(fields, self.draft, self._preview, self._save)

    @property
    def _id(self) -> int | None:
        return self._view.id if self._view else None

    async def _preview(self, draft: CalendarDraft) -> Preview:
        actor = await current_staff()
        return await in_transaction(preview_calendar, actor=actor, calendar_id=self._id, draft=draft, now=utc_now())

    async def _save(self, draft: CalendarDraft, follow: bool) -> None:
        kept = await in_transaction(
            desk.save_calendar,
            actor=await current_staff(),
            calendar_id=self._id,
            draft=draft,
            expected_revision=self._view.revision if self._view else None,
            apply_to_open=follow,
            now=utc_now(),
        )
        ui.navigate.to(f"{CALENDARS_PATH}/{kept.id}")


def _holiday(day: date, name: str) -> None:
    with ui.element("div").classes("item"):
        ui.label(f"{day:%a} {day.day} {day:%b %Y}")
        ui.label(name).classes("soft small end")


def _read_spans(day: int, text: str) -> list[list[str]]:
    """`08:00-12:30, 14:00-18:00` as pairs; what is no time of day is refused with the others, by the calendar itself."""
    pairs = []
    for part in text.replace("–", "-").replace(";", ",").split(","):
        if not part.strip():
            continue
        one, dash, two = part.partition("-")
        if not dash:
            raise InvalidInput("Write each span like 08:00-12:30.", field=f"day-{day}")
        pairs.append([one.strip().rjust(5, "0"), two.strip().rjust(5, "0")])
    return pairs


def _read_day(text: str | None) -> date:
    try:
        return date.fromisoformat(text or "")
    except ValueError:
        raise InvalidInput("Choose a day first.", field="days") from None
