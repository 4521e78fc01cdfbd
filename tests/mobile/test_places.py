"""Outages near a customer over HTTP."""

from __future__ import annotations

import pytest
from sqlmodel import Session
from starlette.testclient import TestClient

from services.network.incident_models import Incident
from tests.app.api.asking import refusal
from tests.conftest import NOON
from tests.mobile.customers import Phone, a_phone
from tests.mobile.log_ins import line
from tests.services.network.places import make_site

__all__ = ["line"]


@pytest.fixture
def phone(line: TestClient, session: Session) -> Phone:
    return a_phone(line, session)


def test_the_way_to_each_place_that_is_down_is_told(phone: Phone, session: Session) -> None:
    site = make_site(session, "Albert Market")
    site.latitude, site.longitude = 13.4549, -16.5790
    session.add(Incident(reference="I-1", site_id=site.id, started_at=NOON, opened_at=NOON, note="for staff"))
    session.flush()
    expected = {
        "place_id": str(site.id),
        "name": "Albert Market",
        "address": None,
        "latitude": 13.4549,
        "longitude": -16.579,
        "since": "2026-11-22T12:00:00Z",
        "is_mine": False,
    }
    assert phone.get("outages", latitude=13.4549, longitude=-16.5698) == {"items": [expected | {"distance_km": 1.0}]}
    assert phone.get("outages") == {"items": [expected | {"distance_km": None}]}


@pytest.mark.parametrize("query", ["latitude=13", "longitude=-16", "latitude=91&longitude=0", "latitude=nan&longitude=0", "latitude=x"])
def test_half_a_position_or_none_on_earth_is_refused(phone: Phone, query: str) -> None:
    refusal(phone.ask("GET", f"outages?{query}"), 422)
