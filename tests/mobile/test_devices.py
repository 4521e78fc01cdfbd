"""The own phones over HTTP: listed, named, logged out; never another person's."""

from __future__ import annotations

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from tests.app.api.asking import refusal
from tests.mobile.log_ins import PREFIX, bearer, enrolled, line, logged_in
from tests.services.apps.texting import a_person, new_number

__all__ = ["line"]
DEVICES = f"{PREFIX}/devices"


def test_a_person_sees_the_own_phones_names_one_and_logs_the_lost_one_out(line: TestClient, session: Session) -> None:
    number = new_number()
    lost, held = logged_in(line, session, number), logged_in(line, session, number)
    line.get(f"{PREFIX}/me", headers=bearer(lost))
    logged_in(line, session)
    renamed = line.patch(f"{DEVICES}/me", json={"name": " Work phone "}, headers=bearer(held))
    assert renamed.json() == held["device"] | {"name": "Work phone"}
    listed = line.get(DEVICES, headers=bearer(held)).json()["items"]
    assert {(one["name"], one["is_this"]) for one in listed} == {("Work phone", True)} | {
        (one["name"], False) for one in listed if one["id"] != held["device"]["id"]
    }
    for _ in range(2):
        assert line.delete(f"{DEVICES}/{lost['device']['id']}", headers=bearer(held)).status_code == 204
    assert line.get(f"{PREFIX}/me", headers=bearer(lost)).status_code == 401
    assert [one["id"] for one in line.get(DEVICES, headers=bearer(held)).json()["items"]] == [held["device"]["id"]]


def test_another_persons_phone_is_answered_like_one_that_there_is_not(line: TestClient, session: Session) -> None:
    held, foreign, technicians = logged_in(line, session), logged_in(line, session), enrolled(line, session, a_person(session))
    for public_id in (foreign["device"]["id"], technicians["device"]["id"], "0" * 32):
        refusal(line.delete(f"{DEVICES}/{public_id}", headers=bearer(held)), 404, "not_found")
    for other in (foreign, technicians):
        assert line.get(f"{PREFIX}/me", headers=bearer(other)).status_code == 200
        assert len(line.get(DEVICES, headers=bearer(other)).json()["items"]) == 1


@pytest.mark.parametrize("name", ["", "  ", "x\x00", "x" * 81])
def test_a_phone_needs_a_name_that_can_be_shown(line: TestClient, session: Session, name: str) -> None:
    refusal(line.patch(f"{DEVICES}/me", json={"name": name}, headers=bearer(logged_in(line, session))), 422)


@pytest.mark.parametrize("public_id", ["1", "me", "x" * 32, "%00" * 8])
def test_what_names_no_phone_is_refused(line: TestClient, session: Session, public_id: str) -> None:
    refusal(line.delete(f"{DEVICES}/{public_id}", headers=bearer(logged_in(line, session))), 422)
