"""What is worth money asks once more who sits there, when the last proof is older than ten minutes."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from sqlmodel import Session

from app.errors import TooMany, Unauthenticated
from services.accounts import own, proofs
from services.accounts.models import Role
from services.accounts.permissions import FreshProofNeeded, Permission, Principal
from services.accounts.proofs import ProofRefused
from services.accounts.sessions import session_id_of
from services.accounts.staff import log_in, principal_for_session
from tests.conftest import NOON
from tests.services.accounts.conftest import PASSWORD, MakeStaff, with_second_factor

pytestmark = pytest.mark.usefixtures("uncounted")
LATER = NOON + timedelta(minutes=11)


def logged_in(session: Session, make_staff: MakeStaff) -> tuple[str, Principal]:
    make_staff("Awa")
    token = log_in(session, email="awa@test.gm", password=PASSWORD, now=NOON)
    return token, holder(session, token)


def holder(session: Session, token: str) -> Principal:
    found = principal_for_session(session, token)
    assert found is not None
    return found


def is_open(session: Session, token: str, *, now: datetime) -> bool:
    try:
        holder(session, token).require_proof(now=now)
    except FreshProofNeeded:
        return False
    return True


def test_a_log_in_is_a_proof_for_ten_minutes(session: Session, make_staff: MakeStaff) -> None:
    token, _ = logged_in(session, make_staff)
    assert is_open(session, token, now=NOON + timedelta(minutes=10))
    assert not is_open(session, token, now=NOON + timedelta(minutes=10, seconds=1))


def test_the_password_proves_it_again_in_this_session_alone(session: Session, make_staff: MakeStaff) -> None:
    token, actor = logged_in(session, make_staff)
    other = log_in(session, email="awa@test.gm", password=PASSWORD, now=NOON)
    with pytest.raises(ProofRefused):
        proofs.prove(session, actor=actor, session_id=session_id_of(token), password="not the password", now=LATER)
    assert not is_open(session, token, now=LATER)
    proofs.prove(session, actor=actor, session_id=session_id_of(token), password=PASSWORD, now=LATER)
    assert is_open(session, token, now=LATER)
    assert not is_open(session, other, now=LATER)


def test_a_code_of_the_second_factor_proves_it_once(session: Session, make_staff: MakeStaff) -> None:
    app, _ = with_second_factor(session, make_staff("Awa"))
    begun = NOON + timedelta(minutes=1)
    token = log_in(session, email="awa@test.gm", password=PASSWORD, code=app.at(begun), now=begun)
    actor, later = holder(session, token), begun + timedelta(minutes=11)
    assert proofs.best_means(session, actor=actor) == "code"
    proofs.prove(session, actor=actor, session_id=session_id_of(token), code=app.at(later), now=later)
    assert is_open(session, token, now=later)
    with pytest.raises(ProofRefused):
        proofs.prove(session, actor=actor, session_id=session_id_of(token), code=app.at(later), now=later)


def test_who_has_no_second_factor_proves_nothing_by_a_code(session: Session, make_staff: MakeStaff) -> None:
    token, actor = logged_in(session, make_staff)
    assert proofs.best_means(session, actor=actor) == "password"
    with pytest.raises(ProofRefused):
        proofs.prove(session, actor=actor, session_id=session_id_of(token), code="123456", now=LATER)


def test_proofs_cannot_be_tried_out(session: Session, make_staff: MakeStaff) -> None:
    token, actor = logged_in(session, make_staff)
    for _ in range(10):
        with pytest.raises(ProofRefused):
            proofs.prove(session, actor=actor, session_id=session_id_of(token), password="wrong", now=LATER)
    with pytest.raises(TooMany):
        proofs.prove(session, actor=actor, session_id=session_id_of(token), password=PASSWORD, now=LATER)


def test_a_session_renewed_without_a_proof_is_as_old_as_it_was(session: Session, make_staff: MakeStaff) -> None:
    _, actor = logged_in(session, make_staff)
    assert not is_open(session, own.end_other_sessions(session, actor=actor, now=LATER), now=LATER)


def test_a_new_password_is_a_proof(session: Session, make_staff: MakeStaff) -> None:
    _, actor = logged_in(session, make_staff)
    token = own.change_password(session, actor=actor, present=PASSWORD, wanted="four rather unusual words", now=LATER)
    assert is_open(session, token, now=LATER)


def test_a_token_is_bound_to_its_scopes_and_proves_nothing(session: Session) -> None:
    service = Principal(kind="token", id=1, name="a shop", permissions=frozenset({Permission.SELF_EDIT}))
    service.require_proof(now=NOON)
    with pytest.raises(Unauthenticated):
        proofs.prove(session, actor=service, session_id="x", password=PASSWORD, now=NOON)


def test_a_person_without_a_proof_is_refused_everything_that_asks_for_one() -> None:
    person = Principal(kind="staff", id=1, name="Awa", role=Role.ROOT, permissions=frozenset(Permission))
    with pytest.raises(FreshProofNeeded):
        person.require_proof(now=NOON)
