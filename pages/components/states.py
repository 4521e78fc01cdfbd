"""What a page shows when it has nothing to show, must not show it, or failed."""

from __future__ import annotations

from nicegui import ui

from app.errors import DomainError, ErrorKind
from services.accounts.permissions import Principal


def empty_state(title: str, text: str = "", *, icon: str = "inbox") -> ui.element:
    with ui.element("div").classes("empty") as box:
        ui.icon(icon)
        ui.label(title).classes("strong")
        if text:
            ui.label(text)
    return box


def not_allowed_state(actor: Principal) -> None:
    with ui.element("div").classes("panel").mark("not-allowed"):
        role = actor.role.label if actor.role else "account"
        empty_state("Not allowed", f"This page is not part of the role {role}. Ask a System Admin if you need it.", icon="lock")


def refused_state(refusal: DomainError) -> None:
    icon = "search_off" if refusal.kind is ErrorKind.NOT_FOUND else "cloud_off" if refusal.kind is ErrorKind.UNAVAILABLE else "block"
    with ui.element("div").classes("panel").mark("refused"):
        empty_state(refusal.title, refusal.text, icon=icon)


def broken_state(correlation_id: str) -> None:
    with ui.element("div").classes("panel").mark("broken"):
        text = "This page could not be built, and it is not your fault. Reload it; if it stays, tell the administrator this number:"
        empty_state("Something went wrong", text, icon="error_outline")
        ui.label(correlation_id).classes("mono text-center")
