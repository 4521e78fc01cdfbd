"""Time left, devices and usage over HTTP."""

from __future__ import annotations

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from app.clock import utc_now
from services.access import entry
from services.access.models import Entitlement
from services.accounts.models import Device
from tests.app.api.asking import refusal
from tests.mobile.customers import Phone, a_phone
from tests.mobile.log_ins import line
from tests.services.access.at_the_router import AtRouter
from tests.services.apps.buying import bought
from tests.services.apps.texting import new_number

__all__ = ["line"]


@pytest.fixture
def number() -> str:
    return new_number()


@pytest.fixture
def phone(line: TestClient, session: Session, number: str) -> Phone:
    return a_phone(line, session, number)


@pytest.fixture
def time(session: Session, phone: Phone, number: str) -> Entitlement:
    return bought(session, number, now=utc_now(), device_limit=2)[2]


@pytest.fixture
def device(session: Session, time: Entitlement) -> Device:
    """One that a router let in."""
    now, router = utc_now(), AtRouter(session)
    found = entry.let_in(session, time, router.joins(at=now), None, swap=False, now=now).device
    router.polls(now)
    assert found is not None
    return found


def test_what_is_left_and_who_is_on_it(phone: Phone, time: Entitlement, device: Device) -> None:
    (one,) = phone.get("access")["items"]
    assert (one["id"], one["access"]["state"], one["device_limit"], one["swaps_left"]) == (str(time.id), "online", 2, 3)
    (on_it,) = phone.get(f"access/{time.id}/devices")["items"]
    assert one["devices"] == [on_it]
    assert (on_it["number"], on_it["device_id"], on_it["mac"], on_it["is_this"]) == (1, str(device.id), "••:••:••:bb:00:50", False)


def test_a_device_is_taken_off_and_a_repeat_hits_nobody(phone: Phone, time: Entitlement, device: Device) -> None:
    for query in ({"device_id": str(device.id)}, {"device_id": str(device.id)}, {}):
        assert phone.ask("DELETE", f"access/{time.id}/devices/1", params=query).status_code == 204
    assert phone.get(f"access/{time.id}/devices")["items"] == []


def test_usage_is_told_for_each_of_the_days(phone: Phone, time: Entitlement, device: Device) -> None:
    told = phone.get("usage", days=7)
    assert len(told["items"]) == 7
    assert (told["items"][-1]["day"], told["bytes_down"]) == (utc_now().date().isoformat(), 0)
    assert len(phone.get("usage")["items"]) == 30


def test_another_persons_time_is_not_there(line: TestClient, session: Session, time: Entitlement, device: Device) -> None:
    stranger = a_phone(line, session)
    assert stranger.get("access") == {"items": []}
    for method, path in (("GET", f"access/{time.id}/devices"), ("DELETE", f"access/{time.id}/devices/1"), ("GET", "access/99/devices")):
        refusal(stranger.ask(method, path), 404, "entitlement_not_found")


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "usage?days=0", 422),
        ("GET", "usage?days=91", 422),
        ("GET", "usage?days=x", 422),
        ("GET", "access/0/devices", 422),
        ("GET", f"access/{2**63}/devices", 422),
        ("DELETE", "access/{}/devices/0", 422),
        ("DELETE", "access/{}/devices/3", 404),
        ("DELETE", "access/{}/devices/1?device_id=x", 422),
    ],
)
def test_what_names_nothing_is_refused(phone: Phone, time: Entitlement, method: str, path: str, status: int) -> None:
    refusal(phone.ask(method, path.format(time.id)), status)
