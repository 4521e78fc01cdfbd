"""Refusals of the reconciliation desk."""

from __future__ import annotations

from app.errors import Conflict, NotFound


class RunNotFound(NotFound):
    code, title = "run_not_found", "No such run"
    message = "There is no reconciliation run under that number."


class FindingNotFound(NotFound):
    code, title = "finding_not_found", "No such finding"
    message = "There is no finding under that number."


class FindingDecided(Conflict):
    code, title = "finding_decided", "This finding is decided"
    message = "Somebody accepted or rejected it, or a later run found nothing wrong any more. Nothing was done a second time."


class CannotBeMended(Conflict):
    code, title = "cannot_be_mended", "This cannot be done"
    message = "What is proposed does not fit what stands now. Run the reconciliation of that day again."
