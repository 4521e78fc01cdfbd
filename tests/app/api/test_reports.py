"""The help desk's report, over JSON."""

from __future__ import annotations

from datetime import timedelta

from app.clock import utc_now
from app.db import transaction
from services.accounts.models import Role
from services.tickets.models import Priority, TicketState
from tests.app.api.asking import Api, refusal
from tests.services.tickets.sla import builders as make

PATH = "/api/v1/reports/tickets"


def test_a_report_has_the_whole_its_groups_and_each_day(api: Api) -> None:
    now = utc_now()
    with transaction() as session:
        ticket = make.a_ticket(session, now=now, priority=Priority.LOW)
        make.to_state(session, ticket, TicketState.RESOLVED, now=now)
    today = now.date()
    query = {"from": str(today - timedelta(days=1)), "to": str(today), "by": "priority"}
    shown = api.get(PATH, api.staff(Role.CUSTOMER_CARE), **query)
    assert (shown["all"]["solved"], shown["all"]["ratings"]) == (1, [0, 0, 0, 0, 0])
    assert ("low", "Low", 1, 1) in [(group["key"], group["name"], group["created"], group["solved"]) for group in shown["groups"]]
    assert [(day["day"], day["solved"]) for day in shown["days"]] == [(str(today - timedelta(days=1)), 0), (str(today), 1)]


def test_ranges_and_people_that_cannot_be_are_refused(api: Api) -> None:
    care = api.staff(Role.CUSTOMER_CARE)
    for query in ("from=2026-11-02&to=2026-11-01", "from=2020-01-01&to=2026-01-01", "from=2026-11-01&to=9999-12-31"):
        refusal(api.http.get(f"{PATH}?{query}", headers=care), 422, "invalid_input")
    days = "from=2026-11-01&to=2026-11-02"
    refusal(api.http.get(f"{PATH}?{days}", headers=api.staff(Role.FIELD_TECHNICIAN)), 403, "forbidden")
    assert api.http.get(f"{PATH}?{days}", headers=api.service("reports:read")).status_code == 200
