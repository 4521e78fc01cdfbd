"""Reports of the help desk: what came and was solved, which promises were kept, how long it took, what lies there, what customers say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from typing import cast

from nicegui import events, ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.counting import Counting
from pages.components.figures import Bar, bars
from pages.components.parts import action_button, page_header, panel, tile
from pages.components.states import empty_state
from pages.components.why_deadline import CLOCK_NAMES
from pages.components.words import Tone
from pages.report_groups import BY, LIST, groups
from pages.report_parts import came_and_went, percent, span, tone_of
from pages.shell import console_page, current_staff, query_address, toast_on_refusal
from services.accounts.permissions import Permission
from services.tickets import report_csv
from services.tickets.report_rows import AGES, By
from services.tickets.report_times import Times
from services.tickets.reports import LONGEST, Line, Report, report
from services.tickets.sla.terms import CLOCKS

PATH = "/console/reports"
_RANGES = {"7": "Last 7 days", "30": "Last 30 days", "90": "Last 90 days", "month": "This month", "last": "Last month", "own": "Other days"}
_AGE_NAMES = ("Up to a day", *(f"Up to {days} days" for days in AGES[1:]), f"Over {AGES[-1]} days")
_AGE_TONES: tuple[Tone, ...] = ("good", "good", "wait", "bad", "bad")
_SCORES = ("1, bad", "2", "3", "4", "5, very good")


@dataclass(frozen=True)
class Wanted:
    """What the page shows, as its address says it. What an address says wrong is left out."""

    by: By = "team"
    span: str = "30"
    start: date | None = None
    end: date | None = None

    def as_query(self) -> dict[str, str]:
        query = {} if self.by == "team" else {"by": str(self.by)}
        if self.span == "own" and self.start and self.end:
            return query | {"from": self.start.isoformat(), "to": self.end.isoformat()}
        return query if self.span == "30" else query | {"range": self.span}

    def days(self, now: datetime) -> tuple[datetime, datetime]:
        """Half-open, in whole days of Banjul, whose clock is UTC all year."""
        today = now.date()
        first = today.replace(day=1)
        match self.span:
            case "own" if self.start and self.end:
                return _midnight(self.start), _midnight(max(self.start, self.end) + timedelta(days=1))
            case "month":
                return _midnight(first), _midnight(today + timedelta(days=1))
            case "last":
                return _midnight((first - timedelta(days=1)).replace(day=1)), _midnight(first)
        back = int(self.span) if self.span.isdecimal() else 30
        return _midnight(today - timedelta(days=back - 1)), _midnight(today + timedelta(days=1))


def wanted_in(query: Mapping[str, str]) -> Wanted:
    by, range_name, start, end = query.get("by", ""), query.get("range", ""), _day(query.get("from", "")), _day(query.get("to", ""))
    wanted = Wanted(by=cast(By, by) if by in BY else "team")
    if start and end and abs(end - start) < LONGEST:
        return replace(wanted, span="own", start=start, end=end)
    return replace(wanted, span=range_name) if range_name in _RANGES and range_name != "own" else wanted


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@console_page(PATH, title="Reports", permission=Permission.REPORTS_READ, icon="bar_chart", group="Help", in_navigation=True)
async def reports_page() -> None:
    page = _Page(wanted_in(ui.context.client.request.query_params))
    await page.load()


class _Page:
    def __init__(self, wanted: Wanted) -> None:
        self._wanted = wanted
        with page_header(
            "Reports", lead="Each thing counts on the day on which it happened. Times are open hours, as the clocks count them."
        ):
            action_button("CSV by group", lambda: self._download("groups"), icon="download").mark("csv-groups")
            action_button("CSV by day", lambda: self._download("days"), icon="download").mark("csv-days")
        with ui.element("div").classes("filters").props('role=search aria-label="Range and groups"'):
            self._choices()
        self._counting = Counting()
        self._place = ui.element("div").classes("stack w-full").props("aria-live=polite")
        self._turn = 0

    def _choices(self) -> None:
        names = dict(_RANGES)
        chosen = ui.select(names, label="Range", value=self._wanted.span, on_change=self._choose_range)
        chosen.props("outlined dense options-dense").mark("filter-range")
        self._from, self._to = (
            ui.input(label, value=value.isoformat() if value else "", on_change=self._choose_days)
            .props("outlined dense type=date stack-label debounce=600")
            .mark(f"filter-{label.lower()}")
            for label, value in (("From", self._wanted.start), ("To", self._wanted.end))
        )
        self._show_days()
        by = ui.select({str(one): f"By {name.lower()}" for one, name in BY.items()}, label="Groups", value=str(self._wanted.by))
        by.on_value_change(lambda event: self._go(replace(self._wanted, by=cast(By, event.value))))
        by.props("outlined dense options-dense").mark("filter-by")

    def _show_days(self) -> None:
        for field in (self._from, self._to):
            field.set_visibility(self._wanted.span == "own")

    async def _choose_range(self, event: events.ValueChangeEventArguments[str]) -> None:
        if event.value == "own":
            start, until = self._wanted.days(utc_now())
            self._wanted = replace(self._wanted, span="own", start=start.date(), end=(until - timedelta(days=1)).date())
            self._from.value, self._to.value = str(self._wanted.start), str(self._wanted.end)
            self._show_days()
            return
        await self._go(replace(self._wanted, span=event.value))

    async def _choose_days(self) -> None:
        start, end = _day(self._from.value or ""), _day(self._to.value or "")
        if self._wanted.span == "own" and start and end and (start, end) != (self._wanted.start, self._wanted.end):
            await self._go(replace(self._wanted, start=start, end=end))

    async def _go(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._show_days()
        await self._counting.anew(self.load, query_address(PATH, wanted.as_query()))

    async def _ask(self) -> Report:
        now = utc_now()
        start, until = self._wanted.days(now)
        return await in_transaction(report, actor=await current_staff(), by=self._wanted.by, start=start, until=until, now=now)

    async def load(self) -> None:
        """Raises what `report` raises."""
        self._turn += 1
        turn = self._turn
        shown = await self._ask()
        if turn != self._turn:
            return  # another range was chosen meanwhile
        self._place.clear()
        with self._place:
            _draw(shown)

    async def _download(self, what: str) -> None:
        with toast_on_refusal():
            shown = await self._ask()
            lines: Iterator[str] = report_csv.csv_of_groups(shown) if what == "groups" else report_csv.csv_of_days(shown)
            last = shown.until - timedelta(days=1)
            name = f"tickets-{what}-{shown.start:%Y-%m-%d}-{last:%Y-%m-%d}.csv"
            ui.download.content("".join(lines).encode(), name, "text/csv; charset=utf-8")


def _draw(shown: Report) -> None:
    whole = shown.whole
    _tiles(shown)
    if not (whole.created or whole.solved or whole.backlog or whole.rated):
        with panel():
            empty_state("Nothing happened in these days", "No ticket came, none was solved, and none lies there.", icon="event_available")
        return
    with ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"), panel("Created and solved", aside="tickets a day"):
            came_and_went(shown.days)
        with ui.element("div").classes("stack"):
            _promises(whole)
            _backlog(whole)
            _ratings(whole)
    with panel(f"By {BY[shown.by].lower()}", aside="median, and nine in ten within", flush=True):
        groups(shown)


def _tiles(shown: Report) -> None:
    whole = shown.whole
    first, solved = whole.first_response, whole.resolution
    rating = f"{whole.satisfaction:.1f} of 5" if whole.satisfaction is not None else "none yet"
    tiles = (
        ("Created", f"{whole.created:,}", f"{shown.start:%d %b} to {shown.until - timedelta(days=1):%d %b %Y}"),
        ("Solved", f"{whole.solved:,}", f"{whole.reopened:,} opened again"),
        ("First answer", *_time(first, otherwise="none was given")),
        ("Solved after", *_time(solved, otherwise="none was solved")),
        ("Rating", rating, f"of {whole.rated:,} customers" if whole.rated else "customers are asked when it is solved"),
    )
    with ui.element("div").classes("tiles"):
        for label, number, note in tiles:
            tile(label, number, note)


def _time(times: Times | None, *, otherwise: str) -> tuple[str, str]:
    return (span(times.median) or "–", f"nine in ten within {span(times.p90)}") if times else ("–", otherwise)


def _promises(whole: Line) -> None:
    with panel("Promises kept", aside="of those that came due"):
        found = [(CLOCK_NAMES[clock], whole.promises[clock]) for clock in CLOCKS]
        rows = [
            Bar(name, one.share, percent(one.share) or "", f"{one.broken:,} of {one.kept + one.broken:,} broken", tone_of(one.share))
            for name, one in found
            if one.share is not None
        ]
        if rows:
            bars(rows, marker="promises")
        else:
            ui.label("No promise came due in these days.").classes("soft")


def _backlog(whole: Line) -> None:
    with panel("Not done now", aside=f"{whole.backlog:,}, by age"):
        if not whole.backlog:
            ui.label("Nothing lies there.").classes("soft")
            return
        rows = [
            Bar(name, number / whole.backlog, f"{number:,}", tone=tone)
            for name, number, tone in zip(_AGE_NAMES, whole.ages, _AGE_TONES, strict=True)
        ]
        bars(rows, marker="backlog")
        if whole.oldest_at is not None:
            ui.label(f"The oldest came {words.relative(whole.oldest_at, utc_now())}.").classes("soft small")
        ui.link("Show them", f"{LIST}?state=undone")


def _ratings(whole: Line) -> None:
    with panel("What customers say"):
        if not whole.rated:
            ui.label("Nobody rated our help in these days.").classes("soft")
            return
        tones: tuple[Tone, ...] = ("bad", "bad", "wait", "good", "good")
        bars(
            [
                Bar(name, number / whole.rated, f"{number:,}", tone=tone)
                for name, number, tone in zip(_SCORES, whole.scores, tones, strict=True)
            ],
            marker="ratings",
        )
