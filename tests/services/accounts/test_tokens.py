from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden, InvalidInput
from app.origin import coming_from
from services.accounts.errors import TokenNotFound
from services.accounts.models import ApiToken, Role
from services.accounts.tokens import create_api_token, list_tokens, principal_for_token, revoke_token
from services.audit.models import AuditEntry
from tests.conftest import NOON
from tests.factories import staff


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


def test_a_token_opens_only_from_its_addresses(session: Session) -> None:
    clear = create_api_token(session, name="shop", scopes=["access:read"], now=NOON, allowed_addresses=["203.0.113.7", "2001:db8::/32"])
    for address in ("203.0.113.7", "::ffff:203.0.113.7", "2001:db8:1::9"):
        assert principal_for_token(session, clear, now=NOON, address=address) is not None
    for address in ("203.0.113.8", "2001:db9::1", "", "testclient"):
        assert principal_for_token(session, clear, now=NOON, address=address) is None
    with coming_from("203.0.113.7"):
        assert principal_for_token(session, clear, now=NOON) is not None
    assert principal_for_token(session, clear, now=NOON) is None


@pytest.mark.parametrize("address", ["203.0.113.7/24", "shop.example.gm", "", "203.0.113"])
def test_an_allow_list_holds_addresses_and_networks_only(session: Session, address: str) -> None:
    with pytest.raises(InvalidInput, match="Enter addresses such as"):
        create_api_token(session, name="shop", scopes=["access:read"], now=NOON, allowed_addresses=[address])


def test_the_last_use_is_kept_to_the_minute(session: Session) -> None:
    clear = create_api_token(session, name="shop", scopes=["access:read"], now=NOON)
    token = session.exec(select(ApiToken)).one()
    for seconds, kept in ((0, 0), (59, 0), (60, 60), (61, 60)):
        principal_for_token(session, clear, now=NOON + timedelta(seconds=seconds), address="203.0.113.7")
        assert token.last_used_at == NOON + timedelta(seconds=kept)
    assert token.last_used_address == "203.0.113.7"


def test_nobody_makes_a_token_that_may_more_than_themselves(session: Session) -> None:
    admin = staff(Role.SYSTEM_ADMIN)
    with pytest.raises(InvalidInput, match="no more than you may"):
        create_api_token(session, name="shop", scopes=["access:grant"], now=NOON, actor=admin)
    with pytest.raises(Forbidden):
        create_api_token(session, name="shop", scopes=["access:read"], now=NOON, actor=staff(Role.CUSTOMER_CARE))
    create_api_token(session, name="shop", scopes=["access:read"], now=NOON, actor=admin)
    assert session.exec(select(ApiToken)).one().created_by == "system_admin@test.gm"


def test_revoking_acts_at_once_and_is_audited_like_making_and_neither_row_holds_the_token(session: Session) -> None:
    clear = create_api_token(session, name="shop", scopes=["access:read"], now=NOON, actor=staff())
    (token,) = list_tokens(session, actor=staff())
    assert token.id is not None
    revoke_token(session, actor=staff(), token_id=token.id, reason="contract ended", now=NOON)
    assert principal_for_token(session, clear, now=NOON) is None
    rows = session.exec(select(AuditEntry)).all()
    assert {row.action for row in rows} == {"token.create", "token.revoke"}
    assert not any(clear in str(row.model_dump()) or token.token_mac in str(row.model_dump()) for row in rows)
    with pytest.raises(TokenNotFound):
        revoke_token(session, actor=staff(), token_id=10**12, reason="contract ended", now=NOON)
    for role in set(Role) - {Role.ROOT, Role.SYSTEM_ADMIN}:
        with pytest.raises(Forbidden):
            list_tokens(session, actor=staff(role))
        with pytest.raises(Forbidden):
            revoke_token(session, actor=staff(role), token_id=token.id, reason="contract ended", now=NOON)
