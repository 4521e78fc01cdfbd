"""The portal's pages as a browser without JavaScript meets them; the script's own wishes where they differ."""

from __future__ import annotations

import gzip
import json
import re
from datetime import timedelta
from html import unescape
from pathlib import Path

import pytest
from httpx import Client, Response
from sqlmodel import Session, select

from app.clock import utc_now
from portal import rendering
from portal.rendering import dalasi, data_size, in_words, speed, texts
from services.access.context import HotspotContext
from services.access.models import Entitlement, Gateway
from services.accounts.customers import find_or_create_customer
from services.payments.models import Payment, PaymentStatus
from services.tickets.models import Ticket
from services.vouchers.codes import show_code, unseal_code
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.service import issue_voucher
from tests.conftest import Sandbox
from tests.factories import PHONE, make_context, make_gateway, make_package, make_payment, staff
from tests.portal.visiting import LAUNCH_URL, granted, hidden, open_at_wave, paid, router_lets_in

UNITS = texts()["units"]
JS = {"X-Portal": "fragment"}


@pytest.fixture
def gateway(session: Session) -> Gateway:
    return make_gateway(session, now=utc_now())


@pytest.fixture
def context(gateway: Gateway) -> HotspotContext:
    return make_context(gateway, at=utc_now())


def heading(page: Response) -> str:
    match = re.search(r"<h1>(.*?)</h1>", page.text, re.DOTALL)
    assert match is not None, page.text
    return unescape(match[1]).replace("\u00a0", " ")


def words(page: Response) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def new_voucher(session: Session, package_id: str) -> tuple[Voucher, str]:
    voucher, code = issue_voucher(session, actor=staff(), package_id=package_id, phone=None, note=None, now=utc_now())
    voucher.state, voucher.porta_issued_at = VoucherState.ACTIVE, utc_now()
    session.flush()
    return voucher, code


def test_the_price_list_says_what_each_package_is(phone: Client, session: Session, context: HotspotContext) -> None:
    package = make_package(session, name="Day", amount_bututs=5000, duration_seconds=86400, quota_bytes=2 << 30, down_kbps=8192)
    page = phone.get("/portal/", params={"c": context.token()})
    assert page.status_code == 200
    assert "Day D 50 1 day · 2 GB · up to 8 Mbit/s · 1 device" in words(page)
    assert f"/portal/buy/{package.public_id}?c=" in page.text


def test_the_root_is_the_start_page_without_a_hotspot(phone: Client) -> None:
    page = phone.get("/")
    assert heading(page) == "Get online"
    assert "not on a hotspot" in words(page)


def test_pages_allow_nothing_from_elsewhere_and_are_not_kept(phone: Client) -> None:
    page = phone.get("/portal/")
    assert "default-src 'none'" in page.headers["content-security-policy"]
    assert page.headers["cache-control"] == "no-store"
    assert page.headers["referrer-policy"] == "no-referrer"
    assert page.headers["x-content-type-options"] == "nosniff"
    assert "set-cookie" not in page.headers
    assert not re.search(r"<script(?![^>]*src=)|style=|<style| on\w+=", page.text)


def test_static_files_are_kept_for_a_year_under_their_hash(phone: Client) -> None:
    (url,) = re.findall(r'href="(/portal/static/[^"]+)"', phone.get("/portal/").text)
    assert "immutable" in phone.get(url).headers["cache-control"]
    older = re.sub(r"\.[0-9a-f]{12}\.", ".000000000000.", url)
    assert phone.get(older).headers["cache-control"] == "no-store"
    assert phone.get("/portal/static/../pages.py").status_code == 404
    assert phone.get("/portal/static/secrets.txt").status_code == 404


def test_a_stale_context_is_said_in_words_and_leaves_the_price_list(phone: Client, gateway: Gateway) -> None:
    old = make_context(gateway, at=utc_now() - timedelta(hours=7))
    for token in (old.token(), "made-up", "é%00"):
        page = phone.get("/portal/", params={"c": token})
        assert page.status_code == 200
        assert "Switch Wi-Fi off and on" in words(page)


def test_a_purchase_goes_from_the_form_to_wave(phone: Client, session: Session, context: HotspotContext, sandbox: Sandbox) -> None:
    package = make_package(session, now=utc_now())
    form = phone.get(f"/portal/buy/{package.public_id}", params={"c": context.token()})
    sent = {"c": hidden(form.text, "c"), "key": hidden(form.text, "key"), "phone": "301 2345"}
    first = phone.post(f"/portal/buy/{package.public_id}", data=sent, follow_redirects=False)
    again = phone.post(f"/portal/buy/{package.public_id}", data=sent, follow_redirects=False)
    assert first.status_code == 303
    assert first.headers["location"] == again.headers["location"]
    page = phone.get(first.headers["location"])
    assert heading(page) == "Pay D 25 in Wave"
    assert f'href="{sandbox.url}/c/' in page.text
    assert '<svg viewBox="' in page.text
    corrected = phone.post(f"/portal/buy/{package.public_id}", data=sent | {"phone": "301 2346"}, follow_redirects=False)
    assert corrected.headers["location"] != first.headers["location"]


def test_the_script_is_told_where_to_go_and_given_the_device_token(
    phone: Client, session: Session, context: HotspotContext, sandbox: Sandbox
) -> None:
    package = make_package(session, now=utc_now())
    sent = {"c": context.token(), "key": "k" * 20, "phone": "301 2345"}
    answer = phone.post(f"/portal/buy/{package.public_id}", data=sent, headers=JS)
    assert answer.status_code == 200
    assert answer.headers["x-device-token"]
    page = phone.get(answer.headers["x-go"], headers=JS)
    assert page.text.lstrip().startswith("<main")


def test_a_wrong_phone_number_is_said_at_its_field(phone: Client, session: Session) -> None:
    package = make_package(session, now=utc_now())
    page = phone.post(f"/portal/buy/{package.public_id}", data={"phone": '12"><b>', "key": "k" * 20})
    assert page.status_code == 422
    assert 'aria-invalid="true"' in page.text
    assert 'value="12&#34;&gt;&lt;b&gt;"' in page.text
    assert not session.exec(select(Payment)).all()


def test_wave_being_down_is_told_with_a_way_to_try_again(phone: Client, session: Session) -> None:
    package = make_package(session, now=utc_now())
    page = phone.post(f"/portal/buy/{package.public_id}", data={"phone": "301 2345", "key": "k" * 20})
    assert page.status_code == 503
    assert "You have not been charged" in words(page)
    assert ">Try again</button>" in page.text
    assert 'value="301 2345"' in page.text


def test_an_unknown_package_has_a_way_back_that_keeps_the_hotspot(phone: Client, context: HotspotContext) -> None:
    page = phone.get("/portal/buy/nothing", params={"c": context.token()})
    assert page.status_code == 404
    assert 'href="/portal/?c=' in page.text


def test_a_stale_context_does_not_buy(phone: Client, session: Session, gateway: Gateway) -> None:
    package = make_package(session, now=utc_now())
    old = make_context(gateway, at=utc_now() - timedelta(hours=7)).token()
    page = phone.post(f"/portal/buy/{package.public_id}", data={"phone": "301 2345", "key": "k" * 20, "c": old})
    assert page.status_code == 410
    assert not session.exec(select(Payment)).all()


def test_wave_page_links_work_in_another_browser_with_nothing_stored(phone: Client, session: Session, context: HotspotContext) -> None:
    payment = granted(session, context=context)
    page = phone.get(f"/portal/pay/{payment.public_id}")
    assert heading(page) == "Connecting…"
    assert "You can close this browser" in words(page)
    assert payment.reference in page.text


def test_a_payment_open_at_wave_shows_the_way_out_of_the_captive_window(phone: Client, session: Session, context: HotspotContext) -> None:
    payment = open_at_wave(session, context=context)
    page = phone.get(f"/portal/pay/{payment.public_id}", params={"c": context.token()})
    assert page.text.count(LAUNCH_URL.replace("&", "&amp;")) == 2
    assert "you will be online by yourself" in words(page)
    assert '<noscript><meta http-equiv="refresh"' in page.text
    assert f'data-poll="/api/wave/verify?payment_id={payment.public_id}"' in page.text
    assert 'data-state="checkout_open//"' in page.text


def test_a_refusal_by_wave_is_told_and_can_be_tried_again(phone: Client, session: Session) -> None:
    payment = open_at_wave(session, error="insufficient-funds")
    page = phone.get(f"/portal/pay/{payment.public_id}")
    assert "Wave refused it: insufficient funds. You have not been charged." in words(page)
    assert "Open Wave" in words(page)
    assert "enter a voucher" in words(page)


def test_wave_being_silent_is_told_after_a_few_seconds(phone: Client, session: Session) -> None:
    payment = make_payment(session, now=utc_now())
    payment.create_called_at = payment.next_attempt_at = payment.lease_until = utc_now() + timedelta(seconds=30)
    session.flush()
    assert re.search(r'data-slow="[1-8]" hidden', phone.get(f"/portal/pay/{payment.public_id}").text)
    payment.created_at = utc_now() - timedelta(seconds=9)
    session.flush()
    page = phone.get(f"/portal/pay/{payment.public_id}")
    assert heading(page) == "Opening Wave…"
    assert 'class="alert" data-slow="0">' in page.text
    assert "enter a voucher" in words(page)


def test_billing_being_down_is_told_as_it_is(phone: Client, session: Session, context: HotspotContext) -> None:
    payment = paid(session, context=context)
    payment.reason = "You have paid. The billing system is not answering; you will be online by yourself as soon as it does."
    session.flush()
    page = phone.get(f"/portal/pay/{payment.public_id}", params={"c": context.token()})
    assert heading(page) == "Paid. Connecting…"
    assert "The billing system is not answering" in words(page)
    assert 'http-equiv="refresh"' in page.text


def test_a_connection_that_takes_a_minute_is_helped_along(phone: Client, session: Session, context: HotspotContext) -> None:
    payment = granted(session, context=context)
    assert 'class="notice" data-slow="' in phone.get(f"/portal/pay/{payment.public_id}").text
    payment.paid_at = utc_now() - timedelta(seconds=61)
    session.flush()
    assert 'data-slow="0">' in phone.get(f"/portal/pay/{payment.public_id}").text


def test_online_shows_time_data_and_both_codes_and_stops_asking(
    phone: Client, session: Session, gateway: Gateway, context: HotspotContext
) -> None:
    payment = granted(session, context=context, package=make_package(session, quota_bytes=1 << 30, now=utc_now()))
    router_lets_in(session, gateway)
    page = phone.get(f"/portal/pay/{payment.public_id}", params={"c": context.token()})
    assert heading(page) == "You are online"
    assert "59 minutes" in words(page)
    assert "1 GB" in words(page)
    assert re.search(r"Voucher code \w{4}-\w{5}-\w{5}", words(page))
    assert "data-poll" not in page.text
    assert "refresh" not in page.text


@pytest.mark.parametrize(
    ("status", "said"),
    [
        (PaymentStatus.FAILED, "The payment did not work"),
        (PaymentStatus.EXPIRED, "The payment was not made in time"),
        (PaymentStatus.ATTENTION, "We are looking into it"),
    ],
)
def test_each_end_of_a_payment_is_said_with_a_way_on(
    phone: Client, session: Session, context: HotspotContext, status: PaymentStatus, said: str
) -> None:
    payment = open_at_wave(session, context=context)
    payment.move(status, now=utc_now(), reason="Wave is not answering.")
    session.flush()
    page = phone.get(f"/portal/pay/{payment.public_id}", params={"c": context.token()})
    assert heading(page) == said
    assert payment.reference in page.text
    assert "Report a problem with this payment" in words(page)
    assert ("Try again" in words(page)) is (status is not PaymentStatus.ATTENTION)


def test_money_given_back_is_said(phone: Client, session: Session) -> None:
    payment = paid(session)
    payment.move(PaymentStatus.REFUNDING, now=utc_now())
    session.flush()
    assert heading(phone.get(f"/portal/pay/{payment.public_id}")) == "Your money is on its way back"
    payment.move(PaymentStatus.REFUNDED, now=utc_now())
    session.flush()
    assert heading(phone.get(f"/portal/pay/{payment.public_id}")) == "Your money was given back"


def test_what_was_given_to_another_person_is_said_and_not_shown(phone: Client, session: Session, context: HotspotContext) -> None:
    payment = granted(session)
    voucher = session.exec(select(Voucher)).one()
    friend = find_or_create_customer(session, phone="+220833000099", now=utc_now())
    voucher.customer_id = session.exec(select(Entitlement)).one().customer_id = friend.id
    session.flush()
    page = phone.get(f"/portal/pay/{payment.public_id}", params={"c": context.token()})
    assert "You gave it to another person" in words(page)
    assert show_code(unseal_code(voucher.code_sealed)) not in page.text
    assert "data-poll" not in page.text


def test_what_was_bought_elsewhere_can_be_used_at_a_hotspot(phone: Client, session: Session, context: HotspotContext) -> None:
    payment = granted(session)
    page = phone.get(f"/portal/pay/{payment.public_id}", params={"c": context.token()})
    assert heading(page) == "Your time is ready"
    used = phone.post("/portal/find", data={"kind": "voucher", "code": hidden(page.text, "code"), "c": context.token()})
    assert heading(used) == "Connecting…"


@pytest.mark.parametrize("payment_id", ["unknown", "x" * 65, "a%00b", "..%2f.."])
def test_an_unknown_payment_is_a_page_in_words(phone: Client, payment_id: str) -> None:
    page = phone.get(f"/portal/pay/{payment_id}")
    assert page.status_code in (404, 422)
    assert page.headers["content-type"].startswith("text/html")


def test_the_start_page_leads_back_to_a_payment_under_way(phone: Client, session: Session, context: HotspotContext) -> None:
    payment = open_at_wave(session, context=context)
    assert f"/portal/pay/{payment.public_id}?c=" in phone.get("/portal/", params={"c": context.token()}).text
    elsewhere = make_context(make_gateway(session, now=utc_now()), mac="02:00:00:bb:00:51", at=utc_now())
    assert payment.public_id not in phone.get("/portal/", params={"c": elsewhere.token()}).text


def test_a_client_with_time_left_sees_it_and_can_connect(
    phone: Client, session: Session, gateway: Gateway, context: HotspotContext
) -> None:
    granted(session, context=context)
    router_lets_in(session, gateway)
    page = phone.get("/portal/", params={"c": context.token()})
    assert heading(page) == "You are online"
    assert "Buy more" in words(page)
    connected = phone.post("/portal/session", data={"c": context.token()})
    # Offered anew to be safe, but the router let this phone in before: it most likely is online.
    assert heading(connected) == "You should be online"
    assert connected.url.path == "/portal/session"


def test_connecting_without_time_left_says_so(phone: Client, context: HotspotContext) -> None:
    page = phone.post("/portal/session", data={"c": context.token()})
    assert page.status_code == 410
    assert "Buy another package" in words(page)


def test_a_voucher_is_taken_however_it_is_typed(phone: Client, session: Session, context: HotspotContext) -> None:
    voucher, code = new_voucher(session, make_package(session, now=utc_now()).public_id)
    page = phone.post("/portal/voucher", data={"code": f" {code.lower().replace('-', ' ')} ", "c": context.token()})
    assert heading(page) == "Connecting…"
    session.refresh(voucher)
    assert voucher.state is VoucherState.USED


def test_the_link_on_a_voucher_fills_in_and_spends_nothing(phone: Client, session: Session, context: HotspotContext) -> None:
    voucher, code = new_voucher(session, make_package(session, now=utc_now()).public_id)
    page = phone.get(f"/portal/v/{code}", params={"c": context.token()})
    assert f'value="{code}"' in page.text
    session.refresh(voucher)
    assert voucher.state is VoucherState.ACTIVE
    assert not session.exec(select(Entitlement)).all()


def test_a_voucher_entered_away_from_a_hotspot_is_kept(phone: Client, session: Session) -> None:
    _, code = new_voucher(session, make_package(session, now=utc_now()).public_id)
    page = phone.post("/portal/voucher", data={"code": code})
    assert page.status_code == 200
    assert heading(page) == "Your voucher is accepted"


@pytest.mark.parametrize(
    ("state", "said"),
    [(VoucherState.BLOCKED, "is blocked"), (VoucherState.EXPIRED, "has expired"), (VoucherState.PENDING, "being prepared")],
)
def test_a_voucher_that_cannot_be_used_says_why(
    phone: Client, session: Session, context: HotspotContext, state: VoucherState, said: str
) -> None:
    voucher, code = new_voucher(session, make_package(session, now=utc_now()).public_id)
    voucher.state = state
    session.flush()
    page = phone.post("/portal/voucher", data={"code": code, "c": context.token()})
    assert page.status_code in (409, 410, 503)
    assert said in words(page)
    assert f'value="{code}"' in page.text


@pytest.mark.parametrize("code", ["", "ABCD-EFGHJ-KMNPR", "\x00", "'; --", "x" * 300])
def test_what_is_no_voucher_is_said_at_the_field(phone: Client, context: HotspotContext, code: str) -> None:
    page = phone.post("/portal/voucher", data={"code": code, "c": context.token()})
    assert page.status_code == 422
    assert page.headers["content-type"].startswith("text/html")


def test_a_purchase_is_found_by_either_form_of_the_phone_number(phone: Client, session: Session, gateway: Gateway) -> None:
    payment = granted(session, context=make_context(gateway, at=utc_now()))
    other = make_context(gateway, mac="02:00:00:bb:00:99", at=utc_now())
    for number in (PHONE, "3000001"):
        sent = {"kind": "receipt", "phone": number, "reference": payment.reference.lower(), "c": other.token()}
        page = phone.post("/portal/find", data=sent)
        assert page.url.path == f"/portal/pay/{payment.public_id}"
        assert heading(page) == "Connecting…"


@pytest.mark.parametrize("reference", ["ZZZZ9999", "", "\x00"])
def test_a_wrong_receipt_code_finds_nothing(phone: Client, session: Session, reference: str) -> None:
    granted(session)
    page = phone.post("/portal/find", data={"kind": "receipt", "phone": PHONE, "reference": reference})
    assert page.status_code == 404
    assert "no purchase with that phone number and receipt code" in words(page)


def test_asking_for_the_code_tells_nothing_about_the_number(phone: Client, session: Session) -> None:
    granted(session)
    bought = phone.post("/portal/find/send-code", data={"phone": PHONE})
    stranger = phone.post("/portal/find/send-code", data={"phone": "+220833999999"})
    assert (bought.status_code, bought.text) == (200, stranger.text)
    wrong = phone.post("/portal/find/send-code", data={"phone": "1"})
    assert 'id="send-phone-wrong"' in wrong.text
    assert 'id="phone-wrong"' not in wrong.text


def test_a_report_is_stored_and_answered_with_its_number(phone: Client, session: Session, context: HotspotContext) -> None:
    payment = open_at_wave(session, context=context)
    form = phone.get("/portal/help", params={"p": payment.public_id, "c": context.token()})
    assert payment.reference in form.text
    page = phone.post("/portal/help", data={"body": "<b>slow</b>", "payment_id": hidden(form.text, "payment_id"), "c": context.token()})
    ticket = session.exec(select(Ticket)).one()
    assert ticket.reference in page.text
    assert (ticket.payment_id, ticket.gateway_id) == (payment.id, context.gateway_id)
    assert heading(page) == "Thank you"


def test_a_report_needs_words_and_keeps_what_was_typed(phone: Client, session: Session) -> None:
    empty = phone.post("/portal/help", data={"body": "  ", "phone": "301 2345"})
    assert empty.status_code == 422
    assert 'id="body-wrong"' in empty.text
    assert 'value="301 2345"' in empty.text
    wrong = phone.post("/portal/help", data={"body": "No internet & slow", "phone": "1"})
    assert "No internet &amp; slow</textarea>" in wrong.text
    assert not session.exec(select(Ticket)).all()


def test_only_a_ticket_number_is_repeated_on_the_thank_you_page(phone: Client) -> None:
    assert "T-ABC2345" in phone.get("/portal/help", params={"ticket": "T-ABC2345"}).text
    assert "win money" not in phone.get("/portal/help", params={"ticket": "win money"}).text


def test_an_unknown_page_is_said_in_words(phone: Client) -> None:
    page = phone.get("/portal/nowhere/at/all")
    assert page.status_code == 404
    assert heading(page) == "This page does not exist"


def test_every_field_has_a_label_and_every_hint_exists(phone: Client, session: Session, context: HotspotContext) -> None:
    package = make_package(session, now=utc_now())
    payment = open_at_wave(session, context=context, package=package)
    for path in ("/portal/voucher", "/portal/find", "/portal/help", f"/portal/buy/{package.public_id}", f"/portal/pay/{payment.public_id}"):
        html = phone.get(path, params={"c": context.token()}).text
        ids = re.findall(r'\bid="([^"]+)"', html)
        assert len(ids) == len(set(ids)), path
        fields = [tag for tag in re.findall(r"<(?:input|textarea)[^>]*>", html) if 'type="hidden"' not in tag]
        assert fields, path
        for tag in fields:
            (own_id,) = re.findall(r'\bid="([^"]+)"', tag)
            assert f'for="{own_id}"' in html
            for hint in "".join(re.findall(r'aria-describedby="([^"]+)"', tag)).split():
                assert hint in ids
        assert len(re.findall(r"<h1[ >]", html)) == 1, path
        assert "maximum-scale" not in html
        assert "user-scalable" not in html


def test_every_language_has_every_text() -> None:
    def keys(node: object, path: str = "") -> set[str]:
        if not isinstance(node, dict):
            return {path}
        return set().union(*(keys(value, f"{path}.{name}") for name, value in node.items()))

    directory = Path(rendering.__file__).parent / "texts"
    for file in directory.glob("*.json"):
        assert keys(json.loads(file.read_text(encoding="utf-8"))) == keys(texts()), file.name


def test_compressed_and_plain_are_the_same_page(phone: Client) -> None:
    with phone.stream("GET", "/portal/find", headers={"Accept-Encoding": "gzip"}) as packed:
        body = b"".join(packed.iter_raw())
    assert packed.headers["content-encoding"] == "gzip"
    plain = phone.get("/portal/find", headers={"Accept-Encoding": "identity"})
    assert gzip.decompress(body) == plain.content


@pytest.mark.parametrize(
    ("seconds", "said"),
    [
        (0, "less than a minute"),
        (59, "less than a minute"),
        (60, "1 minute"),
        (5400, "1 hour 30 minutes"),
        (86400, "1 day"),
        (90061, "1 day 1 hour"),
        (86460, "1 day"),
        (2592000, "30 days"),
    ],
)
def test_time_is_said_in_its_two_largest_units(seconds: int, said: str) -> None:
    assert in_words(seconds, UNITS).replace("\u00a0", " ") == said


def test_amounts_data_and_speed_are_said_as_people_say_them() -> None:
    said = [dalasi(2500), dalasi(123450), data_size(None, UNITS), data_size(500 << 20, UNITS), data_size(3 << 29, UNITS), speed(512)]
    said += [speed(4096), speed(5000), data_size(0, UNITS)]
    assert [text.replace("\u00a0", " ") for text in said] == [
        "D 25", "D 1,234.50", "unlimited data", "500 MB", "1.5 GB", "512 kbit/s", "4 Mbit/s", "5 Mbit/s", "0 MB",
    ]  # fmt: skip
