"""The list of payments, narrowed by anything that is known of a purchase, and the same as a file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.columns import Column, state_cell, time_cell
from pages.components.list_file import list_file
from pages.components.list_state import Amount, Choice, Day, Filter, ListState
from pages.components.list_views import BuiltIn
from pages.components.parts import page_header
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.shell import console_page
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.packages.service import offers
from services.payments.choices import SaleChoices, sale_choices
from services.payments.models import PaymentStatus, RefundState, SaleChannel
from services.payments.queries import PaymentFilter, PaymentRow, list_payments

PATH = "/console/payments"
CHANNELS = {SaleChannel.PORTAL: "Hotspot page", SaleChannel.MOBILE: "App", SaleChannel.API: "API"}
_REFUNDS = {
    RefundState.ASKED: "Waits for a second person",
    RefundState.REQUESTED: "On its way",
    RefundState.REFUNDED: "Given back",
    RefundState.FAILED: "Refused by Wave",
    RefundState.DECLINED: "Declined",
    RefundState.PAID_OUT: "Paid out another way",
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
    Column("reason", "Reason", hidden=True),
    Column("customer", "Customer number", "number", hidden=True),
    Column("discount", "Discount", "money", hidden=True),
    Column("promo", "Promo code", "code", hidden=True),
    Column("channel", "Channel", hidden=True),
    Column("gift", "Gift", hidden=True),
    Column("site", "Site", hidden=True),
    Column("paid", "Paid", "time", hidden=True),
    Column("served", "Served", "time", hidden=True),
    Column("wave", "Wave transaction", "code", hidden=True),
)
VIEWS: tuple[BuiltIn, ...] = (("All", {}), ("Need a person", {"needs": "yes"}), ("Refunds to decide", {"refund": RefundState.ASKED.value}))


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
        "reason": row.reason,
        "customer": str(row.customer_id),
        "discount": words.money(row.discount_bututs) if row.discount_bututs else None,
        "promo": row.promo_code,
        "channel": CHANNELS[row.channel],
        "gift": "yes" if row.is_gift else "no",
        "site": row.site_name,
        "paid": time_cell(row.paid_at),
        "served": time_cell(row.served_at),
        "wave": row.wave_transaction_id,
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


async def filters_for(_: Principal) -> Sequence[Filter]:
    return await in_transaction(_filters)


_DEFAULT = ListState(sort="created")
FILE = list_file(PATH, "payments", columns=COLUMNS, load=load, default=_DEFAULT, filters=filters_for)


@console_page(PATH, title="Payments", permission=Permission.PAYMENTS_READ, icon="payments", group="Shop", in_navigation=True)
async def payments_page() -> None:
    filters = await in_transaction(_filters)
    with page_header("Payments", lead="Every purchase by Wave, newest first. Open one to see each step it took."):
        pass
    table = ServerTable(
        path=PATH,
        marker="payments",
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Phone, receipt code or id at Wave",
        filters=filters,
        folded_from=2,
        views=VIEWS,
        file=FILE,
        empty=("No payments yet", "They appear here the moment a customer picks a package."),
    )
    await table.first()
    refresh_on(("payments",), table.refresh)
