from __future__ import annotations

from datetime import timedelta
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from sqlmodel import Session

from app.errors import InvalidInput
from services.accounts import second_factor
from services.accounts.models import Role, Staff
from services.accounts.second_factor import SecondFactorNeeded, WrongSecondFactor
from tests.conftest import NOON

HALF_A_MINUTE = timedelta(seconds=30)


@pytest.fixture
def staff(session: Session) -> Staff:
    made = Staff(email="awa@test.gm", name="Awa", role=Role.ROOT, password_hash="-", created_at=NOON)
    session.add(made)
    session.flush()
    return made


@pytest.fixture
def app(staff: Staff) -> pyotp.TOTP:
    """The authenticator app of the phone that read the QR code."""
    return pyotp.TOTP(parse_qs(urlsplit(second_factor.begin(staff)).query)["secret"][0])


def test_without_a_confirmed_factor_nothing_is_asked(session: Session, staff: Staff, app: pyotp.TOTP) -> None:
    second_factor.check(session, staff, None, now=NOON)
    assert not staff.has_second_factor


def test_a_code_opens_once(session: Session, staff: Staff, app: pyotp.TOTP) -> None:
    second_factor.confirm(session, staff, app.at(NOON), now=NOON)
    later = NOON + HALF_A_MINUTE
    second_factor.check(session, staff, app.at(later), now=later)

    with pytest.raises(WrongSecondFactor):
        second_factor.check(session, staff, app.at(later), now=later)
    with pytest.raises(WrongSecondFactor):
        second_factor.check(session, staff, app.at(NOON), now=later)


def test_a_clock_half_a_minute_off_is_forgiven_and_more_is_not(session: Session, staff: Staff, app: pyotp.TOTP) -> None:
    second_factor.confirm(session, staff, app.at(NOON), now=NOON)
    later = NOON + timedelta(minutes=5)
    with pytest.raises(WrongSecondFactor):
        second_factor.check(session, staff, app.at(later + 2 * HALF_A_MINUTE), now=later)
    second_factor.check(session, staff, app.at(later + HALF_A_MINUTE), now=later)


def test_a_factor_that_is_on_is_asked_for(session: Session, staff: Staff, app: pyotp.TOTP) -> None:
    second_factor.confirm(session, staff, app.at(NOON), now=NOON)
    with pytest.raises(SecondFactorNeeded):
        second_factor.check(session, staff, None, now=NOON)


def test_each_recovery_code_opens_once_in_any_spelling(session: Session, staff: Staff, app: pyotp.TOTP) -> None:
    codes = second_factor.confirm(session, staff, app.at(NOON), now=NOON)
    assert len(set(codes)) == 10
    second_factor.check(session, staff, codes[0].lower(), now=NOON)
    with pytest.raises(WrongSecondFactor):
        second_factor.check(session, staff, codes[0], now=NOON)
    second_factor.check(session, staff, codes[1], now=NOON)


@pytest.mark.parametrize("wrong", ["000000", "12345", "1234567", "abcdef", "１２３４５６", "'; --"])
def test_a_wrong_code_switches_nothing_on(session: Session, staff: Staff, app: pyotp.TOTP, wrong: str) -> None:
    with pytest.raises(InvalidInput):
        second_factor.confirm(session, staff, wrong, now=NOON)
    assert not staff.has_second_factor


def test_the_seed_is_never_stored_in_clear(staff: Staff, app: pyotp.TOTP) -> None:
    assert staff.totp_sealed is not None
    assert app.secret not in staff.totp_sealed
