"""Beside a ticket: how far its technicians are, what they looked at and fitted, and what the customer said at the end."""

from __future__ import annotations

from nicegui import ui

from pages.components.parts import chip, moment, panel, tone_chip
from services.fieldwork.desk import FieldWork
from services.fieldwork.models import PartUsed, Visit, VisitCheck, VisitConfirmation


def field_panel(work: FieldWork) -> None:
    """Nothing for a ticket that nobody went out for."""
    if not work.is_any:
        return
    with panel("In the field"), ui.element("div").classes("stack").mark("fieldwork"):
        for visit, name in work.visits:
            _visit(visit, name)
        if work.checks:
            _checks(work.checks)
        if work.parts:
            _parts(work.parts)
        if work.confirmation:
            _confirmation(*work.confirmation)


def _visit(visit: Visit, name: str) -> None:
    with ui.element("div"):
        with ui.element("div").classes("line"):
            ui.label(name).classes("strong")
            chip(visit.state).mark("visit")
            with ui.element("span").classes("soft small"):
                moment(visit.since)
        if visit.reason:
            ui.label(visit.reason).classes("soft")


def _checks(checks: tuple[tuple[VisitCheck, str], ...]) -> None:
    with ui.element("div").mark("checks"):
        done = sum(check.is_done for check, _ in checks)
        ui.label(f"Looked at: {done} of {len(checks)} in order").classes("soft small")
        for check, name in checks:
            with ui.element("div").classes("field-check" if check.is_done else "field-check amiss"):
                ui.icon("check" if check.is_done else "close").props(
                    f'role=img aria-label="{"in order" if check.is_done else "not in order"}"'
                )
                with ui.element("div"):
                    ui.label(check.text)
                    ui.label(f"{name}: {check.note}" if check.note else name).classes("soft small")


def _parts(parts: tuple[tuple[PartUsed, str], ...]) -> None:
    with ui.element("div").mark("parts"):
        ui.label("Parts").classes("soft small")
        for part, name in parts:
            with ui.element("div").classes("field-part"):
                ui.label(f"{part.quantity} × {part.name}")
                ui.label(", ".join(said for said in (part.serial, name) if said)).classes("soft small")


def _confirmation(said: VisitConfirmation, name: str) -> None:
    with ui.element("div").mark("confirmation"):
        ui.label("What the customer said").classes("soft small")
        with ui.element("div").classes("line q-mt-xs"):
            tone_chip("It works", "good") if said.works else tone_chip("Not yet", "bad")
            ui.label(said.name or "no name given").classes("" if said.name else "faint")
            with ui.element("span").classes("soft small"):
                moment(said.at)
        if said.comment:
            ui.label(f"“{said.comment}”")
        ui.label(f"written down by {name}").classes("soft small")
