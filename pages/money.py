"""The money dashboard: what was taken, of what, where and how; what failed or went back; what is low, and what nobody explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta

from nicegui import events, ui
from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction
from pages.components.again import again_every
from pages.components.counting import Counting
from pages.components.parts import page_header
from pages.live import refresh_on
from pages.money_parts import draw
from pages.shell import console_page, current_staff, query_address, silent_on_refusal
from services.accounts.permissions import Permission, Principal
from services.payments.clearing.items import OpenAccount, Unexplained, open_accounts, unexplained
from services.payments.clearing.sums import LONGEST
from services.payments.money import Summary, summary
from services.vouchers.stock import StockLevel, levels

PATH = "/console/money"
_RANGES = {
    "today": "Today",
    "yesterday": "Yesterday",
    "7": "Last 7 days",
    "30": "Last 30 days",
    "month": "This month",
    "last": "Last month",
    "own": "Other days",
}
_REFRESH_SECONDS = 60.0


@dataclass(frozen=True)
class Wanted:
    """Which days, as the address says it. What an address says wrong is left out."""

    span: str = "today"
    start: date | None = None
    end: date | None = None

    def as_query(self) -> dict[str, str]:
        if self.span == "own" and self.start and self.end:
            return {"from": self.start.isoformat(), "to": self.end.isoformat()}
        return {} if self.span == "today" else {"range": self.span}

    def days(self, now: datetime) -> tuple[datetime, datetime]:
        """Half-open, in whole days of Banjul, whose clock is UTC all year."""
        today = now.date()
        first = today.replace(day=1)
        match self.span:
            case "own" if self.start and self.end:
                return _midnight(self.start), _midnight(self.end) + timedelta(days=1)
            case "yesterday":
                return _midnight(today) - timedelta(days=1), _midnight(today)
            case "month":
                return _midnight(first), _midnight(today) + timedelta(days=1)
            case "last":
                return _midnight((first - timedelta(days=1)).replace(day=1)), _midnight(first)
        back = int(self.span) if self.span.isdecimal() else 1
        return _midnight(today) - timedelta(days=back - 1), _midnight(today) + timedelta(days=1)


def wanted_in(query: Mapping[str, str]) -> Wanted:
    name, start, end = query.get("range", ""), _day(query.get("from", "")), _day(query.get("to", ""))
    if start and end and start <= end and end - start < LONGEST:
        return Wanted("own", start, end)
    return Wanted(name) if name in _RANGES and name != "own" else Wanted()


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    return found if date(2000, 1, 1) <= found < date(2100, 1, 1) else None


def _midnight(day: date) -> datetime:
    return datetime(day.year, day.month, day.day, tzinfo=UTC)


@dataclass(frozen=True)
class Shown:
    """All that the page shows, of one moment."""

    sums: Summary
    stock: list[StockLevel]
    accounts: tuple[OpenAccount, ...]
    loose: Unexplained
    now: datetime


def _all(session: Session, *, actor: Principal, start: datetime, until: datetime, now: datetime) -> Shown:
    return Shown(
        sums=summary(session, actor=actor, start=start, until=until, now=now),
        stock=levels(session, now=now),
        accounts=open_accounts(session, actor=actor, now=now),
        loose=unexplained(session, now=now),
        now=now,
    )


@console_page(PATH, title="Money", permission=Permission.MONEY_READ, icon="savings", group="Money", in_navigation=True)
async def money_page() -> None:
    page = _Page(wanted_in(ui.context.client.request.query_params))
    await page.load()
    refresh_on(("payments",), page.refresh_today)
    again_every(_REFRESH_SECONDS, page.refresh)


class _Page:
    def __init__(self, wanted: Wanted) -> None:
        self._wanted, self._turn = wanted, 0
        with page_header("Money", lead="Each sum counts on the day on which it was paid, in Banjul's time."):
            pass
        with ui.element("div").classes("filters").props('role=search aria-label="Days"'):
            chosen = ui.select(dict(_RANGES), label="Days", value=wanted.span, on_change=self._choose_range)
            chosen.props("outlined dense options-dense").mark("filter-range")
            self._from, self._to = (
                ui.input(label, value=value.isoformat() if value else "", on_change=self._choose_days)
                .props("outlined dense type=date stack-label debounce=600")
                .mark(f"filter-{label.lower()}")
                for label, value in (("From", wanted.start), ("To", wanted.end))
            )
            self._wrong = ui.label(f"Choose two days in order, at most {LONGEST.days} days apart.").classes("soft").mark("wrong-days")
            self._wrong.set_visibility(False)
        self._show_days()
        self._counting = Counting()
        self._place = ui.element("div").classes("stack w-full").props("aria-live=polite")

    def _show_days(self) -> None:
        for field in (self._from, self._to):
            field.set_visibility(self._wanted.span == "own")

    async def _choose_range(self, event: events.ValueChangeEventArguments[str]) -> None:
        if event.value == "own":
            start, until = self._wanted.days(utc_now())
            self._wanted = Wanted("own", start.date(), (until - timedelta(days=1)).date())
            self._from.value, self._to.value = str(self._wanted.start), str(self._wanted.end)
            self._show_days()
            return
        self._wrong.set_visibility(False)
        await self._go(replace(self._wanted, span=event.value))

    async def _choose_days(self) -> None:
        if self._wanted.span != "own":
            return
        wanted = wanted_in({"from": self._from.value or "", "to": self._to.value or ""})
        self._wrong.set_visibility(wanted.span != "own")
        if wanted.span == "own" and wanted != self._wanted:
            await self._go(wanted)

    async def _go(self, wanted: Wanted) -> None:
        self._wanted = wanted
        self._show_days()
        await self._counting.anew(self.load, query_address(PATH, wanted.as_query()))

    async def load(self) -> None:
        """Raises what `summary` raises."""
        self._turn += 1
        turn, now = self._turn, utc_now()
        start, until = self._wanted.days(now)
        shown = await in_transaction(_all, actor=await current_staff(), start=start, until=until, now=now)
        if turn != self._turn:
            return  # other days were chosen meanwhile
        self._place.clear()
        with self._place:
            draw(shown)

    async def refresh(self) -> None:
        """A range that is over does not change any more."""
        if self._wanted.days(utc_now())[1] > utc_now():
            with silent_on_refusal():
                await self.load()

    async def refresh_today(self) -> None:
        """Each payment's news: only the day's numbers are cheap enough to be read again at once."""
        if self._wanted.span == "today":
            await self.refresh()
