"""Promo codes, gifts and places in the portal: as JSON, and as pages without JavaScript."""

from __future__ import annotations

import re
from html import unescape

import httpx
import pytest
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import transaction
from services.access.models import Gateway
from services.accounts.models import Customer
from services.packages import promos
from services.packages.selling import Sale
from services.packages.service import Offer, change_package
from services.payments.models import Payment
from tests.conftest import Sandbox
from tests.factories import PHONE, make_context, make_gateway, make_package, staff
from tests.portal.served import Web, wire_problem
from tests.portal.visiting import hidden
from tests.services.packages.promoting import DAY

OTHER = "+220833000002"


def promo(session: Session, code: str = "TABASKI-20", **given: object) -> None:
    values: dict[str, object] = {"percent_off": 20, "valid_from": utc_now() - DAY, "valid_until": utc_now() + DAY}
    promos.make(session, actor=staff(), code=code, rules=promos.read_rules(values | given), now=utc_now())


def sold_only(session: Session, offer: Offer, sale: Sale) -> Offer:
    return change_package(
        session,
        actor=staff(),
        public_id=offer.public_id,
        expected_version=offer.version,
        terms=offer.terms,
        is_on_sale=True,
        position=offer.position,
        sale=sale,
        now=utc_now(),
    )


# --- JSON


def test_a_promo_code_is_priced_and_bought_with(web: Web, sandbox: Sandbox) -> None:
    with transaction() as session:
        package_id = make_package(session, now=utc_now()).public_id
        promo(session, most_uses=1)
    asked = web.browser.post("/api/portal/promo", json={"code": "tabaski-20", "package_id": package_id})
    assert asked.json() == {"amount": 2000, "discount": 500, "currency": "GMD"}
    body = {"package_id": package_id, "phone": PHONE, "promo_code": " tabaski-20 "}
    first, again = (web.browser.post("/api/wave/checkout", json=body, headers={"Idempotency-Key": "tap-tap-0001"}) for _ in range(2))
    assert (first.status_code, first.json()["amount"], again.json()) == (201, 2000, first.json())
    (session_at_wave,) = sandbox.state()["wave"]["sessions"]
    assert float(session_at_wave["amount"]) == 20
    with web.nothing_changes():
        wire_problem(web.browser.post("/api/wave/checkout", json=body | {"phone": OTHER}), 409, "promo_used_up")
        wire_problem(web.browser.post("/api/portal/promo", json={"code": "NEVER", "package_id": package_id}), 404, "promo_unknown")
        wire_problem(web.browser.post("/api/portal/promo", json={"code": "TABASKI-20", "package_id": "none"}), 404, "package_not_found")
        for wrong in ({"code": "", "package_id": package_id}, {"code": "x" * 41, "package_id": package_id}, {"package_id": package_id}):
            wire_problem(web.browser.post("/api/portal/promo", json=wrong), 422, "invalid_input")


def test_guesses_of_promo_codes_cost_work_like_those_of_vouchers(web: Web, sandbox: Sandbox) -> None:
    with transaction() as session:
        package_id = make_package(session, now=utc_now()).public_id
    answers = [web.browser.post("/api/portal/promo", json={"code": f"GUESS-{n}", "package_id": package_id}) for n in range(31)]
    assert {answer.status_code for answer in answers[:30]} == {404}
    wire_problem(answers[-1], 429, "proof_needed")
    with web.nothing_changes():
        body = {"package_id": package_id, "phone": PHONE, "promo_code": "GUESS-99"}
        wire_problem(web.browser.post("/api/wave/checkout", json=body), 429, "proof_needed")
    # Who buys without one is not held up.
    assert web.browser.post("/api/wave/checkout", json={"package_id": package_id, "phone": PHONE}).status_code == 201


def test_a_gift_is_the_recipients_and_the_answer_tells_the_payment_alone(web: Web, sandbox: Sandbox) -> None:
    with transaction() as session:
        package_id = make_package(session, now=utc_now()).public_id
    body = {"package_id": package_id, "phone": "3000002", "is_gift": True, "buyer_phone": PHONE}
    answer = web.browser.post("/api/wave/checkout", json=body)
    assert (answer.status_code, answer.json()["device_token"]) == (201, None)
    (payment,) = web.rows(select(Payment))
    numbers = {row.id: row.phone_e164 for row in web.rows(select(Customer))}
    assert (payment.is_gift, numbers[payment.customer_id], numbers[payment.bought_by_id]) == (True, OTHER, PHONE)
    same = web.browser.post("/api/wave/checkout", json=body | {"buyer_phone": "+220833000002"})
    assert wire_problem(same, 422, "invalid_input")["errors"][0]["field"] == "buyer_phone"


def test_the_list_is_of_what_is_sold_where_and_when_it_is_asked_for(web: Web) -> None:
    with transaction() as session:
        gateway = make_gateway(session, now=utc_now())
        here = make_context(gateway, at=utc_now()).token()
        everywhere, only_here, later = (make_package(session, now=utc_now()) for _ in range(3))
        assert gateway.site_id is not None
        sold_only(session, only_here, Sale(site_ids=(gateway.site_id,)))
        sold_only(session, later, Sale(on_sale_from=utc_now() + DAY))

    def listed(**query: str) -> list[str]:
        return [item["id"] for item in web.browser.get("/api/portal/packages", params=query).raise_for_status().json()["items"]]

    for _ in range(2):
        assert listed() == [everywhere.public_id]
        assert listed(context=here) == [everywhere.public_id, only_here.public_id]
    wire_problem(web.browser.get("/api/portal/packages", params={"context": "old"}), 410, "stale_context")
    with web.nothing_changes():
        for package in (only_here, later):
            answer = web.browser.post("/api/wave/checkout", json={"package_id": package.public_id, "phone": PHONE})
            wire_problem(answer, 409, "package_not_on_sale")
    # A change is told at once, whatever was kept.
    with transaction() as session:
        change_package(
            session,
            actor=staff(),
            public_id=everywhere.public_id,
            expected_version=1,
            terms=everywhere.terms,
            is_on_sale=False,
            position=1,
            now=utc_now(),
        )
    assert listed() == []


# --- pages


@pytest.fixture
def gateway(session: Session) -> Gateway:
    return make_gateway(session, now=utc_now())


@pytest.fixture
def offer(session: Session) -> Offer:
    return make_package(session, now=utc_now(), name="1 day")


def form(phone: httpx.Client, offer: Offer, **query: str) -> dict[str, str]:
    """What the form of this page sends, as a browser without JavaScript does."""
    page = phone.get(f"/portal/buy/{offer.public_id}", params=query).text
    return {"key": hidden(page, "key"), "c": query.get("c", "")}


def text_of(page: httpx.Response) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", page.text)).replace("\u00a0", " "))


def test_the_price_with_a_code_is_shown_before_anything_is_bought(phone: httpx.Client, session: Session, offer: Offer) -> None:
    promo(session)
    sent = form(phone, offer) | {"phone": "301 2345", "promo_code": "tabaski-20", "check": "1"}
    page = phone.post(f"/portal/buy/{offer.public_id}", data=sent)
    assert page.status_code == 200
    assert "D 25 D 20" in text_of(page)
    assert "D 5 less with your promo code." in text_of(page)
    assert "Pay D 20 with Wave" in text_of(page)
    assert 'value="301 2345"' in page.text
    assert 'value="tabaski-20"' in page.text
    assert not session.exec(select(Payment)).all()


def test_a_code_that_is_none_is_said_at_its_field_and_the_form_keeps_what_was_typed(phone: httpx.Client, offer: Offer) -> None:
    for more in ({"check": "1"}, {}):
        page = phone.post(f"/portal/buy/{offer.public_id}", data=form(phone, offer) | {"phone": "301 2345", "promo_code": "NEVER"} | more)
        assert page.status_code == 404
        assert 'id="promo_code-wrong"' in page.text
        assert "<details open>" in page.text
        assert 'value="301 2345"' in page.text


def test_the_form_for_another_phone_buys_a_gift(phone: httpx.Client, session: Session, offer: Offer, gateway: Gateway) -> None:
    here = make_context(gateway, at=utc_now()).token()
    page = phone.get(f"/portal/buy/{offer.public_id}", params={"c": here, "gift": "1"})
    assert "Buy 1 day for another phone" in text_of(page)
    assert hidden(page.text, "gift") == "1"
    sent = {"key": hidden(page.text, "key"), "c": here, "gift": "1", "phone": "300 0002"}
    wrong = phone.post(f"/portal/buy/{offer.public_id}", data=sent | {"buyer_phone": "12"})
    assert wrong.status_code == 422
    assert 'id="buyer_phone-wrong"' in wrong.text
    assert hidden(wrong.text, "gift") == "1"
    # Wave is not there in this test: the purchase is saved before it is asked.
    phone.post(f"/portal/buy/{offer.public_id}", data=sent)
    payment = session.exec(select(Payment).order_by(col(Payment.id).desc()).limit(1)).one()
    assert (payment.is_gift, payment.client_hid, payment.bought_by_id) == (True, None, None)


def test_a_gifts_page_shows_the_payment_and_nothing_of_what_was_bought(phone: httpx.Client, session: Session, offer: Offer) -> None:
    from services.payments import checkout
    from services.payments.checkout import Order
    from services.vouchers import codes
    from tests.services.apps.buying import paid

    wish = Order(offer.public_id, OTHER, is_gift=True, buyer_phone=PHONE)
    payment = session.get_one(Payment, checkout.save(session, wish, now=utc_now()))
    _, voucher, _ = paid(session, payment, now=utc_now())
    page = phone.get(f"/portal/pay/{payment.public_id}")
    assert "You gave it to another person" in text_of(page)
    assert "its voucher code goes to their phone by SMS" in text_of(page)
    assert codes.show_code(codes.unseal_code(voucher.code_sealed)) not in page.text
    found = phone.post("/portal/find", data={"kind": "receipt", "phone": "3000002", "reference": payment.reference})
    assert "This was bought as a gift" in text_of(found)


def test_pages_list_what_is_sold_at_their_place(phone: httpx.Client, session: Session, gateway: Gateway) -> None:
    assert gateway.site_id is not None
    only_here = make_package(session, now=utc_now(), name="Market day")
    sold_only(session, only_here, Sale(site_ids=(gateway.site_id,)))
    here = make_context(gateway, at=utc_now()).token()
    shown = {
        "/": False,
        f"/portal/?c={here}": True,
        f"/portal/venue/{gateway.slug}": True,
        f"/portal/venue/site/{gateway.site_id}": True,
    }
    for path, is_shown in shown.items():
        assert ("Market day" in phone.get(path).text) is is_shown, path
    refused = phone.get(f"/portal/buy/{only_here.public_id}")
    assert refused.status_code == 409
    assert "sold only at some of our hotspots" in text_of(refused)
