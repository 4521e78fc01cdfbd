"""API tokens of outside services: shown once, stored as a keyed hash, limited to their scopes."""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime

from sqlmodel import Session, select

from app.errors import InvalidInput
from app.keys import keyed_mac
from services.accounts.models import ApiToken
from services.accounts.permissions import API_SCOPES, Permission, Principal

_PURPOSE = "api-token"
_PREFIX = "inet_"


def create_api_token(session: Session, *, name: str, scopes: Iterable[str], now: datetime, expires_at: datetime | None = None) -> str:
    """Make a token and answer it in clear, the only time it is seen. Raises InvalidInput for a scope that no token may have."""
    wanted = sorted(set(scopes))
    unknown = [scope for scope in wanted if scope not in API_SCOPES]
    if unknown or not wanted:
        raise InvalidInput(f"A token may have these scopes: {', '.join(sorted(API_SCOPES))}.", field="scope")
    clear = _PREFIX + secrets.token_urlsafe(32)
    session.add(ApiToken(name=name, token_mac=keyed_mac(_PURPOSE, clear), scopes=wanted, created_at=now, expires_at=expires_at))
    session.flush()
    return clear


def principal_for_token(session: Session, clear: str, *, now: datetime) -> Principal | None:
    """The outside service that holds this token; None for an unknown, expired or revoked one."""
    token = session.exec(select(ApiToken).where(ApiToken.token_mac == keyed_mac(_PURPOSE, clear))).one_or_none()
    if token is None or token.revoked_at is not None or (token.expires_at is not None and token.expires_at <= now):
        return None
    assert token.id is not None
    return Principal(kind="token", id=token.id, name=token.name, permissions=frozenset(Permission(scope) for scope in token.scopes))
