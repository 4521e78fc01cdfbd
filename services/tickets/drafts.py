"""Where on a ticket a draft belongs (services/console/drafts.py keeps it)."""

from __future__ import annotations


def place_of(reference: str, tab: str) -> str:
    """One place for each ticket and tab of its composer."""
    return f"ticket:{reference.upper()}:{tab}"
