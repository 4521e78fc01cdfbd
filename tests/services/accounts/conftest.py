from __future__ import annotations

from collections.abc import Callable, Iterator
from urllib.parse import parse_qs, urlsplit

import pyotp
import pytest
from sqlmodel import Session

from app import redis
from app.settings import get_settings
from services.accounts import passwords, second_factor, sessions
from services.accounts.models import Role, Staff
from services.accounts.permissions import Principal
from tests.conftest import NOON, free_port

PASSWORD = "mokolo fande bula tanka"
_HASH = passwords.hash_password(PASSWORD)
MakeStaff = Callable[..., Staff]


@pytest.fixture
def make_staff(session: Session) -> MakeStaff:
    """People with `PASSWORD`, in the order of their names."""

    def make(name: str, role: Role = Role.CUSTOMER_CARE, **more: object) -> Staff:
        values = {"email": f"{name.lower()}@test.gm", "name": name, "role": role, "password_hash": _HASH, "created_at": NOON} | more
        staff = Staff.model_validate(values)
        session.add(staff)
        session.flush()
        return staff

    return make


@pytest.fixture
def full_price(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Passwords cost what they cost in production."""
    from services.accounts.passwords import forget

    monkeypatch.delenv("INET_PASSWORD_MEMORY_KIB")
    get_settings.cache_clear()
    forget()
    yield
    monkeypatch.undo()
    get_settings.cache_clear()
    forget()


@pytest.fixture
def uncounted(servers: None) -> Iterator[None]:
    """No tries were counted and nobody is logged in."""
    redis.client().flushall()
    yield
    redis.client().flushall()


@pytest.fixture
def redis_away(servers: None, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The settings name a port at which nothing listens."""
    from app import limits

    monkeypatch.setenv("INET_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    get_settings.cache_clear()
    redis.forget()
    limits.forget()
    yield
    monkeypatch.undo()
    get_settings.cache_clear()
    redis.forget()
    limits.forget()


def acting(staff: Staff) -> Principal:
    return sessions.principal_of(staff)


def with_second_factor(session: Session, staff: Staff) -> tuple[pyotp.TOTP, list[str]]:
    """The authenticator app, and the recovery codes."""
    app = pyotp.TOTP(parse_qs(urlsplit(second_factor.begin(staff)).query)["secret"][0])
    return app, second_factor.confirm(session, staff, app.at(NOON), now=NOON)
