"""What a phone's own system is told (RFC 8908), the page about a place, and the devices on a purchase."""

from __future__ import annotations

import re
from datetime import timedelta
from html import unescape
from urllib.parse import parse_qs, urlsplit

import pytest
from httpx import Client, Response
from sqlmodel import Session, select

from app.clock import utc_now
from app.settings import get_settings
from services.access.captive import reading_token
from services.access.context import HotspotContext
from services.access.models import DeviceSlot, Entitlement, Gateway
from services.accounts.customers import token_for
from services.accounts.models import Device
from services.network.incident_models import Incident
from services.network.models import Site
from tests.factories import make_context, make_gateway, make_package
from tests.portal.visiting import granted, router_lets_in

MEDIA_TYPE = "application/captive+json"
ACCEPT = {"Accept": MEDIA_TYPE}
JS = {"X-Portal": "fragment"}


@pytest.fixture
def gateway(session: Session) -> Gateway:
    return make_gateway(session, now=utc_now())


@pytest.fixture
def context(gateway: Gateway) -> HotspotContext:
    return make_context(gateway, at=utc_now())


def words(page: Response) -> str:
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text)).split())


def ask(phone: Client, **query: str) -> dict[str, object]:
    answer = phone.get("/portal/captive", params=query, headers=ACCEPT)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == MEDIA_TYPE
    assert answer.headers["cache-control"] == "private"
    return dict(answer.json())


def holder(session: Session) -> Device:
    return session.get_one(Device, session.exec(select(DeviceSlot.device_id)).one())


def test_a_client_that_nothing_names_is_captive_and_told_of_the_portal(phone: Client) -> None:
    for query in ({}, {"c": "made-up"}, {"d": "made-up"}):
        told = ask(phone, **query)
        assert told == {"captive": True, "user-portal-url": f"{get_settings().public_url}/portal/", "can-extend-session": True}


def test_a_captive_client_is_told_its_own_portal_and_place_and_no_balance(phone: Client, gateway: Gateway, context: HotspotContext) -> None:
    token = context.token()
    told = ask(phone, c=token)
    assert told["captive"] is True
    assert parse_qs(urlsplit(str(told["user-portal-url"])).query)["c"] == [token]
    assert told["venue-info-url"] == f"{get_settings().public_url}/portal/venue/{gateway.slug}"
    assert not {"seconds-remaining", "bytes-remaining"} & set(told)


def test_a_client_that_is_in_is_told_its_true_balance(phone: Client, session: Session, gateway: Gateway, context: HotspotContext) -> None:
    package = make_package(session, duration_seconds=3600, quota_bytes=500 << 20, now=utc_now())
    granted(session, context=context, package=package)
    assert ask(phone, c=context.token())["captive"] is True  # granted, and not yet let in
    router_lets_in(session, gateway)
    session.exec(select(Entitlement)).one().bytes_used = 100 << 20
    session.flush()
    for query in ({"c": context.token()}, {"d": reading_token(holder(session))}):
        told = ask(phone, **query)
        assert told["captive"] is False
        assert 3590 <= int(str(told["seconds-remaining"])) <= 3600
        assert told["bytes-remaining"] == 400 << 20
        assert told["can-extend-session"] is True


def test_without_an_allowance_no_bytes_are_told(phone: Client, session: Session, gateway: Gateway, context: HotspotContext) -> None:
    granted(session, context=context)
    router_lets_in(session, gateway)
    assert "bytes-remaining" not in ask(phone, c=context.token())


def test_a_reading_token_opens_nothing(phone: Client, session: Session, gateway: Gateway, context: HotspotContext) -> None:
    granted(session, context=context)
    router_lets_in(session, gateway)
    token = reading_token(holder(session))
    page = phone.get("/portal/session", headers={"X-Device-Token": token})
    assert "No time left on this device" in words(page)
    assert ask(phone, d=token_for(holder(session).id or 0))["captive"] is True  # nor does a device's token belong in an address


def test_the_venue_page_says_what_the_place_is_and_sells(phone: Client, session: Session, gateway: Gateway) -> None:
    package = make_package(session, name="Day", amount_bututs=5000, now=utc_now())
    for path in (f"/portal/venue/{gateway.slug}", f"/portal/venue/site/{gateway.site_id}"):
        page = phone.get(path)
        assert page.status_code == 200
        assert "<h1>Westfield</h1>" in page.text
        assert "Day D 50" in words(page)
        assert f"/portal/buy/{package.public_id}" in page.text
        assert "The network is down here" not in words(page)


def test_the_venue_page_tells_of_an_outage_while_it_lasts(phone: Client, session: Session, gateway: Gateway) -> None:
    incident = Incident(reference="I-TEST234", site_id=gateway.site_id, started_at=utc_now() - timedelta(minutes=9), opened_at=utc_now())
    session.add(incident)
    session.flush()
    said = words(phone.get(f"/portal/venue/{gateway.slug}"))
    assert "The network is down here" in said
    assert "Paid time stands still" in said


def test_a_gateway_without_a_site_has_a_page_of_its_own(phone: Client, session: Session, gateway: Gateway) -> None:
    gateway.site_id, gateway.name = None, "Bakau Craft Market"
    session.flush()
    assert "<h1>Bakau Craft Market</h1>" in phone.get(f"/portal/venue/{gateway.slug}").text


@pytest.mark.parametrize("path", ["/portal/venue/no-such-router", "/portal/venue/site/999999", "/portal/venue/site/0", "/portal/venue/%00"])
def test_an_unknown_place_is_a_page_that_does_not_exist(phone: Client, path: str) -> None:
    assert phone.get(path).status_code in (404, 422)


def test_a_place_keeps_its_address_with_its_site(phone: Client, session: Session, gateway: Gateway) -> None:
    session.get_one(Site, gateway.site_id).address = "Kairaba Avenue"
    session.flush()
    assert "Kairaba Avenue" in words(phone.get(f"/portal/venue/{gateway.slug}"))


def test_the_session_page_says_that_the_clock_stands_during_an_outage(
    phone: Client, session: Session, gateway: Gateway, context: HotspotContext
) -> None:
    granted(session, context=context)
    router_lets_in(session, gateway)
    session.exec(select(Entitlement)).one().paused_at = utc_now() - timedelta(minutes=5)
    session.flush()
    page = phone.get("/portal/session", params={"c": context.token()})
    assert "Your time stands still until it is back" in words(page)
    assert "data-left" not in page.text


def two_phones(session: Session, gateway: Gateway) -> tuple[HotspotContext, HotspotContext]:
    """The one that bought, and another that joined the purchase."""
    from services.access import entry

    package = make_package(session, device_limit=2, now=utc_now())
    mine, other = (make_context(gateway, mac=f"02:00:00:bb:02:{number:02x}", at=utc_now()) for number in (1, 2))
    granted(session, context=mine, package=package)
    time = session.exec(select(Entitlement)).one()
    entry.let_in(session, time, other, None, swap=False, now=utc_now())
    router_lets_in(session, gateway)
    session.flush()
    return mine, other


@pytest.mark.parametrize("level", [3, 4])
def test_the_devices_on_a_purchase_are_shown_and_one_is_taken_off_without_staff(phone: Client, session: Session, level: int) -> None:
    gateway = make_gateway(session, level=level, now=utc_now())
    mine, other = two_phones(session, gateway)
    page = phone.get("/portal/session", params={"c": mine.token()})
    assert "Devices: 2 of 2" in words(page)
    assert "This phone" in words(page)
    assert "Another phone, online, since" in words(page)
    slot = re.search(r'name="slot" value="(\d+)"', page.text)
    assert slot is not None
    after = phone.post("/portal/devices", data={"c": mine.token(), "slot": slot[1]})
    assert "Devices: 1 of 2" in words(after)
    assert "No time left on this device" in words(phone.get("/portal/session", params={"c": other.token()}))


def test_a_copied_mac_takes_nobody_off_and_is_shown_neither_receipt_nor_voucher(phone: Client, session: Session, gateway: Gateway) -> None:
    from services.access import entry
    from services.payments.models import Payment

    mine, other = two_phones(session, gateway)
    there = make_gateway(session, now=utc_now())
    clone = make_context(there, mac=mine.mac, at=utc_now())
    entry.welcome_back(session, clone, None, now=utc_now())
    page = phone.get("/portal/session", params={"c": clone.token()})
    slot = re.search(r'name="slot" value="(\d+)"', page.text)
    assert slot is not None
    refused = phone.post("/portal/devices", data={"c": clone.token(), "slot": slot[1]})
    assert refused.status_code == 409
    assert "Already paid?" in words(refused)
    assert "This phone" in words(phone.get("/portal/session", params={"c": other.token()}))
    payment = session.exec(select(Payment)).one()
    for path in ("/portal/", "/portal/session"):
        told = phone.get(path, params={"c": clone.token()}, headers=JS)
        assert payment.reference not in told.text
        assert payment.public_id not in told.text
        assert "x-device-token" not in told.headers
    connected = phone.post("/portal/session", data={"c": clone.token()}, headers=JS)
    assert "x-device-token" not in connected.headers


def test_a_slot_that_is_no_number_or_nobodys_is_refused_in_words(phone: Client, session: Session, gateway: Gateway) -> None:
    mine, _ = two_phones(session, gateway)
    assert phone.post("/portal/devices", data={"c": mine.token(), "slot": "x"}).status_code == 422
    assert phone.post("/portal/devices", data={"c": mine.token(), "slot": "99999999"}).status_code == 404
    assert phone.post("/portal/devices", data={"slot": "1"}).status_code == 410
