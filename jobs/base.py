"""What every job has: the correlation ID of what rang for it, its claim if it is periodic, and a note of how it went."""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import wraps
from typing import Any, ParamSpec

import structlog
from rq import get_current_job
from rq.job import Job

from app import correlation, metrics, tracing
from app.clock import utc_now
from app.db import transaction
from services.operations import periodic
from services.operations.periodic import DATABASE_AWAY, Claim, Line
from services.operations.runs import failure_of, recorder, words_of

P = ParamSpec("P")
log = structlog.get_logger(__name__)


class HandedBack(BaseException):
    """Raised within a job that a stopping worker breaks off. Not an Exception: nothing that a job expects to go wrong."""


class _State:
    """Of the worker's one working thread."""

    # A job that calls another's function is one run.
    is_under_way = False
    # Whether the job that RQ performs came as far as its own function; what fails before that is noted by the worker.
    was_entered = False


state = _State()


def job(function: Callable[P, None]) -> Callable[P, None]:
    """Run under the correlation ID that was handed over with the ring; a periodic job only if its slot is still to be had."""
    name = f"{function.__module__}.{function.__name__}"

    @wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        current = get_current_job()
        if current is None or state.is_under_way:
            with correlation.correlated(current.meta.get("correlation_id") if current is not None else None):
                function(*args, **kwargs)
            return
        state.was_entered = True
        with correlation.correlated(current.meta.get("correlation_id")):
            if not _is_scheduled(current):
                _perform(name, current, function, args, kwargs, None)
            elif (claim := _claim(current.id)) is not None:
                _perform(name, current, function, args, kwargs, claim)

    return run


def run_by_hand(line: Line, function: Callable[[], None]) -> None:
    """Run a periodic job outside of its slots, unless a run of it is under way. Called within a job."""
    current = get_current_job()
    assert current is not None
    with correlation.correlated(current.meta.get("correlation_id")):
        with transaction() as session:
            claim = periodic.claim_by_hand(session, line)
        if claim is None:
            log.info("job.runs_already", job=line.id)
            return
        state.was_entered = True
        _perform(line.job, current, function, (), {}, claim)


def _is_scheduled(current: Job) -> bool:
    # What rq-scheduler rings for carries its interval; the same function rung for by a row does not.
    return "interval" in current.meta


def _claim(periodic_id: str) -> Claim | None:
    line = periodic.declared().get(periodic_id)
    if line is None:
        return None  # of a schedule that this release does not have
    try:
        with transaction() as session:
            return periodic.claim(session, line)
    except DATABASE_AWAY as error:
        # Whether the slot is free cannot be known, so this run does not happen. The next one will.
        log.info("job.not_claimed", job=periodic_id, error=type(error).__name__)
        return None


def _perform(
    name: str, current: Job, function: Callable[..., None], args: tuple[Any, ...], kwargs: dict[str, Any], claim: Claim | None
) -> None:
    began = time.perf_counter()
    state.is_under_way = True
    try:
        with tracing.job(name, current.meta):
            function(*args, **kwargs)
    except HandedBack:
        if claim is not None:
            _free(claim)
        raise
    except Exception as error:
        log.exception("job.failed", job=name)
        _note(name, current, claim, error, took_ms=(time.perf_counter() - began) * 1000)
        raise
    else:
        _note(name, current, claim, None, took_ms=(time.perf_counter() - began) * 1000)
    finally:
        state.is_under_way = False


def _note(name: str, current: Job, claim: Claim | None, error: Exception | None, *, took_ms: float) -> None:
    now = utc_now()
    recorder.note(name, took_ms=took_ms, failed=error is not None, now=now)
    metrics.job_ended(name, "done" if error is None else "failed", took_ms / 1000)
    if claim is not None:
        recorder.ended(transaction, claim, took_ms=round(took_ms), error=None if error is None else words_of(error))
    if error is not None:
        recorder.failed(transaction, failure_of(name, current.args, current.origin, error, took_ms=took_ms, now=now))


def note_unentered(current: Job, error: BaseException) -> None:
    """Note a job that failed before its own function was reached, such as one that this release does not know."""
    now, name = utc_now(), current.func_name or "unknown"
    recorder.note(name, took_ms=0, failed=True, now=now)
    metrics.job_ended(name, "failed", 0.0)
    recorder.failed(transaction, failure_of(name, current.args, current.origin, error, took_ms=0, now=now))


def _free(claim: Claim) -> None:
    try:
        with transaction() as session:
            periodic.hand_back(session, claim)
    except DATABASE_AWAY:
        log.info("job.claim_not_freed", job=claim.id)
