"""Over the wire: a session that ended on its router goes on, a phone that rotates its MAC never pays twice, a clone learns nothing."""

from __future__ import annotations

import pytest
from sqlmodel import select

from app.clock import utc_now
from app.db import transaction
from services.access.models import AccessSession, Entitlement, SessionState
from services.access.sessions_desk import extend_entitlement
from tests.factories import staff
from tests.portal.served import Web


def extend(web: Web, seconds: int = 3600) -> None:
    with transaction() as session:
        time = session.exec(select(Entitlement)).one()
        extend_entitlement(session, actor=staff(), entitlement_id=time.id or 0, seconds=seconds, reason="test", now=utc_now())


def test_extended_time_goes_on_within_a_poll_of_the_routers_own_end(web: Web) -> None:
    router = web.router(3)
    station = router.join()
    web.let_in(router, station, duration_seconds=3600)
    router.poll()
    extend(web)
    assert router.view() == []
    router.call("deauthed", router.report(station, "timeout_deauth"))
    station.token = "0a1b2c3d"  # a new one after every end (opennds.md §5)
    assert router.poll() == [station.mac]
    assert station.minutes == 120
    assert web.row(select(AccessSession).where(AccessSession.state == SessionState.ACTIVE)).mac == station.mac
    router.call("deauthed", router.report(station, "idle_deauth"))
    assert web.rows(select(AccessSession).where(AccessSession.state == SessionState.ACTIVE)) == []


def test_at_level_4_the_portal_lets_it_in_again_by_its_token(web: Web) -> None:
    router = web.router(4)
    station = router.join()
    token = web.let_in(router, station, duration_seconds=3600)["device_token"]
    router.poll()
    extend(web)
    router.call("deauthed", router.report(station, "timeout_deauth"))
    assert router.view() == []
    back = router.join("02:00:00:bb:00:99")
    assert web.session_of(web.enter(router, back), token)["access"]["state"] == "connecting"
    assert router.poll() == [router.rhid(back)]


def test_after_a_restart_clients_are_online_again_without_a_page(web: Web) -> None:
    router = web.router(3)
    stations = [router.join(f"02:00:00:bb:03:{number:02x}") for number in range(6)]
    for station in stations:
        web.let_in(router, station)
    router.poll()
    router.poll()
    router.restart()
    for station in stations:
        station.is_online = False
    seen = {*router.poll(), *router.poll()}
    assert seen == {station.mac for station in stations}


@pytest.mark.parametrize("level", [3, 4])
def test_ten_joins_under_ten_macs_are_one_purchase(web: Web, level: int) -> None:
    router = web.router(level)
    token = None
    code = web.voucher(duration_seconds=86_400)
    for number in range(10):
        station = router.join(f"06:00:00:cc:00:{number:02x}")
        context = web.enter(router, station)
        told = web.session_of(context, token) if token else web.spend(code, context)
        token = told["device_token"]
        assert router.poll() == [router.rhid(station)]
    assert len(web.rows(select(Entitlement))) == 1
    assert len(web.rows(select(AccessSession).where(AccessSession.state != SessionState.ENDED))) == 1


def test_a_clone_at_another_level_3_router_is_given_no_token(web: Web) -> None:
    home, there = web.router(3), web.router(3)
    own = home.join()
    token = web.let_in(home, own)["device_token"]
    home.poll()
    context = web.enter(there, there.join(own.mac))
    there.poll()
    told = web.session_of(context)
    assert told["device_token"] is None
    assert told["payment"] is None
    assert "d=" not in told["captive_url"]
    assert web.session_of(context, token)["device_token"] is not None  # the owner's own phone, roaming
