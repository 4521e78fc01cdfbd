"""A customer's name and language over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from services.apps import documents
from tests.app.api.asking import refusal
from tests.mobile.customers import Phone, a_phone
from tests.mobile.log_ins import line

__all__ = ["line"]


@pytest.fixture
def phone(line: TestClient, session: Session) -> Phone:
    return a_phone(line, session, "+220833000081")


def test_the_profile_is_answered_as_a_sync_tells_it(phone: Phone, session: Session) -> None:
    changed = phone.ask("PATCH", "profile", json={"name": "Awa", "language": "fr"})
    stands = documents.one(session, phone.caller, "profile", phone.caller.customer())
    assert stands is not None
    assert changed.json() == {"kind": "profile", "id": str(stands.id), "version": stands.version, "data": stands.data}
    assert stands.data == {"name": "Awa", "phone": "+220833000081", "language": "fr"}
    assert phone.ask("PATCH", "profile", json={}).json() == changed.json()


@pytest.mark.parametrize("body", [{"language": "xx"}, {"name": "x" * 121}, {"name": "a\x00"}, {"phone": "3000001"}, {"name": 5}, []])
def test_what_we_cannot_keep_is_refused(phone: Phone, body: Any) -> None:
    refusal(phone.ask("PATCH", "profile", json=body), 422)
