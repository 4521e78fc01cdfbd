"""Sessions, grants and gateways as the console reads them."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlmodel import Session, select

from app import redis
from app.errors import Forbidden
from services.access import busy
from services.access.desk import register_gateway, snippet_for
from services.access.errors import GatewayNotFound, SessionNotFound
from services.access.gateways import faskey_of, new_identity
from services.access.models import AccessSession, Entitlement, EntitlementState, Gateway, Grant, GrantState, SessionState
from services.access.queries import (
    gateway_page,
    grants_of,
    list_gateways,
)
from services.access.router_config import PortalAddress
from services.access.session_queries import SessionFilter, list_sessions
from services.access.sessions_desk import SessionAlreadyEnded, end_session_now
from services.accounts.models import Role
from services.listing import Slice
from services.network.alarm_models import AlarmKind
from services.network.alarms import end_alarm, raise_alarm
from services.payments.models import PaymentStatus
from tests.conftest import NOON
from tests.factories import staff
from tests.pages import builders

ADMIN = staff(Role.SYSTEM_ADMIN)


def online(session: Session, gateway: Gateway, *, number: int = 1, minutes_ago: int = 10) -> AccessSession:
    offer = builders.an_offer(session, now=NOON)
    customer = builders.a_customer(session, number, now=NOON)
    at = NOON - timedelta(minutes=minutes_ago)
    builders.a_payment(session, offer=offer, customer=customer, status=PaymentStatus.SERVED, at=at, gateway=gateway)
    return session.exec(select(AccessSession).order_by(AccessSession.id.desc())).first()  # type: ignore[union-attr,return-value]


def found(session: Session, wanted: SessionFilter) -> list[int]:
    return [row.id for row in list_sessions(session, actor=ADMIN, wanted=wanted, part=Slice()).rows]


def test_sessions_are_found_by_state_gateway_and_phone(session: Session) -> None:
    here, there = builders.a_gateway(session, now=NOON, name="Here"), builders.a_gateway(session, now=NOON, name="There")
    one, two = online(session, here, number=1, minutes_ago=5), online(session, there, number=2, minutes_ago=9)
    end_session_now(session, actor=ADMIN, session_id=two.id or 0, reason="test", now=NOON)
    assert found(session, SessionFilter()) == [one.id]
    assert found(session, SessionFilter(which="ended")) == [two.id]
    assert found(session, SessionFilter(which="all")) == [one.id, two.id]
    assert found(session, SessionFilter(which="all", gateway_slug=there.slug)) == [two.id]
    assert found(session, SessionFilter(which="all", search="3000002")) == [two.id]
    assert found(session, SessionFilter(which="all", search="not a phone")) == []


def test_a_session_stays_live_while_its_client_is_offered_anew(session: Session) -> None:
    row = online(session, builders.a_gateway(session, now=NOON))
    session.get_one(Grant, row.grant_id).state = GrantState.QUEUED
    session.flush()
    assert found(session, SessionFilter()) == [row.id]


def test_ending_a_session_ends_the_time_and_takes_back_what_waits(session: Session) -> None:
    gateway = builders.a_gateway(session, now=NOON)
    row = online(session, gateway)
    entitlement = session.get_one(Entitlement, row.entitlement_id)
    waiting = Grant(gateway_id=gateway.id or 0, hid="a" * 64, entitlement_id=entitlement.id, seconds=60, created_at=NOON)
    session.add(waiting)
    session.flush()
    end_session_now(session, actor=ADMIN, session_id=row.id or 0, reason="stolen phone", now=NOON)
    session.expire_all()
    assert (row.state, row.ended_at, row.end_reason) == (SessionState.ENDED, NOON, "ended_by_staff")
    assert entitlement.state is EntitlementState.ENDED
    assert waiting.state is GrantState.VOID
    with pytest.raises(SessionAlreadyEnded):
        end_session_now(session, actor=ADMIN, session_id=row.id or 0, reason="again", now=NOON)


def test_only_who_may_ends_a_session(session: Session) -> None:
    row = online(session, builders.a_gateway(session, now=NOON))
    with pytest.raises(Forbidden):
        end_session_now(session, actor=staff(Role.FIELD_TECHNICIAN), session_id=row.id or 0, reason="no", now=NOON)
    with pytest.raises(SessionNotFound):
        end_session_now(session, actor=ADMIN, session_id=999_999, reason="none", now=NOON)
    assert row.state is SessionState.ACTIVE


@pytest.mark.parametrize("value", [b"%d", b"%d|openNDS/10.3", b"%d.25"])
def test_the_last_poll_is_the_later_of_redis_and_the_row(session: Session, value: bytes) -> None:
    gateway = builders.a_gateway(session, now=NOON, polled_ago=timedelta(hours=1))
    polled_at = NOON - timedelta(seconds=7)
    redis.client().hset(busy.SEEN, gateway.slug, value % int(polled_at.timestamp()))
    shown = gateway_page(session, actor=ADMIN, slug=gateway.slug)
    redis.client().hdel(busy.SEEN, gateway.slug)
    assert shown.last_poll_at is not None
    assert shown.last_poll_at.replace(microsecond=0) == polled_at
    assert not shown.is_silent(now=NOON)


def test_what_redis_holds_wrong_is_left_out(session: Session) -> None:
    gateway = builders.a_gateway(session, now=NOON, polled_ago=timedelta(hours=1))
    redis.client().hset(busy.SEEN, gateway.slug, b"soon|")
    shown = gateway_page(session, actor=ADMIN, slug=gateway.slug)
    redis.client().hdel(busy.SEEN, gateway.slug)
    assert shown.last_poll_at == NOON - timedelta(hours=1)


def test_a_gateway_is_silent_once_it_polled_and_stopped(session: Session) -> None:
    builders.a_gateway(session, now=NOON, name="Never", polled_ago=None)
    builders.a_gateway(session, now=NOON, name="Fresh")
    for name, ago in (("A minute", 100), ("An hour", 3600)):
        builders.a_gateway(session, now=NOON, name=name, polled_ago=timedelta(seconds=ago))
    rows = list_gateways(session, actor=ADMIN, search="", part=Slice(sort="name", descending=False)).rows
    assert [row.name for row in rows if row.is_silent(now=NOON)] == ["A minute", "An hour"]


def test_gateways_are_searched_literally_and_sorted_by_name(session: Session) -> None:
    for name in ("Brikama 100%", "Abuko", "Brikama 1000"):
        builders.a_gateway(session, now=NOON, name=name)
    part = Slice(sort="name", descending=False)
    assert [row.name for row in list_gateways(session, actor=ADMIN, search="", part=part).rows] == ["Abuko", "Brikama 100%", "Brikama 1000"]
    assert [row.name for row in list_gateways(session, actor=ADMIN, search="100%", part=part).rows] == ["Brikama 100%"]


def test_gateways_are_narrowed_by_their_alarm_and_their_site(session: Session) -> None:
    silent, polling = builders.a_gateway(session, now=NOON, name="Silent"), builders.a_gateway(session, now=NOON, name="Polling")
    raise_alarm(session, AlarmKind.GATEWAY_SILENT, silent.slug, "It does not poll.", now=NOON)
    raise_alarm(session, AlarmKind.GATEWAY_SILENT, polling.slug, "It does not poll.", now=NOON)
    end_alarm(session, AlarmKind.GATEWAY_SILENT, polling.slug, now=NOON)

    def names(**wanted: Any) -> list[str]:
        return [row.name for row in list_gateways(session, actor=ADMIN, search="", part=Slice(), **wanted).rows]

    assert names(is_silent=True) == names(site_id=silent.site_id) == ["Silent"]
    assert names(is_silent=False) == names(is_silent=False, site_id=polling.site_id) == ["Polling"]
    assert names(is_silent=True, site_id=polling.site_id) == []


def test_the_grants_of_a_gateway_show_no_whole_client_hash(session: Session) -> None:
    gateway = builders.a_gateway(session, now=NOON)
    session.add(Grant(gateway_id=gateway.id or 0, hid="b" * 64, seconds=60, created_at=NOON))
    session.flush()
    (grant,) = grants_of(session, actor=ADMIN, gateway_id=gateway.id)
    assert grant.client == "bbbbbbbb…"


PORTAL = PortalAddress("wifi.example.gm", 443, "203.0.113.7")


def register(session: Session, role: Role, now: datetime = NOON) -> Gateway:
    slug, gateway_name, faskey = new_identity()
    return register_gateway(
        session,
        actor=staff(role),
        slug=slug,
        gateway_name=gateway_name,
        faskey=faskey,
        level=4,
        name="New",
        site_name=None,
        now=now,
    )


def test_the_key_is_shown_only_to_who_may_edit(session: Session) -> None:
    gateway = register(session, Role.SYSTEM_ADMIN)
    technician = staff(Role.FIELD_TECHNICIAN)
    hidden = snippet_for(session, actor=technician, slug=gateway.slug, portal=PORTAL, reveal=False, now=NOON)
    assert faskey_of(gateway) not in hidden
    assert gateway.gateway_name in hidden
    with pytest.raises(Forbidden):
        snippet_for(session, actor=technician, slug=gateway.slug, portal=PORTAL, reveal=True, now=NOON)
    clear = snippet_for(session, actor=ADMIN, slug=gateway.slug, portal=PORTAL, reveal=True, now=NOON)
    assert faskey_of(gateway) in clear


def test_registering_takes_the_right_to_edit(session: Session) -> None:
    with pytest.raises(Forbidden):
        register(session, Role.FIELD_TECHNICIAN)
    with pytest.raises(GatewayNotFound):
        gateway_page(session, actor=ADMIN, slug="none")
