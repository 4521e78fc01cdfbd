"""How much each role may give back, alone and with a second person."""

from __future__ import annotations

from datetime import datetime, timedelta

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import InvalidInput
from services.accounts.models import Role
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.payments.models import Refund, RefundKind, RefundRule, RefundState
from services.payments.refund_errors import OverLimit

_MOST = 100_000_000


def rules(session: Session, *, actor: Principal) -> list[RefundRule]:
    """Of every role that may ask for refunds at all. Raises Forbidden."""
    actor.require(Permission.PAYMENTS_REFUND)
    return list(session.exec(select(RefundRule).order_by(col(RefundRule.most_bututs).desc(), col(RefundRule.role))).all())


def change_rule(
    session: Session, *, actor: Principal, role: Role, most_bututs: int, alone_bututs: int, day_bututs: int, now: datetime
) -> RefundRule:
    """Change what a role may give back from now on. Raises Forbidden, FreshProofNeeded, or InvalidInput that names the field."""
    actor.require(Permission.REFUND_RULES_EDIT)
    actor.require_proof(now=now)
    for name, sum_bututs in (("most_bututs", most_bututs), ("alone_bututs", alone_bututs), ("day_bututs", day_bututs)):
        if not 0 <= sum_bututs <= _MOST:
            raise InvalidInput("Enter a sum from D 0 to D 1,000,000.", field=name)
    if alone_bututs > most_bututs:
        raise InvalidInput("Nobody may give back more alone than at all.", field="alone_bututs")
    rule = session.get(RefundRule, role, with_for_update=True)
    if rule is None:
        raise InvalidInput("This role gives nothing back.", field="role")
    before = _sums(rule)
    rule.most_bututs, rule.alone_bututs, rule.day_bututs = most_bututs, alone_bututs, day_bututs
    rule.changed_by, rule.changed_at = actor.label, now
    session.flush()
    audit.record(session, actor, "refund_rule.change", target=("refund_rule", role.value), now=now, before=before, after=_sums(rule))
    return rule


def _sums(rule: RefundRule) -> dict[str, int]:
    return {"most_bututs": rule.most_bututs, "alone_bututs": rule.alone_bututs, "day_bututs": rule.day_bututs}


def needs_second(session: Session, actor: Principal, amount_bututs: int, *, now: datetime) -> bool:
    """Whether this person needs a second one for this sum. Raises OverLimit where they may not ask at all.

    An outside service has no role, so a person decides about each of its wishes.
    """
    if actor.role is None:
        return True
    rule = session.get(RefundRule, actor.role)
    if rule is None or amount_bututs > rule.most_bututs:
        most = rule.most_bututs if rule is not None else 0
        raise OverLimit(f"Your role may ask for at most {_dalasi(most)} at once. Ask somebody whose limit is higher.")
    asked = _asked_today(session, actor, now=now)
    if asked + amount_bututs > rule.day_bututs:
        raise OverLimit(
            f"Your role may ask for at most {_dalasi(rule.day_bututs)} in a day, and you asked for {_dalasi(asked)} today. "
            "Ask somebody else, or wait until tomorrow."
        )
    return amount_bututs > rule.alone_bututs


def _asked_today(session: Session, actor: Principal, *, now: datetime) -> int:
    # Banjul's day is UTC's.
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    asked = select(sa.func.coalesce(sa.func.sum(Refund.amount_bututs), 0)).where(
        Refund.asked_by_id == actor.id,
        Refund.kind == RefundKind.SALE,
        Refund.state != RefundState.DECLINED,
        col(Refund.created_at) >= midnight,
        col(Refund.created_at) < midnight + timedelta(days=1),
    )
    return int(session.exec(asked).one())


def _dalasi(bututs: int) -> str:
    return f"D {bututs / 100:,.2f}".removesuffix(".00")
