"""Promo codes: what they take off, for how long, and how many uses are left."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from nicegui import ui
from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.columns import Column, chip_cell, time_cell
from pages.components.dialogs import confirm, dialog_card
from pages.components.list_file import list_file
from pages.components.list_state import ListState
from pages.components.parts import Facts, action_button, page_header
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.package_words import STATES, window_in_words
from pages.promo_form import promo_form
from pages.shell import console_page, current_staff, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.packages import promos
from services.packages.promos import PromoRules, PromoView
from services.packages.selling import SaleState
from services.packages.service import Offer, offers

PATH = "/console/promos"
_WORDS = {SaleState.ON_SALE: "Can be used", SaleState.COMING: "Not yet", SaleState.OVER: "Over", SaleState.RETIRED: "Ended"}
COLUMNS = (
    Column("code", "Code", "code", sortable=True, phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("off", "Takes off"),
    Column("until", "Until", "time"),
    Column("left", "Uses"),
    Column("given", "Given", "money"),
    Column("open", "", "action"),
)


def _off(rules: PromoRules) -> str:
    return f"{rules.percent_off} %" if rules.percent_off else words.money(rules.bututs_off or 0)


def _uses(promo: PromoView) -> str:
    most = promo.rules.most_uses
    return f"{promo.uses:,} used" if most is None else f"{promo.uses:,} of {most:,} used, {promo.uses_left:,} left"


def row_cells(promo: PromoView) -> dict[str, Any]:
    state = promo.state(utc_now())
    return {
        "id": promo.id,
        "code": promo.code,
        "off": _off(promo.rules),
        "state": chip_cell(_WORDS[state], STATES[state][1]),
        "until": time_cell(promo.rules.valid_until),
        "left": _uses(promo),
        "given": words.money(promo.given_bututs),
        "open": "Open",
    }


async def load(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    found = await in_transaction(promos.find_promos, actor=actor, search=state.search, part=state.part)
    return Listing(tuple(row_cells(row) for row in found.rows), found.total, found.is_estimate)


_DEFAULT = ListState(sort="newest")
FILE = list_file(PATH, "promos", columns=COLUMNS, load=load, default=_DEFAULT)


@console_page(PATH, title="Promo codes", permission=Permission.PACKAGES_READ, icon="percent", group="Shop", in_navigation=True)
async def promos_page(actor: Principal) -> None:
    lead = "A word that takes something off the price. What was bought with one keeps its price, whatever becomes of the code."
    with page_header("Promo codes", lead=lead):
        if actor.may(Permission.PACKAGES_EDIT):
            action_button("Make a code", lambda: edit(None), icon="add", main=True).props("data-key=n").mark("make-promo")

    async def show(promo_id: int) -> None:
        with toast_on_refusal():
            by = await current_staff()
            _open(await in_transaction(promos.one_promo, actor=by, promo_id=promo_id), by, table, edit)

    table = ServerTable(
        path=PATH,
        marker="promos",
        file=FILE,
        columns=COLUMNS,
        load=load,
        default=_DEFAULT,
        search="Code or note",
        empty=("No promo codes yet", "Make the first one; it can be used from the moment you choose."),
        on_act=show,
    )
    await table.first()

    async def edit(promo: PromoView | None) -> None:
        with toast_on_refusal():
            promo_form(promo, await in_transaction(_all_offers), table.reload)

    refresh_on(("packages",), table.refresh)


def _open(promo: PromoView, by: Principal, table: ServerTable, edit: Callable[[PromoView], Awaitable[None]]) -> None:
    with dialog_card(promo.code) as dialog:
        _facts(promo)

        async def change() -> None:
            dialog.close()
            await edit(promo)

        with ui.element("div").classes("buttons"):
            ui.button("Close", on_click=dialog.close).props("flat color=link")
            if by.may(Permission.PACKAGES_EDIT) and promo.rules.is_active:
                ui.button("End it", on_click=partial(_end, promo, dialog, table)).props("outline color=danger").mark("end-promo")
            if by.may(Permission.PACKAGES_EDIT):
                ui.button("Change", on_click=change).props("unelevated color=primary").mark("change-promo")
    dialog.open()


def _all_offers(session: Session) -> list[Offer]:
    return offers(session, on_sale_only=False)


def _facts(promo: PromoView) -> None:
    rules, facts = promo.rules, Facts()
    facts.add("State", _WORDS[promo.state(utc_now())])
    facts.add("Takes off", _off(rules))
    facts.add("When", window_in_words(rules.valid_from, rules.valid_until))
    facts.add("Uses", _uses(promo))
    facts.add("Paid", f"{promo.paid:,}, given {words.money(promo.given_bututs)}")
    facts.add("Of one customer", "no limit" if rules.most_per_customer is None else f"at most {rules.most_per_customer:,}")
    facts.add("For", ", ".join(rules.package_ids) or "every package")
    facts.add("Note", rules.note)
    facts.add("Made by", promo.made_by.partition(":")[2] or promo.made_by)


async def _end(promo: PromoView, dialog: ui.dialog, table: ServerTable) -> None:
    with ui.context.client.content, toast_on_refusal():
        text = "Nobody can use it any more. What was bought with it keeps its price."
        if await confirm(f"End {promo.code}?", text, yes="End it", danger=True) is None:
            return
        await in_transaction(promos.end, actor=await current_staff(), promo_id=promo.id, now=utc_now())
        dialog.close()
        ui.notify(f"{promo.code} has ended.", type="positive")
        await table.reload()
