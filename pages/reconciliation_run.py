"""One run: how far each side was read, the sums, what it posted, and what it found."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.db import in_transaction
from pages.components import words
from pages.components.figures import Cell
from pages.components.figures import table as figures
from pages.components.list_state import ListState
from pages.components.parts import Facts, notice, page_header, panel
from pages.components.states import empty_state
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.reconciliation import FINDING_COLUMNS, PATH, days_words, finding_cells
from pages.reconciliation_words import label, value
from pages.shell import console_page, current_staff, silent_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.payments.reconciliation.models import ReconciliationRun
from services.payments.reconciliation.queries import FindingFilter, list_findings, one_run

_SUMS = (("gross", "Gross"), ("fees", "Fees"), ("net", "Net"), ("refunds", "Refunds"), ("charged", "Charged"))
_NAMES = {"wave": "Wave", "ledger": "Our books", "porta": "PortaBilling"}


@console_page(PATH + "/runs/{run_id:int}", title="Reconciliation run", permission=Permission.MONEY_READ)
async def run_page(run_id: int, actor: Principal) -> None:
    shown = await in_transaction(one_run, actor=actor, run_id=run_id)
    body = ui.element("div").classes("stack w-full")

    async def load(by: Principal, state: ListState) -> Listing[dict[str, Any]]:
        found = await in_transaction(list_findings, actor=by, wanted=FindingFilter(run_id=run_id), part=state.part)
        return Listing(tuple(finding_cells(row) for row in found.rows), found.total, found.is_estimate)

    with panel("Findings it saw last", flush=True):
        table = ServerTable(
            path=PATH,
            marker="run-findings",
            columns=FINDING_COLUMNS,
            load=load,
            default=ListState(sort="id"),
            empty=("Nothing", "This run found nothing that does not agree, or a later one has seen it since."),
            in_address=False,
        )
    await table.first()

    async def refresh() -> None:
        with silent_on_refusal():
            run = await in_transaction(one_run, actor=await current_staff(), run_id=run_id)
            body.clear()
            with body:
                _draw(run)
        await table.refresh()

    with body:
        _draw(shown)
    refresh_on(("reconciliation", "findings"), refresh)


def _draw(run: ReconciliationRun) -> None:
    with page_header(f"Run of {days_words(run)}", back=(PATH, "Reconciliation"), state=run.state):
        pass
    found = words.words_of(run.state)
    notice(found.tone, run.error or "", title=found.explanation)
    with ui.element("div").classes("columns wide-left"):
        with ui.element("div").classes("stack"):
            _sums(run)
            _changed(run)
        with ui.element("div").classes("stack"):
            _facts(run)
            _read(run)


def _facts(run: ReconciliationRun) -> None:
    with panel("Facts"):
        facts = Facts()
        facts.add("Asked by", "the night" if run.is_nightly else run.asked_by.partition(":")[2] or run.asked_by)
        facts.add_time("Ordered", run.created_at)
        facts.add_time("Begun", run.started_at, otherwise="not yet")
        facts.add_time("Ended", run.ended_at, otherwise="not yet")
        facts.add("Rows of Wave's list posted", f"{int(run.totals.get('posted', 0)):,}")
        facts.add("Open findings", f"{run.found:,}" if run.ended_at else None)


def _sums(run: ReconciliationRun) -> None:
    sums = run.totals.get("sums", {})
    with panel("Sums", aside=days_words(run)):
        if not sums:
            empty_state("Not summed yet", "They stand here when both sides were read.", icon="hourglass_empty")
            return
        rows = [[Cell("Payments"), *(Cell(_number(sums.get(side, {}), "payments", "accounts")) for side in _NAMES)]]
        for name, text in _SUMS:
            found = [sums.get(side, {}).get(name) for side in _NAMES]
            if any(sum_ is not None for sum_ in found):
                rows.append([Cell(text), *(Cell(None if sum_ is None else words.money(int(sum_))) for sum_ in found)])
        figures("Sums of both sides and of our books", ("What", *_NAMES.values()), rows, marker="sums")


def _number(side: dict[str, Any], *names: str) -> str:
    return next((f"{int(side[name]):,}" for name in names if name in side), "–")


def _read(run: ReconciliationRun) -> None:
    wave, porta = run.totals.get("wave", {}), run.totals.get("porta")
    with panel("How far it was read"):
        if not wave and porta is None:
            ui.label("Nothing yet.").classes("soft")
        facts = Facts()
        for day, read in sorted(wave.items()):
            facts.add(f"Wave, {day}", f"{int(read['rows']):,} rows" if read["whole"] else f"not whole: {read['error']}")
        if porta is not None:
            seen = f"{int(porta.get('rows', porta['offset'])):,} accounts"
            state = seen if porta["whole"] else f"{seen} so far" if not porta["ended"] else f"not whole: {porta['error']}"
            facts.add("PortaBilling", state)


def _changed(run: ReconciliationRun) -> None:
    changed = run.totals.get("changed", [])
    if not changed:
        return
    with panel("Rows that Wave showed differently before"):
        facts = Facts()
        for one in changed:
            text = ", ".join(f"{label(name)}: {value(name, old)} → {value(name, new)}" for name, (old, new) in one["changed"].items())
            facts.add(one["id"], text)
