"""The table of rules: every table has a decision, every look has an index, and nothing that the books need is in it."""

from __future__ import annotations

import json
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session

from app.tables import metadata
from services.operations.retention.kept import KEPT
from services.operations.retention.rules import BY_NAME, RULES
from services.operations.retention.shape import Rule, Step
from services.payments.models import PaymentStatus

STEPS = [(rule, step) for rule in RULES for step in rule.steps]
NAMES = [f"{rule.name}-{step.table}-{step.by}" for rule, step in STEPS]
# What may never lose a row by a rule: the books, the audit, tickets and their histories.
NEVER = {
    *("payment", "payment_event", "checkout", "refund", "voucher", "entitlement", "access_session", "access_grant", "ledger_transfer"),
    *("audit_entry", "audit_head", "ticket", "ticket_message", "ticket_event", "customer", "staff", "webhook_event", "notification"),
}


def test_every_table_has_a_decision() -> None:
    decided = set(KEPT) | {table for rule in RULES for table in rule.tables}
    assert set(metadata.tables) - decided == set(), "decide in rules.py or kept.py how long it is kept"
    assert decided - set(metadata.tables) == set()


def test_a_table_that_is_kept_for_ever_loses_no_row_by_a_rule() -> None:
    deleted = {step.table for rule in RULES for step in rule.steps if not step.strip}
    assert deleted & set(KEPT) == set()
    assert deleted & NEVER == set()


def test_what_is_only_stripped_is_said_to_be_kept() -> None:
    stripped = {step.table for rule in RULES for step in rule.steps if step.strip}
    assert stripped - set(KEPT) == set()


def test_names_are_unique_and_periods_are_within_their_bounds() -> None:
    assert len(BY_NAME) == len(RULES)
    for rule in RULES:
        assert 1 <= rule.least_days <= rule.days <= rule.most_days, rule.name
        assert rule.steps or rule.own, rule.name
        assert rule.what.strip(), rule.name
        assert rule.why.strip(), rule.name
    assert BY_NAME["webhook-bodies"].least_days >= 30


def test_nothing_refers_to_a_row_that_is_deleted_but_what_goes_with_it() -> None:
    """Else a foreign key would refuse the clean-up, or take something along that is kept."""
    deleted = {step.table for rule in RULES for step in rule.steps if not step.strip}
    refers = [
        (key.parent.table.name, key.column.table.name, key.ondelete) for table in metadata.sorted_tables for key in table.foreign_keys
    ]
    assert {found for found in refers if found[1] in deleted} == {
        ("error_hour", "error_group", "CASCADE"),
        ("bulk_row", "bulk_operation", "CASCADE"),
    }


@pytest.mark.parametrize(("rule", "step"), STEPS, ids=NAMES)
def test_each_look_is_by_an_index(session: Session, rule: Rule, step: Step) -> None:
    """With an empty table everything is cheap: sequential scans are forbidden, and the planner must find another way to these rows."""
    session.execute(sa.text("SET LOCAL enable_seqscan = off"))
    session.execute(sa.text("SET LOCAL enable_bitmapscan = off"))
    plan: Any = session.execute(sa.text(f"EXPLAIN (FORMAT JSON) {step.statement}"), {"before": "2026-01-01", "batch": 10}).scalar_one()
    nodes = list(_nodes((plan if isinstance(plan, list) else json.loads(plan))[0]["Plan"]))
    looks = [node for node in nodes if node.get("Relation Name") == step.table and node["Node Type"] != "ModifyTable"]
    assert {node["Node Type"] for node in looks} <= {"Index Scan", "Index Only Scan", "Tid Scan"}
    assert ":before" in step.due
    assert any(step.by in node.get("Index Cond", "") for node in looks), looks
    # The index brings them in order: nothing is sorted, and the oldest few are all that is read.
    assert not [node for node in nodes if node["Node Type"] == "Sort"]


def _nodes(plan: dict[str, Any]) -> Any:
    yield plan
    for below in plan.get("Plans", ()):
        yield from _nodes(below)


def test_a_payment_of_which_something_is_still_to_be_done_keeps_all_it_has() -> None:
    done = {PaymentStatus.SERVED, PaymentStatus.ACCESS_GRANTED, PaymentStatus.EXPIRED, PaymentStatus.FAILED, PaymentStatus.REFUNDED}
    of_payments = [step.due for _, step in STEPS if "payment" in (step.table, "payment" if "payment p" in step.due else "")]
    assert len(of_payments) == 2
    for due in of_payments:
        assert {status for status in PaymentStatus if f"'{status.value}'" not in due} == done


def test_every_step_can_be_counted_and_told_of(session: Session) -> None:
    for _, step in STEPS:
        assert session.execute(sa.text(step.counted), {"before": "2026-01-01", "most": 10}).one()[0] >= 0
        session.execute(sa.text(step.oldest), {"before": "infinity"}).scalar()
