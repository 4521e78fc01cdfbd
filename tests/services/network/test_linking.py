"""An access point finds its gateway in the moment that the gateway's MAC is known."""

from __future__ import annotations

from sqlmodel import Session

from services.access.gateways import learn_mac
from services.network.models import SetBy
from tests.factories import make_gateway
from tests.services.network.places import make_access_point


def test_the_access_point_of_a_routers_mac_is_linked_when_the_mac_is_told(session: Session) -> None:
    gateway, point, other = make_gateway(session), make_access_point(session), make_access_point(session)
    learn_mac(session, gateway_id=gateway.id or 0, mac=point.mac or "")
    session.refresh(point)
    assert point.gateway_id == gateway.id
    assert other.gateway_id is None


def test_two_of_one_mac_and_what_staff_set_are_left_alone(session: Session) -> None:
    gateway, first, second, set_by_staff = make_gateway(session), *(make_access_point(session) for _ in range(3))
    second.mac, set_by_staff.gateway_set_by = first.mac, SetBy.STAFF
    session.flush()
    learn_mac(session, gateway_id=gateway.id or 0, mac=first.mac or "")
    learn_mac(session, gateway_id=gateway.id or 0, mac=set_by_staff.mac or "")
    for point in (first, second, set_by_staff):
        session.refresh(point)
        assert point.gateway_id is None
