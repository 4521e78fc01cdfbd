"""Phones with one of the apps as the console shows them: of oneself, of other staff, of customers; seen, and logged out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import Forbidden, NotFound
from services.accounts import administration
from services.accounts.errors import StaffNotFound
from services.accounts.models import Staff
from services.accounts.permissions import Permission, Principal
from services.apps import devices
from services.apps.models import AppDevice
from services.audit import service as audit

_SHOWN = 50


@dataclass(frozen=True)
class PhoneRow:
    """A phone that is logged in. `since` is when that was."""

    id: int
    name: str
    platform: str
    app_version: str
    since: datetime
    last_seen_at: datetime


def phones_of_staff(session: Session, *, actor: Principal, staff_id: int) -> tuple[PhoneRow, ...]:
    """The own phones, or another person's for who may read staff; the one used last first. Raises Forbidden or StaffNotFound."""
    actor.require(Permission.SELF_EDIT if _is_self(actor, staff_id) else Permission.STAFF_READ)
    person = session.get(Staff, staff_id)
    if person is None:
        raise StaffNotFound
    # One of an older epoch is out, though nobody has logged it out.
    return _rows(session, col(AppDevice.staff_id) == staff_id, col(AppDevice.staff_epoch) == person.session_epoch)


def phones_of_customer(session: Session, *, actor: Principal, customer_id: int) -> tuple[PhoneRow, ...]:
    """Raises Forbidden."""
    actor.require(Permission.CUSTOMERS_READ)
    return _rows(session, col(AppDevice.customer_id) == customer_id)


def may_log_out_customers(actor: Principal) -> bool:
    return actor.may(Permission.CUSTOMERS_READ) and actor.may(Permission.TICKETS_EDIT)


def log_out_of_staff(session: Session, *, actor: Principal, staff_id: int, phone_id: int, now: datetime) -> None:
    """Log out one of the own phones, or one of a person whom the actor may change. Safe to repeat. Raises Forbidden or NotFound."""
    if _is_self(actor, staff_id):
        actor.require(Permission.SELF_EDIT)
    else:
        person = session.get(Staff, staff_id)
        if person is None or not administration.may_change(actor, person):
            raise Forbidden
    found = _locked(session, phone_id, col(AppDevice.staff_id) == staff_id)
    _log_out(session, actor, found, ("staff", staff_id), now=now)


def log_out_of_customer(session: Session, *, actor: Principal, customer_id: int, phone_id: int, now: datetime) -> None:
    """For a customer whose phone was lost. Safe to repeat. Raises Forbidden or NotFound."""
    actor.require(Permission.CUSTOMERS_READ)
    actor.require(Permission.TICKETS_EDIT)
    found = _locked(session, phone_id, col(AppDevice.customer_id) == customer_id)
    _log_out(session, actor, found, ("customer", customer_id), now=now)


def _is_self(actor: Principal, staff_id: int) -> bool:
    return actor.kind == "staff" and actor.id == staff_id


def _rows(session: Session, *whose: sa.ColumnElement[bool]) -> tuple[PhoneRow, ...]:
    standing = select(AppDevice).where(*whose, col(AppDevice.revoked_at).is_(None))
    return _shown(session.exec(standing.order_by(col(AppDevice.last_seen_at).desc(), col(AppDevice.id).desc()).limit(_SHOWN)).all())


def _shown(found: Sequence[AppDevice]) -> tuple[PhoneRow, ...]:
    return tuple(
        PhoneRow(one.id or 0, devices.title_of(one), one.platform, one.app_version, one.created_at, one.last_seen_at) for one in found
    )


def _locked(session: Session, phone_id: int, of: sa.ColumnElement[bool]) -> AppDevice:
    found = session.exec(select(AppDevice).where(AppDevice.id == phone_id, of).with_for_update()).one_or_none()
    if found is None:
        raise NotFound("There is no such phone.")
    return found


def _log_out(session: Session, actor: Principal, found: AppDevice, owner: tuple[str, int], *, now: datetime) -> None:
    if found.revoked_at is not None:
        return
    devices.let_go(session, found, why="logged out in the console", now=now)
    audit.record(session, actor, f"{owner[0]}.log_out_phone", target=owner, now=now, after={"phone": devices.audited_as(found)})
