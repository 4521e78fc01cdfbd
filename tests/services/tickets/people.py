"""Staff with rows of their own, as principals."""

from __future__ import annotations

from sqlmodel import Session

from services.accounts.models import Role, Staff
from services.accounts.permissions import ROLE_PERMISSIONS, Principal
from tests.conftest import NOON


def a_person(session: Session, email: str, *, role: Role = Role.FIELD_TECHNICIAN, is_active: bool = True) -> Staff:
    name = email.partition("@")[0].title()
    staff = Staff(email=email, name=name, role=role, password_hash="", is_active=is_active, created_at=NOON)
    session.add(staff)
    session.flush()
    return staff


def a_service(*permissions: str, number: int) -> Principal:
    """An outside service's token; its number may well be that of a staff member too."""
    return Principal(
        kind="token", id=number, name="help desk", permissions=frozenset(one for one in ROLE_PERMISSIONS[Role.ROOT] if one in permissions)
    )
