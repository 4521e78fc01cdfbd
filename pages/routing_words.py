"""How the rules of routing are said."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pages.components import words
from pages.ticket_words import CATEGORY_WORDS, CHANNEL_WORDS
from services.tickets.models import Priority
from services.tickets.routing_rules import NOT_KNOWN, TEAM_LESS, VALUES
from services.tickets.sla.policies import CUSTOMER_KINDS
from services.tickets.triage.language import NAMES

FIELD_LABELS = {
    "category": "About",
    "priority": "Priority",
    "site": "Place",
    "language": "Language",
    "customer_kind": "Customer",
    "channel": "Came by",
}


def value_words(field: str) -> dict[str, str]:
    """Each value that the field may have, in words."""
    found = {
        "category": {one.value: text for one, text in CATEGORY_WORDS.items()} | {NOT_KNOWN: "Not known yet"},
        "priority": {one.value: words.words_of(one).text for one in Priority},
        "language": {code: name for code, name in NAMES.items() if code in VALUES["language"]} | {NOT_KNOWN: "Not clear"},
        "customer_kind": {kind: text[0].upper() + text[1:] for kind, text in CUSTOMER_KINDS.items()},
        "channel": {one.value: text[0].upper() + text[1:] for one, text in CHANNEL_WORDS.items()},
    }[field]
    return {value: found.get(value, value) for value in VALUES[field]}


def conditions_in_words(conditions: Mapping[str, Any], sites: Mapping[int, str]) -> str:
    """`About: Payment, Voucher; Priority: Urgent`."""
    said = []
    for field, label in FIELD_LABELS.items():
        if wanted := conditions.get(field):
            named = {number: sites.get(number, f"place {number}") for number in wanted} if field == "site" else value_words(field)
            said.append(f"{label}: {', '.join(named.get(one, str(one)) for one in wanted)}")
    if conditions.get(TEAM_LESS):
        said.append("With no team yet")
    return "; ".join(said) or "Everything else"
