"""Promises, calendars and explained deadlines, over JSON."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.clock import utc_now
from app.db import transaction
from services.accounts.models import Role
from services.tickets.models import Priority, TicketState
from services.tickets.sla.defaults import add_default_policies
from tests.app.api.asking import Api, refusal
from tests.services.tickets.sla import builders as make

SLA = "/api/v1/sla"


@pytest.fixture
def reference(api: Api) -> str:
    """Of an urgent ticket that waited for its customer for ten minutes."""
    now = utc_now()
    with transaction() as session:
        add_default_policies(session, now=now)
        ticket = make.a_ticket(session, now=now - timedelta(minutes=20), priority=Priority.URGENT)
        make.to_state(session, ticket, TicketState.PENDING, now=now - timedelta(minutes=15))
        make.to_state(session, ticket, TicketState.OPEN, now=now - timedelta(minutes=5))
        return ticket.reference


def test_policies_and_calendars_are_listed(api: Api, reference: str) -> None:
    care = api.staff(Role.CUSTOMER_CARE)
    shown = api.http.get(f"{SLA}/policies", headers=care).json()
    assert [(one["name"], one["open_tickets"]) for one in shown] == [
        ("Outages", 0),
        ("Urgent", 1),
        ("High", 0),
        ("Normal", 0),
        ("Low", 0),
    ]
    one = api.get(f"{SLA}/policies/{shown[1]['id']}", care)
    assert (one["resolution_seconds"], one["conditions"], one["version"]) == (4 * 3600, {"priority": ["urgent"]}, 1)
    (always, office) = api.http.get(f"{SLA}/calendars", headers=care).json()
    assert (always["name"], office["used_by"], office["spans"]["5"]) == ("Round the clock", ["High", "Normal", "Low"], [["09:00", "17:00"]])
    refusal(api.http.get(f"{SLA}/policies/999999", headers=care), 404, "sla_policy_not_found")


def test_a_deadline_is_explained_to_the_second(api: Api, reference: str) -> None:
    shown = api.get(f"{SLA}/tickets/{reference}", api.staff(Role.CUSTOMER_CARE))
    assert (shown["matches"], shown["policy"], shown["calendar"]) == (True, "Urgent", "Round the clock")
    resolution = next(run for run in shown["clocks"] if run["clock"] == "resolution")
    assert [(one["why"], one["counted_seconds"] > 0) for one in resolution["stretches"]] == [
        ("open hours of Round the clock", True),
        ("waiting for the customer", False),
        ("open hours of Round the clock", True),
    ]
    assert sum(one["counted_seconds"] for one in resolution["stretches"]) == pytest.approx(resolution["counted_seconds"])
    assert resolution["target_seconds"] == 4 * 3600


def test_what_is_not_ones_own_to_know_of_is_not_there(api: Api, reference: str) -> None:
    refusal(api.http.get(f"{SLA}/tickets/{reference}", headers=api.staff(Role.FIELD_TECHNICIAN)), 404, "ticket_not_found")
    refusal(api.http.get(f"{SLA}/policies", headers=api.service("packages:read")), 403, "forbidden")
