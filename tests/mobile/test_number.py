"""A customer changes the phone number over HTTP."""

from __future__ import annotations

from sqlmodel import Session
from starlette.testclient import TestClient

from tests.app.api.asking import refusal
from tests.mobile.log_ins import PREFIX, bearer, line, logged_in
from tests.services.apps.texting import another_key, last_key, new_number, texts

__all__ = ["line"]
PHONE = f"{PREFIX}/profile/phone"


def test_the_number_is_changed_by_a_key_to_the_new_one_and_again_is_the_same(line: TestClient, session: Session) -> None:
    old, new = new_number(), new_number()
    held, other = logged_in(line, session, old), logged_in(line, session, old)
    asked = line.post(f"{PHONE}/request-key", json={"phone": new}, headers=bearer(held))
    assert (asked.status_code, asked.json()["expires_in"]) == (202, 600)
    body = {"phone": new, "key": last_key(session, "number_key")}
    refusal(line.put(PHONE, json=body | {"key": another_key(body["key"])}, headers=bearer(held)), 422, "key_wrong")
    for _ in range(2):
        changed = line.put(PHONE, json=body, headers=bearer(held))
        assert (changed.status_code, changed.json()["phone_masked"]) == (200, f"+220 ••• {new[-4:]}")
    assert len(texts(session, "number_changed")) == 1
    for phone in (held, other):
        told = line.get(f"{PREFIX}/me", headers=bearer(phone)).json()
        assert told["person"] == held["person"] | {"phone_masked": f"+220 ••• {new[-4:]}"}


def test_a_number_that_has_an_account_is_refused_with_words(line: TestClient, session: Session) -> None:
    taken, held = new_number(), logged_in(line, session)
    logged_in(line, session, taken)
    assert line.post(f"{PHONE}/request-key", json={"phone": taken}, headers=bearer(held)).status_code == 202
    body = {"phone": taken, "key": last_key(session, "number_key")}
    told = refusal(line.put(PHONE, json=body, headers=bearer(held)), 409, "number_taken")
    assert "has an account of its own" in told["detail"]
