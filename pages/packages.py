"""The price list: what is sold, on which terms, when and where, in which order."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import partial

from nicegui import ui
from sqlmodel import Session

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.dialogs import dialog_card
from pages.components.parts import action_button, page_header, tone_chip
from pages.components.states import empty_state
from pages.live import refresh_on
from pages.package_form import package_form
from pages.package_preview import preview_card
from pages.package_versions import show_versions
from pages.package_words import STATES, sites_in_words, terms_in_words, window_in_words
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.packages.history import sold_since
from services.packages.selling import site_names
from services.packages.service import Offer, change_package, offers, reorder

PATH = "/console/packages"
_LATELY = timedelta(days=30)
Changed = Callable[[], Awaitable[None]]


@dataclass
class _Shown:
    """What the page shows now."""

    offers: Sequence[Offer] = ()
    sites: Mapping[int, str] = field(default_factory=dict)
    sold: Mapping[str, int] = field(default_factory=dict)


def _load(session: Session, *, actor: Principal, now: datetime) -> _Shown:
    found = offers(session, on_sale_only=False)
    return _Shown(found, site_names(session, actor=actor), sold_since(session, actor=actor, since=now - _LATELY))


@console_page(PATH, title="Packages", permission=Permission.PACKAGES_READ, icon="sell", group="Shop", in_navigation=True)
async def packages_page(actor: Principal) -> None:
    shown = await in_transaction(_load, actor=actor, now=utc_now())
    lead = "The price list as customers see it. A change makes a new version: what was bought stays as it was bought."
    with page_header("Packages", lead=lead):
        action_button("Promo codes", lambda: ui.navigate.to("/console/promos"), icon="percent")
        if actor.may(Permission.PACKAGES_EDIT):
            action_button("Add a package", lambda: _edit(None, lambda: shown, refresh), icon="add", main=True).props("data-key=n").mark(
                "add-package"
            )
    body = ui.element("div").classes("stack")

    async def refresh() -> None:
        nonlocal shown
        with silent_on_refusal():
            by = await current_staff()
            shown = await in_transaction(_load, actor=by, now=utc_now())
            draw(by)

    def draw(by: Principal) -> None:
        body.clear()
        with body:
            if not shown.offers:
                empty_state("Nothing on the price list", "Add the first package; customers see it at once.", icon="sell")
            for offer in shown.offers:
                _card(offer, shown, by, refresh)

    draw(actor)
    refresh_on(("packages",), refresh)


def _edit(offer: Offer | None, shown: Callable[[], _Shown], refresh: Changed) -> None:
    package_form(offer, shown().offers, shown().sites, refresh)


def _card(offer: Offer, shown: _Shown, actor: Principal, refresh: Changed) -> None:
    with ui.element("section").classes("panel").mark(f"package-{offer.public_id}"):
        with ui.element("div").classes("line apart one items-start"):
            with ui.element("div").classes("room"):
                with ui.element("div").classes("line"):
                    ui.label(offer.terms.name).classes("name")
                    tone_chip(*STATES[offer.state(utc_now())])
                ui.label(terms_in_words(offer.terms)).classes("soft")
            ui.label(words.money(offer.terms.amount_bututs)).classes("price")
        ui.label(_sale_in_words(offer, shown)).classes("small").mark(f"sale-{offer.public_id}")
        with ui.element("div").classes("line apart"):
            ui.label(f"{offer.public_id} · version {offer.version}").classes("faint small")
            with ui.element("div").classes("line"):
                _actions(offer, shown, actor, refresh)


def _sale_in_words(offer: Offer, shown: _Shown) -> str:
    sale = offer.sale
    parts = [
        f"Sold {window_in_words(sale.on_sale_from, sale.on_sale_until)}, {sites_in_words(sale, shown.sites)}",
        f"{shown.sold.get(offer.public_id, 0):,} bought in 30 days",
        f"{sale.stock_mark:,} kept in stock" if sale.stock_mark else "none kept in stock",
    ]
    return " · ".join(parts)


def _actions(offer: Offer, shown: _Shown, actor: Principal, refresh: Changed) -> None:
    place, name = list(shown.offers).index(offer), offer.public_id
    ui.button("Preview", on_click=partial(_preview, offer)).props("flat color=link").mark(f"preview-{name}")
    ui.button("Versions", on_click=partial(show_versions, offer)).props("flat color=link").mark(f"versions-{name}")
    if not actor.may(Permission.PACKAGES_EDIT):
        return
    moves = (("arrow_upward", "Move up", -1, place > 0), ("arrow_downward", "Move down", 1, place < len(shown.offers) - 1))
    for icon, label, by, is_on in moves:
        button = ui.button(icon=icon, on_click=partial(_move, offer, by, shown, refresh))
        button.props(f'flat round dense color=link aria-label="{label}"').mark(f"{'up' if by < 0 else 'down'}-{name}").set_enabled(is_on)
    ui.button("Edit", on_click=partial(_edit, offer, lambda: shown, refresh)).props("outline color=link").mark(f"edit-{name}")
    text = "Take off sale" if offer.is_on_sale else "Put on sale"
    ui.button(text, on_click=partial(_switch, offer, refresh)).props("flat color=link").mark(f"switch-{name}")


def _preview(offer: Offer) -> None:
    with dialog_card("As customers see it") as dialog:
        preview_card(offer.terms)
        with ui.element("div").classes("buttons"):
            ui.button("Close", on_click=dialog.close).props("unelevated color=primary")
    dialog.open()


async def _switch(offer: Offer, refresh: Changed) -> None:
    """Off sale is retired: nobody can buy it, what was bought stays, and it can be put back at any time."""
    with ui.context.client.content, toast_on_refusal():
        await in_transaction(
            change_package,
            actor=await current_staff(),
            public_id=offer.public_id,
            expected_version=offer.version,
            terms=offer.terms,
            is_on_sale=not offer.is_on_sale,
            position=offer.position,
            now=utc_now(),
        )
        ui.notify(f"{offer.terms.name} is {'off' if offer.is_on_sale else 'on'} sale.", type="positive")
        await refresh()


async def _move(offer: Offer, by: int, shown: _Shown, refresh: Changed) -> None:
    with ui.context.client.content, toast_on_refusal():
        order = [one.public_id for one in shown.offers]
        place = order.index(offer.public_id)
        order.insert(place + by, order.pop(place))
        await in_transaction(reorder, actor=await current_staff(), public_ids=order, now=utc_now())
        await refresh()
