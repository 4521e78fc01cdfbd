"""What a page shows when it has nothing to show, must not show it, or failed."""

from __future__ import annotations

from nicegui import ui

from app.errors import DomainError, ErrorKind
from services.accounts.permissions import Principal


def empty_state(title: str, text: str = "", *, icon: str = "inbox", is_page: bool = False) -> ui.element:
    """`is_page` where nothing else stands on the page: its title is then the page's."""
    with ui.element("div").classes("empty") as box:
        ui.icon(icon).props("aria-hidden=true")
        with ui.element("h1" if is_page else "div").classes("strong"):
            ui.label(title)
        if text:
            ui.label(text)
    return box


def loading_state(lines: int = 3, *, text: str = "Loading") -> ui.element:
    """Where something comes later than its page: as many lines as it will have, about."""
    with ui.element("div").classes("skeleton").props(f'role=status aria-label="{text}"') as box:
        for _ in range(lines):
            ui.element("span")
    return box


def not_allowed_state(actor: Principal) -> None:
    with ui.element("div").classes("panel").mark("not-allowed"):
        role = actor.role.label if actor.role else "account"
        empty_state(
            "Not allowed", f"This page is not part of the role {role}. Ask a System Admin if you need it.", icon="lock", is_page=True
        )


def refused_state(refusal: DomainError) -> None:
    icon = "search_off" if refusal.kind is ErrorKind.NOT_FOUND else "cloud_off" if refusal.kind is ErrorKind.UNAVAILABLE else "block"
    with ui.element("div").classes("panel").mark("refused"):
        empty_state(refusal.title, refusal.text, icon=icon, is_page=True)


def broken_state(correlation_id: str) -> None:
    with ui.element("div").classes("panel").mark("broken"):
        text = "This page could not be built, and it is not your fault. Reload it; if it stays, tell the administrator this number:"
        empty_state("Something went wrong", text, icon="error_outline", is_page=True)
        ui.label(correlation_id).classes("mono text-center")
