"""Who may ask the apps' JSON: tokens that open nothing, and phones that are not for a route."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from app.clock import utc_now
from app.settings import get_settings
from services.accounts import access_tokens, sessions
from services.accounts.models import Role
from services.apps import tokens
from tests.app.api.asking import refusal
from tests.mobile.log_ins import PREFIX, bearer, enrolled, line, logged_in
from tests.services.apps.texting import a_person, new_number

__all__ = ["line"]
AUTH, ME = f"{PREFIX}/auth", f"{PREFIX}/me"


def test_a_token_ends_after_ten_minutes_and_one_that_is_forged_opens_nothing(line: TestClient, session: Session) -> None:
    held = logged_in(line, session)
    old = tokens.make(device=held["device"]["id"], key_number=1, now=utc_now() - timedelta(minutes=10))
    newer = tokens.make(device=held["device"]["id"], key_number=2, now=utc_now())
    header, body, _ = held["access_token"].split(".")
    for token in (old, newer, f"{header}.{body}.", "", "x", f"{header}.{body}.{'A' * 43}"):
        refusal(line.get(ME, headers={"Authorization": f"Bearer {token}"}), 401, "unauthenticated")
    assert line.get(ME, headers={"Authorization": f"Basic {held['access_token']}"}).status_code == 401
    assert line.get(ME).headers["www-authenticate"] == "Bearer"


def test_tokens_of_staffs_json_are_refused_here_and_the_apps_there(line: TestClient, session: Session) -> None:
    person = a_person(session)
    held = enrolled(line, session, person)
    opened = sessions.open_refreshable(person, now=utc_now())
    staffs = access_tokens.make(staff_id=person.id or 0, session_id=opened.session_id, now=utc_now())
    staff_me = "/api/auth/me"
    assert line.get(staff_me, headers={"Authorization": f"Bearer {staffs}"}).status_code == 200
    assert line.get(ME, headers={"Authorization": f"Bearer {staffs}"}).status_code == 401
    assert line.get(staff_me, headers=bearer(held)).status_code == 401
    assert line.get("/api/v1/tickets", headers=bearer(held)).status_code == 401
    refusal(line.post(f"{AUTH}/refresh", json={"device_key": opened.text[:100]}), 401)
    assert line.post("/api/auth/refresh", json={"refresh_token": held["device_key"]}).status_code == 401


def test_a_phone_is_refused_what_is_for_the_other_app(line: TestClient, session: Session) -> None:
    customers, technicians = logged_in(line, session), enrolled(line, session, a_person(session))
    number = line.post(f"{PREFIX}/profile/phone/request-key", json={"phone": new_number()}, headers=bearer(technicians))
    assert "INET-Go" in refusal(number, 403, "forbidden")["detail"]
    work = line.get(f"{PREFIX}/work", headers=bearer(customers))
    assert "INET-Tech" in refusal(work, 403, "forbidden")["detail"]


def test_a_technicians_route_asks_for_the_permissions_of_this_moment(
    line: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = enrolled(line, session, a_person(session, Role.SYSTEM_ADMIN))
    assert line.get(f"{PREFIX}/work", headers=bearer(held)).status_code == 200
    # Administrators of an installation in production need a second factor, and have no rights until there is one.
    monkeypatch.setattr(get_settings(), "env", "production")
    refusal(line.get(f"{PREFIX}/work", headers=bearer(held)), 403, "forbidden")
    assert line.get(ME, headers=bearer(held)).json()["person"]["permissions"] == ["self:edit"]
