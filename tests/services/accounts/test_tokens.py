from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from app.errors import InvalidInput
from services.accounts.models import ApiToken
from services.accounts.tokens import create_api_token, principal_for_token
from tests.conftest import NOON


def test_a_token_opens_its_scopes_and_is_stored_only_as_a_hash(session: Session) -> None:
    clear = create_api_token(session, name="shop", scopes=["access:read"], now=NOON)

    principal = principal_for_token(session, clear, now=NOON)
    assert principal is not None
    assert principal.permissions == {"access:read"}
    assert clear not in session.exec(select(ApiToken)).one().token_mac


def test_an_expired_revoked_or_unknown_token_opens_nothing(session: Session) -> None:
    clear = create_api_token(session, name="shop", scopes=["access:read"], now=NOON, expires_at=NOON + timedelta(hours=1))
    assert principal_for_token(session, clear, now=NOON + timedelta(hours=1)) is None

    session.exec(select(ApiToken)).one().revoked_at = NOON
    session.flush()
    assert principal_for_token(session, clear, now=NOON) is None
    assert principal_for_token(session, "inet_made-up", now=NOON) is None


@pytest.mark.parametrize("scopes", [[], ["staff:edit"], ["access:read", "everything"]])
def test_no_token_gets_a_scope_that_tokens_may_not_have(session: Session, scopes: list[str]) -> None:
    with pytest.raises(InvalidInput, match="access:grant, access:read"):
        create_api_token(session, name="shop", scopes=scopes, now=NOON)
