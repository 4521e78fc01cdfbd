"""The list of vouchers, and making one by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.columns import Column, state_cell, time_cell
from pages.components.dialogs import dialog_card, enable_again, show_secret
from pages.components.list_state import Choice, ListState
from pages.components.parts import action_button, page_header
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.shell import console_page, current_staff, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.packages.service import Offer, offers
from services.vouchers.models import VoucherState
from services.vouchers.queries import VoucherFilter, VoucherRow, list_vouchers
from services.vouchers.service import issue_voucher

PATH = "/console/vouchers"
COLUMNS = (
    Column("number", "Voucher", "link", phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("package", "Package"),
    Column("worth", "Worth", "money"),
    Column("origin", "Made for"),
    Column("phone", "Customer"),
    Column("created", "Made", "time", sortable=True),
    Column("until", "Use before", "time", phone="hide"),
)


def row_cells(row: VoucherRow) -> dict[str, Any]:
    return {
        "id": row.id,
        "href": f"{PATH}/{row.id}",
        "number": f"No. {row.id}",
        "state": state_cell(row.state),
        "package": row.package_name,
        "worth": words.money(row.amount_bututs),
        "origin": f"payment {row.reference}" if row.reference else row.note or f"by {row.issued_by.removeprefix('staff:')}",
        "phone": row.masked_phone,
        "created": time_cell(row.created_at),
        "until": time_cell(row.use_before),
    }


async def load(actor: Principal, state: ListState, *, customer_id: int | None = None) -> Listing[dict[str, Any]]:
    chosen, origin = state.filters.get("state"), state.filters.get("origin")
    wanted = VoucherFilter(
        state=VoucherState(chosen) if chosen else None,
        package_id=state.filters.get("package"),
        by_hand=None if origin is None else origin == "hand",
        search=state.search,
        customer_id=customer_id,
    )
    found = await in_transaction(list_vouchers, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


@console_page(PATH, title="Vouchers", permission=Permission.VOUCHERS_READ, icon="confirmation_number", group="Shop", in_navigation=True)
async def vouchers_page(actor: Principal) -> None:
    sold = await in_transaction(partial(offers, on_sale_only=False))
    lead = "Each payment makes one; staff can make one by hand. The code is shown only to its owner and to staff who may see it."
    with page_header("Vouchers", lead=lead):
        if actor.may(Permission.VOUCHERS_ISSUE):
            on_sale = [offer for offer in sold if offer.is_on_sale]
            action_button("Make a voucher", lambda: _ask(on_sale, table.reload), icon="add", main=True).mark("issue")
    table = ServerTable(
        path=PATH,
        marker="vouchers",
        columns=COLUMNS,
        load=load,
        default=ListState(sort="created"),
        search="Code, phone or receipt code",
        filters=(
            Choice("state", "State", {state.value: words.words_of(state).text for state in VoucherState}),
            Choice("package", "Package", {offer.public_id: offer.terms.name for offer in sold}),
            Choice("origin", "Made", {"payment": "for a payment", "hand": "by hand"}),
        ),
        empty=("No vouchers yet", "The first payment makes the first voucher."),
    )
    await table.first()
    refresh_on(("vouchers",), table.refresh)


def _ask(on_sale: list[Offer], after: Callable[[], Awaitable[None]]) -> None:
    """The form for one voucher; its code is shown once, in a dialog of its own."""
    with dialog_card("Make a voucher") as dialog:
        choices = {offer.public_id: f"{offer.terms.name} · {words.money(offer.terms.amount_bututs)}" for offer in on_sale}
        package = ui.select(choices, label="Package", value=next(iter(choices), None)).props("outlined").classes("w-full").mark("package")
        phone = ui.input("Phone (may stay empty)").props("outlined type=tel inputmode=tel autocomplete=off").classes("w-full").mark("phone")
        note = ui.input("Note: why it is made").props("outlined maxlength=200").classes("w-full").mark("note")

        async def issue() -> None:
            button.disable()
            with toast_on_refusal():
                by = await current_staff()
                _, code = await in_transaction(
                    issue_voucher,
                    actor=by,
                    package_id=package.value or "",
                    phone=(phone.value or "").strip() or None,
                    note=(note.value or "").strip()[:200] or None,
                    now=utc_now(),
                )
                dialog.close()
                show_secret(
                    "The voucher's code",
                    "Copy it now or read it out: the list does not show it. It works in a moment.",
                    code,
                    marker="code",
                )
                await after()
            enable_again(button)

        with ui.element("div").classes("buttons"):
            ui.button("Cancel", on_click=dialog.close).props("flat color=link")
            button = ui.button("Make it", on_click=issue).props("unelevated color=primary").mark("issue-now")
    dialog.open()
