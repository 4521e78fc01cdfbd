"""For who keeps INET itself running: parts that are not well, jobs that are late or fail, errors of its own, the last good back-up."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from services.accounts.permissions import Permission, Principal
from services.console.dashboards.figures import Figure, Weight, What, counted
from services.listing import Slice
from services.operations.backup.keeping import Glance, glance
from services.operations.error_models import ErrorState
from services.operations.error_queries import ErrorFilter, ErrorRow, list_errors
from services.operations.health.standing import Look, standing
from services.operations.periodic_desk import PeriodicView, list_periodic

_SHOWN = 5
_NEWEST = Slice(limit=_SHOWN, sort="last")
_NEEDED = (Permission.HEALTH_READ, Permission.JOBS_READ, Permission.ERRORS_READ, Permission.BACKUPS_READ)


@dataclass(frozen=True)
class RunningPart:
    """Only what is not well: parts, jobs that are late or failed last, open errors. `backup` also when it is."""

    figures: tuple[Figure, ...]
    looks: tuple[Look, ...]
    jobs: tuple[PeriodicView, ...]
    errors: tuple[ErrorRow, ...]
    backup: Glance


def is_for(actor: Principal) -> bool:
    return all(actor.may(one) for one in _NEEDED)


def load(session: Session, *, actor: Principal, now: datetime) -> RunningPart:
    """Raises Forbidden."""
    looks = tuple(look for look in standing(session, actor=actor, now=now).looks if look.is_bad)
    jobs = list_periodic(session, actor=actor, now=now, hours=1)
    errors = list_errors(session, actor=actor, wanted=ErrorFilter(state=ErrorState.OPEN), part=_NEWEST, now=now)
    backup = glance(session, actor=actor, now=now)
    figures = (
        Figure(What.PARTS, len(looks), Weight.WRONG),
        Figure(What.JOBS_LATE, sum(job.is_late for job in jobs), Weight.WRONG),
        Figure(What.JOBS_FAILING, sum(job.is_failing for job in jobs), Weight.WRONG),
        Figure(What.BACKUP_OLD, int(backup.is_old), Weight.WRONG),
        counted(What.ERRORS, errors, Weight.AWAITED),
    )
    bad = tuple(job for job in jobs if job.is_late or job.is_failing)
    return RunningPart(figures, looks, bad[:_SHOWN], errors.rows, backup)
