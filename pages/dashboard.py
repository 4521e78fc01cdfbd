"""Today at a glance: money, people online, and what needs a person."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.alarms import checks_panel
from pages.components import words
from pages.components.parts import chip, moment, page_header, panel, tone_chip
from pages.components.states import empty_state
from pages.live import refresh_on
from pages.shell import HOME_PATH, console_page, current_staff, silent_on_refusal
from services.access.compensation import CompensationFilter, CompensationSum, sum_of
from services.access.queries import GatewayRow, count_online, silent_gateways
from services.accounts.permissions import Permission, Principal
from services.network.glance import NetworkGlance, network_glance
from services.payments.models import PaymentStatus
from services.payments.queries import PaymentRow, Today, today
from services.tickets.queries import OpenTickets, open_tickets
from services.tickets.sight import sees_all

_REFRESH_SECONDS = 60.0


@dataclass(frozen=True)
class _Numbers:
    # Money is for those who may see payments.
    today: Today | None
    online: int
    silent: tuple[GatewayRow, ...]
    tickets: OpenTickets | None
    network: NetworkGlance | None
    given_back: CompensationSum | None
    now: datetime


async def _load(actor: Principal) -> _Numbers:
    now = utc_now()
    return _Numbers(
        today=await in_transaction(today, actor=actor, now=now) if actor.may(Permission.PAYMENTS_READ) else None,
        online=await in_transaction(count_online, actor=actor),
        silent=await in_transaction(silent_gateways, actor=actor, now=now),
        tickets=await in_transaction(open_tickets, actor=actor) if actor.may(Permission.TICKETS_READ) else None,
        network=await in_transaction(network_glance, actor=actor) if _looks_after_network(actor) else None,
        given_back=await _given_this_month(actor, now) if actor.may(Permission.COMPENSATION_EDIT) else None,
        now=now,
    )


def _looks_after_network(actor: Principal) -> bool:
    """Whether how the network fares is this person's to know at once, and not only to look up."""
    return actor.may(Permission.NETWORK_READ) and actor.may(Permission.GATEWAYS_READ)


async def _given_this_month(actor: Principal, now: datetime) -> CompensationSum:
    month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return await in_transaction(sum_of, actor=actor, wanted=CompensationFilter(since=month))


@console_page(HOME_PATH, title="Today", permission=Permission.DASHBOARD_READ, icon="space_dashboard", in_navigation=True)
async def dashboard_page(actor: Principal) -> None:
    numbers = await _load(actor)
    with page_header("Today", lead=f"{numbers.now:%A} {numbers.now.day} {numbers.now:%B %Y}, Banjul time"):
        pass
    tiles = ui.element("div").classes("tiles")
    with ui.element("div").classes("columns wide-left right-first"):
        with ui.element("div").classes("stack"):
            chart = _money_per_hour(numbers.today) if numbers.today else None
            last = ui.element("div").classes("w-full")
        with ui.element("div").classes("stack"):
            attention = ui.element("div").classes("w-full")
            network = ui.element("div").classes("w-full")
            states = ui.element("div").classes("w-full")

    def draw(shown: _Numbers, by: Principal) -> None:
        for place, drawn in ((tiles, _tiles), (attention, _attention), (network, _network), (states, _states), (last, _last)):
            place.clear()
            with place:
                drawn(shown, by)

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            shown = await _load(by)
            draw(shown, by)
            if chart is not None and shown.today is not None:
                chart.options["series"][0]["data"] = _bars(shown.today)

    draw(numbers, actor)
    refresh_on(("payments", "sessions", "gateways", "tickets", "network", "incidents", "alarms"), refresh)
    ui.timer(_REFRESH_SECONDS, refresh, immediate=False)


def _money_per_hour(day: Today) -> ui.echart:
    with panel("Money taken per hour", aside="in dalasi"):
        return ui.echart(_chart(day)).classes("w-full").style("height: 200px").mark("per-hour")


def _tile(label: str, number: str, note: str, *, href: str | None = None, alarm: bool = False) -> None:
    tile = ui.element("a" if href else "div").classes("tile" + (" alarm" if alarm else ""))
    if href:
        tile.props(f'href="{href}"')
    with tile:
        ui.label(label).classes("label")
        ui.label(number).classes("number")
        ui.label(note).classes("note")


def _link(actor: Principal, permission: Permission, href: str) -> str | None:
    return href if actor.may(permission) else None


def _tiles(shown: _Numbers, actor: Principal) -> None:
    day = shown.today
    if day is not None:
        _tile("Sales today", words.money(day.taken_bututs), _compared(day), href=_payments_of_today(shown))
        _tile("Payments today", f"{day.paid_count:,}", f"of {sum(day.by_status.values()):,} started")
    _tile("Online now", f"{shown.online:,}", "confirmed by their router", href=_link(actor, Permission.SESSIONS_READ, "/console/sessions"))
    stopped = day.attention_count if day is not None else 0
    waiting = stopped + len(shown.silent)
    counted = ([_counted(stopped, "payment")] if day is not None else []) + [_counted(len(shown.silent), "gateway")]
    note = ", ".join(counted) if waiting else "nothing waits for you"
    if shown.tickets is not None:
        whose = f"{shown.tickets.unassigned:,} with nobody" if sees_all(actor) else "given to you"
        _tile("Open tickets", f"{shown.tickets.total:,}", whose, href="/console/tickets?state=new")
    if shown.network is not None:
        _network_tiles(shown.network)
    if shown.given_back is not None:
        back = shown.given_back
        worth = f"worth {words.money(back.worth_bututs)}" if back.count else "no outage cost anybody time"
        _tile("Given back this month", words.span(back.seconds) if back.seconds else "nothing", worth, href="/console/compensation")
    _tile("Needs attention", f"{waiting:,}", note, alarm=waiting > 0)


def _network_tiles(network: NetworkGlance) -> None:
    of_all = f"of {_counted(network.known, 'access point')}"
    _tile("Down now", f"{network.down:,}", of_all, href="/console/access-points?health=offline", alarm=network.down > 0)
    _tile("Open incidents", f"{network.open_incidents:,}", "outages that go on", href="/console/incidents?state=open")
    _tile("Alarms", f"{network.alarms:,}", "that stand", href="/console/incidents", alarm=network.alarms > 0)


def _network(shown: _Numbers, _: Principal) -> None:
    if shown.network is not None:
        checks_panel(shown.network.checks)


def _counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" + ("" if number == 1 else "s")


def _payments_of_today(shown: _Numbers) -> str:
    return f"/console/payments?from={shown.now:%Y-%m-%d}"


def _compared(day: Today) -> str:
    if not day.taken_before_bututs:
        return "nothing by this time yesterday"
    change = round(100 * (day.taken_bututs / day.taken_before_bututs - 1))
    return "as much as yesterday by now" if change == 0 else f"{abs(change)}% {'more' if change > 0 else 'less'} than yesterday by now"


def _attention(shown: _Numbers, actor: Principal) -> None:
    with panel("Needs attention", flush=True):
        stopped = shown.today.attention if shown.today is not None else ()
        if not stopped and not shown.silent:
            well = "No payment waits for a person, and every gateway polls." if shown.today is not None else "Every gateway polls."
            empty_state("All is well", well, icon="task_alt")
        with ui.element("div").classes("rows q-mt-sm"):
            for row in stopped:
                _payment_item(row, row.reason or "Paid, and waiting for more than five minutes.", row.status_since, actor)
            for gateway in shown.silent[:8]:
                href = f"/console/gateways/{gateway.slug}" if actor.may(Permission.GATEWAYS_READ) else None
                with _item(href):
                    tone_chip("Silent", "bad")
                    ui.label(gateway.name).classes("strong")
                    with ui.element("div").classes("end soft small"):
                        moment(gateway.last_poll_at)


def _item(href: str | None) -> ui.element:
    item = ui.element("a" if href else "div").classes("item")
    return item.props(f'href="{href}"') if href else item


def _payment_item(row: PaymentRow, text: str, at: datetime, actor: Principal) -> None:
    with _item(_link(actor, Permission.PAYMENTS_READ, f"/console/payments/{row.reference}")):
        chip(row.status)
        ui.label(row.reference).classes("mono strong")
        with ui.element("div").classes("end soft small"):
            moment(at)
        ui.label(text).classes("soft small full-width")


def _states(shown: _Numbers, actor: Principal) -> None:
    if shown.today is None:
        return
    with panel("Payments started today", flush=True):
        if not shown.today.by_status:
            empty_state("None yet", icon="payments")
        with ui.element("div").classes("rows q-mt-sm"):
            for status in PaymentStatus:
                times = shown.today.by_status.get(status, 0)
                if times:
                    with _item(_link(actor, Permission.PAYMENTS_READ, f"{_payments_of_today(shown)}&status={status.value}")):
                        chip(status)
                        ui.label(f"{times:,}").classes("end strong")


def _last(shown: _Numbers, actor: Principal) -> None:
    if shown.today is None:
        return
    with panel("Last payments", flush=True):
        if not shown.today.last:
            empty_state("No payments yet", icon="payments")
        with ui.element("div").classes("rows q-mt-sm"):
            for row in shown.today.last:
                with _item(_link(actor, Permission.PAYMENTS_READ, f"/console/payments/{row.reference}")):
                    chip(row.status)
                    ui.label(row.reference).classes("mono strong")
                    ui.label(f"{row.package_name} · {row.masked_phone}").classes("soft")
                    with ui.element("div").classes("end"):
                        ui.label(words.money(row.amount_bututs)).classes("money strong")
                        with ui.element("div").classes("soft small"):
                            moment(row.created_at)


def _bars(day: Today) -> list[float]:
    return [bututs / 100 for bututs in day.per_hour_bututs]


def _chart(day: Today) -> dict[str, object]:
    grey = "#7d8996"  # readable on the light and on the dark surface
    return {
        "animation": False,
        "grid": {"left": 8, "right": 8, "top": 12, "bottom": 4, "containLabel": True},
        "tooltip": {"trigger": "axis", ":valueFormatter": "(value) => 'D ' + value.toLocaleString('en')"},
        "xAxis": {
            "type": "category",
            "data": [f"{hour:02d}:00" for hour in range(24)],
            "axisLabel": {"color": grey, "interval": 2},
            "axisTick": {"show": False},
            "axisLine": {"lineStyle": {"color": grey, "opacity": 0.4}},
        },
        "yAxis": {
            "type": "value",
            "axisLabel": {"color": grey},
            "splitLine": {"lineStyle": {"color": grey, "opacity": 0.2}},
            "minInterval": 1,
        },
        "series": [
            {
                "type": "bar",
                "data": _bars(day),
                "itemStyle": {"color": "#1b9482", "borderRadius": [3, 3, 0, 0]},
                "barMaxWidth": 24,
            }
        ],
    }
