"""Reporting a problem: by form and by JSON, with pictures, twice, and with whatever bad people send."""

from __future__ import annotations

import secrets
from typing import Any

import httpx
import pytest
import sqlalchemy as sa
from httpx import Client
from sqlmodel import Session, select

from app.clock import utc_now
from services.access.context import HotspotContext
from services.tickets.intake_models import Attachment
from services.tickets.models import Ticket, TicketMessage
from services.tickets.tokens import opens, reply_token
from tests.factories import PHONE, make_context, make_gateway
from tests.portal.served import Web, wire_problem
from tests.services.tickets.files import EICAR, PROGRAM, jpeg, png_bomb, zip_of

KEY = {"Idempotency-Key": "a-report-of-mine-0001"}
HOSTILE = "<script>alert(1)</script>\"'><img src=x onerror=alert(1)>"


@pytest.fixture
def context(session: Session) -> HotspotContext:
    return make_context(make_gateway(session), at=utc_now())


def hidden(page: httpx.Response, name: str) -> str:
    return page.text.split(f'name="{name}" value="')[1].split('"')[0]


def photos(*contents: bytes, name: str = "photo.jpg") -> list[tuple[str, tuple[str, bytes, str]]]:
    return [("photos", (name, content, "image/jpeg")) for content in contents]


def tickets(session: Session) -> list[Ticket]:
    session.expire_all()
    return list(session.exec(select(Ticket)).all())


# --- the form


def test_the_page_after_sending_leads_to_the_customers_own_page(phone: Client, session: Session, context: HotspotContext) -> None:
    page = phone.post("/portal/help", data={"body": "slow", "c": context.token()})
    (ticket,) = tickets(session)
    assert page.url.params["ticket"] == ticket.reference
    assert opens(ticket.reference, page.url.params["t"])
    assert f'href="/ticket/{ticket.reference}?t={reply_token(ticket)}' in page.text


@pytest.mark.parametrize("token", ["", "forged", "0" * 20])
def test_a_forged_token_shows_the_number_and_no_way_on(phone: Client, session: Session, token: str) -> None:
    phone.post("/portal/help", data={"body": "slow"}, files=photos(EICAR))
    (ticket,) = tickets(session)
    page = phone.get("/portal/help", params={"ticket": ticket.reference, "t": token})
    assert ticket.reference in page.text
    assert "/ticket/" not in page.text
    assert "virus" not in page.text


def test_a_double_tap_is_one_ticket(phone: Client, session: Session) -> None:
    form = phone.get("/portal/help")
    sent = {"body": "slow", "key": hidden(form, "key")}
    assert phone.post("/portal/help", data=sent).url == phone.post("/portal/help", data=sent).url
    assert len(tickets(session)) == 1


def test_pictures_are_kept_and_bad_files_are_named_with_the_reason(phone: Client, session: Session) -> None:
    files = photos(jpeg(), EICAR) + photos(PROGRAM, name="<b>x</b>.jpg")
    page = phone.post("/portal/help", data={"body": "see the pictures"}, files=files)
    rows = session.exec(select(Attachment).order_by(Attachment.id)).all()  # type: ignore[arg-type]
    assert [row.media_type for row in rows] == ["image/jpeg", "application/octet-stream", "application/octet-stream"]
    assert "It was recognised as a virus." in page.text
    assert "A program is not kept." in page.text
    assert "<b>x</b>" not in page.text


def test_a_form_without_a_picture_is_a_report_without_one(phone: Client, session: Session) -> None:
    # As a browser sends a field for files in which none was chosen.
    lines = [
        "--x",
        'Content-Disposition: form-data; name="body"',
        "",
        "slow",
        "--x",
        'Content-Disposition: form-data; name="photos"; filename=""',
        "Content-Type: application/octet-stream",
        "",
        "",
        "--x--",
        "",
    ]
    phone.post("/portal/help", content="\r\n".join(lines), headers={"Content-Type": "multipart/form-data; boundary=x"})
    assert len(tickets(session)) == 1
    assert session.exec(select(Attachment.id)).all() == []


def test_too_long_a_text_stays_in_the_form(phone: Client, session: Session) -> None:
    page = phone.post("/portal/help", data={"body": "long words " * 2000})
    assert page.status_code == 422
    assert 'id="body-wrong"' in page.text
    assert page.text.count("long words") == 2000
    assert tickets(session) == []


def test_a_text_of_many_lines_is_as_long_as_the_browser_counted_it(phone: Client, session: Session) -> None:
    assert phone.post("/portal/help", data={"body": "a\r\n" * 9_999 + "b"}).status_code == 200
    body = session.exec(select(TicketMessage.body)).one()
    assert len(body) == 19_999


def test_a_form_that_is_cut_off_is_answered_with_a_page(phone: Client, session: Session) -> None:
    for content in (b"--x\r\nContent-Disp", b"--x\r\nContent-Disposition: form-data; name=body\r\n\r\n" + b"a" * 2_000_000):
        page = phone.post("/portal/help", content=content, headers={"Content-Type": "multipart/form-data; boundary=x"})
        assert 400 <= page.status_code < 500
        assert "<main" in page.text
    assert tickets(session) == []


def test_script_in_every_field_is_shown_as_text(phone: Client, session: Session) -> None:
    page = phone.post("/portal/help", data={"body": HOSTILE, "phone": HOSTILE[:30], "key": HOSTILE, "c": HOSTILE})
    assert "<script>alert" not in page.text
    assert "onerror=alert(1)>" not in page.text.replace("&gt;", "")
    phone.post("/portal/help", data={"body": HOSTILE, "key": HOSTILE})
    assert tickets(session)[0].body == HOSTILE


# --- the served product: JSON, multipart, sizes


def send(web: Web, body: dict[str, Any], **headers: str) -> httpx.Response:
    return web.browser.post("/api/portal/tickets", json=body, headers=headers)


def test_json_answers_the_reference_and_the_page(web: Web) -> None:
    told = send(web, {"body": "slow", "phone": PHONE}).raise_for_status().json()
    ticket = web.row(sa.select(Ticket))[0]
    assert told == {"reference": ticket.reference, "url": f"/ticket/{ticket.reference}?t={reply_token(ticket)}"}


def test_a_request_that_is_repeated_under_its_key_is_one_ticket_and_counts_once(web: Web) -> None:
    router = web.router(3)
    body = {"body": "slow", "context": web.enter(router, router.join())}
    answers = [send(web, body, **KEY) for _ in range(8)]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.text for answer in answers}) == 1
    assert len(web.rows(sa.select(Ticket))) == 1


def test_pictures_come_by_multipart(web: Web) -> None:
    data = {"body": "see", "phone": "3000001"}
    answer = web.browser.post("/api/portal/tickets", data=data, files=photos(jpeg(2000, 1500), zip_of()))
    assert answer.status_code == 201
    rows = [row[0] for row in web.rows(sa.select(Attachment).order_by(Attachment.id))]  # type: ignore[arg-type]
    assert [(row.file is not None, row.why is not None) for row in rows] == [(True, False), (False, True)]


def test_a_bomb_and_eleven_files_cost_the_reporter_nothing_but_those_files(web: Web) -> None:
    answer = web.browser.post("/api/portal/tickets", data={"body": "see"}, files=photos(png_bomb(), *[jpeg(40, 40)] * 10))
    assert answer.status_code == 201
    rows = [row[0] for row in web.rows(sa.select(Attachment).order_by(Attachment.id))]  # type: ignore[arg-type]
    assert [row.file is not None for row in rows] == [False] + [True] * 9 + [False]


@pytest.mark.parametrize("text", ["{}", ""])
def test_a_photo_that_came_as_text_is_refused_and_not_left_out(web: Web, text: str) -> None:
    with web.nothing_changes():
        answer = web.browser.post("/api/portal/tickets", files=[("body", (None, "see")), ("photos", (None, text))])
    assert wire_problem(answer, 422)["errors"] == [{"field": "photos", "message": "Send each photo as a file"}]


def test_a_hundred_files_are_refused_as_a_whole(web: Web) -> None:
    with web.nothing_changes():
        answer = web.browser.post("/api/portal/tickets", data={"body": "see"}, files=photos(*[b"x"] * 100))
    assert answer.status_code in (400, 422)
    wire_problem(answer, answer.status_code)


@pytest.mark.parametrize("path", ["/api/portal/tickets", "/portal/help"])
def test_more_than_the_limit_is_refused_before_it_is_read(web: Web, path: str) -> None:
    with web.nothing_changes():
        answer = web.browser.post(path, data={"body": "see"}, files=photos(b"x" * (22 * 1024 * 1024)))
    wire_problem(answer, 413, "body_too_large")


def test_ten_megabytes_of_words_are_refused(web: Web) -> None:
    with web.nothing_changes():
        wire_problem(send(web, {"body": "a" * 10_000_000}), 413, "body_too_large")
        as_form = web.browser.post("/api/portal/tickets", files={"body": (None, "a" * 10_000_000)})
        assert as_form.status_code in (400, 413, 422)


@pytest.mark.parametrize("field", ["body", "phone", "payment_id", "context"])
@pytest.mark.parametrize("value", ["\x00", "a\x00b"], ids=ascii)
def test_a_nul_is_refused_in_every_field_of_both_kinds(web: Web, field: str, value: str) -> None:
    body = {"body": "slow"} | {field: value}
    with web.nothing_changes():
        for answer in (send(web, body), web.browser.post("/api/portal/tickets", files={name: (None, text) for name, text in body.items()})):
            wire_problem(answer, 422)


def test_the_same_key_from_two_phones_at_once_is_one_ticket(web: Web) -> None:
    from concurrent.futures import ThreadPoolExecutor

    body = {"body": f"slow {secrets.token_hex(4)}", "phone": PHONE}
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: send(web, body, **KEY), range(6)))
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.json()["reference"] for answer in answers}) == 1
    assert len(web.rows(sa.select(Ticket))) == 1
