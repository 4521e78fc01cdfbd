"""My data and the end of an account, over HTTP."""

from __future__ import annotations

from typing import Any

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from services.accounts.models import Customer
from tests.app.api.asking import refusal
from tests.mobile.log_ins import PREFIX, bearer, enrolled, line, logged_in
from tests.services.apps.buying import issued
from tests.services.apps.texting import a_person, another_key, last_key, new_number

__all__ = ["line"]
ACCOUNT = f"{PREFIX}/account"


def delete(line: TestClient, held: dict[str, Any], **body: object) -> Any:
    return line.request("DELETE", ACCOUNT, json=body, headers=bearer(held))


def test_my_data_is_one_file_that_nobody_keeps(line: TestClient, session: Session) -> None:
    number = new_number()
    held = logged_in(line, session, number)
    answer = line.get(f"{ACCOUNT}/export", headers=bearer(held))
    assert (answer.status_code, answer.headers["cache-control"]) == (200, "no-store")
    assert answer.headers["content-type"] == "application/json"
    assert int(answer.headers["content-length"]) == len(answer.content)
    assert "attachment" in answer.headers["content-disposition"]
    assert answer.json()["profile"]["phone"] == number
    for _ in range(4):
        line.get(f"{ACCOUNT}/export", headers=bearer(held))
    assert "retry-after" in line.get(f"{ACCOUNT}/export", headers=bearer(held)).headers


def test_an_account_is_deleted_by_key_and_its_phones_are_logged_out(line: TestClient, session: Session) -> None:
    number = new_number()
    held, other = logged_in(line, session, number), logged_in(line, session, number)
    asked = line.post(f"{ACCOUNT}/request-key", headers=bearer(held))
    assert (asked.status_code, set(asked.json())) == (202, {"resend_after", "expires_in"})
    key = last_key(session, "deletion_key")
    refusal(delete(line, held, key=another_key(key)), 422, "key_wrong")
    assert delete(line, held, key=key).status_code == 204
    for phone in (held, other):
        refusal(line.get(f"{PREFIX}/me", headers=bearer(phone)), 401)
    refusal(delete(line, held, key=key), 401)
    session.expire_all()
    assert session.get_one(Customer, int(held["person"]["id"])).erased_at is not None
    assert logged_in(line, session, number)["person"]["id"] != held["person"]["id"]


def test_time_that_is_left_is_given_up_only_in_so_many_words(line: TestClient, session: Session) -> None:
    number = new_number()
    held = logged_in(line, session, number)
    issued(session, number)
    line.post(f"{ACCOUNT}/request-key", headers=bearer(held))
    key = last_key(session, "deletion_key")
    refusal(delete(line, held, key=key), 409, "time_unspent")
    refusal(delete(line, held, key=key, give_up_time="yes"), 422)
    assert delete(line, held, key=key, give_up_time=True).status_code == 204


@pytest.mark.parametrize(
    "body", [{}, {"key": ""}, {"key": "x" * 21}, {"key": "12345"}, {"key": "1\x00"}, {"key": 402718}, {"key": "402718", "phone": "1"}]
)
def test_what_is_no_key_is_refused(line: TestClient, session: Session, body: dict[str, Any]) -> None:
    refusal(delete(line, logged_in(line, session), **body), 422)


def test_accounts_of_staff_are_no_matter_of_the_app(line: TestClient, session: Session) -> None:
    held = enrolled(line, session, a_person(session))
    refusal(delete(line, held, key="402718"), 403, "forbidden")
    refusal(line.get(f"{ACCOUNT}/export", headers=bearer(held)), 403, "forbidden")
    refusal(line.post(f"{ACCOUNT}/request-key", headers=bearer(held)), 403, "forbidden")
