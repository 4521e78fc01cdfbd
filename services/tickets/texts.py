"""What people type, made fit to be kept: cleaned, of a fair length, refused in words when it is neither."""

from __future__ import annotations

from app.errors import InvalidInput

MAX_WORDS = 20_000
"""Of one reply or internal note, in characters."""


def required(text: str, *, field: str, empty: str, longest: int = MAX_WORDS) -> str:
    """The words without what surrounds them. Raises InvalidInput when there are none, or too many."""
    cleaned = text.replace("\x00", "").strip()
    if not cleaned:
        raise InvalidInput(empty, field=field)
    if len(cleaned) > longest:
        raise InvalidInput(f"Keep it under {longest} characters.", field=field)
    return cleaned


def one_line(text: str) -> str:
    """Without line breaks and doubled spaces: for subjects and names."""
    return " ".join(text.replace("\x00", "").split())
