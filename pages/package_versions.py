"""The versions of a package: what changed from one to the next, and how many were bought of each."""

from __future__ import annotations

from nicegui import ui

from app.db import in_transaction
from pages.components.dialogs import dialog_card
from pages.components.parts import tone_chip
from pages.package_words import TERMS, term_in_words, terms_in_words
from pages.shell import current_staff, toast_on_refusal
from services.packages.history import VersionView, versions
from services.packages.selling import moment_in_words
from services.packages.service import Offer


async def show_versions(offer: Offer) -> None:
    # News may redraw the list, and its buttons with it, while this waits.
    with ui.context.client.content, toast_on_refusal():
        found = await in_transaction(versions, actor=await current_staff(), public_id=offer.public_id)
        with dialog_card(f"Versions of {offer.terms.name}") as dialog:
            ui.label("What was bought keeps its version, whatever is sold now.").classes("soft")
            with ui.element("div").classes("stack w-full").mark("versions"):
                for version in found:
                    _draw(version, is_current=version.version == offer.version)
            with ui.element("div").classes("buttons"):
                ui.button("Close", on_click=dialog.close).props("unelevated color=primary")
        dialog.open()


def _draw(version: VersionView, *, is_current: bool) -> None:
    with ui.element("div"):
        with ui.element("div").classes("line"):
            ui.label(f"Version {version.version}").classes("strong")
            if is_current:
                tone_chip("Sold now", "good")
            ui.label(f"{version.bought:,} bought").classes("soft").mark(f"bought-{version.version}")
            ui.label(f"since {moment_in_words(version.created_at)}").classes("faint small")
        ui.label(f"{version.terms.name} · {term_in_words('amount_bututs', version.terms.amount_bututs)}").classes("anywhere")
        ui.label(terms_in_words(version.terms)).classes("soft small")
        for name, before in version.changed.items():
            now = term_in_words(name, getattr(version.terms, name))
            ui.label(f"{TERMS[name].capitalize()}: {term_in_words(name, before)} → {now}").classes("small anywhere")
