"""Messages over JSON, the address of delivery reports, and the link that ends mails."""

from __future__ import annotations

import pytest
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import transaction
from services.accounts.models import Customer
from services.notifications import Recipient, preferences, reports, tell
from services.notifications.models import Notification, NotificationState
from tests.app.api.asking import Api, refusal

LIST = "/api/v1/notifications"


def _queue(session: Session, event: str, key: str) -> int:
    customer = session.exec(select(Customer).order_by(col(Customer.id)).limit(1)).one()
    (made,) = tell(session, event=event, to=Recipient(customer_id=customer.id), values={}, dedupe_key=key, now=utc_now())
    return made


@pytest.fixture
def given_up(api: Api) -> int:
    with transaction() as session:
        made = _queue(session, "ticket_reply", "r")
        row = session.get_one(Notification, made)
        row.state, row.next_attempt_at, row.error = NotificationState.FAILED, None, "InvalidPhoneNumber"
        code = session.get_one(Notification, _queue(session, "one_time_code", "c"))
        code.state, code.next_attempt_at = NotificationState.UNKNOWN, None
        return made


def test_messages_are_listed_masked_and_filtered(api: Api, given_up: int) -> None:
    reader = api.service("notifications:read")
    found = list(api.every(LIST, reader, limit=1))
    assert {item["event"] for item in found} >= {"ticket_reply", "one_time_code"}
    assert all("•" in item["to"] for item in found)
    waiting = api.get(LIST, reader, given_up=True)["items"]
    assert {item["id"] for item in waiting if item["event"] == "ticket_reply"} == {given_up}
    assert api.get(f"{LIST}/{given_up}", reader)["why"] == "InvalidPhoneNumber"
    refusal(api.http.get(f"{LIST}/999999", headers=reader), 404, "notification_not_found")


def test_one_that_was_given_up_is_sent_again_once_and_a_code_never(api: Api, given_up: int) -> None:
    editor = api.service("notifications:read", "notifications:edit")
    refusal(api.http.post(f"{LIST}/{given_up}/retry", headers=api.service("notifications:read")), 403, "forbidden")
    assert api.http.post(f"{LIST}/{given_up}/retry", headers=editor).json()["state"] == "queued"
    refusal(api.http.post(f"{LIST}/{given_up}/retry", headers=editor), 409, "not_given_up")
    (code,) = api.get(LIST, editor, event="one_time_code")["items"]
    refusal(api.http.post(f"{LIST}/{code['id']}/retry", headers=editor), 409, "one_time_code_over")
    assert api.http.post(f"{LIST}/{code['id']}/dismiss", headers=editor).json()["given_up"] is False


def test_a_report_needs_the_whole_address_and_is_answered_whatever_it_says(api: Api) -> None:
    with transaction() as session:
        row = session.get_one(Notification, _queue(session, "ticket_reply", "r"))
        row.state, row.next_attempt_at, row.provider, row.provider_id = NotificationState.SENT, None, reports.PROVIDER, "AT1"
        number = session.get_one(Customer, row.customer_id).phone_e164
    form = {"id": "AT1", "status": "Success", "phoneNumber": number, "networkCode": "60702"}
    assert api.http.post(f"{reports.PATH}/guess", data=form).status_code == 404
    for _ in range(2):
        assert api.http.post(reports.path(), data=form).status_code == 200
    for odd in ({}, {"id": "x"}, {"id": "\x00", "status": "Success"}, {"id": "y", "status": "Odd", "phoneNumber": "?"}):
        assert api.http.post(reports.path(), data=odd).status_code == 200
    with transaction() as session:
        assert session.get_one(Notification, row.id).state is NotificationState.DELIVERED


def test_opening_the_link_in_a_mail_changes_nothing_and_the_button_ends_mails(api: Api) -> None:
    with transaction() as session:
        (made,) = tell(session, event="ticket_received", to=Recipient(email="a@b.gm"), values={}, dedupe_key="m", now=utc_now())
        _, headers = preferences.with_way_out(session.get_one(Notification, made), "a@b.gm", "text", {})
    path = preferences.UNSUBSCRIBE_PATH + headers["List-Unsubscribe"].strip("<>").partition(preferences.UNSUBSCRIBE_PATH)[2]
    page = api.http.get(path)
    assert (page.status_code, "No more mails" in page.text) == (200, True)

    def is_out() -> bool:
        with transaction() as session:
            found = preferences.of_address(session, "a@b.gm")
            return found is not None and found.opted_out_at is not None

    assert not is_out()
    assert api.http.post(path, data={"List-Unsubscribe": "One-Click"}).status_code == 200
    assert is_out()
    assert api.http.get(path[:-3]).status_code == 404
