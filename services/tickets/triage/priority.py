"""How soon somebody has to look: rules with a reason. Never from the tone: who shouts is not served before who is polite."""

from __future__ import annotations

import re
from dataclasses import dataclass

from services.tickets.triage.facts import Facts, certainties
from services.tickets.triage.labels import Category, Priority, at_least

MANY_PEOPLE = 5


@dataclass(frozen=True)
class Urgency:
    priority: Priority
    reason: str


@dataclass(frozen=True)
class _Rule:
    priority: Priority
    reason: str
    pattern: re.Pattern[str]
    categories: frozenset[Category] | None = None


def _words(*alternatives: str) -> re.Pattern[str]:
    return re.compile(r"\b(?:" + "|".join(alternatives) + r")\b", re.IGNORECASE)


_NETWORK = frozenset({Category.CONNECTIVITY, Category.SLOW_SPEED, Category.COVERAGE_INSTALLATION, Category.DEVICE_SETUP})
_RULES = (
    _Rule(
        Priority.URGENT,
        "Names a danger or a fraud",
        _words(
            r"fire",
            r"burn(?:t|ing)?\s+(?:cable|smell|wire)",
            r"smok(?:e|ing)",
            r"electric shock",
            r"stolen",
            r"hack(?:ed|er)?",
            r"fraud",
            r"scam",
            r"(?:pole|mast)\s+(?:is\s+)?(?:about to fall|fallen|falling)",
            r"somebody (?:else )?(?:is using|logged in|changed)",
        ),
    ),
    _Rule(
        Priority.URGENT,
        "An institution that people depend on is offline",
        _words(
            r"hospital",
            r"clinic",
            r"police",
            r"embassy",
            r"bank(?: branch)?",
            r"exam(?:s|ination)?(?: cent(?:re|er))?",
            r"airport",
            r"ambulance",
        ),
        frozenset({Category.CONNECTIVITY}),
    ),
    _Rule(
        Priority.URGENT,
        "Many people are without service",
        _words(
            r"(?:whole|entire|all the) (?:area|street|village|town|neighbou?rhood|building|compound|school|office|hotel|market|city)",
            r"nobody (?:can|is able)",
            r"no one (?:can|is able)",
            r"everybody",
            r"everyone",
            r"all (?:users|customers|guests|of us|phones)",
            r"total outage",
            r"tout le (?:quartier|monde)",
        ),
        frozenset({Category.CONNECTIVITY}),
    ),
    _Rule(
        Priority.HIGH,
        "Money was taken and the service not given",
        re.compile(
            r"\b(?:paid|pay|payment|money|deduct\w*|debit\w*|charged twice|two times|double)\b.{0,80}"
            r"\b(?:not?|nothing|never|still|fail\w*|pending|twice|two times|gone|without)\b"
            r"|\b(?:charged|debited|deducted|paid) (?:me )?(?:twice|two times|double)\b",
            re.IGNORECASE | re.DOTALL,
        ),
        frozenset({Category.PAYMENT, Category.VOUCHER}),
    ),
    _Rule(
        Priority.HIGH,
        "The customer says that it is urgent",
        _words(
            r"urgent(?:ly)?",
            r"emergency",
            r"asap",
            r"as soon as possible",
            r"immediately",
            r"right now",
            r"today please",
            r"d'urgence",
            r"au plus vite",
        ),
    ),
    _Rule(
        Priority.HIGH,
        "The service is wholly away",
        _words(
            r"no (?:internet|service|network|connection|signal)",
            r"offline",
            r"outage",
            r"is (?:down|dead|out)",
            r"(?:cannot|can't|cant) (?:connect|get on(?:line)?|browse)",
            r"not working",
            r"without internet",
            r"since (?:yesterday|morning|\w+day|last \w+)",
            r"dead",
            r"plus (?:internet|de connexion)",
        ),
        frozenset({Category.CONNECTIVITY}),
    ),
    _Rule(
        Priority.HIGH,
        "What was bought cannot be used",
        _words(
            r"invalid",
            r"refus\w+",
            r"reject\w+",
            r"already (?:used|in use)",
            r"not (?:working|accepted|activated)",
            r"(?:doesn't|does not|don't|dont) work",
            r"unreadable",
            r"no dey (?:work|enter)",
        ),
        frozenset({Category.VOUCHER}),
    ),
    _Rule(
        Priority.HIGH,
        "The customer is locked out",
        _words(
            r"lock(?:ed)?(?: me)?(?: out)?",
            r"block(?:ed)?",
            r"suspend\w+",
            r"(?:cannot|can't|cant|unable to) (?:log|sign)",
            r"wrong password",
            r"otp",
            r"verification code",
        ),
        frozenset({Category.ACCOUNT_ACCESS}),
    ),
    _Rule(
        Priority.HIGH,
        "A serious charge against a person",
        _words(
            r"brib\w+",
            r"harass\w+",
            r"threat\w*",
            r"insult\w*",
            r"racis[mt]",
            r"misconduct",
            r"inappropriate",
            r"demanded? (?:money|a tip)",
            r"pushed",
            r"stole",
        ),
        frozenset({Category.COMPLAINT_STAFF}),
    ),
    _Rule(
        Priority.HIGH,
        "Work or business stands still",
        _words(
            r"(?:cannot|can't|cant|unable to) work",
            r"customers are waiting",
            r"losing (?:money|business|customers)",
            r"our (?:business|shop|office) (?:is|has)",
        ),
        _NETWORK,
    ),
)


def urgency(text: str, category: Category, facts: Facts) -> Urgency:
    """The most urgent rule that fires, with its words."""
    found = [Urgency(certainty.priority, certainty.reason) for certainty in certainties(facts)]
    if facts.people_affected >= MANY_PEOPLE:
        found.append(Urgency(Priority.URGENT, f"{facts.people_affected} people are affected."))
    for rule in _RULES:
        applies = rule.categories is None or category in rule.categories
        if applies and (match := rule.pattern.search(text)):
            found.append(Urgency(rule.priority, f"{rule.reason}: “{_short(match[0])}”."))
    if found:
        top = found[0].priority
        for one in found[1:]:
            top = at_least(top, one.priority)
        return next(one for one in found if one.priority is top)
    if category is Category.GENERAL_QUESTION:
        return Urgency(Priority.LOW, "A general question; nothing in it says that it cannot wait.")
    return Urgency(Priority.NORMAL, "Nothing in it asks for more or less than the usual order.")


def _short(words: str) -> str:
    return words if len(words) <= 60 else words[:57] + "…"
