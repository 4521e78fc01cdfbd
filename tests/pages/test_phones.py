"""Phones with the apps in the console: a technician's is added by a code, and any is logged out."""

from __future__ import annotations

from datetime import datetime

import pytest
import sqlalchemy as sa
from nicegui.testing import User
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import in_transaction, transaction
from services.accounts.customers import find_or_create_customer
from services.accounts.models import Role, Staff
from services.apps import devices, enrolment
from services.apps.devices import Phone
from services.apps.models import AppDevice
from services.audit.models import AuditEntry
from tests.pages import builders
from tests.pages.conftest import SignIn
from tests.pages.test_pages import label, until

ON = Phone("Tecno of Lamin", "android", "1.0")


@pytest.fixture(autouse=True)
def people(database: sa.Engine, now: datetime) -> None:
    with transaction() as session:
        for role in Role:
            builders.a_staff(session, role, now=now)


def technician(session: Session) -> Staff:
    return session.exec(select(Staff).where(Staff.role == Role.FIELD_TECHNICIAN)).one()


def actions(session: Session) -> list[str]:
    return list(session.exec(select(AuditEntry.action).where(col(AuditEntry.action).contains("phone")).order_by(col(AuditEntry.id))).all())


def standing(session: Session) -> int:
    return len(session.exec(select(AppDevice).where(col(AppDevice.revoked_at).is_(None))).all())


async def logs_out_the_phone(user: User) -> None:
    user.find(marker="log-out-phone").click()
    await user.should_see(marker="confirm", retries=100)
    user.find(marker="confirm").click()
    await user.should_see("No phone", retries=100)
    assert await in_transaction(standing) == 0


async def test_a_technician_adds_the_own_phone_by_its_code_and_logs_it_out(user: User, sign_in: SignIn) -> None:
    await sign_in(Role.FIELD_TECHNICIAN)
    await user.open("/console/account")
    user.find(marker="add-phone").click()
    await user.should_see(marker="phone-code", retries=100)
    code = label(user, "phone-code")
    await in_transaction(lambda session: enrolment.enrol(session, code=code, on=ON, now=utc_now()))
    await user.open("/console/account")
    await user.should_see("Tecno of Lamin", retries=100)
    await logs_out_the_phone(user)
    assert await in_transaction(actions) == ["staff.make_phone_code", "staff.enrol_phone", "staff.log_out_phone"]


async def test_an_admin_adds_a_phone_for_a_technician_and_logs_it_out(user: User, sign_in: SignIn) -> None:
    person = await in_transaction(technician)
    await in_transaction(lambda session: devices.open_for_staff(session, person=person, phone=ON, now=utc_now()))
    await sign_in(Role.ROOT)
    await user.open(f"/console/staff/{person.id}")
    await user.should_see("Tecno of Lamin", retries=100)
    user.find(marker="add-phone").click()
    await user.should_see(marker="phone-code", retries=100)
    user.find(marker="done").click()
    await logs_out_the_phone(user)


async def test_care_logs_a_customers_lost_phone_out_and_billing_only_sees_it(user: User, sign_in: SignIn) -> None:
    def log_in(session: Session) -> int:
        customer = find_or_create_customer(session, phone="+220833000001", now=utc_now())
        devices.open_for_customer(session, customer=customer, phone=Phone("Awa's phone"), now=utc_now())
        return customer.id or 0

    customer_id = await in_transaction(log_in)
    await sign_in(Role.BILLING_OFFICER)
    await user.open(f"/console/customers/{customer_id}")
    await user.should_see("Awa's phone", retries=100)
    await user.should_not_see(marker="log-out-phone")
    await sign_in(Role.CUSTOMER_CARE)
    await user.open(f"/console/customers/{customer_id}")
    await until(lambda: bool(user.find(marker="log-out-phone").elements))
    await logs_out_the_phone(user)
