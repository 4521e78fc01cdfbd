"""What INET does by itself: the schedule and how it fares, queues, the processes that work, and runs that failed."""

from __future__ import annotations

from typing import Any

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.again import again_every
from pages.components.columns import Column, chip_cell, time_cell
from pages.components.list_file import list_file
from pages.components.list_state import Choice, ListState
from pages.components.list_views import BuiltIn
from pages.components.parts import page_header, panel
from pages.components.table import ServerTable
from pages.jobs_parts import PATH, TOPICS, every, failure_cells, mark, next_cell, process_rows, queue_rows, sparkline, tiles, took
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.operations.failures import FailureFilter, failing_jobs, list_failures
from services.operations.periodic_desk import PeriodicView, list_periodic
from services.operations.processes import list_processes
from services.operations.queues import list_queues

_REFRESH_SECONDS = 10.0
SCHEDULE_COLUMNS = (
    Column("what", "Job", "link", phone="title"),
    Column("mark", "State", "chip", phone="corner"),
    Column("every", "Every"),
    Column("last", "Last run", "time"),
    Column("took", "Took"),
    Column("next", "Next", "time"),
    Column("trend", "Last 12 h", "code", phone="hide"),
)
FAILURE_COLUMNS = (
    Column("job", "Job", "link", phone="title"),
    Column("retried", "Run again", "chip", phone="corner"),
    Column("error", "What it said"),
    Column("failed", "When", "time", sortable=True),
)
_DEFAULT = ListState(per_page=50)
_MARKS = {"late": "Late", "failing": "Failing", "paused": "Paused", "running": "Running"}
_STATES = Choice("mark", "State", _MARKS)
VIEWS: tuple[BuiltIn, ...] = (("All", {}), ("Late", {"mark": "late"}), ("Failing", {"mark": "failing"}), ("Paused", {"mark": "paused"}))


def schedule_cells(view: PeriodicView) -> dict[str, Any]:
    line, row = view.line, view.row
    shown = mark(view)
    return {
        "id": line.id,
        "href": f"{PATH}/{line.id}",
        "what": line.what,
        "second": line.id,
        "mark": chip_cell(*shown) if shown else None,
        "every": every(line.seconds),
        "last": time_cell(row.last_started_at),
        "took": took(row.last_ms) if row.last_ended_at else None,
        "next": next_cell(view),
        "trend": sparkline(view.hours, now=utc_now()),
    }


async def load_schedule(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    views = await in_transaction(list_periodic, actor=actor, now=utc_now(), hours=24)
    wanted = state.search.lower()
    found = [view for view in views if wanted in f"{view.line.id} {view.line.what} {view.line.queue}".lower() and _is(view, state)]
    part = found[state.part.offset : state.part.offset + state.part.limit]
    return Listing(tuple(schedule_cells(view) for view in part), len(found))


def _is(view: PeriodicView, state: ListState) -> bool:
    held = {"late": view.is_late, "failing": view.is_failing, "paused": view.is_paused, "running": view.is_running}
    return held.get(state.filters.get("mark", ""), True)


async def load_failures(actor: Principal, state: ListState) -> Listing[dict[str, Any]]:
    wanted = FailureFilter(state.filters.get("job") or None)
    found = await in_transaction(list_failures, actor=actor, wanted=wanted, part=state.part)
    return Listing(tuple(failure_cells(row) for row in found.rows), found.total, found.is_estimate)


FILE = list_file(PATH, "schedule", columns=SCHEDULE_COLUMNS, load=load_schedule, default=_DEFAULT, filters=(_STATES,), is_audited=False)


@console_page(PATH, title="Jobs", permission=Permission.JOBS_READ, icon="schedule", group="Administration", in_navigation=True)
async def jobs_page(actor: Principal) -> None:
    jobs = await in_transaction(failing_jobs, actor=actor)
    with page_header("Jobs", lead="What INET does by itself, who works on it, and what failed. Work that was interrupted is found again."):
        pass
    head = ui.element("div").classes("tiles").mark("job-tiles")
    with panel("Schedule", flush=True):
        schedule = ServerTable(
            path=PATH,
            marker="schedule",
            columns=SCHEDULE_COLUMNS,
            load=load_schedule,
            default=_DEFAULT,
            file=FILE,
            views=VIEWS,
            search="Name or what it does",
            filters=(_STATES,),
            empty=("No schedule", "This process was not told of one."),
        )
    with ui.element("div").classes("columns wide-left"):
        with panel("Processes", aside="those of the last hour", flush=True):
            processes = ui.element("div").classes("rows q-mt-sm").mark("processes")
        with panel("Queues", flush=True):
            queues = ui.element("div").classes("rows q-mt-sm").mark("queues")
    with panel("Runs that failed", flush=True):
        failures = ServerTable(
            path=PATH,
            marker="job-failures",
            columns=FAILURE_COLUMNS,
            load=load_failures,
            default=ListState(sort="failed"),
            filters=(Choice("job", "Job", {job: job.removeprefix("jobs.") for job in jobs}),),
            empty=("Nothing failed", "Refusals and outside services that are away are no failures: their rows wait for another try."),
            in_address=False,
        )

    async def draw() -> None:
        by, now = await current_staff(), utc_now()
        views = await in_transaction(list_periodic, actor=by, now=now, hours=1)
        rows = await in_transaction(list_processes, actor=by, now=now)
        waiting = await in_transaction(lambda _: list_queues(actor=by, now=now))
        for place in (head, processes, queues):
            place.clear()
        with head:
            tiles(views, rows, waiting)
        with processes:
            process_rows(rows)
        with queues:
            queue_rows(waiting)

    async def refresh() -> None:
        with silent_on_refusal():
            await draw()
        await schedule.refresh()
        await failures.refresh()

    await draw()
    await schedule.first()
    await failures.first()
    refresh_on(TOPICS, refresh)
    again_every(_REFRESH_SECONDS, refresh)
