"""Logging in as an attacker sees it, and as the person sees it who is attacked."""

from __future__ import annotations

import statistics
import threading
import time
from datetime import timedelta

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.db import transaction
from app.errors import DomainError, TooMany, Unavailable
from app.origin import coming_from
from services.accounts import sessions
from services.accounts.errors import BadCredentials
from services.accounts.models import Role, Staff
from services.accounts.passwords import hash_password
from services.accounts.second_factor import SecondFactorNeeded, WrongSecondFactor
from services.accounts.staff import authenticate, log_in, principal_for_session
from services.audit.models import AuditEntry
from tests.conftest import NOON
from tests.services.accounts.conftest import PASSWORD, MakeStaff, with_second_factor

pytestmark = pytest.mark.usefixtures("uncounted")
HOME, STRANGER = "198.51.100.7", "203.0.113.9"


def guess(session: Session, email: str, password: str = "wrong, and long enough", *, address: str = STRANGER) -> type[DomainError] | None:
    with coming_from(address):
        try:
            authenticate(session, email=email, password=password, now=NOON)
        except DomainError as refusal:
            return type(refusal)
    return None


def test_unknown_wrong_disabled_and_invited_are_told_in_the_same_words(session: Session, make_staff: MakeStaff) -> None:
    make_staff("Awa")
    make_staff("Bakary", is_active=False)
    make_staff("Ceesay", password_hash="")
    for email, password in [
        ("nobody@test.gm", PASSWORD),
        ("awa@test.gm", "wrong, and long enough"),
        ("bakary@test.gm", PASSWORD),
        ("ceesay@test.gm", ""),
        ("not an address", PASSWORD),
        ("awa@test.gm\x00", PASSWORD),
        ("\ud800@test.gm", "\ud800" * 20),
        ("x" * 5000, "y" * 5000),
    ]:
        with pytest.raises(BadCredentials) as refusal:
            authenticate(session, email=email, password=password, now=NOON)
        assert refusal.value.text == "E-mail or password is not right."


def test_an_unknown_account_takes_as_long_as_a_wrong_password(session: Session, make_staff: MakeStaff, full_price: None) -> None:
    known_hash = hash_password(PASSWORD)
    for number in range(5):
        make_staff(f"Known{number}", password_hash=known_hash)

    def seconds(email: str) -> float:
        began = time.perf_counter()
        assert guess(session, email) is BadCredentials
        return time.perf_counter() - began

    # In turn, so that whatever else this machine does hits both alike. Without the hash of nobody it would be a hundredth.
    taken = [(seconds(f"known{number}@test.gm"), seconds(f"unknown{number}@test.gm")) for number in range(5)]
    known, unknown = (statistics.median(times) for times in zip(*taken, strict=True))
    assert 0.5 < unknown / known < 2


def test_guessing_from_one_address_is_slowed_down_for_known_and_unknown_accounts_alike(session: Session, make_staff: MakeStaff) -> None:
    make_staff("Awa")
    for email in ("awa@test.gm", "nobody@test.gm"):
        answers = [guess(session, email) for _ in range(8)]
        assert answers == [BadCredentials] * 5 + [TooMany] * 3
    assert guess(session, "awa@test.gm", PASSWORD) is TooMany


def test_guessing_from_a_thousand_addresses_is_as_slow(session: Session, make_staff: MakeStaff) -> None:
    make_staff("Awa")
    answers = [guess(session, "awa@test.gm", address=f"2001:db8:{number:x}::1") for number in range(40)]
    assert answers.count(BadCredentials) == 30
    # Of one IPv6 network every address is the same guesser.
    assert guess(session, "mod@test.gm", address="2001:db8::1") is BadCredentials
    assert [guess(session, "mod@test.gm", address=f"2001:db8::{number:x}") for number in range(2, 8)].count(BadCredentials) == 4


def test_a_stranger_cannot_lock_a_person_out(session: Session, make_staff: MakeStaff) -> None:
    make_staff("Awa")
    assert guess(session, "awa@test.gm", PASSWORD, address=HOME) is None
    for number in range(40):
        guess(session, "awa@test.gm", address=f"203.0.113.{number}")
    assert guess(session, "awa@test.gm", PASSWORD, address="203.0.113.200") is TooMany
    assert guess(session, "awa@test.gm", PASSWORD, address=HOME) is None


def test_even_a_known_address_may_not_guess_for_ever(session: Session, make_staff: MakeStaff) -> None:
    make_staff("Awa")
    guess(session, "awa@test.gm", PASSWORD, address=HOME)
    assert [guess(session, "awa@test.gm", address=HOME) for _ in range(12)].count(TooMany) == 2


def test_one_address_may_not_try_one_password_on_everybody(session: Session) -> None:
    answers = [guess(session, f"person{number}@test.gm") for number in range(62)]
    assert answers.count(TooMany) == 2


def test_without_redis_log_in_is_closed_and_says_so(session: Session, make_staff: MakeStaff, redis_away: None) -> None:
    make_staff("Awa")
    with pytest.raises(Unavailable, match="closed for a moment"):
        log_in(session, email="awa@test.gm", password=PASSWORD, now=NOON)


def test_every_log_in_has_a_new_token_and_is_audited_with_its_address(session: Session, make_staff: MakeStaff) -> None:
    awa = make_staff("Awa")
    with coming_from(HOME):
        first, second = (log_in(session, email="awa@test.gm", password=PASSWORD, now=NOON, agent="Firefox") for _ in range(2))
    assert first != second
    assert awa.last_login_at == NOON
    rows = session.exec(select(AuditEntry).where(AuditEntry.action == "staff.log_in")).all()
    assert [(row.actor, row.address) for row in rows] == [("staff:awa@test.gm", HOME)] * 2
    assert awa.id is not None
    assert {one.agent for one in sessions.open_sessions(awa.id)} == {"Firefox"}


def test_a_second_factor_is_asked_of_who_has_the_password_and_of_nobody_else(session: Session, make_staff: MakeStaff) -> None:
    app, _ = with_second_factor(session, make_staff("Awa"))
    later = NOON + timedelta(minutes=1)
    assert guess(session, "awa@test.gm") is BadCredentials
    assert guess(session, "awa@test.gm", PASSWORD) is SecondFactorNeeded
    token = log_in(session, email="awa@test.gm", password=PASSWORD, code=app.at(later), now=later)
    assert principal_for_session(session, token) is not None


def test_a_code_that_was_used_opens_nothing_and_leaves_a_trace(session: Session, make_staff: MakeStaff) -> None:
    app, recovery = with_second_factor(session, make_staff("Awa"))
    later = NOON + timedelta(minutes=1)
    for code in (app.at(later), recovery[0]):
        log_in(session, email="awa@test.gm", password=PASSWORD, code=code, now=later)
        with pytest.raises(WrongSecondFactor):
            log_in(session, email="awa@test.gm", password=PASSWORD, code=code, now=later)
    rows = session.exec(select(AuditEntry).where(AuditEntry.action == "staff.second_factor_refused")).all()
    assert len(rows) == 2


def test_codes_cannot_be_tried_out_even_with_the_password(session: Session, make_staff: MakeStaff) -> None:
    with_second_factor(session, make_staff("Awa"))
    answers = []
    for number in range(12):
        with coming_from(f"203.0.113.{number}"):
            try:
                authenticate(session, email="awa@test.gm", password=PASSWORD, code=f"{number:06}", now=NOON)
            except DomainError as refusal:
                answers.append(type(refusal))
    assert answers == [WrongSecondFactor] * 6 + [TooMany] * 6


def test_of_two_log_ins_at_once_with_one_code_only_one_succeeds(database: sa.Engine) -> None:
    with transaction() as session:
        staff = Staff(email="awa@test.gm", name="Awa", role=Role.ROOT, password_hash=hash_password(PASSWORD), created_at=NOON)
        session.add(staff)
        session.flush()
        app, _ = with_second_factor(session, staff)
    later = NOON + timedelta(minutes=1)
    together, outcomes = threading.Barrier(3), []

    def enter() -> None:
        together.wait()
        try:
            with transaction() as own:
                authenticate(own, email="awa@test.gm", password=PASSWORD, code=app.at(later), now=later)
            outcomes.append("in")
        except WrongSecondFactor:
            outcomes.append("refused")

    people = [threading.Thread(target=enter) for _ in range(3)]
    for person in people:
        person.start()
    for person in people:
        person.join(30)
    assert sorted(outcomes) == ["in", "refused", "refused"]


def test_who_must_have_a_second_factor_and_has_none_may_only_set_it_up(
    session: Session, make_staff: MakeStaff, monkeypatch: pytest.MonkeyPatch
) -> None:
    from app.settings import get_settings

    monkeypatch.setattr(get_settings(), "env", "production")
    for name, role in (("Root", Role.ROOT), ("Care", Role.CUSTOMER_CARE)):
        make_staff(name, role)
        token = log_in(session, email=f"{name.lower()}@test.gm", password=PASSWORD, now=NOON)
        principal = principal_for_session(session, token)
        assert principal is not None
        assert principal.must_enrol is (role is Role.ROOT)
        assert (principal.permissions == {"self:edit"}) is (role is Role.ROOT)
