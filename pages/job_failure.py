"""One run that failed: what it said, where, and running it again."""

from __future__ import annotations

from functools import partial

from nicegui import ui

from app.clock import utc_now
from app.db import in_transaction
from pages.components.parts import Facts, action_button, copy_button, notice, page_header, panel
from pages.jobs_parts import FAILURES, PATH, TOPICS, took
from pages.live import refresh_on
from pages.shell import console_page, current_staff, silent_on_refusal, toast_on_refusal
from services.accounts.permissions import Permission, Principal
from services.operations import failures
from services.operations.failures import one_failure
from services.operations.models import JobFailure


@console_page(FAILURES + "/{failure_id}", title="Failed run", permission=Permission.JOBS_READ)
async def job_failure_page(failure_id: int, actor: Principal) -> None:
    shown = await in_transaction(one_failure, actor=actor, failure_id=failure_id)
    body = ui.element("div").classes("stack")

    def draw(failure: JobFailure, by: Principal) -> None:
        body.clear()
        with body:
            _draw(failure, by)

    async def refresh() -> None:
        with silent_on_refusal():
            by = await current_staff()
            draw(await in_transaction(one_failure, actor=by, failure_id=failure_id), by)

    draw(shown, actor)
    refresh_on(TOPICS, refresh)


def _draw(failure: JobFailure, actor: Principal) -> None:
    with page_header(failure.job.removeprefix("jobs."), back=(PATH, "Jobs"), lead="A run that failed."):
        if actor.may(Permission.JOBS_EDIT) and failure.retried_at is None:
            action_button("Run it again", partial(_retry, failure), icon="replay", main=True).mark("retry")
    notice("bad", failure.error)
    with panel("What is known"):
        facts = Facts()
        facts.add("Arguments", ", ".join(str(argument) for argument in failure.arguments) or "none", mono=True)
        facts.add_time("Failed", failure.failed_at)
        facts.add("After", took(failure.took_ms))
        facts.add("Queue", failure.queue)
        facts.add("Correlation ID", failure.correlation_id, mono=True)
        facts.add_time("Run again", failure.retried_at, otherwise="no")
        if failure.retried_by:
            facts.add("By", failure.retried_by.partition(":")[2] or failure.retried_by)
    with panel("Where"), ui.expansion("The trace, the newest call last").props("dense").classes("w-full").mark("trace"):
        ui.label(failure.trace).classes("mono small job-trace")
        copy_button(failure.trace)


async def _retry(failure: JobFailure) -> None:
    with toast_on_refusal():
        await in_transaction(failures.retry, actor=await current_staff(), failure_id=failure.id or 0, now=utc_now())
        ui.notify("A worker takes it now.", type="positive")
