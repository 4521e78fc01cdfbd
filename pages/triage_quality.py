"""How well tickets are sorted by themselves, what people corrected, and what was learnt from it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from app.settings import get_settings
from pages.components import words
from pages.components.again import again_every
from pages.components.dialogs import confirm
from pages.components.figures import Bar, Cell, bars, table
from pages.components.parts import action_button, moment, notice, page_header, panel, tile, tone_chip
from pages.components.states import empty_state
from pages.report_parts import percent, tone_of
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from pages.ticket_words import CATEGORY_WORDS
from services.accounts.permissions import Permission, Principal
from services.tickets import learning
from services.tickets.closure_models import TriageModel
from services.tickets.models import Category
from services.tickets.triage_quality import DAYS, Override, Quality, quality

PATH = "/console/triage"
_REFRESH_SECONDS = 15.0
Refresh = Callable[[], Awaitable[None]]


@console_page(PATH, title="Triage", permission=Permission.REPORTS_READ, icon="psychology_alt", group="Help", in_navigation=True)
async def triage_page(actor: Principal) -> None:
    with page_header("Triage", lead=f"How tickets of the last {DAYS} days were sorted by themselves, and what people made of it."):
        if actor.may(Permission.DESK_EDIT):
            action_button("Learn now", _learn, icon="school").mark("learn")
    place = ui.element("div").classes("stack w-full")
    shown: list[object] = []

    async def refresh(*, is_asked: bool = True) -> None:
        by = await current_staff()
        found = await in_transaction(quality, actor=by, now=utc_now())
        known = await in_transaction(learning.models, actor=by)
        news: list[object] = [found.read, found.answered, found.judged, found.corrections, [(one.version, one.is_in_use) for one in known]]
        # Nobody's place in a list is lost to a refresh that brings nothing.
        if not is_asked and news == shown:
            return
        shown[:] = news
        place.clear()
        with place:
            _draw(found, known, by, refresh_all)

    async def refresh_all() -> None:
        await refresh()

    async def look() -> None:
        with silent_on_refusal():
            await refresh(is_asked=False)

    await refresh()
    again_every(_REFRESH_SECONDS, look)


async def _learn() -> None:
    with ui.context.client.content, toast_on_refusal():
        await in_transaction(learning.ask_to_learn, actor=await current_staff(), now=utc_now())
        ui.notify("It is learning. What comes of it stands below in about a minute.", type="positive")


def _draw(found: Quality, known: Sequence[TriageModel], by: Principal, refresh: Refresh) -> None:
    _tiles(found)
    if not found.read and not found.overrides:
        with panel():
            empty_state("No ticket was read yet", "As soon as customers write, it stands here how well they were understood.", icon="inbox")
    else:
        with ui.element("div").classes("columns"):
            with ui.element("div").classes("stack"), panel("By category", aside="answers that stood"):
                _categories(found)
            with ui.element("div").classes("stack"), panel("What a confidence is worth"):
                _calibration(found)
        with panel("What people corrected", flush=True):
            _overrides(found.overrides)
    with panel("Models", flush=True):
        _models(found, known, by, refresh)


def _tiles(found: Quality) -> None:
    error = f"{found.calibration_error:.2f}" if found.calibration_error is not None else "–"
    tiles = (
        ("Answered by itself", percent(found.answered_share) or "–", f"{found.answered:,} of {found.read:,} tickets"),
        ("Stood", percent(found.accuracy) or "–", f"{found.stood:,} of {found.judged:,} that were judged"),
        ("Calibration error", error, "0 is perfect; below 0.10 is good"),
        ("Corrections", f"{found.corrections:,}", f"learnt from at {learning.ENOUGH} and more"),
    )
    with ui.element("div").classes("tiles"):
        for label, number, note in tiles:
            tile(label, number, note)
    ui.label("An answer is judged when a person corrected it, or when the ticket was done without a correction.").classes("soft small")


def _categories(found: Quality) -> None:
    rows = [
        [
            Cell(CATEGORY_WORDS[line.category]),
            Cell(f"{line.answered:,}"),
            Cell(percent(line.accuracy)),
            Cell(f"{line.judged - line.stood:,}"),
            Cell(f"{line.missed:,}"),
        ]
        for line in found.lines
        if line.answered or line.missed
    ]
    table("Answers by category", ("Category", "Answered", "Stood", "Corrected away", "Put there instead"), rows, marker="categories")


def _calibration(found: Quality) -> None:
    if not found.bins:
        ui.label("No answer was judged yet.").classes("soft")
        return
    ui.label("Of answers that were this sure, so many stood.").classes("soft small")
    rows = [
        Bar(f"{one.low:.0%} to {one.high:.0%} sure", one.stood, percent(one.stood) or "", f"{one.judged:,} judged", tone_of(one.stood))
        for one in found.bins
    ]
    bars(rows, marker="calibration")


def _overrides(overrides: Sequence[Override]) -> None:
    if not overrides:
        empty_state("Nobody corrected anything", "Whoever changes a ticket's category teaches triage.", icon="check_circle")
        return
    now = utc_now()
    rows = [
        [
            Cell(one.reference, f"/console/tickets/{one.reference}"),
            Cell(_category(one.suggested)),
            Cell(f"{one.confidence:.0%}" if one.confidence is not None else None),
            Cell(_category(one.category)),
            Cell(one.by),
            Cell(words.relative(one.at, now)),
        ]
        for one in overrides
    ]
    table("Corrections", ("Ticket", "Was", "Sure", "Is", "By", "When"), rows, marker="overrides", are_words=True)


def _category(one: Category | None) -> str | None:
    return CATEGORY_WORDS[one] if one is not None else None


def _models(found: Quality, known: Sequence[TriageModel], by: Principal, refresh: Refresh) -> None:
    has_own = any(one.is_in_use for one in known)
    if found.corrections < learning.ENOUGH:
        missing = learning.ENOUGH - found.corrections
        notice("busy", f"{missing:,} more corrections until a model can be learnt and judged. It is tried every week by itself.")
    with ui.element("div").classes("rows").mark("models"):
        for one in known:
            _model(one.version, one.why, is_in_use=one.is_in_use, row=one, by=by, refresh=refresh)
        text = "It comes with the product and is learnt from its own sentences."
        _model(learning.SHIPPED, text, is_in_use=not has_own, row=None, by=by, refresh=refresh)


def _model(version: str, text: str, *, is_in_use: bool, row: TriageModel | None, by: Principal, refresh: Refresh) -> None:
    with ui.element("div").classes("item"):
        with ui.element("div").classes("room"):
            ui.label("The shipped model" if row is None else f"Model {version}").classes("strong")
            ui.label(text).classes("small")
            if row is not None:
                with ui.element("div").classes("line soft small"):
                    ui.label(f"Learnt from {row.examples:,} corrections,")
                    moment(row.created_at)
        with ui.element("div").classes("end line"):
            if is_in_use:
                tone_chip("In use", "good")
            elif row is not None and row.file is None:
                tone_chip("Not taken", "off")
            elif by.may(Permission.DESK_EDIT):
                action_button("Use this one", partial(_use, version, refresh)).mark(f"use-{version}")


async def _use(version: str, refresh: Refresh) -> None:
    with ui.context.client.content, toast_on_refusal():
        name = "the shipped model" if version == learning.SHIPPED else f"model {version}"
        if await confirm("Use another model?", f"New tickets are sorted by {name} from now on.", yes="Use it") is None:
            return
        await in_transaction(learning.use_model, get_settings(), actor=await current_staff(), version=version, now=utc_now())
        ui.notify("It is used from the next ticket on.", type="positive")
        await refresh()
