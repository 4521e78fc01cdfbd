"""Buying, and vouchers of one's own, over HTTP."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from sqlmodel import Session, select
from starlette.testclient import TestClient

from app.clock import utc_now
from services.accounts.customers import device_from_token
from services.notifications.models import Notification
from services.packages import promos
from services.packages.models import Package
from services.packages.promo_models import PackageSite
from services.payments.checkout import CHECKOUTS_OF_PHONE
from services.payments.models import Payment, SaleChannel
from tests.app.api.asking import refusal
from tests.conftest import Sandbox
from tests.factories import make_context, make_gateway, make_package, staff
from tests.mobile.customers import Phone, a_phone, technicians_phone
from tests.mobile.log_ins import line
from tests.services.apps.buying import bought, issued, paid
from tests.services.apps.texting import new_number
from tests.services.packages.promoting import DAY

__all__ = ["line"]


@pytest.fixture
def phone(line: TestClient, session: Session) -> Phone:
    return a_phone(line, session)


@pytest.fixture
def package_id(session: Session) -> str:
    return make_package(session, now=utc_now()).public_id


def buy(asking: Phone, package_id: str, key: str = "key-00001", **more: Any) -> httpx.Response:
    return asking.ask("POST", "purchases", json={"package_id": package_id, **more}, headers={"Idempotency-Key": key})


def payment_of(session: Session, answer: httpx.Response) -> Payment:
    return session.exec(select(Payment).where(Payment.public_id == answer.json()["payment_id"])).one()


def test_the_price_list_is_told(phone: Phone, package_id: str) -> None:
    (one,) = phone.get("packages")["items"]
    assert (one["id"], one["amount"], one["currency"], one["validity_days"]) == (package_id, 2500, "GMD", 30)


def test_a_purchase_opens_wave_once_under_its_key_and_is_followed(phone: Phone, package_id: str, sandbox: Sandbox) -> None:
    first, again = buy(phone, package_id), buy(phone, package_id)
    assert first.status_code == 201
    assert first.json() == again.json()
    assert first.headers["cache-control"] == "no-store"
    body = first.json()
    assert (body["status"], body["amount"], body["is_gift"], body["device_token"]) == ("checkout_open", 2500, False, None)
    assert body["launch_url"].startswith("http")
    assert len(sandbox.state()["wave"]["sessions"]) == 1
    sandbox.pay(body["reference"])
    assert phone.get(f"purchases/{body['payment_id']}")["status"] in ("checkout_open", "paid")


def test_at_a_hotspot_the_purchase_knows_the_place_and_the_portal_this_phone(
    phone: Phone, package_id: str, session: Session, sandbox: Sandbox
) -> None:
    context = make_context(make_gateway(session), at=utc_now())
    answer = buy(phone, package_id, context=context.token())
    payment = payment_of(session, answer)
    device = device_from_token(session, answer.json()["device_token"])
    assert device is not None
    assert (payment.client_hid, payment.device_id) == (context.hid, device.id)


def test_of_a_gift_the_buyer_follows_the_payment_and_the_other_has_the_voucher(
    phone: Phone, package_id: str, line: TestClient, session: Session, sandbox: Sandbox
) -> None:
    other = a_phone(line, session, "+220833000072")
    answer = buy(phone, package_id, phone="3000072")
    assert (answer.status_code, answer.json()["is_gift"], answer.json()["device_token"]) == (201, True, None)
    payment = payment_of(session, answer)
    assert payment.customer_id == other.caller.customer_id
    paid(session, payment, now=utc_now())
    mine = phone.get(f"purchases/{payment.public_id}")
    assert (mine["status"], mine["voucher"], mine["access"], mine["is_given"]) == ("access_granted", None, None, True)
    assert other.get(f"purchases/{payment.id}")["access"]["state"] == "waiting"
    refusal(a_phone(line, session).ask("GET", f"purchases/{payment.public_id}"), 404, "payment_not_found")


def test_what_cannot_be_bought_is_refused_in_words(phone: Phone, package_id: str, session: Session, sandbox: Sandbox) -> None:
    assert buy(phone, package_id).status_code == 201
    refusal(buy(phone, package_id, phone=new_number()), 422, "idempotency_mismatch")
    refusal(buy(phone, package_id, "key-00002", phone="12"), 422, "bad_phone")
    refusal(buy(phone, package_id, "key-00002", context="old"), 410, "stale_context")
    refusal(buy(phone, package_id, "short"), 422)
    refusal(phone.ask("POST", "purchases", json={"package_id": package_id}), 422)
    refusal(buy(phone, package_id, "key-00002", more=1), 422)
    refusal(buy(phone, "no\x00thing", "key-00002"), 422)
    session.exec(select(Package).where(Package.public_id == package_id)).one().is_on_sale = False
    session.flush()
    refusal(buy(phone, package_id, "key-00002"), 404, "package_not_found")


def test_for_one_number_only_so_many_purchases_are_opened(phone: Phone, package_id: str, sandbox: Sandbox) -> None:
    allowed = int(CHECKOUTS_OF_PHONE.allowed.split()[0])
    for number in range(allowed):
        assert buy(phone, package_id, f"key-{number:05}").status_code == 201
    assert buy(phone, package_id, "key-00000").status_code == 201
    assert "retry-after" in refusal_of(buy(phone, package_id, "key-99999"))


def refusal_of(answer: httpx.Response) -> httpx.Headers:
    refusal(answer, 429, "too_many_tries")
    return answer.headers


def test_an_own_code_is_shown_and_kept_by_nobody_on_the_way(phone: Phone, line: TestClient, session: Session) -> None:
    number = new_number()
    owner = a_phone(line, session, number)
    voucher = issued(session, number, now=utc_now())
    answer = owner.ask("GET", f"vouchers/{voucher.id}/code")
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json()["link"].endswith(f"/portal/v/{answer.json()['code']}")
    refusal(phone.ask("GET", f"vouchers/{voucher.id}/code"), 404, "voucher_not_found")


def test_a_voucher_is_given_once_and_said_so_again(phone: Phone, line: TestClient, session: Session) -> None:
    number = new_number()
    giver, friend = a_phone(line, session, number), a_phone(line, session, "+220833000075")
    payment, voucher, _ = bought(session, number, now=utc_now())
    path = f"vouchers/{voucher.id}/give"
    answers = [giver.ask("POST", path, json={"phone": form}) for form in ("+220833000075", "300 0075")]
    assert [answer.json() for answer in answers] == [{"id": str(voucher.id), "given_to": "+220 ••• 0075"}] * 2
    assert friend.get(f"vouchers/{voucher.id}/code")["id"] == str(voucher.id)
    assert giver.get("access")["items"] == []
    assert giver.get(f"purchases/{payment.id}")["is_given"]
    refusal(giver.ask("GET", f"vouchers/{voucher.id}/code"), 404, "voucher_not_found")
    refusal(giver.ask("POST", path, json={"phone": "12"}), 422, "bad_phone")
    refusal(friend.ask("POST", path, json={"phone": "3000075"}), 422, "invalid_input")
    refusal(phone.ask("POST", path, json={"phone": new_number()}), 404, "voucher_not_found")


def test_gifts_are_counted_because_each_sends_a_text(phone: Phone) -> None:
    answers = [phone.ask("POST", f"vouchers/{number}/give", json={"phone": new_number()}) for number in range(1, 12)]
    assert [answer.status_code for answer in answers] == [404] * 10 + [429]


def test_a_technicians_phone_buys_nothing_and_nobody_else_asks(line: TestClient, session: Session, package_id: str) -> None:
    refusal(buy(technicians_phone(line, session), package_id), 403, "forbidden")
    refusal(line.get("/api/mobile/v1/packages"), 401, "unauthenticated")


def test_a_promo_code_is_priced_and_bought_with_and_used_once(phone: Phone, package_id: str, session: Session, sandbox: Sandbox) -> None:
    values: dict[str, object] = {"percent_off": 20, "valid_from": utc_now() - DAY, "valid_until": utc_now() + DAY}
    promos.make(session, actor=staff(), code="TABASKI-20", rules=promos.read_rules(values), now=utc_now())
    asked = {"code": "tabaski-20", "package_id": package_id}
    assert phone.ask("POST", "promo", json=asked).json() == {"amount": 2000, "discount": 500, "currency": "GMD"}
    answer = buy(phone, package_id, promo_code="tabaski-20")
    assert (answer.status_code, answer.json()["amount"]) == (201, 2000)
    payment = payment_of(session, answer)
    assert (payment.channel, payment.discount_bututs) == (SaleChannel.MOBILE, 500)
    refusal(phone.ask("POST", "promo", json=asked), 409, "promo_yours_already")
    refusal(buy(phone, package_id, "key-00002", promo_code="TABASKI-20"), 409, "promo_yours_already")
    refusal(phone.ask("POST", "promo", json={"code": "", "package_id": package_id}), 422)


def test_wrong_promo_codes_are_counted(phone: Phone, package_id: str) -> None:
    for number in range(10):
        refusal(phone.ask("POST", "promo", json={"code": f"GUESS-{number}", "package_id": package_id}), 404, "promo_unknown")
    refusal(phone.ask("POST", "promo", json={"code": "GUESS-10", "package_id": package_id}), 429, "too_many_tries")
    refusal(buy(phone, package_id, promo_code="GUESS-11"), 429, "too_many_tries")


def test_a_gift_names_its_buyer_and_goes_by_voucher(phone: Phone, package_id: str, session: Session, sandbox: Sandbox) -> None:
    payment = payment_of(session, buy(phone, package_id, phone="3000073"))
    assert (payment.is_gift, payment.bought_by_id, payment.channel) == (True, phone.caller.customer_id, SaleChannel.MOBILE)
    paid(session, payment, now=utc_now())
    texts = session.exec(select(Notification.event).where(Notification.customer_id == payment.customer_id)).all()
    assert set(texts) == {"voucher_given"}


def test_the_price_list_is_of_the_place_and_the_moment(phone: Phone, package_id: str, session: Session) -> None:
    gateway = make_gateway(session)
    at_site = make_package(session, now=utc_now()).public_id
    row = session.exec(select(Package).where(Package.public_id == at_site)).one()
    session.add(PackageSite(package_id=row.id, site_id=gateway.site_id))
    later = session.exec(select(Package).where(Package.public_id == make_package(session, now=utc_now()).public_id)).one()
    later.on_sale_from = utc_now() + DAY
    session.flush()
    here = make_context(gateway, at=utc_now()).token()
    assert [one["id"] for one in phone.get("packages")["items"]] == [package_id]
    assert [one["id"] for one in phone.get("packages", context=here)["items"]] == [package_id, at_site]
    refusal(phone.ask("GET", "packages?context=old"), 410, "stale_context")
    refusal(buy(phone, at_site), 409, "package_not_on_sale")
    refusal(buy(phone, later.public_id, "key-00002"), 409, "package_not_on_sale")
