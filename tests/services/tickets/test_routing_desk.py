"""The rules are kept by who may change the desk, in an order that two people cannot spoil, and can be tried before they count."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import transaction
from app.errors import Forbidden, InvalidInput, Stale
from services.accounts.models import Role
from services.audit.models import AuditEntry
from services.tickets import changes, routing_desk, routing_trial
from services.tickets.desk_models import RoutingRule, Team
from services.tickets.models import Category, Priority
from services.tickets.routing_desk import RuleDraft, RuleNotFound, RuleView, TooManyRules
from services.tickets.routing_rules import Situation
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders
from tests.services.tickets.desk import a_member, a_rule, a_team

ROOT = staff()


@pytest.fixture
def care(session: Session) -> Team:
    return a_team(session, "Care")


def save(session: Session, draft: RuleDraft, *, rule_id: int | None = None, revision: str | None = None) -> RuleView:
    return routing_desk.save_rule(session, actor=ROOT, rule_id=rule_id, draft=draft, expected_revision=revision, now=NOON)


def names(session: Session) -> list[str]:
    return [view.rule.name for view in routing_desk.list_rules(session, actor=ROOT)]


def test_a_new_rule_comes_before_the_one_that_takes_everything(session: Session, care: Team) -> None:
    save(session, RuleDraft("Everything else", care.id))
    save(session, RuleDraft("  Money ", care.id, {"category": ["payment"], "site": [], "team_less": False}, skill=" Lead "))
    assert names(session) == ["Money", "Everything else"]
    money = routing_desk.list_rules(session, actor=ROOT)[0]
    assert (dict(money.rule.conditions), money.rule.skill) == ({"category": ["payment"]}, "lead")
    assert money.trouble == "Nobody in Care has the skill “lead”: what it takes waits for whoever takes it."
    a_member(session, care, "awa", skills=["lead"])
    assert routing_desk.list_rules(session, actor=ROOT)[0].trouble is None


def test_rules_are_changed_moved_and_deleted_and_each_step_is_audited(session: Session, care: Team) -> None:
    money = save(session, RuleDraft("Money", care.id, {"category": ["payment"]}))
    slow = save(session, RuleDraft("Slow", care.id, {"category": ["slow-speed"]}))
    changed = save(session, RuleDraft("Money!", care.id, {"category": ["payment"]}), rule_id=money.id, revision=money.revision)
    save(session, RuleDraft("Money!", care.id, {"category": ["payment"]}), rule_id=money.id)
    with pytest.raises(Stale):
        save(session, RuleDraft("Late", care.id), rule_id=money.id, revision=money.revision)
    assert [view.id for view in routing_desk.move_rule(session, actor=ROOT, rule_id=slow.id, to=0, now=NOON)] == [slow.id, changed.id]
    routing_desk.move_rule(session, actor=ROOT, rule_id=slow.id, to=-5, now=NOON)
    routing_desk.remove_rule(session, actor=ROOT, rule_id=changed.id, now=NOON)
    assert names(session) == ["Slow"]
    with pytest.raises(RuleNotFound):
        routing_desk.remove_rule(session, actor=ROOT, rule_id=changed.id, now=NOON)
    audited = session.exec(select(AuditEntry.action).order_by(col(AuditEntry.id))).all()
    assert [one.partition(".")[2] for one in audited] == ["add", "add", "change", "move", "gone"]


def test_a_hidden_rule_and_a_team_out_of_use_are_pointed_out(session: Session, care: Team) -> None:
    gone = a_team(session, "Gone", is_active=False)
    a_rule(session, 1, "All", care)
    a_rule(session, 2, "Money", care, category=["payment"])
    a_rule(session, 3, "Lost", gone)
    troubles = [view.trouble for view in routing_desk.list_rules(session, actor=ROOT)]
    assert troubles == [
        None,
        "No ticket comes this far: “All” takes all that it could.",
        "The team Gone is out of use, so it decides nothing.",
    ]


@pytest.mark.parametrize(
    ("field", "draft"),
    [
        ("name", {"name": " \x00"}),
        ("name", {"name": "x" * 121}),
        ("team_id", {"team_id": None}),
        ("team_id", {"team_id": 999_999}),
        ("skill", {"skill": "x" * 41}),
        ("category", {"conditions": {"category": ["weather"]}}),
        ("name", {"conditions": {"weather": ["rain"]}}),
        ("site", {"conditions": {"site": [999_999]}}),
    ],
)
def test_what_cannot_be_is_refused_at_its_field(session: Session, care: Team, field: str, draft: dict[str, object]) -> None:
    with pytest.raises(InvalidInput) as refused:
        save(session, RuleDraft(**{"name": "Money", "team_id": care.id, **draft}))  # type: ignore[arg-type]
    assert refused.value.field == field


def test_there_are_not_more_rules_than_people_can_oversee(session: Session, care: Team, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(routing_desk, "MAX_RULES", 1)
    save(session, RuleDraft("One", care.id))
    with pytest.raises(TooManyRules):
        save(session, RuleDraft("Two", care.id))


def test_only_who_may_change_the_desk_changes_rules(session: Session, care: Team) -> None:
    rule, actor = a_rule(session, 1, "Money", care), staff(Role.CUSTOMER_CARE)
    assert len(routing_desk.list_rules(session, actor=actor)) == 1
    draft = RuleDraft("Mine", care.id)
    with pytest.raises(Forbidden):
        routing_desk.save_rule(session, actor=actor, rule_id=None, draft=draft, now=NOON)
    with pytest.raises(Forbidden):
        routing_desk.move_rule(session, actor=actor, rule_id=rule.id or 0, to=0, now=NOON)
    with pytest.raises(Forbidden):
        routing_desk.remove_rule(session, actor=actor, rule_id=rule.id or 0, now=NOON)
    with pytest.raises(Forbidden):
        routing_trial.preview(session, actor=actor, rule_id=None, draft=draft)


def test_a_ticket_that_does_not_exist_is_tried(session: Session, care: Team) -> None:
    a_member(session, care, "awa")
    a_rule(session, 1, "Money", care, category=["payment"], priority=Priority.HIGH)
    decision = routing_trial.try_out(session, actor=ROOT, situation=Situation(category="payment"), now=NOON)
    assert (decision.rule.name if decision.rule else None, decision.priority) == ("Money", Priority.HIGH)
    assert decision.person is not None
    assert decision.person.name == "Awa"
    assert routing_trial.try_out(session, actor=ROOT, situation=Situation(), now=NOON).rule is None


def test_what_a_change_would_have_done_is_counted_and_nothing_is_changed(session: Session, care: Team) -> None:
    billing = a_team(session, "Billing")
    rest = a_rule(session, 1, "Rest", care)
    tickets = [builders.a_ticket(session, at=NOON) for _ in range(3)]
    changes.set_field(session, tickets[0], "category", Category.PAYMENT, who=changes.SYSTEM, now=NOON)
    draft = RuleDraft("Money", billing.id, {"category": ["payment"]})
    shown = routing_trial.preview(session, actor=ROOT, rule_id=None, draft=draft)
    assert (shown.looked_at, shown.moved, shown.other_rule) == (3, 1, 1)
    (moved,) = shown.samples
    assert (moved.reference, moved.before, moved.after, moved.team_after) == (tickets[0].reference, "Rest", "Money", "Billing")
    gone = routing_trial.preview(session, actor=ROOT, rule_id=rest.id, draft=None)
    assert (gone.moved, gone.other_rule) == (0, 3)
    assert routing_trial.preview_order(session, actor=ROOT, rule_ids=[rest.id or 0]).other_rule == 0
    assert names(session) == ["Rest"]
    assert {ticket.team_id for ticket in tickets} == {None}


def test_two_people_who_move_and_add_at_once_leave_a_whole_order(database: sa.Engine) -> None:
    with transaction() as session:
        care = a_team(session, "Care")
        rules = [a_rule(session, place, f"R{place}", care, channel=["email"]).id or 0 for place in range(1, 6)]
        team_id = care.id

    def work(number: int) -> None:
        with transaction() as session:
            if number % 2:
                routing_desk.move_rule(session, actor=ROOT, rule_id=rules[number % 5], to=number % 4, now=NOON)
            else:
                draft = RuleDraft(f"New {number}", team_id, {"channel": ["sms"]})
                routing_desk.save_rule(session, actor=ROOT, rule_id=None, draft=draft, now=NOON)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, range(8)))
    with transaction() as session:
        assert sorted(session.exec(select(RoutingRule.position)).all()) == list(range(1, 10))
