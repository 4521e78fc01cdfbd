"""The rules by which tickets find their team: a pure function of the rules and of the ticket as it is. Evaluated once, so none can loop."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from services.tickets.models import Category, Channel, Priority
from services.tickets.sla.policies import CUSTOMER_KINDS
from services.tickets.triage.language import NAMES

NOT_KNOWN = "unknown"
"""As a category: nobody, and nothing, is sure what it is about. As a language: it is not clear."""
TEAM_LESS = "team_less"
VALUES: Mapping[str, Collection[str]] = {
    "category": (*(one.value for one in Category), NOT_KNOWN),
    "priority": tuple(one.value for one in Priority),
    "language": (*(code for code in NAMES if code != "und"), NOT_KNOWN),
    "customer_kind": tuple(CUSTOMER_KINDS),
    "channel": tuple(one.value for one in Channel),
}
"""What a rule may ask of a ticket, and the values that there are; beside them `site` (its numbers) and `team_less` (true)."""
_ELSEWHERE = "elsewhere"
# A set of rules that falls into more pieces than this is not taken apart to its end, and nothing is claimed of it.
_MAX_PIECES = 4000
Box = dict[str, frozenset[object]]


@dataclass(frozen=True)
class Situation:
    """A ticket as the rules see it."""

    category: str = NOT_KNOWN
    priority: str = Priority.NORMAL.value
    site: int | None = None
    language: str = NOT_KNOWN
    customer_kind: str = "unknown"
    channel: str = Channel.PORTAL.value
    team_less: bool = True


@dataclass(frozen=True)
class Rule:
    """One line of the set. `conditions` names fields with the values that fit; all of them must."""

    id: int | None
    name: str
    conditions: Mapping[str, Any] = field(default_factory=dict)
    team_id: int = 0
    skill: str | None = None
    set_priority: Priority | None = None
    is_active: bool = True

    def fits(self, situation: Situation) -> bool:
        return self.is_active and all(_holds(name, wanted, situation) for name, wanted in self.conditions.items())


def _holds(name: str, wanted: Any, situation: Situation) -> bool:
    if name == TEAM_LESS:
        return not wanted or situation.team_less
    return name in (*VALUES, "site") and getattr(situation, name) in wanted


def first_fitting(rules: Iterable[Rule], situation: Situation) -> Rule | None:
    """The one that decides: the first active one whose every condition fits."""
    return next((rule for rule in rules if rule.fits(situation)), None)


def priority_after(rule: Rule, priority: Priority) -> Priority:
    """What it makes of the urgency: what is high or urgent has its reason, and no rule plays it down."""
    if rule.set_priority is None:
        return priority
    order = list(Priority)
    is_played_down = order.index(rule.set_priority) < order.index(priority) and priority in (Priority.HIGH, Priority.URGENT)
    return priority if is_played_down else rule.set_priority


def without_use(rules: Sequence[Rule]) -> dict[int, str]:
    """Which rules (by their place in the list) can never decide, and why, in words. Those that are switched off are left out."""
    universe = _universe(rules)
    found: dict[int, str] = {}
    for place, rule in enumerate(rules):
        if not rule.is_active:
            continue
        box = _box(rule, universe)
        if empty := [name for name, values in box.items() if not values]:
            found[place] = f"No ticket can meet it: it names no {empty[0].replace('_', ' ')} that there is."
        elif hiders := _hidden_by(box, rules[:place], universe):
            found[place] = f"No ticket comes this far: {_and(hiders)} {'takes' if len(hiders) == 1 else 'take'} all that it could."
    return found


def _universe(rules: Sequence[Rule]) -> Box:
    named = {site for rule in rules for site in rule.conditions.get("site", ())}
    universe: Box = {name: frozenset(values) for name, values in VALUES.items()}
    return universe | {"site": frozenset({*named, _ELSEWHERE}), TEAM_LESS: frozenset({True, False})}


def _box(rule: Rule, universe: Box) -> Box:
    """The tickets that it fits, as the values that each field may have."""
    box = dict(universe)
    for name, wanted in rule.conditions.items():
        if name == TEAM_LESS:
            box[name] = frozenset({True}) if wanted else universe[name]
        else:
            box[name] = universe.get(name, frozenset()) & frozenset(wanted)
    return box


def _hidden_by(box: Box, earlier: Sequence[Rule], universe: Box) -> list[str]:
    """The names of the earlier rules that together take everything in the box; none when something is left."""
    left, hiders = [box], []
    for rule in earlier:
        if not rule.is_active:
            continue
        taken = _box(rule, universe)
        pieces = [piece for one in left for piece in _minus(one, taken)]
        if pieces != left:
            hiders.append(f"“{rule.name}”")
        left = pieces
        if not left:
            return hiders
        if len(left) > _MAX_PIECES:
            return []
    return []


def _minus(box: Box, taken: Box) -> list[Box]:
    """What is left of a box without another, in pieces that have nothing in common."""
    if any(not box[name] & taken[name] for name in box):
        return [box]
    pieces, rest = [], dict(box)
    for name in box:
        if outside := rest[name] - taken[name]:
            pieces.append({**rest, name: outside})
        rest[name] &= taken[name]
    return pieces


def _and(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
