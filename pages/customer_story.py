"""The panel with a customer's story: filters by kind and days, days as headings, older pages on request; it follows the news."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from itertools import groupby

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.parts import panel
from pages.components.states import empty_state
from pages.components.timeline import Happening, timeline
from pages.customer_words import KINDS, quiet, tell
from pages.shell import current_staff, query_address, toast_on_refusal
from services.accounts.permissions import Principal
from services.console.customer_parts import Kind, kinds_for
from services.console.customer_story import MOST, PAGE, Place, StoryFilter, StoryPage, story

PATH = "/console/customers"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class Wanted:
    """What the panel shows, as its address says it. `until` is the last day that is told of."""

    kinds: frozenset[Kind] = frozenset()
    since: date | None = None
    until: date | None = None

    @property
    def filter(self) -> StoryFilter:
        """Days are Banjul's, whose clock is UTC."""
        return StoryFilter(self.kinds, _midnight(self.since), _midnight(self.until + _DAY) if self.until else None)

    @property
    def as_query(self) -> dict[str, str]:
        kinds = ",".join(kind.value for kind in Kind if kind in self.kinds)
        days = {name: day.isoformat() for name, day in (("since", self.since), ("until", self.until)) if day}
        return ({"kind": kinds} if kinds else {}) | days


def read_wanted(query: Mapping[str, str]) -> Wanted:
    """What an address asks for; what it says wrong is left out."""
    kinds = frozenset(Kind(name) for name in query.get("kind", "").split(",") if name in set(Kind))
    return Wanted(kinds, _read_day(query.get("since")), _read_day(query.get("until")))


def _read_day(text: object) -> date | None:
    try:
        day = date.fromisoformat(str(text or ""))
    except ValueError:
        return None
    # A year that PostgreSQL or our own sums could not reach is a slip of the finger.
    return day if 2000 <= day.year <= 2200 else None


def _midnight(day: date | None) -> datetime | None:
    return datetime(day.year, day.month, day.day, tzinfo=UTC) if day else None


class StoryPanel:
    """Of one customer. It is filled by `first`, and brought up to date by `refresh` (own acts) and `follow` (news of anybody)."""

    def __init__(self, customer_id: int, actor: Principal, *, is_gone: bool, address: str) -> None:
        self._id, self._address = customer_id, address
        self._wanted = read_wanted(ui.context.client.request.query_params)
        self._newest: tuple[Happening, ...] = ()
        self._older: Place | None = None
        self._shown, self._day = 0, None
        with panel("Story", flush=True) as whole:
            whole.mark("story")
            self._filters(kinds_for(actor, is_gone=is_gone))
            self._body = ui.element("div").classes("story")
            self._foot = ui.element("div").classes("story-foot")

    def _filters(self, kinds: tuple[Kind, ...]) -> None:
        self._chips: dict[Kind, ui.button] = {}
        with ui.element("div").classes("kinds").props('role=group aria-label="What is told of"'):
            for kind in kinds:
                chip = ui.button(KINDS[kind], color=None, on_click=lambda _, kind=kind: self._toggle(kind))
                self._chips[kind] = chip.props("flat dense no-caps rounded").mark(f"kind-{kind.value}")
        with ui.element("div").classes("filters story-days"):
            self._since = self._day_field("From", "since", self._wanted.since)
            self._until = self._day_field("To", "until", self._wanted.until)
            self._clear = (
                ui.button("All of it", icon="close", on_click=self._show_all).props("flat dense no-caps color=link").mark("show-all")
            )
        self._show_filters()

    def _day_field(self, label: str, name: str, day: date | None) -> ui.input:
        field = ui.input(label, value=day.isoformat() if day else "", on_change=self._choose_days)
        return field.props("outlined dense type=date stack-label debounce=600").mark(f"story-{name}")

    def _show_filters(self) -> None:
        for kind, chip in self._chips.items():
            is_on = kind in self._wanted.kinds
            chip.classes(add="here" if is_on else "", remove="" if is_on else "here")
            chip.props(f"aria-pressed={'true' if is_on else 'false'}")
        self._clear.set_visibility(self._wanted != Wanted())

    async def _toggle(self, kind: Kind) -> None:
        await self._want(replace(self._wanted, kinds=self._wanted.kinds ^ {kind}))

    async def _choose_days(self) -> None:
        chosen = replace(self._wanted, since=_read_day(self._since.value), until=_read_day(self._until.value))
        if chosen != self._wanted:
            await self._want(chosen)

    async def _show_all(self) -> None:
        await self._want(Wanted())
        self._since.set_value("")
        self._until.set_value("")

    async def _want(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._show_filters()
        ui.navigate.history.replace(query_address(self._address, wanted.as_query))
        with toast_on_refusal():
            await self._begin(await current_staff())

    async def first(self, by: Principal) -> None:
        await self._begin(by)

    async def refresh(self, by: Principal) -> None:
        """All that is shown, anew."""
        await self._begin(by, limit=self._shown)

    async def follow(self, by: Principal) -> None:
        """News: most of it is of other customers, so the newest page is compared before anything is drawn."""
        page = await self._load(by)
        if self._words(page, by)[:PAGE] != self._newest[:PAGE]:
            await self.refresh(by)

    async def _begin(self, by: Principal, *, limit: int = PAGE) -> None:
        wanted = self._wanted
        page = await self._load(by, limit=min(max(limit, PAGE), MOST))
        # Somebody who chose something else meanwhile has asked for another one.
        if wanted == self._wanted and not self._body.is_deleted:
            self._body.clear()
            self._shown, self._day = 0, None
            self._newest = self._words(page, by)
            self._append(page, self._newest)

    async def _load(self, by: Principal, *, before: Place | None = None, limit: int = PAGE) -> StoryPage:
        wanted = self._wanted.filter
        return await in_transaction(story, actor=by, customer_id=self._id, wanted=wanted, before=before, limit=limit, now=utc_now())

    def _words(self, page: StoryPage, by: Principal) -> tuple[Happening, ...]:
        return tuple(tell(event, by) for event in page.events)

    def _append(self, page: StoryPage, happenings: tuple[Happening, ...]) -> None:
        with self._body:
            for day, group in groupby(happenings, key=lambda one: one.at.astimezone(UTC).date()):
                if day != self._day:
                    self._day = day
                    with ui.element("h3").classes("day"):
                        ui.label(_day_words(day, utc_now().date()))
                timeline(group)
        self._shown += len(happenings)
        self._older = page.older
        self._draw_foot()

    def _draw_foot(self) -> None:
        self._foot.clear()
        with self._foot:
            if self._older is not None:
                ui.button("Older", icon="expand_more", on_click=self._show_older).props("outline color=link data-key=o").mark("older")
            elif self._shown:
                ui.label("This is where the story begins." if self._wanted == Wanted() else "Nothing older fits.").classes("soft small")
            elif self._wanted == Wanted():
                empty_state("Nothing happened yet", "What this customer buys, uses and asks stands here.", icon="auto_stories")
            else:
                empty_state("Nothing like that", "Take a filter away to see more.", icon="filter_alt_off")

    async def _show_older(self) -> None:
        with toast_on_refusal():
            by, before, wanted = await current_staff(), self._older, self._wanted
            page = await self._load(by, before=before)
            # Two clicks, or news meanwhile: only what follows what stands there is put below it.
            if (before, wanted) == (self._older, self._wanted) and not self._body.is_deleted:
                self._append(page, self._words(page, by))


def _day_words(day: date, today: date) -> str:
    if day == today:
        return "Today"
    if day == today - _DAY:
        return "Yesterday"
    return f"{day:%A} {day.day} {day:%B}" + ("" if day.year == today.year else f" {day.year}")


def draw_glance(customer_id: int, page: StoryPage, actor: Principal) -> None:
    """The last few things, with a link to the whole: for the side of another page."""
    with panel("Lately") as box:
        box.mark("story-glance")
        timeline(quiet(tell(event, actor)) for event in page.events)
        if not page.events:
            ui.label("Nothing happened yet.").classes("soft")
        ui.link("The whole story", f"{PATH}/{customer_id}").classes("small").mark("whole-story")
