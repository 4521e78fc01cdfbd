"""Writing what became of access points' health: raw changes, the standing state and its periods, each in one statement for all of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from services.network.debounce import Standing
from services.network.models import Health
from services.network.transitions import Transition


@dataclass(frozen=True)
class Change:
    """One access point's standing before and after something was heard of it."""

    access_point_id: int
    before: Standing
    after: Standing

    @property
    def is_reported(self) -> bool:
        return self.before.reported is not self.after.reported

    @property
    def transition(self) -> Transition | None:
        if self.before.health is self.after.health:
            return None
        return Transition(self.access_point_id, self.before.health, self.after.health, self.after.health_since)


def standing_of(row: sa.Row[Any]) -> Standing:
    """The standing in a row with an access point's health columns."""
    return Standing(
        Health(row.reported),
        Health(row.health),
        row.health_since,
        Health(row.candidate) if row.candidate else None,
        row.candidate_since,
    )


def write(session: Session, changes: Sequence[Change], *, last_good: datetime | None, now: datetime) -> list[Transition]:
    """Store the changes and answer those of the debounced state. `last_good` is when the poll before this one saw the network.

    The caller holds the network's lock; health columns are written by nobody else.
    """
    real = [change for change in changes if change.before != change.after]
    if not real:
        return []
    _keep_raw(session, [change for change in real if change.is_reported], now=now)
    _update(session, real, last_good=last_good, now=now)
    transitions = [change.transition for change in real if change.transition is not None]
    if transitions:
        _turn_periods(session, transitions)
    return transitions


def _keep_raw(session: Session, changes: Sequence[Change], *, now: datetime) -> None:
    if not changes:
        return
    session.execute(
        _RAW,
        {
            "now": now,
            "ids": [change.access_point_id for change in changes],
            "befores": [change.before.reported.value for change in changes],
            "afters": [change.after.reported.value for change in changes],
        },
    )


def _update(session: Session, changes: Sequence[Change], *, last_good: datetime | None, now: datetime) -> None:
    after = [change.after for change in changes]
    values: dict[str, Any] = {
        "now": now,
        "last_good": last_good,
        "ids": [change.access_point_id for change in changes],
        "reported": [standing.reported.value for standing in after],
        "health": [standing.health.value for standing in after],
        "since": [standing.health_since for standing in after],
        "candidate": [standing.candidate.value if standing.candidate else None for standing in after],
        "candidate_since": [standing.candidate_since for standing in after],
    }
    session.execute(_STANDING, values)


def _turn_periods(session: Session, transitions: Sequence[Transition]) -> None:
    values = {
        "ids": [transition.access_point_id for transition in transitions],
        "states": [transition.after.value for transition in transitions],
        "ats": [transition.at for transition in transitions],
    }
    for statement in (_RENAME_PERIODS, _CLOSE_PERIODS, _OPEN_PERIODS):
        session.execute(statement, values)


_RAW = sa.text("""
INSERT INTO health_change (access_point_id, at, before, after)
SELECT id, :now, before, after
FROM unnest(CAST(:ids AS bigint[]), CAST(:befores AS text[]), CAST(:afters AS text[])) AS heard (id, before, after)
""")

_STANDING = sa.text("""
UPDATE access_point SET
    last_online_at = CASE WHEN access_point.reported = 'online' AND heard.reported <> 'online'
        THEN coalesce(greatest(CAST(:last_good AS timestamptz), access_point.reported_at), access_point.last_online_at)
        ELSE access_point.last_online_at END,
    reported_at = CASE WHEN access_point.reported <> heard.reported OR access_point.reported_at IS NULL
        THEN :now ELSE access_point.reported_at END,
    reported = heard.reported,
    health = heard.health,
    health_since = heard.health_since,
    candidate = heard.candidate,
    candidate_since = heard.candidate_since
FROM unnest(
    CAST(:ids AS bigint[]), CAST(:reported AS text[]), CAST(:health AS text[]), CAST(:since AS timestamptz[]),
    CAST(:candidate AS text[]), CAST(:candidate_since AS timestamptz[])
) AS heard (id, reported, health, health_since, candidate, candidate_since)
WHERE access_point.id = heard.id
""")

_TURNS = """
FROM unnest(CAST(:ids AS bigint[]), CAST(:states AS text[]), CAST(:ats AS timestamptz[])) AS turn (id, state, at)
"""

# A period that would have no length never was: it is given the new state instead.
_RENAME_PERIODS = sa.text(f"""
UPDATE health_period SET state = turn.state {_TURNS}
WHERE health_period.access_point_id = turn.id AND health_period.ended_at IS NULL AND health_period.started_at >= turn.at
""")  # noqa: S608 - of constants

_CLOSE_PERIODS = sa.text(f"""
UPDATE health_period SET ended_at = turn.at {_TURNS}
WHERE health_period.access_point_id = turn.id AND health_period.ended_at IS NULL AND health_period.started_at < turn.at
""")  # noqa: S608 - of constants

_OPEN_PERIODS = sa.text(f"""
INSERT INTO health_period (access_point_id, state, started_at)
SELECT turn.id, turn.state, turn.at {_TURNS}
WHERE NOT EXISTS (SELECT FROM health_period WHERE access_point_id = turn.id AND ended_at IS NULL)
""")  # noqa: S608 - of constants
