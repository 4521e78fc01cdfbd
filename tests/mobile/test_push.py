"""Pushes, wishes and notices over HTTP: what has the wrong shape is refused, and nobody reaches another person's."""

from __future__ import annotations

import pytest
from sqlmodel import Session, select
from starlette.testclient import TestClient

from services.notifications import Recipient, tell
from services.notifications.models import PushToken
from tests.app.api.asking import refusal
from tests.conftest import NOON
from tests.mobile.log_ins import PREFIX, bearer, enrolled, line, logged_in
from tests.services.apps.texting import a_person

__all__ = ["line"]
TOKENS, PREFERENCES, NOTICES = f"{PREFIX}/push-tokens", f"{PREFIX}/preferences", f"{PREFIX}/notices"
TOKEN = {"token": "ExponentPushToken[http]"}
QUIET = {"on": True, "quiet_from": "22:00", "quiet_until": "07:00"}
ON = {"on": True, "quiet_from": None, "quiet_until": None}


def kept(session: Session) -> PushToken:
    session.expire_all()
    return session.exec(select(PushToken)).one()


def test_a_token_is_registered_again_and_again_and_given_back(line: TestClient, session: Session) -> None:
    held, foreign = logged_in(line, session), logged_in(line, session)
    for _ in range(2):
        assert line.post(TOKENS, json=TOKEN, headers=bearer(held)).status_code == 204
    for who, is_dropped in ((foreign, False), (held, True), (held, True)):
        assert line.request("DELETE", TOKENS, json=TOKEN, headers=bearer(who)).status_code == 204
        assert (kept(session).dropped_at is not None) is is_dropped


def test_a_phone_that_is_logged_out_has_no_token(line: TestClient, session: Session) -> None:
    held = enrolled(line, session, a_person(session))
    line.post(TOKENS, json=TOKEN, headers=bearer(held))
    assert line.post(f"{PREFIX}/auth/logout", headers=bearer(held)).status_code == 204
    assert kept(session).dropped_at is not None
    refusal(line.post(TOKENS, json=TOKEN, headers=bearer(held)), 401)


@pytest.mark.parametrize(
    "body",
    [
        "{}",
        '{"token": ""}',
        '{"token": "nonsense"}',
        '{"token": 7}',
        '{"token": "ExponentPushToken[\\u0000]"}',
        '{"token": "ExponentPushToken[\\ud800]"}',
        '{"token": "ExponentPushToken[%s]"}' % ("x" * 200),
        '{"token": "ExponentPushToken[x]", "customer_id": 1}',
    ],
)
def test_what_is_no_token_is_refused(line: TestClient, session: Session, body: str) -> None:
    refusal(line.post(TOKENS, content=body, headers=bearer(logged_in(line, session)) | {"Content-Type": "application/json"}), 422)
    assert session.exec(select(PushToken)).all() == []


def test_wishes_are_kept_and_what_is_not_named_stays(line: TestClient, session: Session) -> None:
    held = bearer(logged_in(line, session))
    assert line.get(PREFERENCES, headers=held).json() == {"push": ON, "sms": ON, "email": ON}
    chosen = line.put(PREFERENCES, json={"push": QUIET, "sms": {"on": False}}, headers=held)
    assert chosen.json() == {"push": QUIET, "sms": ON | {"on": False}, "email": ON}
    assert line.put(PREFERENCES, json={"sms": ON}, headers=held).json()["push"] == QUIET
    assert line.put(PREFERENCES, json=line.get(PREFERENCES, headers=held).json(), headers=held).status_code == 200


@pytest.mark.parametrize(
    "body",
    [
        {"push": {"on": True, "quiet_from": "22:00"}},
        {"push": {"on": True, "quiet_from": "22:00", "quiet_until": "22:00"}},
        {"push": {"on": True, "quiet_from": "24:00", "quiet_until": "07:00"}},
        {"push": {"on": True, "quiet_from": "7:00", "quiet_until": "٠٧:٠٠"}},
        {"push": {"on": True, "quiet_from": 79200, "quiet_until": 25200}},
        {"push": {"on": "yes"}},
        {"push": {}},
        {"push": []},
        {"bell": ON},
        [],
    ],
)
def test_wishes_of_the_wrong_shape_are_refused(line: TestClient, session: Session, body: object) -> None:
    held = bearer(logged_in(line, session))
    refusal(line.put(PREFERENCES, json=body, headers=held), 422)
    assert line.get(PREFERENCES, headers=held).json()["push"] == ON


def test_a_technician_chooses_pushes_alone(line: TestClient, session: Session) -> None:
    held = bearer(enrolled(line, session, a_person(session)))
    assert line.put(PREFERENCES, json={"push": QUIET}, headers=held).json() == {"push": QUIET, "sms": None, "email": None}
    refusal(line.put(PREFERENCES, json={"sms": ON}, headers=held), 422)
    refusal(line.get(NOTICES, headers=held), 403, "forbidden")


def test_notices_are_paged_to_the_end(line: TestClient, session: Session) -> None:
    held = logged_in(line, session)
    for number in range(3):
        to, values = Recipient(customer_id=int(held["person"]["id"])), {"reference": f"T-{number}"}
        tell(session, event="ticket_reply", to=to, values=values, dedupe_key=f"k{number}", now=NOON)
    session.flush()
    first = line.get(NOTICES, params={"limit": 2}, headers=bearer(held)).json()
    assert (len(first["items"]), first["unread"], first["items"][0]["body"][-4:]) == (2, 3, "T-2.")
    rest = line.get(NOTICES, params={"limit": 2, "cursor": first["next_cursor"]}, headers=bearer(held)).json()
    assert (len(rest["items"]), rest["next_cursor"]) == (1, None)
    assert line.get(NOTICES, headers=bearer(logged_in(line, session))).json() == {"items": [], "next_cursor": None, "unread": 0}


@pytest.mark.parametrize("query", [{"limit": 0}, {"limit": 101}, {"cursor": "x"}, {"cursor": "0"}, {"cursor": "9" * 19}, {"cursor": "-1"}])
def test_pages_that_there_cannot_be_are_refused(line: TestClient, session: Session, query: dict[str, object]) -> None:
    refusal(line.get(NOTICES, params=query, headers=bearer(logged_in(line, session))), 422)
