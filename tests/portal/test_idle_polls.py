"""The short cut for idle polls: nobody can tell that it was taken, and the list of routers it goes by is never old for long."""

from __future__ import annotations

import socket
import time
from urllib.parse import urlsplit

import pytest
from sqlmodel import Session, select

from app.db import transaction
from services.access import busy
from services.access.models import Gateway
from tests.portal.opennds_router import Answer, Router, Station, gateway_hash
from tests.portal.served import Web

RENAMED = "inet-renamed-and-known"


@pytest.fixture(params=[3, 4], ids=["level-3", "level-4"])
def router(web: Web, request: pytest.FixtureRequest) -> Router:
    return web.router(int(request.param))


@pytest.fixture
def station(web: Web, router: Router) -> Station:
    """A phone for whom a grant waits."""
    station = router.join()
    web.let_in(router, station)
    return station


def rename(session: Session, router: Router) -> None:
    gateway = session.exec(select(Gateway).where(Gateway.slug == router.slug)).one()
    gateway.gateway_name, gateway.gateway_hash = RENAMED, gateway_hash(RENAMED)


def without_id(answer: Answer) -> dict[str, str]:
    return {name: value for name, value in answer.headers.items() if name not in ("x-correlation-id", "date")}


def test_an_idle_poll_and_an_empty_acknowledgement_look_as_if_they_had_gone_the_long_way(router: Router) -> None:
    router.call("view")
    for verb, text, body in (("view", "none", b"*"), ("view", "*", b"ack")):
        short, long = router.call(verb, text), router.call(verb, f"{text} ")
        assert (short.status, short.body) == (long.status, long.body) == (200, body)
        assert without_id(short) == without_id(long)
        assert short.headers["x-correlation-id"] != long.headers["x-correlation-id"]


def test_a_body_that_comes_in_pieces_is_read_whole(web: Web, router: Router, station: Station) -> None:
    body = f"auth_get=view&gatewayhash={gateway_hash(router.name)}&payload=bm9uZQ%3D%3D".encode()
    address = urlsplit(web.served.url)
    with socket.create_connection((address.hostname or "", address.port or 80), timeout=10) as raw:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        head = f"POST /fas/{router.slug} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {len(body)}\r\n"
        for piece in (head.encode(), b"Content-Type: application/x-www-form-urlencoded\r\n\r\n", body[:20], body[20:]):
            raw.sendall(piece)
        answer = b"".join(iter(lambda: raw.recv(4096), b""))
    assert router.rhid(station).encode() in answer


def test_a_changed_router_counts_at_its_next_poll(web: Web, router: Router, station: Station) -> None:
    assert router.view()
    with transaction() as session:
        rename(session, router)
        busy.gateways_changed(session)
    assert router.call("view", gatewayhash=gateway_hash(router.name)).body == b"*"
    assert router.rhid(station) in router.call("view", gatewayhash=gateway_hash(RENAMED)).text


def test_a_change_of_which_the_word_was_lost_is_heard_by_the_sweep(web: Web, router: Router, station: Station) -> None:
    assert router.view()
    with transaction() as session:
        busy.rebuild(session)
    assert router.view()
    with transaction() as session:
        rename(session, router)
    with transaction() as session:
        busy.rebuild(session)
    assert router.rhid(station) in router.call("view", gatewayhash=gateway_hash(RENAMED)).text


def test_a_removed_router_is_unknown_at_its_next_poll(web: Web, router: Router) -> None:
    assert router.call("view").body == b"*"
    with transaction() as session:
        session.delete(session.exec(select(Gateway).where(Gateway.slug == router.slug)).one())
        busy.gateways_changed(session)
    router.call("view")
    assert web.browser.get(router.redirect(router.join())).status_code == 403


def test_polls_are_counted_by_router_and_minute_whichever_way_they_went(router: Router) -> None:
    first = int(time.time()) // 60
    for _ in range(3):
        router.call("view")
    router.call("view", "none ")  # spelt unusually
    router.call("view", "*")
    router.call("view", gatewayhash="0" * 64)  # forged
    counted = [busy.polls_in_minute(minute).get(router.slug, 0) for minute in range(first, int(time.time()) // 60 + 1)]
    assert sum(counted) == 4
