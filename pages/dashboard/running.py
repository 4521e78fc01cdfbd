"""The part of the first page that says how INET itself runs."""

from __future__ import annotations

from datetime import datetime

from pages.backups import standing_words
from pages.components import words
from pages.dashboard.blocks import Block, Drawn, Row, Rows
from services.console.dashboards.running import RunningPart
from services.operations.error_queries import ErrorRow
from services.operations.health.standing import Look
from services.operations.models import HealthState
from services.operations.periodic_desk import PeriodicView

_BACKUP_WORDS = {"good": "Good", "busy": "Under way", "wait": "None yet", "bad": "Too old", "off": "Off"}


def drawn(part: RunningPart, now: datetime) -> Drawn:
    parts = Rows("Not well", tuple(map(_look, part.looks)), ("Everything answers", "", "task_alt"), marker="not-well")
    jobs = Rows("Jobs that are late or failed", tuple(map(_job, part.jobs)), ("Every job runs", "", "task_alt"), marker="bad-jobs")
    errors = Rows("Open errors", tuple(map(_error, part.errors)), ("No open errors", "", "task_alt"), marker="open-errors")
    left: list[Block] = [block for block in (parts, jobs) if block.rows]
    return Drawn(left=(*(left or [parts]), *([errors] if part.errors else [])), right=(_backup(part),))


def _look(look: Look) -> Row:
    chip = words.words_of(look.state) if look.state is not None else words.words_of(HealthState.OFF)
    return Row(
        look.title,
        "/console/health",
        chip=(chip.text, chip.tone),
        at=look.since,
        below=". ".join(filter(None, (look.said[:1].upper() + look.said[1:], look.advice))),
    )


def _job(view: PeriodicView) -> Row:
    return Row(
        view.line.what,
        f"/console/jobs/{view.line.id}",
        chip=("Late", "bad") if view.is_late else ("Failed", "bad"),
        at=view.row.last_started_at,
        below=view.row.last_error or view.line.id,
    )


def _error(row: ErrorRow) -> Row:
    group = row.group
    return Row(
        group.kind,
        f"/console/errors/{group.id}",
        chip=("Open", "bad"),
        beside=f"{row.last_day:,} in 24 h",
        at=group.last_at,
        below=group.message[:160],
    )


def _backup(part: RunningPart) -> Rows:
    tone, said = standing_words(part.backup)
    newest = part.backup.newest
    row = Row(
        "Newest proven back-up" if newest else "No back-up yet",
        "/console/backups",
        chip=(_BACKUP_WORDS[tone], tone),
        at=(newest.snapshot_at or newest.started_at) if newest else None,
        below=said,
    )
    return Rows("Back-ups", (row,), ("", "", ""), marker="backup")
