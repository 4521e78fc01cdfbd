"""Codes by which a technician's phone becomes theirs."""

from __future__ import annotations

from datetime import datetime, timedelta
from urllib.parse import parse_qs, urlsplit

import pytest
from sqlmodel import Session, col, select

from app import origin, redis
from app.errors import Forbidden, TooMany
from services.accounts import sessions
from services.accounts.errors import OnlyRoot, StaffNotFound
from services.accounts.models import Role, Staff
from services.accounts.permissions import FreshProofNeeded, Principal
from services.apps import devices, enrolment
from services.apps.devices import Opened
from services.apps.enrolment import EnrolmentSpent, Shown
from services.apps.models import Enrolment
from services.audit.models import AuditEntry
from tests.conftest import NOON
from tests.services.apps.texting import ON, a_person


@pytest.fixture(autouse=True)
def no_tries_yet(servers: None) -> None:
    redis.client().flushall()


def acting(person: Staff, *, proven_at: datetime | None = NOON) -> Principal:
    return sessions.principal_of(person, proven_at=proven_at)


def make(session: Session, actor: Principal, person: Staff, *, at: datetime = NOON) -> Shown:
    assert person.id is not None
    return enrolment.make(session, actor=actor, staff_id=person.id, now=at)


def enrol(session: Session, code: str, *, at: datetime = NOON) -> Opened:
    return enrolment.enrol(session, code=code, on=ON, now=at)[0]


def test_a_person_makes_a_code_and_the_phone_that_brings_it_is_theirs_once(session: Session) -> None:
    person = a_person(session)
    shown = make(session, acting(person), person)
    opened = enrol(session, shown.code.lower().replace("-", " "))
    caller = devices.caller_of(session, opened.access_token, now=NOON)
    assert caller.technician() == sessions.principal_of(person)
    with pytest.raises(EnrolmentSpent):
        enrol(session, shown.code)
    (kept,) = session.exec(select(Enrolment)).all()
    assert (kept.used_at, kept.app_device_id) == (NOON, opened.device.id)
    told = session.exec(select(AuditEntry).order_by(col(AuditEntry.id))).all()
    assert [one.action for one in told] == ["staff.make_phone_code", "staff.enrol_phone"]
    assert shown.code not in f"{[one.model_dump() for one in told]}{kept.model_dump()}"


def test_the_qr_names_the_code_and_the_server(session: Session) -> None:
    person = a_person(session)
    shown = make(session, acting(person), person)
    parts = urlsplit(shown.content)
    assert f"{parts.scheme}:{parts.path}" == "inet-tech:enrol"
    assert parse_qs(parts.query) == {"code": [shown.code], "server": ["http://127.0.0.1:8080"]}
    assert [len(group) for group in shown.code.split("-")] == [4, 4, 4, 4]


def test_a_code_is_void_after_ten_minutes_and_when_another_was_made(session: Session) -> None:
    person = a_person(session)
    first = make(session, acting(person), person)
    second = make(session, acting(person), person, at=NOON + timedelta(seconds=1))
    for code, at in ((first.code, NOON + timedelta(seconds=1)), (second.code, NOON + timedelta(minutes=10, seconds=1))):
        with pytest.raises(EnrolmentSpent):
            enrol(session, code, at=at)
    enrol(session, second.code, at=NOON + timedelta(minutes=10))


def test_a_code_dies_with_the_persons_sessions_and_with_the_account(session: Session) -> None:
    person = a_person(session)
    before = make(session, acting(person), person)
    sessions.forget_everything(person)
    session.flush()
    with pytest.raises(EnrolmentSpent):
        enrol(session, before.code)
    after = make(session, acting(person), person)
    person.is_active = False
    session.flush()
    with pytest.raises(EnrolmentSpent):
        enrol(session, after.code)


@pytest.mark.parametrize("proven_at", [None, NOON - timedelta(minutes=11)])
def test_a_code_needs_a_fresh_proof(session: Session, proven_at: datetime | None) -> None:
    person = a_person(session)
    with pytest.raises(FreshProofNeeded):
        make(session, acting(person, proven_at=proven_at), person)


def test_for_another_person_one_needs_the_right_to_change_them(session: Session) -> None:
    technician, admin, root = (a_person(session, role) for role in (Role.FIELD_TECHNICIAN, Role.SYSTEM_ADMIN, Role.ROOT))
    for person in (admin, root):
        person.totp_sealed, person.totp_confirmed_at = "x", NOON
    session.flush()
    with pytest.raises(Forbidden):
        make(session, acting(technician), admin)
    with pytest.raises(OnlyRoot):
        make(session, acting(admin), root)
    shown = make(session, acting(admin), technician)
    assert enrol(session, shown.code).device.staff_id == technician.id
    with pytest.raises(StaffNotFound):
        enrolment.make(session, actor=acting(root), staff_id=999_999, now=NOON)
    technician.is_active = False
    session.flush()
    with pytest.raises(Forbidden):
        make(session, acting(root), technician)


@pytest.mark.parametrize("code", ["", "-", "BCDF", "BCDF-GHJK-MNPR-STVW", "b" * 64, "é\x00☃"])
def test_what_is_no_code_opens_nothing(session: Session, code: str) -> None:
    with pytest.raises(EnrolmentSpent):
        enrol(session, code)


def test_guessing_codes_is_slow(session: Session) -> None:
    with origin.coming_from("192.0.2.7"):
        for _ in range(30):
            enrolment.tries.count_code()
        with pytest.raises(TooMany):
            enrol(session, "BCDF-GHJK-MNPR-STVW")
