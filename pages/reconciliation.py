"""The reconciliation desk: runs with their state and sums, and every finding that somebody has to decide."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components import words
from pages.components.bulk_bar import bulk_of
from pages.components.columns import Column, state_cell, time_cell
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons
from pages.components.list_file import list_file
from pages.components.list_state import Choice, Day, Filter, ListState
from pages.components.list_views import BuiltIn
from pages.components.parts import action_button, page_header, panel, tile
from pages.components.table import ServerTable
from pages.live import refresh_on
from pages.reconciliation_words import FIXES, KINDS, money
from pages.shell import console_page, current_staff, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.payments.reconciliation import report_pdf, reports
from services.payments.reconciliation.models import FindingKind, FindingState, ReconciliationRun, RunState
from services.payments.reconciliation.queries import (
    NOBODY,
    FindingFilter,
    FindingRow,
    RunFilter,
    age_days,
    count_by_kind,
    deciders,
    last_run,
    list_findings,
    list_runs,
)
from services.payments.reconciliation.runs import order_run

PATH = "/console/reconciliation"
FINDINGS = f"{PATH}/findings"
FINDING_COLUMNS = (
    Column("kind", "What", "link", phone="title", second="About"),
    Column("state", "State", "chip", phone="corner"),
    Column("day", "Day", sortable=True),
    Column("wave", "Wave", "money"),
    Column("ledger", "Our books", "money"),
    Column("porta", "PortaBilling", "money"),
    Column("fix", "Proposed"),
    Column("assignee", "Given to"),
    Column("age", "Age"),
    Column("number", "Number", "number", hidden=True),
)
_DEFAULT = ListState(sort="id", filters={"state": FindingState.OPEN.value})
VIEWS: tuple[BuiltIn, ...] = (("Open", {}), ("Given to nobody", {"assignee": NOBODY}), ("All", {"state": "all"}))
RUN_COLUMNS = (
    Column("days", "Days", "link", phone="title"),
    Column("state", "State", "chip", phone="corner"),
    Column("gross", "Wave, gross", "money"),
    Column("fees", "Fees", "money"),
    Column("ledger", "Our books", "money"),
    Column("porta", "PortaBilling", "money"),
    Column("found", "Findings"),
    Column("created", "Begun", "time", sortable=True),
)


def days_words(run: ReconciliationRun) -> str:
    first = f"{run.from_day.day} {run.from_day:%b %Y}"
    return first if run.from_day == run.to_day else f"{first} to {run.to_day.day} {run.to_day:%b %Y}"


def finding_cells(row: FindingRow) -> dict[str, Any]:
    finding = row.finding
    cells = {
        "id": finding.id,
        "href": f"{FINDINGS}/{finding.id}",
        "kind": KINDS[finding.kind],
        "second": f"payment {row.reference}" if row.reference else finding.movement_id,
        "state": state_cell(finding.state),
        "day": f"{finding.day.day} {finding.day:%b %Y}",
        "wave": money(finding.wave_bututs),
        "ledger": money(finding.ledger_bututs),
        "porta": money(finding.porta_bututs),
        "fix": FIXES[finding.fix][0] if finding.state is FindingState.OPEN else None,
        "assignee": row.assignee,
        "number": str(finding.id),
        "age": _age(age_days(finding, now=utc_now())),
    }
    # What is decided is decided: no box stands before it.
    return cells if finding.state is FindingState.OPEN else cells | {"pick": None}


def _age(days: int) -> str:
    return "today" if days <= 0 else "1 day" if days == 1 else f"{days:,} days"


def run_cells(run: ReconciliationRun) -> dict[str, Any]:
    sums = run.totals.get("sums", {})
    wave = sums.get("wave", {})
    return {
        "id": run.id,
        "href": f"{PATH}/runs/{run.id}",
        "days": days_words(run),
        "second": "by night" if run.is_nightly else f"for {run.asked_by.partition(':')[2] or run.asked_by}",
        "state": state_cell(run.state),
        "gross": money(wave.get("gross")),
        "fees": money(wave.get("fees")),
        "ledger": money(sums.get("ledger", {}).get("gross")),
        "porta": money(sums.get("porta", {}).get("charged")),
        "found": f"{run.found:,}" if run.ended_at else None,
        "created": time_cell(run.created_at),
    }


async def load_runs(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    chosen = state.filters.get("run")
    found = await in_transaction(list_runs, actor=actor, wanted=RunFilter(RunState(chosen) if chosen else None), part=state.part)
    return Listing(tuple(run_cells(run) for run in found.rows), found.total, found.is_estimate)


def wanted_in(state: ListState, *, run_id: int | None = None) -> FindingFilter:
    kind, decided, assignee = state.filters.get("kind"), state.filters.get("state"), state.filters.get("assignee")
    since, until = state.day("from"), state.day("to")
    return FindingFilter(
        kind=FindingKind(kind) if kind else None,
        state=FindingState(decided) if decided and decided != "all" else None,
        since=since.date() if since else None,
        until=until.date() if until else None,
        assignee_id=NOBODY if assignee == NOBODY else int(assignee) if assignee else None,
        run_id=run_id,
    )


def _filters(people: Mapping[int, str]) -> tuple[Filter, ...]:
    return (
        Choice("state", "State", {"all": "All", **{state.value: words.words_of(state).text for state in FindingState}}),
        Choice("kind", "Kind", {kind.value: KINDS[kind] for kind in FindingKind}),
        Choice("assignee", "Given to", {NOBODY: "Nobody", **{str(number): name for number, name in people.items()}}),
        Day("from", "From"),
        Day("to", "To"),
    )


async def filters_for(actor: Principal) -> Sequence[Filter]:
    return _filters(await in_transaction(deciders, actor=actor))


async def load_findings(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    found = await in_transaction(list_findings, actor=actor, wanted=wanted_in(state), part=state.part)
    return Listing(tuple(finding_cells(row) for row in found.rows), found.total, found.is_estimate)


FILE = list_file(PATH, "findings", columns=FINDING_COLUMNS, load=load_findings, default=_DEFAULT, filters=filters_for)


@console_page(PATH, title="Reconciliation", permission=Permission.MONEY_READ, icon="rule", group="Money", in_navigation=True)
async def reconciliation_page(actor: Principal) -> None:
    people = await in_transaction(deciders, actor=actor)
    with page_header("Reconciliation", lead="Wave, PortaBilling and our own books, compared every night. What does not agree stands here."):
        action_button("Compare days", _order_form, icon="rule", main=True).mark("order-run")
        action_button("Report", _report_form, icon="description").mark("report")
    tiles = ui.element("div").classes("tiles").mark("reconciliation-tiles")
    with panel("Findings", flush=True):
        table = ServerTable(
            path=PATH,
            marker="findings",
            columns=FINDING_COLUMNS,
            load=load_findings,
            default=_DEFAULT,
            filters=_filters(people),
            views=VIEWS,
            file=FILE,
            empty=("Nothing to decide", "The three sides agree, or nothing was compared yet."),
            bulk=bulk_of("findings", actor),
        )
    await table.first()
    with panel("Runs", flush=True):
        runs = ServerTable(
            path=PATH,
            marker="runs",
            columns=RUN_COLUMNS,
            load=load_runs,
            default=ListState(sort="created", per_page=25),
            filters=(Choice("run", "State", {state.value: words.words_of(state).text for state in RunState}),),
            empty=("No run yet", "The night compares the day before by itself. Any other day is compared when you ask for it."),
            in_address=False,
        )
    await runs.first()

    async def draw_tiles() -> None:
        by = await current_staff()
        newest, kinds = await in_transaction(last_run, actor=by), await in_transaction(count_by_kind, actor=by)
        tiles.clear()
        with tiles:
            _tiles(newest, kinds)

    await draw_tiles()

    async def refresh() -> None:
        await draw_tiles()
        await table.refresh()

    refresh_on(("findings",), refresh)
    refresh_on(("reconciliation",), runs.refresh)


def _tiles(newest: ReconciliationRun | None, kinds: dict[FindingKind, int]) -> None:
    tile("Open findings", f"{sum(kinds.values()):,}", "nothing waits" if not kinds else "of all days")
    for kind, number in sorted(kinds.items(), key=lambda item: -item[1])[:2]:
        tile(KINDS[kind], f"{number:,}", "open")
    if newest is not None:
        state = words.words_of(newest.state).text
        tile("Last run", state, f"{days_words(newest)}, {words.relative(newest.ended_at or newest.created_at, utc_now())}")


def day_field(label: str, name: str, value: date) -> ui.input:
    field = ui.input(label, value=value.isoformat()).props("outlined type=date stack-label hide-bottom-space").classes("w-full")
    return field.mark(f"field-{name}")


def read_day(field: ui.input) -> date | None:
    try:
        return date.fromisoformat(field.value or "")
    except ValueError:
        field.props('error error-message="Choose a day."')
        return None


def _order_form() -> None:
    yesterday = utc_now().date() - timedelta(days=1)
    with dialog_card("Compare days") as dialog:
        ui.label("All three sides are read and compared in the background. Today is compared as far as it has gone.").classes("soft")
        first, last = day_field("First day", "from_day", yesterday), day_field("Last day", "to_day", yesterday)
        fields = {"from_day": first, "to_day": last}

        async def act() -> None:
            days = read_day(first), read_day(last)
            now = utc_now()
            from_day, to_day = (day or now.date() + timedelta(days=1) for day in days)
            await in_transaction(order_run, actor=await current_staff(), from_day=from_day, to_day=to_day, now=now)
            ui.notify("It is being compared.", type="positive")

        form_buttons(dialog, fields, yes="Compare", act=act, marker="start-run")
    dialog.open()


def _report_form() -> None:
    yesterday = utc_now().date() - timedelta(days=1)
    with dialog_card("Money report") as dialog:
        ui.label("Gross, fees, net and refunds, by package, site and channel; findings; what stood open at the end.").classes("soft")
        span = ui.toggle({"day": "A day", "month": "Its month"}, value="day").props("no-caps unelevated").mark("report-span")
        day = day_field("Day", "to", yesterday)

        async def download(what: str) -> None:
            with toast_on_refusal():
                chosen = read_day(day)
                if chosen is None:
                    return
                first, last = reports.month_of(chosen) if span.value == "month" else (chosen, chosen)
                asked = partial(reports.report, first=first, last=last, now=datetime.now(UTC))
                shown = await in_transaction(asked, actor=await current_staff())
                content = report_pdf.as_pdf(shown) if what == "pdf" else "".join(reports.csv_lines(shown)).encode()
                ui.download.content(content, f"{shown.file_name}.{what}", "application/pdf" if what == "pdf" else "text/csv; charset=utf-8")
                dialog.close()

        with ui.element("div").classes("buttons"):
            ui.button("Cancel", on_click=dialog.close).props("flat color=link")
            action_button("CSV", partial(download, "csv"), icon="download").mark("report-csv")
            action_button("PDF", partial(download, "pdf"), icon="picture_as_pdf", main=True).mark("report-pdf")
    dialog.open()
