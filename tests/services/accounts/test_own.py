from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from sqlmodel import Session, select

from app.errors import Conflict, Forbidden, NotFound, TooMany
from services.accounts import own, sessions
from services.accounts.errors import WeakPassword, WrongPassword
from services.accounts.models import Staff
from services.accounts.permissions import Principal
from services.accounts.second_factor import WrongSecondFactor
from services.accounts.staff import log_in, principal_for_session
from services.audit.models import AuditEntry
from tests.conftest import NOON
from tests.services.accounts.conftest import PASSWORD, MakeStaff, acting, with_second_factor

pytestmark = pytest.mark.usefixtures("uncounted")
NEW = "tangerine bicycle under moon"
LATER = NOON + timedelta(minutes=1)


@pytest.fixture
def awa(make_staff: MakeStaff) -> Staff:
    return make_staff("Awa")


def test_a_new_password_ends_every_other_session_and_gives_this_one_a_new_token(session: Session, awa: Staff) -> None:
    here, elsewhere = (log_in(session, email=awa.email, password=PASSWORD, now=NOON) for _ in range(2))
    fresh = own.change_password(session, actor=acting(awa), present=PASSWORD, wanted=NEW, now=NOON)
    session.flush()
    assert [principal_for_session(session, token) is not None for token in (here, elsewhere, fresh)] == [False, False, True]
    assert len(own.live_sessions(awa)) == 1
    assert log_in(session, email=awa.email, password=NEW, now=NOON)
    assert "staff.change_own_password" in session.exec(select(AuditEntry.action)).all()


def test_the_present_password_is_asked_and_the_new_one_is_judged(session: Session, awa: Staff) -> None:
    with pytest.raises(WrongPassword):
        own.change_password(session, actor=acting(awa), present="not the present one", wanted=NEW, now=NOON)
    with pytest.raises(WeakPassword):
        own.change_password(session, actor=acting(awa), present=PASSWORD, wanted="password1234", now=NOON)


def test_an_open_browser_is_no_place_to_guess_the_password(session: Session, awa: Staff) -> None:
    for _ in range(10):
        with pytest.raises(WrongPassword):
            own.begin_second_factor(session, actor=acting(awa), present="not the present one")
    with pytest.raises(TooMany):
        own.begin_second_factor(session, actor=acting(awa), present=PASSWORD)


def test_a_second_factor_is_set_up_with_the_password_and_a_first_code(session: Session, awa: Staff) -> None:
    elsewhere = log_in(session, email=awa.email, password=PASSWORD, now=NOON)
    address = own.begin_second_factor(session, actor=acting(awa), present=PASSWORD)
    app = pyotp.TOTP(parse_qs(urlsplit(address).query)["secret"][0])
    codes, token = own.confirm_second_factor(session, actor=acting(awa), code=app.at(NOON), now=NOON)
    assert len(codes) == own.own_account(session, actor=acting(awa)).recovery_codes_left == 10
    assert principal_for_session(session, elsewhere) is None
    assert principal_for_session(session, token) is not None
    with pytest.raises(Conflict):
        own.begin_second_factor(session, actor=acting(awa), present=PASSWORD)
    with pytest.raises(Conflict):
        own.confirm_second_factor(session, actor=acting(awa), code=app.at(LATER), now=LATER)


def test_taking_the_second_factor_away_needs_password_and_code(session: Session, awa: Staff) -> None:
    app, _ = with_second_factor(session, awa)
    with pytest.raises(WrongPassword):
        own.remove_second_factor(session, actor=acting(awa), present="not the present one", code=app.at(LATER), now=LATER)
    with pytest.raises(WrongSecondFactor):
        own.remove_second_factor(session, actor=acting(awa), present=PASSWORD, code="000000", now=LATER)
    own.remove_second_factor(session, actor=acting(awa), present=PASSWORD, code=app.at(LATER), now=LATER)
    assert not awa.has_second_factor


def test_a_person_ends_only_sessions_of_their_own(session: Session, make_staff: MakeStaff, awa: Staff) -> None:
    other = make_staff("Other")
    mine, theirs = (log_in(session, email=staff.email, password=PASSWORD, now=NOON) for staff in (awa, other))
    with pytest.raises(NotFound):
        own.end_own_session(session, actor=acting(awa), session_id=sessions.session_id_of(theirs), now=NOON)
    assert principal_for_session(session, theirs) is not None
    own.end_own_session(session, actor=acting(awa), session_id=sessions.session_id_of(mine), now=NOON)
    assert principal_for_session(session, mine) is None


def test_logging_out_everywhere_else_leaves_this_session_under_a_new_token(session: Session, awa: Staff) -> None:
    tokens = [log_in(session, email=awa.email, password=PASSWORD, now=NOON) for _ in range(3)]
    fresh = own.end_other_sessions(session, actor=acting(awa), now=NOON)
    session.flush()
    assert [principal_for_session(session, token) for token in tokens] == [None] * 3
    assert principal_for_session(session, fresh) is not None


@pytest.mark.parametrize(
    "act",
    [
        lambda session, actor: own.own_account(session, actor=actor),
        lambda session, actor: own.change_password(session, actor=actor, present=PASSWORD, wanted=NEW, now=NOON),
        lambda session, actor: own.end_other_sessions(session, actor=actor, now=NOON),
    ],
)
def test_a_token_of_an_outside_service_has_no_account_of_its_own(
    session: Session, awa: Staff, act: Callable[[Session, Principal], object]
) -> None:
    assert awa.id is not None
    with pytest.raises(Forbidden):
        act(session, Principal("token", awa.id, "shop", frozenset()))
