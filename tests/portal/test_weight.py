"""A visit must stay light: the network before admission is slow, and captive windows keep nothing between openings."""

from __future__ import annotations

import re

import pytest
from httpx import Client
from sqlmodel import Session

from app.clock import utc_now
from app.demo import load
from services.access.models import Gateway
from services.packages.service import offers
from tests.factories import make_context, make_gateway
from tests.portal.visiting import granted, open_at_wave, paid, router_lets_in

MOST_BYTES = 30 * 1024
AIM_BYTES = 15 * 1024


def weigh(phone: Client, url: str) -> int:
    """Bytes of the body as they travel."""
    with phone.stream("GET", url, headers={"Accept-Encoding": "gzip"}) as answer:
        size = len(b"".join(answer.iter_raw()))
    assert answer.headers["content-encoding"] == "gzip"
    return size


@pytest.fixture
def gateway(session: Session) -> Gateway:
    load(None)
    return make_gateway(session, now=utc_now())


def test_every_page_with_its_style_and_script_stays_under_the_limit(phone: Client, session: Session, gateway: Gateway) -> None:
    token = make_context(gateway, at=utc_now()).token()
    start = phone.get("/portal/", params={"c": token}).text
    assets = re.findall(r'(?:href|src)="(/portal/static/[^"]+)"', start)
    assert len(assets) == 2
    package = offers(session)[0]
    stations = []
    for number, make in enumerate((open_at_wave, paid, granted, granted)):
        at_hotspot = make_context(gateway, mac=f"02:00:00:bb:01:{number:02x}", at=utc_now())
        stations.append(make(session, context=at_hotspot, package=package))
        if number == 2:
            router_lets_in(session, gateway)
    paths = ["/portal/", "/portal/session", "/portal/voucher", "/portal/v/ABCDEFGHJKMNPR", "/portal/find", "/portal/help"]
    paths += [f"/portal/buy/{package.public_id}", "/portal/help?ticket=T-ABC2345", "/portal/nowhere"]
    paths += [f"/portal/pay/{payment.public_id}" for payment in stations]
    weights = {path: weigh(phone, f"{path}{'&' if '?' in path else '?'}c={token}") for path in paths}
    weights |= {path: weigh(phone, path) for path in assets}
    assert sum(weights.values()) <= MOST_BYTES, weights
    visit = [*assets, "/portal/", f"/portal/buy/{package.public_id}", *(f"/portal/pay/{payment.public_id}" for payment in stations)]
    assert sum(weights[path] for path in visit) <= AIM_BYTES, weights


def test_nothing_is_loaded_from_elsewhere(phone: Client, session: Session, gateway: Gateway) -> None:
    payment = open_at_wave(session, context=make_context(gateway, at=utc_now()))
    for path in ("/", "/portal/voucher", "/portal/find", "/portal/help", f"/portal/pay/{payment.public_id}"):
        html = phone.get(path).text
        loaded = re.findall(r'<(?:script|link|img|iframe|source)[^>]*(?:src|href)="([^"]*)"', html)
        assert all(url.startswith("/portal/static/") or url == "data:," for url in loaded), loaded
        if path == "/":
            for url in (url for url in loaded if url.startswith("/")):
                assert not re.search(r"@import|url\(|https?://", phone.get(url).text)
