"""The apps' JSON in this process on the rolled-back database, and phones that log in to it over HTTP."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import pytest
from fastapi import FastAPI
from sqlmodel import Session
from starlette.testclient import TestClient

from app import redis
from app.clock import utc_now
from app.main import plain_app
from services.accounts.models import Staff
from services.accounts.sessions import principal_of
from services.apps import enrolment
from tests.services.apps.texting import last_key, new_number

PREFIX = "/api/mobile/v1"
DEVICE = {"name": "Awa's phone", "platform": "android", "app_version": "1.4.0"}


@lru_cache(maxsize=1)
def served_app() -> FastAPI:
    """The faces that phones ask, and the one whose credentials must open nothing there."""
    return plain_app(("mobile", "api"))


@pytest.fixture
def line(session: Session) -> Iterator[TestClient]:
    """Asks the application; nobody has tried anything yet."""
    redis.client().flushall()
    with TestClient(served_app(), base_url="http://127.0.0.1:8080", raise_server_exceptions=False) as client:
        yield client


def bearer(tokens: dict[str, Any]) -> dict[str, str]:
    return {"Authorization": f"Bearer {tokens['access_token']}"}


def logged_in(line: TestClient, session: Session, phone: str = "") -> dict[str, Any]:
    """A customer's phone, by SMS key; answers its tokens."""
    phone = phone or new_number()
    assert line.post(f"{PREFIX}/auth/request-key", json={"phone": phone}).status_code == 202
    answer = line.post(f"{PREFIX}/auth/verify-key", json={"phone": phone, "key": last_key(session), "device": DEVICE})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def enrolled(line: TestClient, session: Session, person: Staff) -> dict[str, Any]:
    """A technician's phone, by a code of the console; answers its tokens."""
    assert person.id is not None
    actor = principal_of(person, proven_at=utc_now())
    shown = enrolment.make(session, actor=actor, staff_id=person.id, now=utc_now())
    answer = line.post(f"{PREFIX}/auth/enrol", json={"code": shown.code, "device": DEVICE})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())
