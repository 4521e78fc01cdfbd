"""The list of vouchers, and making one by hand."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.bulk_bar import bulk_of
from pages.components.dialogs import dialog_card, enable_again, show_secret
from pages.components.parts import action_button, page_header
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.shell import console_page, current_staff, toast_on_refusal
from pages.voucher_cells import COLUMNS, DEFAULT, FILE, PATH, VIEWS, filters, load
from services.accounts.permissions import Permission, Principal
from services.packages.service import Offer, offers
from services.vouchers.batch_queries import batch_choices
from services.vouchers.service import issue_voucher


@console_page(PATH, title="Vouchers", permission=Permission.VOUCHERS_READ, icon="confirmation_number", group="Shop", in_navigation=True)
async def vouchers_page(actor: Principal) -> None:
    sold = await in_transaction(partial(offers, on_sale_only=False))
    batches = await in_transaction(batch_choices, actor=actor)
    lead = "Each payment makes one; staff can make one by hand. The code is shown only to its owner and to staff who may see it."
    with page_header("Vouchers", lead=lead):
        if actor.may(Permission.VOUCHERS_ISSUE):
            on_sale = [offer for offer in sold if offer.is_on_sale]
            action_button("Make a voucher", lambda: _ask(on_sale, table.reload), icon="add", main=True).props("data-key=n").mark("issue")
    table = ServerTable(
        path=PATH,
        marker="vouchers",
        columns=COLUMNS,
        load=load,
        default=DEFAULT,
        views=VIEWS,
        file=FILE,
        search="Code, its last five characters, phone or receipt code",
        filters=filters(sold, batches),
        folded_from=3,
        empty=("No vouchers yet", "The first payment makes the first voucher."),
        bulk=bulk_of("vouchers", actor),
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
