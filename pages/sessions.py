"""Who is online: the live list of access sessions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from app.db import in_transaction
from pages.components import words
from pages.components.bulk_bar import bulk_of
from pages.components.columns import Column, chip_cell, state_cell, time_cell
from pages.components.list_file import list_file
from pages.components.list_state import Choice, Filter, ListState
from pages.components.list_views import BuiltIn
from pages.components.parts import page_header
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.session_actions import end_session
from pages.shell import console_page
from services.access.models import SessionState
from services.access.queries import gateway_choices
from services.access.session_queries import SessionFilter, SessionRow, Which, list_sessions, site_choices
from services.accounts.permissions import Permission, Principal
from services.listing import Listing

PATH = "/console/sessions"
_SHOW: dict[str, tuple[str, Which, SessionState | None]] = {
    "live": ("Online now", "live", None),
    "confirmed": ("Online, confirmed", "live", SessionState.ACTIVE),
    "unconfirmed": ("Online, not confirmed", "live", SessionState.UNCONFIRMED),
    "ended": ("Ended", "ended", None),
    "all": ("All", "all", None),
}
COLUMNS = (
    Column("who", "Customer", "link", phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("device", "Device", "code"),
    Column("gateway", "Gateway"),
    Column("started", "Started", "time", sortable=True),
    Column("ends", "Time left", "left", sortable=True),
    Column("data", "Data"),
    Column("site", "Site", hidden=True),
    Column("ended", "Ended", "time", hidden=True),
    Column("payment", "Payment", "code", hidden=True),
    Column("voucher", "Voucher", "number", hidden=True),
)
VIEWS: tuple[BuiltIn, ...] = (
    ("Online now", {}),
    ("Not confirmed", {"show": "unconfirmed"}),
    ("Ended", {"show": "ended"}),
    ("All", {"show": "all"}),
)


def row_cells(row: SessionRow, actor: Principal) -> dict[str, Any]:
    is_over = row.state is SessionState.ENDED
    cells = {
        "id": row.id,
        "href": f"{PATH}/{row.id}",
        "who": row.masked_phone or "not known",
        "state": chip_cell("Unknown: router silent", "wait") if row.gateway_is_silent and not is_over else state_cell(row.state),
        "device": row.mac or (f"device {row.device_id}" if row.device_id else None),
        "gateway": row.gateway_name,
        "started": time_cell(row.started_at),
        "ends": _left(row, is_over=is_over),
        "data": data_words(row),
        "site": row.site_name,
        "ended": time_cell(row.ended_at),
        "payment": row.reference,
        "voucher": str(row.voucher_id) if row.voucher_id else None,
        "end": "End" if not is_over and actor.may(Permission.SESSIONS_END) else None,
    }
    return cells | {"pick": None} if is_over else cells


def _left(row: SessionRow, *, is_over: bool) -> Any:
    if is_over:
        return words.end_reason(row.end_reason)
    if row.paused_at is not None:
        return "stands still: outage"
    return time_cell(row.time_ends_at or row.ends_at, left=True)


def data_words(row: SessionRow) -> str:
    """What this session used, of the purchase's allowance if it has one."""
    used = row.bytes_so_far
    if used is None:
        return f"{words.size(row.quota_bytes)}, none reported yet" if row.quota_bytes else ""
    return f"{words.size(used)} of {words.size(row.quota_bytes)}" if row.quota_bytes else words.size(used)


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    _, which, wanted_state = _SHOW.get(state.filters.get("show", ""), _SHOW["live"])
    site = state.filters.get("site")
    wanted = SessionFilter(
        which=which,
        gateway_slug=state.filters.get("gateway"),
        search=state.search,
        site_id=int(site) if site else None,
        state=wanted_state,
    )
    found = await in_transaction(list_sessions, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(row_cells(row, actor) for row in found.rows), found.total, found.is_estimate)


async def filters_for(actor: Principal) -> Sequence[Filter]:
    sites = await in_transaction(site_choices, actor=actor)
    gateways = await in_transaction(gateway_choices, actor=actor)
    shown = {name: text for name, (text, _, _) in _SHOW.items()}
    return Choice("show", "Show", shown), Choice("site", "Site", sites), Choice("gateway", "Gateway", gateways)


_DEFAULT = ListState(sort="started", filters={"show": "live"})
FILE = list_file(PATH, "sessions", columns=COLUMNS, load=load, default=_DEFAULT, filters=filters_for)


@console_page(PATH, title="Sessions", permission=Permission.SESSIONS_READ, icon="wifi", group="Network", in_navigation=True)
async def sessions_page(actor: Principal) -> None:
    filters = await filters_for(actor)
    with page_header("Sessions", lead="Airtime running on the routers. Data is live only from routers that run our script."):
        pass

    async def end(session_id: int) -> None:
        if await end_session(session_id):
            await table.reload()

    may_end = actor.may(Permission.SESSIONS_END)
    table = ServerTable(
        path=PATH,
        marker="sessions",
        file=FILE,
        bulk=bulk_of("sessions", actor),
        views=VIEWS,
        columns=(*COLUMNS, Column("end", "", "action")) if may_end else COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Phone",
        filters=filters,
        empty=("Nobody is online", "Sessions appear when a router confirms that it let a customer in."),
        on_act=end,
    )
    await table.first()
    refresh_on(("sessions",), table.refresh)
