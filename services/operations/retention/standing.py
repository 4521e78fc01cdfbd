"""How each rule stands: its period, what it took away, how large its tables are, how old the oldest of what it may take."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, select

from services.accounts.permissions import Permission, Principal
from services.operations.models import CleanUp, RetentionPeriod
from services.operations.retention import files, periods
from services.operations.retention.rules import RULES
from services.operations.retention.shape import Rule

# Kept beside the rules: how many rows name a file that is not there.
MISSING = "files-missing"
_LOOK = "2s"


@dataclass(frozen=True)
class RuleStanding:
    """`table_bytes` is what its tables take with their indexes; `oldest_at` the oldest of what it takes away sooner or later."""

    rule: Rule
    days: int
    changed_by: str | None
    changed_at: datetime | None
    last_run_at: datetime | None
    last_removed: int
    removed: int
    last_ms: int
    table_bytes: int
    oldest_at: datetime | None


@dataclass(frozen=True)
class Standing:
    rules: tuple[RuleStanding, ...]
    missing_files: int


def standing(session: Session, *, actor: Principal) -> Standing:
    """Every rule, in the order of the table. Raises Forbidden."""
    actor.require(Permission.HEALTH_READ)
    ran = {row.rule: row for row in session.exec(select(CleanUp)).all()}
    changed = {row.rule: row for row in session.exec(select(RetentionPeriod)).all()}
    days = periods.all_days(session)
    sizes = _sizes(session, sorted({table for rule in RULES for table in rule.tables}))
    found = tuple(_of(session, rule, days[rule.name], changed.get(rule.name), ran.get(rule.name), sizes) for rule in RULES)
    return Standing(found, ran[MISSING].last_removed if MISSING in ran else 0)


def _of(
    session: Session, rule: Rule, days: int, change: RetentionPeriod | None, ran: CleanUp | None, sizes: dict[str, int]
) -> RuleStanding:
    return RuleStanding(
        rule=rule,
        days=days,
        changed_by=change.changed_by if change else None,
        changed_at=change.changed_at if change else None,
        last_run_at=ran.last_run_at if ran else None,
        last_removed=ran.last_removed if ran else 0,
        removed=ran.removed if ran else 0,
        last_ms=ran.last_ms if ran else 0,
        table_bytes=sum(sizes[table] for table in rule.tables),
        oldest_at=_oldest(session, rule),
    )


def _sizes(session: Session, tables: Sequence[str]) -> dict[str, int]:
    wanted = sa.text("SELECT name, pg_total_relation_size(quote_ident(name)::regclass) FROM unnest(CAST(:names AS text[])) AS name")
    return {name: int(size) for name, size in session.execute(wanted, {"names": list(tables)})}


def _oldest(session: Session, rule: Rule) -> datetime | None:
    """By the rule's own index; None where that takes too long, or where there is nothing."""
    found: list[Any] = []
    try:
        with session.begin_nested():
            session.execute(sa.text(f"SET LOCAL statement_timeout = '{_LOOK}'"))
            found = [session.execute(sa.text(step.oldest), {"before": "infinity"}).scalar() for step in rule.steps]
    except sa.exc.OperationalError:
        return None
    return min((one for one in found if one is not None), default=None)


def note_missing_files(session: Session, *, now: datetime) -> int:
    """Look whether rows' files are there, and keep how many are not."""
    missing, _ = files.missing_files(session)
    row = insert(CleanUp).values(rule=MISSING, last_run_at=now, last_removed=missing, removed=0, last_ms=0)
    session.execute(row.on_conflict_do_update(index_elements=["rule"], set_={"last_run_at": now, "last_removed": missing}))
    return missing
