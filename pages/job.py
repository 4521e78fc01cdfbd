"""One periodic job: when it runs, how long it takes, what went wrong, and what staff does about it."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.again import again_every
from pages.components.columns import Column
from pages.components.dialogs import dialog_card
from pages.components.forms import form_buttons, text_field
from pages.components.list_state import ListState
from pages.components.parts import Facts, action_button, moment, notice, page_header, panel, tone_chip
from pages.components.table import ServerTable
from pages.jobs_parts import PATH, TOPICS, duration_bars, every, failure_cells, mark, next_cell, took
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.listing import Listing
from services.operations import periodic_desk
from services.operations.failures import FailureFilter, list_failures
from services.operations.models import RunOutcome
from services.operations.periodic_desk import PeriodicView, one_periodic

_REFRESH_SECONDS = 5.0
_HOURS = 48
_FAILURES = (
    Column("job", "Arguments", "link", phone="title"),
    Column("retried", "Run again", "chip", phone="corner"),
    Column("error", "What it said"),
    Column("failed", "When", "time", sortable=True),
)


@console_page(PATH + "/{job_id}", title="Job", permission=Permission.JOBS_READ)
async def job_page(job_id: str, actor: Principal) -> None:
    shown = await in_transaction(one_periodic, actor=actor, job_id=job_id, now=utc_now())
    body = ui.element("div").classes("stack")

    def draw(view: PeriodicView, by: Principal) -> None:
        body.clear()
        with body:
            _draw(view, by)

    async def load(by: Principal, state: ListState) -> Listing[dict[str, object]]:
        found = await in_transaction(list_failures, actor=by, wanted=FailureFilter(shown.line.job), part=state.part)
        return Listing(tuple(failure_cells(row) | {"job": f"Failure {row.id}"} for row in found.rows), found.total, found.is_estimate)

    draw(shown, actor)
    with panel("Runs that failed", flush=True):
        failures = ServerTable(
            path=PATH,
            marker="job-failures",
            columns=_FAILURES,
            load=load,
            default=ListState(sort="failed"),
            empty=("None failed", "Failures are kept for a while after they were mended."),
            in_address=False,
        )
    await failures.first()

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            draw(await in_transaction(one_periodic, actor=by, job_id=job_id, now=utc_now()), by)
        await failures.refresh()

    refresh_on(TOPICS, refresh)
    again_every(_REFRESH_SECONDS, refresh)


def _draw(view: PeriodicView, actor: Principal) -> None:
    line, row = view.line, view.row
    with page_header(line.what, back=(PATH, "Jobs"), lead=f"{line.id}, every {every(line.seconds)}"):
        if actor.may(Permission.JOBS_EDIT):
            _actions(view)
    if row.paused_at is not None:
        by = row.paused_by.partition(":")[2] or row.paused_by
        notice("wait", f"{row.pause_reason} ({by})", title="Paused: no run begins until it is resumed")
    elif view.is_late:
        notice("bad", "See whether a worker serves its queue, and how long jobs wait there.", title="It has not run for too long")
    elif view.is_failing:
        notice(
            "bad", row.last_error, title=f"It failed {row.failures_in_a_row:,} times in a row" if row.failures_in_a_row > 1 else "It failed"
        )
    with ui.element("div").classes("columns wide-left"):
        with panel("How long it takes", aside=f"the last {_HOURS} hours"):
            duration_bars(view.hours, count=_HOURS, now=utc_now())
        with panel("Now"):
            _facts(view)


def _facts(view: PeriodicView) -> None:
    line, row = view.line, view.row
    facts = Facts()
    with facts.row("State"):
        shown = mark(view)
        if shown:
            tone_chip(*shown)
    facts.add_time("Last began", row.last_started_at, otherwise="never")
    facts.add_time("Last ended", row.last_ended_at, otherwise="never")
    facts.add("Took", took(row.last_ms) if row.last_ended_at else None)
    facts.add("Went", {RunOutcome.DONE: "well", RunOutcome.FAILED: "wrong", None: None}[row.last_outcome])
    with facts.row("Next"):
        if isinstance(soon := next_cell(view), str):
            ui.label(soon)
        else:
            moment(view.next_at, otherwise="when it is resumed")
    facts.add("Queue", line.queue)
    facts.add("Ended after", every(line.timeout_seconds))
    facts.add("Function", line.job, mono=True)


def _actions(view: PeriodicView) -> None:
    run = action_button("Run now", partial(_run, view), icon="play_arrow", main=True).mark("run-now")
    run.set_enabled(not view.is_running)
    if view.is_paused:
        action_button("Resume", partial(_resume, view), icon="play_circle").mark("resume")
    else:
        action_button("Pause", partial(_pause, view), icon="pause").mark("pause")


async def _run(view: PeriodicView) -> None:
    with toast_on_refusal():
        await in_transaction(periodic_desk.run_now, actor=await current_staff(), job_id=view.line.id, now=utc_now())
        ui.notify("A worker takes it now.", type="positive")


async def _resume(view: PeriodicView) -> None:
    with toast_on_refusal():
        await in_transaction(periodic_desk.resume, actor=await current_staff(), job_id=view.line.id, now=utc_now())
        ui.notify("It runs again.", type="positive")


def _pause(view: PeriodicView) -> None:
    with dialog_card("Pause this job?") as dialog:
        ui.label(f"{view.line.what}: this is not looked after until somebody resumes it. A run under way goes on.").classes("soft")
        reason = text_field("Why", "reason", props=f"autofocus maxlength={periodic_desk.REASON_LENGTH}")

        async def act() -> None:
            by = await current_staff()
            await in_transaction(periodic_desk.pause, actor=by, job_id=view.line.id, reason=reason.value or "", now=utc_now())
            ui.notify("Paused.", type="positive")

        form_buttons(dialog, {"reason": reason}, yes="Pause it", act=act, danger=True, marker="confirm-pause")
    dialog.open()
