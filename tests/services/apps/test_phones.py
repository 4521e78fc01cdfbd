"""Phones in the console: who sees whose, and who may log which out."""

from __future__ import annotations

import pytest
from sqlmodel import Session, col, select

from app.errors import Forbidden, NotFound, Unauthenticated
from services.accounts import sessions
from services.accounts.errors import StaffNotFound
from services.accounts.models import Role
from services.apps import devices, phones
from services.audit.models import AuditEntry
from tests.conftest import NOON
from tests.factories import staff
from tests.services.apps.texting import a_person, enrolled, logged_in


def last_action(session: Session) -> tuple[str, str, str]:
    found = session.exec(select(AuditEntry).order_by(col(AuditEntry.id).desc())).first()
    assert found is not None
    return found.action, found.target_type, found.target_id


def test_a_person_sees_the_own_phones_and_logs_one_out(session: Session) -> None:
    person = a_person(session)
    opened, caller = enrolled(session, person)
    actor = sessions.principal_of(person)
    (row,) = phones.phones_of_staff(session, actor=actor, staff_id=actor.id)
    assert (row.name, row.platform, row.id) == ("Awa's phone", "android", caller.app_device_id)
    for _ in range(2):
        phones.log_out_of_staff(session, actor=actor, staff_id=actor.id, phone_id=row.id, now=NOON)
    assert phones.phones_of_staff(session, actor=actor, staff_id=actor.id) == ()
    assert last_action(session) == ("staff.log_out_phone", "staff", str(actor.id))
    with pytest.raises(Unauthenticated):
        devices.caller_of(session, opened.access_token, now=NOON)


def test_others_need_the_right_to_read_and_to_change_that_person(session: Session) -> None:
    person, colleague = a_person(session), a_person(session)
    opened, caller = enrolled(session, person)
    phone = {"staff_id": person.id or 0, "phone_id": caller.app_device_id}
    with pytest.raises(Forbidden):
        phones.phones_of_staff(session, actor=sessions.principal_of(colleague), staff_id=phone["staff_id"])
    for actor in (sessions.principal_of(colleague), staff(Role.CUSTOMER_CARE)):
        with pytest.raises(Forbidden):
            phones.log_out_of_staff(session, actor=actor, now=NOON, **phone)
    with pytest.raises(NotFound):
        phones.log_out_of_staff(
            session, actor=sessions.principal_of(colleague), staff_id=colleague.id or 0, phone_id=phone["phone_id"], now=NOON
        )
    admin = sessions.principal_of(a_person(session, Role.CUSTOMER_CARE))
    assert not phones.may_log_out_customers(staff(Role.FIELD_TECHNICIAN))
    root = staff(Role.ROOT)
    assert len(phones.phones_of_staff(session, actor=root, staff_id=phone["staff_id"])) == 1
    with pytest.raises(StaffNotFound):
        phones.phones_of_staff(session, actor=root, staff_id=999_999)
    phones.log_out_of_staff(session, actor=root, now=NOON, **phone)
    assert opened.device.revoked_at == NOON
    assert admin.id != person.id


def test_a_phone_of_an_older_epoch_is_shown_no_more(session: Session) -> None:
    person = a_person(session)
    enrolled(session, person)
    sessions.forget_everything(person)
    session.flush()
    actor = sessions.principal_of(person)
    assert phones.phones_of_staff(session, actor=actor, staff_id=actor.id) == ()


def test_care_sees_a_customers_phones_and_logs_a_lost_one_out_but_billing_only_sees(session: Session) -> None:
    lost, caller = logged_in(session)
    _, other = logged_in(session)
    of = caller.customer()
    care, billing = staff(Role.CUSTOMER_CARE), staff(Role.BILLING_OFFICER)
    for actor in (care, billing):
        assert [row.id for row in phones.phones_of_customer(session, actor=actor, customer_id=of)] == [caller.app_device_id]
    for refused in (billing, staff(Role.FIELD_TECHNICIAN)):
        with pytest.raises(Forbidden):
            phones.log_out_of_customer(session, actor=refused, customer_id=of, phone_id=caller.app_device_id, now=NOON)
    with pytest.raises(NotFound):
        phones.log_out_of_customer(session, actor=care, customer_id=of, phone_id=other.app_device_id, now=NOON)
    phones.log_out_of_customer(session, actor=care, customer_id=of, phone_id=caller.app_device_id, now=NOON)
    assert last_action(session) == ("customer.log_out_phone", "customer", str(of))
    assert lost.device.revoked_why == "logged out in the console"
    with pytest.raises(Forbidden):
        phones.phones_of_customer(session, actor=staff(Role.FIELD_TECHNICIAN), customer_id=of)
