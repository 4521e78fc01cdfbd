"""Keeping the history of health small: old periods become a month's seconds. Up-time stays what it was."""

from __future__ import annotations

from datetime import date, datetime

import sqlalchemy as sa
import structlog
from sqlmodel import Session

from app.db import Begin
from services.network.checks import lock_network
from services.network.models import HealthPeriod
from services.network.uptime import begins_at, month_after, month_of

log = structlog.get_logger(__name__)
# Whole months that stand as periods beside the running one: a year to compare with, and a month more.
MONTHS_OF_PERIODS = 13


def roll_up(begin: Begin, *, now: datetime) -> list[date]:
    """Turn periods of months that are past their time into seconds, one month in each transaction. Answers the months.

    A period that reaches into a later month is cut at its beginning. Safe to run twice or to die midway: what was counted is gone.
    """
    keep_from = month_after(month_of(now), -MONTHS_OF_PERIODS)
    rolled: list[date] = []
    while True:
        with begin() as session:
            # Health polls and false alarms change periods, if not such old ones.
            lock_network(session)
            month = _oldest_month(session)
            if month is None or month >= keep_from:
                return rolled
            _roll_up_month(session, month)
        rolled.append(month)
        log.info("health.month_rolled_up", month=month.isoformat())


def _oldest_month(session: Session) -> date | None:
    oldest = session.execute(sa.select(sa.func.min(HealthPeriod.started_at))).scalar_one()
    return month_of(oldest) if oldest is not None else None


def _roll_up_month(session: Session, month: date) -> None:
    values = {"month": month, "start": begins_at(month), "end": begins_at(month_after(month))}
    for statement in (_COUNT, _DELETE, _CUT):
        session.execute(statement, values)


# Nothing begins before :start, since the oldest month is taken first. A second belongs to the state at its beginning (uptime.py).
_SECONDS = "ceil(extract(epoch FROM least(coalesce(ended_at, :end), :end))) - ceil(extract(epoch FROM started_at))"
_STATES = ("online", "degraded", "offline", "unknown", "retired")
_SUMS = ", ".join(f"coalesce(sum({_SECONDS}) FILTER (WHERE state = '{state}'), 0)" for state in _STATES)
_COLUMNS = ", ".join(f"{state}_seconds" for state in _STATES)
_ADDED = ", ".join(f"{state}_seconds = health_month.{state}_seconds + excluded.{state}_seconds" for state in _STATES)
_COUNT = sa.text(f"""
INSERT INTO health_month (access_point_id, month, {_COLUMNS})
SELECT access_point_id, CAST(:month AS date), {_SUMS} FROM health_period WHERE started_at < :end GROUP BY access_point_id
ON CONFLICT (access_point_id, month) DO UPDATE SET {_ADDED}
""")  # noqa: S608 - of constants

_DELETE = sa.text("DELETE FROM health_period WHERE started_at < :end AND ended_at <= :end")
_CUT = sa.text("UPDATE health_period SET started_at = :end WHERE started_at < :end")
