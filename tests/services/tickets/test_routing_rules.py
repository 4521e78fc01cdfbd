"""The first fitting rule wins, rules are asked once, and those that can never decide are found."""

from __future__ import annotations

from dataclasses import replace
from itertools import product

from hypothesis import given, settings
from hypothesis import strategies as st

from services.tickets.models import Priority
from services.tickets.routing_rules import TEAM_LESS, VALUES, Rule, Situation, first_fitting, priority_after, without_use

SITES = (1, 2)
# A few values of each field are enough to meet every case; the rest of the values act as one.
SOME = {name: list(values)[:3] for name, values in VALUES.items()} | {"site": list(SITES)}
SITUATIONS = st.builds(
    Situation,
    category=st.sampled_from(sorted(VALUES["category"])),
    priority=st.sampled_from(sorted(VALUES["priority"])),
    site=st.sampled_from([None, *SITES, 99]),
    language=st.sampled_from(sorted(VALUES["language"])),
    customer_kind=st.sampled_from(sorted(VALUES["customer_kind"])),
    channel=st.sampled_from(sorted(VALUES["channel"])),
    team_less=st.booleans(),
)


@st.composite
def rule_sets(draw: st.DrawFn, fields: tuple[str, ...] = tuple(SOME)) -> list[Rule]:
    rules = []
    for number in range(draw(st.integers(0, 5))):
        chosen = draw(st.lists(st.sampled_from(fields), unique=True, max_size=2))
        conditions: dict[str, object] = {name: draw(st.lists(st.sampled_from(SOME[name]), unique=True, max_size=3)) for name in chosen}
        if draw(st.booleans()):
            conditions[TEAM_LESS] = True
        rules.append(
            Rule(
                number,
                f"R{number}",
                conditions,
                team_id=number,
                set_priority=draw(st.none() | st.sampled_from(list(Priority))),
                is_active=draw(st.booleans()),
            )
        )
    return rules


@given(rule_sets(), SITUATIONS)
def test_the_first_active_rule_whose_every_condition_fits_decides(rules: list[Rule], situation: Situation) -> None:
    fitting = [
        rule
        for rule in rules
        if rule.is_active
        and all(
            (not wanted or situation.team_less) if name == TEAM_LESS else getattr(situation, name) in wanted
            for name, wanted in rule.conditions.items()
        )
    ]
    assert first_fitting(rules, situation) == (fitting[0] if fitting else None)


FIELDS = ("category", "priority", "site")


@settings(max_examples=60)
@given(rule_sets(FIELDS))
def test_a_rule_is_called_without_use_exactly_when_it_decides_no_ticket_that_there_can_be(rules: list[Rule]) -> None:
    decided = {
        rule.id
        for category, priority, site, team_less in product(VALUES["category"], VALUES["priority"], (None, *SITES), (True, False))
        if (rule := first_fitting(rules, Situation(category=category, priority=priority, site=site, team_less=team_less)))
    }
    useless = {rules[place].id for place in without_use(rules)}
    assert useless == {rule.id for rule in rules if rule.is_active} - decided


def test_why_a_rule_has_no_use_is_said() -> None:
    money = Rule(1, "Money", {"category": ["payment", "voucher"]})
    rules = [money, Rule(2, "Vouchers", {"category": ["voucher"], "priority": ["high"]}), Rule(3, "None", {"channel": []})]
    assert without_use(rules) == {
        1: "No ticket comes this far: “Money” takes all that it could.",
        2: "No ticket can meet it: it names no channel that there is.",
    }
    halves = [Rule(1, "Soon", {"priority": ["urgent", "high"]}), Rule(2, "Later", {"priority": ["normal", "low"]}), Rule(3, "Rest")]
    assert without_use(halves) == {2: "No ticket comes this far: “Soon” and “Later” take all that it could."}
    assert without_use([replace(halves[0], is_active=False), *halves[1:]]) == {}


@given(rule_sets(), SITUATIONS)
def test_setting_the_priority_does_not_start_the_rules_anew(rules: list[Rule], situation: Situation) -> None:
    """Whatever the rules make of a ticket, one of them decided: no chain of rules, and so no loop."""
    rule = first_fitting(rules, situation)
    if rule is not None:
        after = priority_after(rule, Priority(situation.priority))
        assert priority_after(rule, after) == after
        assert after == rule.set_priority or after == situation.priority


def test_what_is_high_or_urgent_is_never_played_down() -> None:
    low = Rule(1, "Low", set_priority=Priority.LOW)
    said = {priority.value: priority_after(low, priority).value for priority in Priority}
    assert said == {"low": "low", "normal": "low", "high": "high", "urgent": "urgent"}
    assert priority_after(Rule(1, "Up", set_priority=Priority.URGENT), Priority.LOW) is Priority.URGENT


def test_the_conditions_name_only_what_a_ticket_can_be() -> None:
    assert Rule(1, "Odd", {"weather": ["rain"]}).fits(Situation()) is False
    assert set(SOME) == {*VALUES, "site"}
