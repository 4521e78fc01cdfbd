from __future__ import annotations

import pytest
from sqlmodel import Session

from app import redis
from services.accounts.errors import BadCredentials, BadEmail, StaffExists, WeakPassword
from services.accounts.models import Role
from services.accounts.permissions import ROLE_PERMISSIONS, Permission
from services.accounts.staff import add_staff, log_in, log_out, principal_for_session
from tests.conftest import NOON

GOOD = "a-long-enough-password"


def test_who_logs_in_is_known_by_the_token_until_logging_out(session: Session) -> None:
    add_staff(session, email="Awa@Test.gm", role=Role.CUSTOMER_CARE, password=GOOD, now=NOON)
    token = log_in(session, email=" awa@test.GM ", password=GOOD, now=NOON)

    principal = principal_for_session(session, token)
    assert principal is not None
    assert principal.role is Role.CUSTOMER_CARE

    log_out(token)
    assert principal_for_session(session, token) is None


@pytest.mark.parametrize(("email", "password"), [("awa@test.gm", "wrong-password"), ("nobody@test.gm", GOOD), ("", ""), ("x" * 300, GOOD)])
def test_a_wrong_log_in_says_the_same_for_person_and_password(session: Session, email: str, password: str) -> None:
    add_staff(session, email="awa@test.gm", role=Role.CUSTOMER_CARE, password=GOOD, now=NOON)
    with pytest.raises(BadCredentials, match="E-mail or password is not right"):
        log_in(session, email=email, password=password, now=NOON)


def test_disabling_or_a_new_epoch_ends_a_session_with_the_next_action(session: Session) -> None:
    staff, _ = add_staff(session, email="awa@test.gm", role=Role.CUSTOMER_CARE, password=GOOD, now=NOON)
    token = log_in(session, email="awa@test.gm", password=GOOD, now=NOON)

    staff.session_epoch += 1
    session.flush()
    assert principal_for_session(session, token) is None

    token = log_in(session, email="awa@test.gm", password=GOOD, now=NOON)
    staff.is_active = False
    session.flush()
    assert principal_for_session(session, token) is None


def test_a_new_role_counts_from_the_next_action_on(session: Session) -> None:
    staff, _ = add_staff(session, email="awa@test.gm", role=Role.CUSTOMER_CARE, password=GOOD, now=NOON)
    token = log_in(session, email="awa@test.gm", password=GOOD, now=NOON)
    staff.role = Role.FIELD_TECHNICIAN
    session.flush()

    principal = principal_for_session(session, token)
    assert principal is not None
    assert not principal.may(Permission.PAYMENTS_READ)


def test_a_flushed_redis_only_asks_to_log_in_again(session: Session) -> None:
    add_staff(session, email="awa@test.gm", role=Role.CUSTOMER_CARE, password=GOOD, now=NOON)
    token = log_in(session, email="awa@test.gm", password=GOOD, now=NOON)
    redis.client().flushall()
    assert principal_for_session(session, token) is None


def test_an_account_is_made_once_with_a_sound_password_and_address(session: Session) -> None:
    add_staff(session, email="awa@test.gm", role=Role.ROOT, password=GOOD, now=NOON)
    with pytest.raises(StaffExists):
        add_staff(session, email="AWA@test.gm", role=Role.ROOT, password=GOOD, now=NOON)
    with pytest.raises(WeakPassword):
        add_staff(session, email="new@test.gm", role=Role.ROOT, password="short", now=NOON)
    with pytest.raises(BadEmail):
        add_staff(session, email="not an address", role=Role.ROOT, password=GOOD, now=NOON)


def test_only_root_holds_every_permission() -> None:
    assert ROLE_PERMISSIONS[Role.ROOT] == set(Permission)
    for role in set(Role) - {Role.ROOT}:
        assert ROLE_PERMISSIONS[role] < set(Permission)
