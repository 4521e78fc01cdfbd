"""Running a periodic job because somebody asked for it, outside of its slots."""

from __future__ import annotations

import structlog
from rq.utils import import_attribute

from jobs import base
from services.operations import periodic

log = structlog.get_logger(__name__)


def run(periodic_id: str) -> None:
    """Run it once, unless a run of it is under way. One that was taken off the schedule meanwhile is not run."""
    line = periodic.declared().get(periodic_id)
    if line is None:
        log.info("job.not_scheduled", job=periodic_id)
        return
    base.run_by_hand(line, import_attribute(line.job))
