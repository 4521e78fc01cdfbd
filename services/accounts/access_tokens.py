"""Short access tokens of the JSON API, worth nothing without the session in Redis that they name."""

from __future__ import annotations

from datetime import datetime

from services.accounts.short_tokens import LIFETIME, ShortTokens

__all__ = ["LIFETIME", "forget", "looks_like_one", "make", "read"]
_TOKENS = ShortTokens(purpose="access-token", audience="api")
forget = _TOKENS.forget


def make(*, staff_id: int, session_id: str, now: datetime) -> str:
    """A token for one session of one person, good for `LIFETIME`."""
    return _TOKENS.make({"sub": str(staff_id), "sid": session_id}, now=now)


def read(token: str, *, now: datetime) -> str | None:
    """The session that a token names; None for one that is forged, expired, foreign or of another kind."""
    claims = _TOKENS.read(token, needed="sid", now=now)
    session_id = claims["sid"] if claims is not None else None
    return session_id if isinstance(session_id, str) else None


def looks_like_one(token: str) -> bool:
    return token.count(".") == 2
