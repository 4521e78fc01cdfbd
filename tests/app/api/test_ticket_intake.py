"""Tickets that outside services open, and the files that came along."""

from __future__ import annotations

import hashlib
from datetime import timedelta

import httpx
import pytest
from sqlmodel import Session, select

from app.clock import utc_now
from app.db import transaction
from services.accounts.models import Role
from services.network.models import Site
from services.tickets import attachments, changes
from services.tickets.models import Channel, MessageKind, Ticket
from tests.app.api.asking import Api, refusal
from tests.services.tickets.files import EICAR, jpeg, upload

NEW = {"words": "The Wi-Fi at the gate is slow.", "phone": "3000009", "name": "Fatou", "category": "slow-speed", "priority": "high"}
KEY = {"Idempotency-Key": "a-ticket-is-opened-0001"}


def opened(api: Api, **body: object) -> httpx.Response:
    return api.http.post("/api/v1/tickets", json=NEW | body, headers=api.staff(Role.CUSTOMER_CARE))


def one(session: Session, reference: str) -> Ticket:
    return session.exec(select(Ticket).where(Ticket.reference == reference)).one()


def test_a_ticket_is_opened_once_under_its_key(api: Api) -> None:
    care = api.staff(Role.CUSTOMER_CARE)
    answers = [api.http.post("/api/v1/tickets", json=NEW, headers={**care, **KEY}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].content == answers[1].content
    told = answers[0].json()
    assert (told["channel"], told["priority"], told["state"]) == ("api", "high", "new")
    shown = api.get(f"/api/v1/tickets/{told['reference']}", care)
    assert shown["body"] == NEW["words"]
    assert answers[0].headers["etag"]
    with transaction() as session:
        assert one(session, told["reference"]).channel is Channel.API


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"words": ""}, "words"),
        ({"words": "\u200b"}, "words"),
        ({"phone": "12"}, "phone"),
        ({"gateway": "nowhere"}, "gateway"),
        ({"site_id": 987654}, "site_id"),
        ({"category": "weather"}, "category"),
        ({"state": "closed"}, "state"),
        ({"name": "a\x00"}, "name"),
    ],
    ids=str,
)
def test_what_is_wrong_is_said_at_its_field(api: Api, body: dict[str, object], field: str) -> None:
    problem = refusal(opened(api, **body), 422)
    assert [error["field"] for error in problem["errors"]] == [field]


def test_a_place_is_named_by_its_number(api: Api) -> None:
    with transaction() as session:
        site = session.exec(select(Site.id)).first()
    told = opened(api, site_id=site).raise_for_status().json()
    with transaction() as session:
        assert one(session, told["reference"]).site_id == site


def test_only_who_may_edit_tickets_opens_one(api: Api) -> None:
    refusal(api.http.post("/api/v1/tickets", json=NEW, headers=api.staff(Role.BILLING_OFFICER)), 403, "forbidden")
    refusal(api.http.post("/api/v1/tickets", json=NEW), 401)


def test_files_are_listed_and_saved_by_who_may_see_the_ticket_and_nobody_else(api: Api) -> None:
    care, tech = api.staff(Role.CUSTOMER_CARE), api.staff(Role.FIELD_TECHNICIAN)
    reference = opened(api).json()["reference"]
    now = utc_now() + timedelta(seconds=1)
    with transaction() as session:
        ticket = one(session, reference)
        message = changes.say(session, ticket, kind=MessageKind.CUSTOMER, body="see", channel=Channel.API, who=changes.SYSTEM, now=now)
        attachments.keep(session, ticket, message, [upload(jpeg(), "é.jpg"), upload(EICAR)], now=now)
    address = f"/api/v1/tickets/{reference}/attachments"
    photo, virus = api.get(address, care)["items"]
    assert (photo["media_type"], photo["why"], virus["sha256"], virus["why"]) == ("image/jpeg", None, None, "It was recognised as a virus.")
    answer = api.http.get(f"{address}/{photo['id']}", headers=care)
    assert hashlib.sha256(answer.content).hexdigest() == photo["sha256"]
    assert answer.headers["content-disposition"].startswith("attachment;")
    assert (answer.headers["x-content-type-options"], answer.headers["cache-control"]) == ("nosniff", "no-store")
    small = api.http.get(f"{address}/{photo['id']}", params={"thumb": "1"}, headers=care)
    assert small.headers["content-type"] == "image/jpeg"
    assert len(small.content) < len(answer.content)
    refusal(api.http.get(f"{address}/{virus['id']}", headers=care), 404, "attachment_not_found")
    refusal(api.http.get(address, headers=tech), 404, "ticket_not_found")
    refusal(api.http.get(f"{address}/{photo['id']}", headers=tech), 404, "ticket_not_found")
    other = next(item["reference"] for item in api.get("/api/v1/tickets", care)["items"] if item["reference"] != reference)
    refusal(api.http.get(f"/api/v1/tickets/{other}/attachments/{photo['id']}", headers=care), 404, "attachment_not_found")
