"""Changing a router's key while customers come and go, on the wire: nobody who paid stands outside, whichever key the router has."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlmodel import col, select

from app.clock import utc_now
from app.db import transaction
from services.access import gateway_keys
from services.access.gateway_keys import FORMER_OPENS, KeyState, NoRotation, RotationUnderWay
from services.access.gateways import keys_of
from services.access.models import Gateway, Grant, GrantState
from services.audit.models import AuditEntry
from tests.factories import FASKEY, staff
from tests.portal.opennds_router import Router, sha
from tests.portal.served import Web


@pytest.fixture(params=[3, 4], ids=["level-3", "level-4"])
def router(web: Web, request: pytest.FixtureRequest) -> Router:
    return web.router(int(request.param))


def rotate(router: Router) -> str:
    """Staff makes a new key; answers it."""
    with transaction() as session:
        changed = gateway_keys.rotate_key(session, actor=staff(), slug=router.slug, now=utc_now())
        return keys_of(changed)[1]


def state(router: Router) -> KeyState:
    with transaction() as session:
        return gateway_keys.key_state(session.exec(select(Gateway).where(Gateway.slug == router.slug)).one())


def keys(router: Router) -> tuple[str, ...]:
    with transaction() as session:
        return keys_of(session.exec(select(Gateway).where(Gateway.slug == router.slug)).one())


@contextmanager
def having(router: Router, key: str) -> Iterator[Router]:
    """The router with another key for a while."""
    before, router.faskey = router.faskey, key
    yield router
    router.faskey = before


def served(web: Web, router: Router, mac: str) -> None:
    """A phone comes, pays, and the router lets it in."""
    station = router.join(mac)
    web.let_in(router, station)
    assert router.poll() == [router.rhid(station)]


def test_a_rotation_that_nobody_carries_to_the_router_changes_nothing_for_customers(web: Web, router: Router) -> None:
    served(web, router, "02:00:00:bb:00:51")
    rotate(router)
    for number in range(52, 55):
        served(web, router, f"02:00:00:bb:00:{number}")
    assert state(router) is KeyState.WAITING
    assert {grant.state for grant in web.rows(select(Grant))} == {GrantState.ACKED}


def test_the_routers_use_of_the_new_key_completes_the_rotation(web: Web, router: Router) -> None:
    station = router.join()
    web.let_in(router, station)  # bought before the key was changed, under the former key
    router.faskey = new = rotate(router)
    assert router.poll() == [router.rhid(station)]
    assert state(router) is KeyState.SETTLING
    assert keys(router)[0] == new
    served(web, router, "02:00:00:bb:00:60")
    of_gateways = select(AuditEntry.action).where(AuditEntry.target_type == "gateway").order_by(col(AuditEntry.id))
    assert web.rows(of_gateways) == ["gateway.rotate_key", "gateway.key_taken_up"]


def test_a_redirect_under_the_new_key_completes_the_rotation(web: Web) -> None:
    router = web.router(3)
    router.faskey = rotate(router)
    web.enter(router, router.join())
    assert state(router) is KeyState.SETTLING
    assert keys(router) == (router.faskey, FASKEY)


def test_an_old_tab_under_the_former_key_opens_and_takes_nothing_back(web: Web) -> None:
    router = web.router(3)
    old = router.redirect(router.join())
    router.faskey = rotate(router)
    web.enter(router, router.join())
    assert web.browser.get(old).status_code == 200
    assert state(router) is KeyState.SETTLING


def test_mid_rotation_two_clients_fit_an_answer_and_all_are_let_in(web: Web, router: Router) -> None:
    stations = [router.join(f"02:00:00:bb:01:0{number}") for number in range(5)]
    for station in stations:
        web.let_in(router, station)
    new = rotate(router)
    entries = router.view()
    assert len(entries) == 4
    first, second = stations[:2]
    assert {words[0] for words in entries} == {sha(station.hid + key) for station in (first, second) for key in (FASKEY, new)}
    opened = router.open(entries) + [name for _ in range(4) for name in router.poll()]
    router.acknowledge(opened)
    assert all(station.is_online for station in stations)


def test_an_acknowledgement_that_was_forged_shuts_nobody_out(web: Web, router: Router) -> None:
    new = rotate(router)
    station = router.join()
    web.let_in(router, station)
    router.view()
    router.acknowledge([sha(station.hid + new)])  # by somebody on the same Wi-Fi, who saw both names
    assert state(router) is KeyState.SETTLING
    served(web, router, "02:00:00:bb:00:61")  # the router has the former key still
    assert state(router) is KeyState.WAITING
    assert keys(router) == (FASKEY, new)


def test_a_rotation_that_was_called_off_leaves_the_key_as_it_was(web: Web, router: Router) -> None:
    new = rotate(router)
    with transaction() as session:
        with pytest.raises(RotationUnderWay):
            gateway_keys.rotate_key(session, actor=staff(), slug=router.slug, now=utc_now())
        gateway_keys.cancel_rotation(session, actor=staff(), slug=router.slug, now=utc_now())
        with pytest.raises(NoRotation):
            gateway_keys.cancel_rotation(session, actor=staff(), slug=router.slug, now=utc_now())
    assert keys(router) == (FASKEY,)
    served(web, router, "02:00:00:bb:00:62")
    if router.level == 3:
        with having(router, new):
            assert web.browser.get(router.redirect(router.join())).status_code == 403


def test_the_former_key_is_dropped_a_day_after_the_new_one_was_taken_up(web: Web, router: Router) -> None:
    router.faskey = rotate(router)
    served(web, router, "02:00:00:bb:00:63")
    assert web.sweep(gateway_keys.forget_former_keys, seconds=FORMER_OPENS.total_seconds() - 60) == 0
    assert web.sweep(gateway_keys.forget_former_keys, seconds=FORMER_OPENS.total_seconds() + 60) == 1
    assert keys(router) == (router.faskey,)


def test_a_key_that_is_not_taken_up_waits_for_as_long_as_it_takes(web: Web, router: Router) -> None:
    rotate(router)
    assert web.sweep(gateway_keys.forget_former_keys, seconds=timedelta(days=30).total_seconds()) == 0
    assert state(router) is KeyState.WAITING


def test_the_routers_mac_is_learnt_where_it_was_encrypted_and_nowhere_else(web: Web, router: Router) -> None:
    web.enter(router, router.join())
    gateway = web.row(select(Gateway))
    assert gateway.mac == ("02:00:00:aa:00:01" if router.level == 3 else None)
    web.browser.get(router.redirect(router.join(), gatewaymac="02:00:00:AA:00:09"))
    assert web.row(select(Gateway)).mac == ("02:00:00:aa:00:09" if router.level == 3 else None)
