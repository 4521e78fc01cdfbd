"""How long each rule keeps, as somebody set it, and what a change would do."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
from psycopg import errors
from sqlmodel import Session, col, select

from app.errors import InvalidInput, NotFound
from app.settings import get_settings
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.operations.models import RetentionPeriod
from services.operations.retention.rules import BY_NAME, RULES
from services.operations.retention.shape import Rule

# More are not counted: it is a question for a person, and one look must not take long.
MOST_COUNTED = 100_000
_LOOK = "5s"


class RuleNotFound(NotFound):
    code, title = "retention_rule_not_found", "No such rule"
    message = "There is no such rule of retention."


@dataclass(frozen=True)
class Preview:
    """What a period would take away at once. `rows` is None when it took too long to count; at MOST_COUNTED there may be more."""

    days: int
    rows: int | None
    oldest_at: datetime | None


def rule_named(name: str) -> Rule:
    """Raises RuleNotFound."""
    rule = BY_NAME.get(name)
    if rule is None:
        raise RuleNotFound
    return rule


def own_days(rule: Rule) -> int:
    """The rule's period where nobody changed it."""
    return get_settings().log_keep_days if rule.name == "logs" else rule.days


def all_days(session: Session) -> dict[str, int]:
    """How many days each rule keeps now. A period that was set when the bounds were others is brought within them."""
    changed = {row.rule: row.days for row in session.exec(select(RetentionPeriod)).all()}
    return {rule.name: _bounded(rule, changed[rule.name]) if rule.name in changed else own_days(rule) for rule in RULES}


def _bounded(rule: Rule, days: int) -> int:
    return min(max(days, rule.least_days), rule.most_days)


def preview(session: Session, *, actor: Principal, name: str, days: int, now: datetime) -> Preview:
    """How much would be taken away with this period. Raises Forbidden, RuleNotFound or InvalidInput."""
    actor.require(Permission.HEALTH_READ)
    rule = rule_named(name)
    _require_possible(rule, days)
    before, rows, oldest = now - timedelta(days=days), 0, []
    try:
        with session.begin_nested():
            session.execute(sa.text(f"SET LOCAL statement_timeout = '{_LOOK}'"))
            for step in rule.steps:
                count, first = session.execute(sa.text(step.counted), {"before": before, "most": MOST_COUNTED}).one()
                rows += count
                oldest += [first] if first is not None else []
    except sa.exc.OperationalError as error:
        if not isinstance(error.orig, errors.QueryCanceled):
            raise
        return Preview(days, None, None)
    return Preview(days, min(rows, MOST_COUNTED), min(oldest, default=None))


def change(session: Session, *, actor: Principal, name: str, days: int, now: datetime) -> RetentionPeriod:
    """Keep longer or shorter from the next run on. Raises Forbidden, FreshProofNeeded, RuleNotFound or InvalidInput."""
    actor.require(Permission.JOBS_EDIT)
    actor.require_proof(now=now)
    rule = rule_named(name)
    _require_possible(rule, days)
    row = session.exec(select(RetentionPeriod).where(col(RetentionPeriod.rule) == name).with_for_update()).one_or_none()
    before = {"days": row.days if row is not None else own_days(rule)}
    if row is None:
        row = RetentionPeriod(rule=name, days=days, changed_by=actor.label, changed_at=now)
        session.add(row)
    row.days, row.changed_by, row.changed_at = days, actor.label, now
    session.flush()
    audit.record(session, actor, "retention.change", target=("retention", name), now=now, before=before, after={"days": days})
    return row


def _require_possible(rule: Rule, days: int) -> None:
    if rule.is_fixed:
        raise InvalidInput("This period cannot be changed: something else promises it.", field="days")
    if not rule.least_days <= days <= rule.most_days:
        raise InvalidInput(f"Keep it for {rule.least_days} to {rule.most_days:,} days.", field="days")
