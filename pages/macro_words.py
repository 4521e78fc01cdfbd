"""What a macro or a change of many tickets does, in words."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pages.components import words
from pages.ticket_story import HOLD_WORDS
from pages.ticket_words import CATEGORY_WORDS
from services.tickets.models import Category, Priority, TicketState


def changes_in_words(changes: Mapping[str, Any], teams: Mapping[int, str]) -> list[str]:
    """Each change by itself, such as `Priority: High`."""
    said = []
    if state := changes.get("state"):
        hold = changes.get("hold_reason")
        said.append(f"State: {words.words_of(TicketState(state)).text}" + (f", for {HOLD_WORDS.get(hold, hold)}" if hold else ""))
    if priority := changes.get("priority"):
        said.append(f"Priority: {words.words_of(Priority(priority)).text}")
    if category := changes.get("category"):
        said.append(f"About: {CATEGORY_WORDS[Category(category)]}")
    if team := changes.get("team_id"):
        said.append(f"Team: {teams.get(int(team), 'one that is not in use')}")
    if added := changes.get("add_tags"):
        said.append(f"Tags: {', '.join(added)}")
    if removed := changes.get("remove_tags"):
        said.append(f"Without tags: {', '.join(removed)}")
    return said
