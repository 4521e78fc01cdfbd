"""Parts that the pages of jobs share: marks, durations, bars, and the rows of queues and processes."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from html import escape
from typing import Any

from nicegui import ui

from app.clock import utc_now
from pages.components import words
from pages.components.columns import Cell, chip_cell, time_cell
from pages.components.parts import moment, tile, tone_chip
from pages.components.states import empty_state
from pages.components.words import Tone
from services.operations.models import JobFailure, ProcessKind
from services.operations.periodic_desk import PeriodicView
from services.operations.processes import ProcessView
from services.operations.queues import QueueView
from services.operations.runs import TOPIC, HourOfJob

PATH = "/console/jobs"
FAILURES = f"{PATH}/failures"
TOPICS = (TOPIC,)
_LEVELS = "▁▂▃▄▅▆▇█"
_HOURS = 12
_SOON_SECONDS = 60
_WIDTH, _HEIGHT = 960.0, 72.0
_KINDS = {ProcessKind.WEB: "Web", ProcessKind.CONSOLE: "Console", ProcessKind.WORKER: "Worker", ProcessKind.SCHEDULER: "Scheduler"}


def mark(view: PeriodicView) -> tuple[str, Tone] | None:
    """What is to be said of a job first."""
    if view.is_paused:
        return "Paused", "wait"
    if view.is_late:
        return "Late", "bad"
    if view.is_failing:
        return "Failed", "bad"
    if view.is_running:
        return "Running", "busy"
    return ("Well", "good") if view.row.last_outcome else ("Not yet", "off")


def every(seconds: int) -> str:
    return words.span(seconds)


def next_cell(view: PeriodicView) -> Cell:
    """When it runs next; of what runs all the time only how often, for the moment is over before it is read."""
    if view.next_at is not None and view.line.seconds <= _SOON_SECONDS:
        return f"within {view.line.seconds} s"
    return time_cell(view.next_at)


def took(ms: int) -> str:
    return f"{ms:,} ms" if ms < 1000 else f"{ms / 1000:.1f} s" if ms < 60_000 else words.span(round(ms / 1000))


def sparkline(hours: Sequence[HourOfJob], *, now: datetime) -> str | None:
    """The mean duration of each of the last 12 hours as small bars; a dot where it did not run."""
    means = _means(hours, count=_HOURS, now=now)
    highest = max(means, default=0)
    if not any(hour.runs for hour in hours):
        return None
    return "".join("·" if mean < 0 else _LEVELS[round(mean / highest * (len(_LEVELS) - 1)) if highest else 0] for mean in means)


def _means(hours: Sequence[HourOfJob], *, count: int, now: datetime) -> list[int]:
    """The means of the last hours, oldest first; -1 where it did not run."""
    last = now.replace(minute=0, second=0, microsecond=0)
    held = {hour.hour: hour.mean_ms for hour in hours if hour.runs}
    return [held.get(last - timedelta(hours=back), -1) for back in range(count - 1, -1, -1)]


def duration_bars(hours: Sequence[HourOfJob], *, count: int, now: datetime) -> None:
    """The mean duration of each hour as a bar, red where a run failed; what it was stands on hover."""
    last = now.replace(minute=0, second=0, microsecond=0)
    held = {hour.hour: hour for hour in hours if hour.runs}
    highest = max((hour.mean_ms for hour in held.values()), default=0)
    if not held:
        empty_state("No run in this time", "As soon as it runs, its durations stand here.", icon="bar_chart")
        return
    step = _WIDTH / count
    drawn = "".join(
        _bar(held[at], number * step, step, highest)
        for number in range(count)
        if (at := last - timedelta(hours=count - 1 - number)) in held
    )
    shown = ui.html(drawn, tag="svg", sanitize=False).classes("job-bars").mark("duration-bars")
    longest = max(hour.longest_ms for hour in held.values())
    told = f"Mean duration by the hour; {took(highest)} at most, the longest single run {took(longest)}"
    shown.props(f'viewBox="0 0 {_WIDTH:.0f} {_HEIGHT:.0f}" preserveAspectRatio="none" role="img" aria-label="{told}"')
    with ui.element("div").classes("strip-scale"):
        ui.label(f"{count} h ago")
        ui.label(f"mean to {took(highest)}, longest {took(longest)}")
        ui.label("now")


def _bar(hour: HourOfJob, left: float, step: float, highest: int) -> str:
    height = max(hour.mean_ms / highest * _HEIGHT if highest else 0.0, 2.0)
    failed = f", {hour.failures:,} failed" if hour.failures else ""
    title = escape(f"{hour.hour:%d %b %H:00}: {hour.runs:,} runs, {took(hour.mean_ms)} on average, {took(hour.longest_ms)} at most{failed}")
    tone = "bad" if hour.failures else "good"
    return (
        f'<rect class="{tone}" x="{left + step * 0.1:.1f}" y="{_HEIGHT - height:.1f}" width="{step * 0.8:.1f}" '
        f'height="{height:.1f}"><title>{title}</title></rect>'
    )


def failure_cells(row: JobFailure) -> dict[str, Any]:
    return {
        "id": row.id,
        "href": f"{FAILURES}/{row.id}",
        "job": row.job.removeprefix("jobs."),
        "second": ", ".join(str(argument) for argument in row.arguments) or None,
        "retried": chip_cell("Yes", "off") if row.retried_at else None,
        "error": row.error,
        "failed": time_cell(row.failed_at),
    }


def tiles(views: Sequence[PeriodicView], processes: Sequence[ProcessView], waiting: Sequence[QueueView] | None) -> None:
    late, failing, paused = (
        sum(view.is_late for view in views),
        sum(view.is_failing for view in views),
        sum(view.is_paused for view in views),
    )
    tile("Late", f"{late:,}", f"of {len(views):,} periodic jobs", alarm=late > 0)
    tile("Failed last", f"{failing:,}", "paused: " + f"{paused:,}", alarm=failing > 0)
    living = [one for one in processes if one.row.stopped_at is None and not one.is_silent]
    workers = sum(one.row.kind is ProcessKind.WORKER for one in living)
    schedulers = sum(one.row.kind is ProcessKind.SCHEDULER for one in living)
    tile("Workers", f"{workers:,}", f"schedulers: {schedulers:,}", alarm=not (workers and schedulers))
    if waiting is None:
        tile("Waiting jobs", "–", "Redis does not answer", alarm=True)
        return
    oldest = max((view.oldest_seconds or 0.0 for view in waiting), default=0.0)
    note = f"the oldest for {words.span(round(oldest))}" if any(view.waiting for view in waiting) else "nothing waits"
    tile("Waiting jobs", f"{sum(view.waiting for view in waiting):,}", note, alarm=any(view.is_old for view in waiting))


def queue_rows(waiting: Sequence[QueueView] | None) -> None:
    if waiting is None:
        empty_state(
            "Redis does not answer", "Nothing is rung for until it is back. What is due then is found by the sweeps.", icon="cloud_off"
        )
        return
    for view in waiting:
        with ui.element("div").classes("item"):
            tone_chip("Old" if view.is_old else "Well", "bad" if view.is_old else "good")
            ui.label(view.name).classes("strong")
            ui.label("empty" if not view.waiting else f"{view.waiting:,} waiting").classes("soft")
            if view.oldest_seconds is not None:
                ui.label(f"oldest {words.span(round(view.oldest_seconds))}").classes("end soft small")


def process_rows(rows: Sequence[ProcessView]) -> None:
    if not rows:
        empty_state("No process has said that it lives", "Not even this one: PostgreSQL may have been away until now.", icon="memory")
    for view in rows:
        _process(view)


def _process(view: ProcessView) -> None:
    row = view.row
    with ui.element("div").classes("item"):
        state: tuple[str, Tone] = ("Silent", "bad") if view.is_silent else ("Stopped", "off") if row.stopped_at else ("Lives", "good")
        tone_chip(*state)
        ui.label(_KINDS[row.kind]).classes("strong")
        ui.label(", ".join(view.serves)).classes("soft")
        with ui.element("div").classes("end soft small"):
            moment(row.stopped_at or row.beat_at)
        with ui.element("div").classes("about soft small full-width"):
            ui.label(f"{row.host}, process {row.pid}").classes("mono")
            ui.label(words.size(row.memory_bytes))
            ui.label(f"release {row.release}")
            ui.label(f"up for {words.span(max(0, round(((row.stopped_at or utc_now()) - row.started_at).total_seconds())))}")
