"""Who is online: the live list of access sessions."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.dialogs import confirm
from pages.components.parts import page_header
from pages.components.table import Choice, Column, ListState, ServerTable, state_cell, time_cell
from pages.live import refresh_on
from pages.shell import console_page, current_staff, toast_on_refusal
from services.access.desk import end_session_now
from services.access.models import SessionState
from services.access.queries import SessionFilter, SessionRow, Which, gateway_choices, list_sessions
from services.accounts.permissions import Permission, Principal
from services.listing import Listing

PATH = "/console/sessions"
_WHICH: dict[Which, str] = {"live": "Online now", "ended": "Ended", "all": "All"}
_HONEST = (
    "The customer's time ends here and now, and no router lets them in again with it. The router that they are on cannot be told to cut "
    "them off: it keeps them online until the time it was given is over, or until they leave."
)
COLUMNS = (
    Column("who", "Customer", "link", phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("device", "Device", "code"),
    Column("gateway", "Gateway"),
    Column("started", "Started", "time", sortable=True),
    Column("ends", "Time left", "left", sortable=True),
    Column("data", "Data"),
)


def row_cells(row: SessionRow, actor: Principal) -> dict[str, Any]:
    is_over = row.state is SessionState.ENDED
    return {
        "id": row.id,
        "href": _target(row, actor),
        "who": row.masked_phone or "not known",
        "state": state_cell(row.state),
        "device": row.mac or (f"device {row.device_id}" if row.device_id else None),
        "gateway": row.gateway_name,
        "started": time_cell(row.started_at),
        "ends": words.end_reason(row.end_reason) if is_over else time_cell(row.ends_at, left=True),
        "data": _data(row),
        "end": "End" if not is_over and actor.may(Permission.SESSIONS_END) else None,
    }


def _target(row: SessionRow, actor: Principal) -> str | None:
    """To the purchase that it belongs to, or to the customer; staff who may open neither get no link."""
    if row.reference and actor.may(Permission.PAYMENTS_READ):
        return f"/console/payments/{row.reference}"
    if row.customer_id and actor.may(Permission.CUSTOMERS_READ):
        return f"/console/customers/{row.customer_id}"
    return None


def _data(row: SessionRow) -> str:
    if row.bytes_down is None:
        return f"{words.size(row.quota_bytes)}, none reported yet" if row.quota_bytes else ""
    used = words.size(row.bytes_down + (row.bytes_up or 0))
    return f"{used} of {words.size(row.quota_bytes)}" if row.quota_bytes else used


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    which: Which = next((name for name in _WHICH if name == state.filters.get("show")), "live")
    wanted = SessionFilter(which=which, gateway_slug=state.filters.get("gateway"), search=state.search)
    found = await in_transaction(list_sessions, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(row_cells(row, actor) for row in found.rows), found.total, found.is_estimate)


@console_page(PATH, title="Sessions", permission=Permission.SESSIONS_READ, icon="wifi", group="Network", in_navigation=True)
async def sessions_page(actor: Principal) -> None:
    gateways = await in_transaction(gateway_choices, actor=actor)
    with page_header("Sessions", lead="Airtime running on the routers. Data is told by a router only when a session ends."):
        pass

    async def end(session_id: int) -> None:
        with toast_on_refusal():
            reason = await confirm("End this session?", _HONEST, yes="End it", danger=True, ask_reason=True)
            if reason is None:
                return
            await in_transaction(end_session_now, actor=await current_staff(), session_id=session_id, reason=reason, now=utc_now())
            ui.notify("Ended. The router keeps the phone online until its own end.", type="positive")
            await table.reload()

    may_end = actor.may(Permission.SESSIONS_END)
    table = ServerTable(
        path=PATH,
        marker="sessions",
        columns=(*COLUMNS, Column("end", "", "action")) if may_end else COLUMNS,
        load=load,
        default=ListState(sort="started", filters={"show": "live"}),
        search="Phone",
        filters=(Choice("show", "Show", dict(_WHICH.items())), Choice("gateway", "Gateway", gateways)),
        empty=("Nobody is online", "Sessions appear when a router confirms that it let a customer in."),
        on_act=end,
    )
    await table.first()
    refresh_on(("sessions",), table.refresh)
