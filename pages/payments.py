"""The list of payments, narrowed by anything that is known of a purchase, and the same as a file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any
from urllib.parse import urlencode

import anyio.to_thread
from fastapi import Request, Response
from nicegui import ui
from sqlmodel import Session
from starlette.responses import StreamingResponse

from app.clock import utc_now
from app.db import in_transaction, transaction
from app.errors import DomainError
from app.problems import HTTP_STATUS
from pages.components import words
from pages.components.columns import Column, state_cell, time_cell
from pages.components.list_state import Amount, Choice, Day, Filter, ListState, read_state
from pages.components.parts import action_button, page_header
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.shell import console_file, console_page, current_staff
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.packages.service import offers
from services.payments.choices import SaleChoices, sale_choices
from services.payments.models import PaymentStatus, RefundState, SaleChannel
from services.payments.payment_csv import csv_lines
from services.payments.queries import PaymentFilter, PaymentRow, list_payments

PATH = "/console/payments"
_FILE = f"{PATH}.csv"
CHANNELS = {SaleChannel.PORTAL: "Hotspot page", SaleChannel.MOBILE: "App", SaleChannel.API: "API"}
_REFUNDS = {
    RefundState.ASKED: "Waits for a second person",
    RefundState.REQUESTED: "On its way",
    RefundState.REFUNDED: "Given back",
    RefundState.FAILED: "Refused by Wave",
    RefundState.DECLINED: "Declined",
}
COLUMNS = (
    Column("reference", "Receipt code", "link", phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("phone", "Customer"),
    Column("package", "Package"),
    Column("amount", "Amount", "money"),
    Column("gateway", "Bought at", phone="hide"),
    Column("created", "Created", "time", sortable=True),
    Column("since", "In this state", "time", phone="hide"),
)


def row_cells(row: PaymentRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "href": f"{PATH}/{row.reference}",
        "reference": row.reference,
        "state": state_cell(row.status),
        "phone": row.masked_phone,
        "package": row.package_name,
        "amount": words.money(row.amount_bututs),
        "gateway": row.gateway_name,
        "second": _how(row),
        "created": time_cell(row.created_at),
        "since": time_cell(row.status_since),
    }


def _how(row: PaymentRow) -> str:
    """Only what is out of the ordinary."""
    said = [] if row.channel is SaleChannel.PORTAL else [CHANNELS[row.channel]]
    if row.is_gift:
        said.append("a gift")
    if row.discount_bututs:
        said.append(f"{words.money(row.discount_bututs)} off")
    return ", ".join(said)


def wanted_in(state: ListState, *, customer_id: int | None = None) -> PaymentFilter:
    """What the list's address asks for."""
    chosen = state.filters
    return PaymentFilter(
        status=PaymentStatus(chosen["status"]) if chosen.get("status") else None,
        package_id=chosen.get("package"),
        search=state.search,
        since=state.day("from"),
        until=state.day("to", after=True),
        customer_id=customer_id,
        site_id=_number(chosen, "site"),
        gateway_id=_number(chosen, "gateway"),
        channel=SaleChannel(chosen["channel"]) if chosen.get("channel") else None,
        is_gift=chosen["gift"] == "yes" if chosen.get("gift") else None,
        promo_code=chosen.get("promo"),
        least_bututs=state.bututs("least"),
        most_bututs=state.bututs("most"),
        needs_person_at=utc_now() if chosen.get("needs") else None,
        refund=RefundState(chosen["refund"]) if chosen.get("refund") else None,
        paid_since=state.day("paid-from"),
        paid_until=state.day("paid-to", after=True),
    )


def _number(chosen: Mapping[str, str], name: str) -> int | None:
    return int(chosen[name]) if chosen.get(name) else None


async def load(actor: Principal, state: ListState, *, customer_id: int | None = None) -> Listing[dict[str, Any]]:
    wanted = wanted_in(state, customer_id=customer_id)
    found = await in_transaction(list_payments, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


def _filters(session: Session) -> tuple[Filter, ...]:
    sold = {offer.public_id: offer.terms.name for offer in offers(session, on_sale_only=False)}
    choices: SaleChoices = sale_choices(session)
    return (
        Choice("status", "State", {status.value: words.words_of(status).text for status in PaymentStatus}),
        Choice("package", "Package", sold),
        Day("from", "From"),
        Day("to", "To"),
        Choice("needs", "Needs a person", {"yes": "Only these"}),
        Choice("site", "Site", {**choices.sites, "0": "No site"}),
        Choice("gateway", "Gateway", choices.gateways),
        Choice("channel", "Channel", {channel.value: name for channel, name in CHANNELS.items()}),
        Choice("gift", "Gift", {"yes": "Only gifts", "no": "No gifts"}),
        Choice("promo", "Promo code", choices.promos),
        Choice("refund", "Refund", {state.value: name for state, name in _REFUNDS.items()}),
        Amount("least", "At least, D"),
        Amount("most", "At most, D"),
        Day("paid-from", "Paid from"),
        Day("paid-to", "Paid to"),
    )


_DEFAULT = ListState(sort="created")


@console_page(PATH, title="Payments", permission=Permission.PAYMENTS_READ, icon="payments", group="Shop", in_navigation=True)
async def payments_page() -> None:
    filters = await in_transaction(_filters)

    def download() -> None:
        query = {name: value for name, value in table.state.as_query(_DEFAULT).items() if name not in ("page", "rows", "sort")}
        ui.download.from_url(f"{_FILE}?{urlencode(query)}")

    with page_header("Payments", lead="Every purchase by Wave, newest first. Open one to see each step it took."):
        action_button("Download CSV", download, icon="download").mark("csv")
    table = ServerTable(
        path=PATH,
        marker="payments",
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Phone, receipt code or id at Wave",
        filters=filters,
        folded_from=4,
        empty=("No payments yet", "They appear here the moment a customer picks a package."),
    )
    await table.first()
    refresh_on(("payments",), table.refresh)


@console_file(_FILE, permission=Permission.PAYMENTS_READ)
async def serve_csv(request: Request) -> Response:
    """All that match the list's address, made while it is fetched."""
    try:
        state = read_state(request.query_params, _DEFAULT, await in_transaction(_filters), ())
        opening = partial(csv_lines, transaction, actor=await current_staff(), wanted=wanted_in(state))
        lines = await anyio.to_thread.run_sync(opening)
    except DomainError as refusal:
        return Response(refusal.text, status_code=HTTP_STATUS[refusal.kind], media_type="text/plain; charset=utf-8")
    headers = {"Content-Disposition": f'attachment; filename="payments-{utc_now():%Y-%m-%d}.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(lines, headers=headers, media_type="text/csv; charset=utf-8")
