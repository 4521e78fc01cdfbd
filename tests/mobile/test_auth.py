"""Log-in of the apps over HTTP: what opens, what never does, and what ends it."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from app import redis
from app.clock import utc_now
from services.accounts import administration, sessions
from services.accounts.customers import device_from_token, remember_device, token_for
from services.accounts.models import Role, Staff
from tests.app.api.asking import refusal
from tests.factories import staff
from tests.mobile.log_ins import DEVICE, PREFIX, bearer, enrolled, line, logged_in
from tests.services.apps.texting import a_person, another_key, last_key, new_number, texts

__all__ = ["line"]
AUTH, ME = f"{PREFIX}/auth", f"{PREFIX}/me"
REASON = {"reason": "left the company"}


def me(line: TestClient, held: dict[str, Any]) -> int:
    return line.get(ME, headers=bearer(held)).status_code


def refresh(line: TestClient, held: dict[str, Any], **more: object) -> httpx.Response:
    return line.post(f"{AUTH}/refresh", json={"device_key": held["device_key"], **more})


# --- customers


def test_a_customer_logs_in_by_sms_and_is_told_who_they_are(line: TestClient, session: Session) -> None:
    asked = line.post(f"{AUTH}/request-key", json={"phone": "301 9345", "purpose": "log_in"})
    assert (asked.status_code, asked.json()) == (202, {"resend_after": 60, "expires_in": 600})
    answer = line.post(f"{AUTH}/verify-key", json={"phone": "+220 83 301 9345", "key": last_key(session), "device": DEVICE})
    held = answer.json()
    assert answer.headers["cache-control"] == "no-store"
    assert (held["token_type"], held["expires_in"]) == ("Bearer", 600)
    assert held["device"] == {"id": held["device"]["id"], "name": "Awa's phone", "app": "go"}
    assert {name: value for name, value in held["person"].items() if name != "id"} == {
        "kind": "customer",
        "name": None,
        "phone_masked": "+220 ••• 9345",
        "permissions": [],
    }
    told = line.get(ME, headers=bearer(held)).json()
    assert told == {"device": held["device"], "person": held["person"]}
    assert len(texts(session, "login_key")) == 1


def test_the_phone_that_the_portal_knows_stays_the_same_device(line: TestClient, session: Session) -> None:
    known = remember_device(session, device=None, customer_id=None, mac=None, now=utc_now())
    assert known.id is not None
    phone, header = new_number(), {"X-Device-Token": token_for(known.id)}
    line.post(f"{AUTH}/request-key", json={"phone": phone}, headers=header)
    answer = line.post(f"{AUTH}/verify-key", json={"phone": phone, "key": last_key(session), "device": DEVICE}, headers=header)
    assert device_from_token(session, answer.headers["x-device-token"]) is known
    session.refresh(known)
    assert known.customer_id == answer.json()["person"]["id"]


def test_one_phone_cannot_ask_for_many_numbers(line: TestClient, session: Session) -> None:
    known = remember_device(session, device=None, customer_id=None, mac=None, now=utc_now())
    assert known.id is not None
    header = {"X-Device-Token": token_for(known.id)}
    answers = [line.post(f"{AUTH}/request-key", json={"phone": new_number()}, headers=header) for _ in range(11)]
    assert [answer.status_code for answer in answers] == [202] * 10 + [429]
    assert int(answers[-1].headers["retry-after"]) > 0


def test_a_guesser_has_five_tries_and_then_not_even_the_right_key_opens(line: TestClient, session: Session) -> None:
    phone = new_number()
    line.post(f"{AUTH}/request-key", json={"phone": phone})
    right = last_key(session)
    for left in (4, 3, 2, 1):
        told = refusal(line.post(f"{AUTH}/verify-key", json={"phone": phone, "key": another_key(right)}), 422, "key_wrong")
        assert (told["tries_left"], told["errors"][0]["field"]) == (left, "key")
    for key in (another_key(right), right):
        refusal(line.post(f"{AUTH}/verify-key", json={"phone": phone, "key": key}), 410, "key_spent")


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("request-key", {}),
        ("request-key", {"phone": "12"}),
        ("request-key", {"phone": "3019345\x00"}),
        ("request-key", {"phone": "9" * 33}),
        ("request-key", {"phone": ["3019345"]}),
        ("request-key", {"phone": "3019345", "purpose": "delete_account"}),
        ("request-key", {"phone": "3019345", "more": 1}),
        ("verify-key", {"phone": "3019345", "key": "abcdef"}),
        ("verify-key", {"phone": "3019345", "key": "1" * 13}),
        ("verify-key", {"phone": "3019345", "key": 402718}),
        ("verify-key", {"phone": "3019345", "key": "402718", "device": {"name": "x" * 81}}),
        ("verify-key", {"phone": "3019345", "key": "402718", "device": {"name": "x\x00"}}),
        ("refresh", {"device_key": ""}),
        ("refresh", {"device_key": "x" * 201}),
        ("enrol", {"code": "x" * 65}),
    ],
)
def test_what_is_out_of_shape_is_refused_in_words(line: TestClient, path: str, body: dict[str, Any]) -> None:
    refusal(line.post(f"{AUTH}/{path}", json=body), 422)


# --- device keys


def test_the_device_key_is_swapped_and_an_answer_that_was_lost_is_had_again(line: TestClient, session: Session) -> None:
    first = logged_in(line, session)
    refresh(line, first)
    second = refresh(line, first, device={**DEVICE, "app_version": "2.0"}).json()
    assert (second["device"], second["person"]) == (first["device"], first["person"])
    assert me(line, second) == 200
    assert refresh(line, second).headers["cache-control"] == "no-store"


def test_a_copied_device_key_logs_the_phone_out_for_both(line: TestClient, session: Session) -> None:
    first = logged_in(line, session)
    thiefs = refresh(line, first).json()
    assert me(line, thiefs) == 200
    refusal(refresh(line, first), 401, "device_key_refused")
    for held in (first, thiefs):
        refusal(refresh(line, held), 401, "device_key_refused")
        assert me(line, held) == 401


def test_an_unknown_device_key_opens_nothing(line: TestClient) -> None:
    told = refusal(line.post(f"{AUTH}/refresh", json={"device_key": "é" * 43}), 401, "device_key_refused")
    assert "what waits on the phone is kept" in told["detail"]


def test_after_log_out_neither_token_nor_key_opens(line: TestClient, session: Session) -> None:
    held = logged_in(line, session)
    assert line.post(f"{AUTH}/logout", headers=bearer(held)).status_code == 204
    assert me(line, held) == 401
    refusal(refresh(line, held), 401)


# --- technicians


def test_a_technician_enrols_a_phone_and_has_the_consoles_permissions(line: TestClient, session: Session) -> None:
    person = a_person(session)
    held = enrolled(line, session, person)
    assert held["device"]["app"] == "tech"
    assert held["person"] == {
        "kind": "staff",
        "id": person.id,
        "name": person.name,
        "email": person.email,
        "permissions": sorted(sessions.principal_of(person).permissions),
    }
    assert refresh(line, held).json()["person"] == held["person"]
    refusal(line.post(f"{AUTH}/enrol", json={"code": "BCDF-GHJK-MNPR-STVW"}), 410, "enrolment_spent")


@pytest.mark.parametrize("change", ["disabled", "role", "logged out", "password"])
def test_a_technicians_phone_is_gone_with_the_next_request(line: TestClient, session: Session, change: str) -> None:
    person = a_person(session)
    held = enrolled(line, session, person)
    assert me(line, held) == 200
    change_account(session, person, change)
    assert me(line, held) == 401
    refusal(refresh(line, held), 401, "device_key_refused")


def change_account(session: Session, person: Staff, change: str) -> None:
    about: dict[str, Any] = {"actor": staff(), "staff_id": person.id, "reason": "for the test", "now": utc_now()}
    if change == "disabled":
        administration.disable(session, **about)
    elif change == "role":
        administration.change_role(session, role=Role.CUSTOMER_CARE, **about)
    elif change == "password":
        administration.make_link(session, **about)
    else:
        administration.log_out_everywhere(session, **about)
    session.flush()


def test_what_is_tried_while_redis_is_away_is_refused_for_a_moment(
    line: TestClient, session: Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = logged_in(line, session)
    with monkeypatch.context() as patched:
        go_away(patched)
        refusal(line.post(f"{AUTH}/request-key", json={"phone": new_number()}), 503, "unavailable")
        # Who is logged in goes on.
        assert me(line, held) == 200
        assert refresh(line, held).status_code == 200
    forget()


def go_away(patched: pytest.MonkeyPatch) -> None:
    from tests.conftest import free_port

    patched.setenv("INET_REDIS_URL", f"redis://127.0.0.1:{free_port()}/0")
    forget()


def forget() -> None:
    from app import limits
    from app.settings import get_settings

    get_settings.cache_clear()
    redis.forget()
    limits.forget()
