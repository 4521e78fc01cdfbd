"""The help desk's own keys, beside those that every page has (pages/components/keys.py)."""

from __future__ import annotations

from pages.components.keys import Keys

ON_LIST: Keys = (("n", "New ticket"), ("c", "The same"))
ON_TICKET: Keys = (
    ("r", "Reply to the customer"),
    ("n", "Note among staff"),
    ("a", "Assign it to me"),
    ("e", "Resolve"),
    ("m", "Merge into another"),
    ("w", "Watch, or watch no more"),
    ("u", "Back to the list"),
)
ON_BOARD: Keys = (("Tab", "Next ticket or button"), ("Enter", "Open the ticket"), ("Space", "On “Move”: to which column"))
