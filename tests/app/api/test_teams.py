"""Teams, rules and one's own duty, over JSON."""

from __future__ import annotations

import pytest
from sqlmodel import select

from app.db import transaction
from services.accounts.models import Role, Staff
from services.tickets.desk_models import TeamMember
from tests.app.api.asking import Api, refusal
from tests.pages import builders
from tests.services.tickets.desk import a_rule, a_team

TEAMS = "/api/v1/teams"


@pytest.fixture
def field(api: Api) -> int:
    with transaction() as session:
        team = a_team(session, "Field", is_field=True)
        person = session.exec(select(Staff).where(Staff.email == builders.email_of(Role.FIELD_TECHNICIAN))).one()
        member = TeamMember(team_id=team.id or 0, staff_id=person.id or 0, skills=["radio"], languages=["wo"])
        member.zone_latitude, member.zone_longitude = 13.44, -16.68
        session.add(member)
        a_rule(session, 1, "Outages", team, channel=["incident"], skill="crane")
        return team.id or 0


def test_teams_are_listed_with_their_people(api: Api, field: int) -> None:
    (team,) = api.get(TEAMS, api.service("tickets:read"))["items"]
    assert (team["id"], team["is_field"], team["open_tickets"], team["waiting"]) == (field, True, 0, 0)
    (person,) = team["members"]
    assert (person["skills"], person["languages"], person["capacity"], person["is_on_duty"]) == (["radio"], ["wo"], 20, True)
    assert person["zone"] == {"latitude": 13.44, "longitude": -16.68}
    refusal(api.http.get(TEAMS, headers=api.service("payments:read")), 403, "forbidden")


def test_rules_are_listed_in_their_order_with_what_ails_them(api: Api, field: int) -> None:
    (rule,) = api.get(f"{TEAMS}/routing-rules", api.staff(Role.CUSTOMER_CARE))["items"]
    assert (rule["position"], rule["conditions"], rule["team"], rule["skill"]) == (1, {"channel": ["incident"]}, "Field", "crane")
    assert "Nobody in Field has the skill" in rule["trouble"]


def test_a_technician_goes_off_duty_by_their_app(api: Api, field: int) -> None:
    who = api.staff(Role.FIELD_TECHNICIAN)
    assert api.get(f"{TEAMS}/own-duty", who) == {"teams": ["Field"], "is_on_duty": True}
    for _ in range(2):
        answer = api.http.put(f"{TEAMS}/own-duty", json={"is_on_duty": False}, headers=who)
        assert answer.json() == {"teams": ["Field"], "is_on_duty": False}
    assert answer.status_code == 200
    assert api.http.put(f"{TEAMS}/own-duty", json={"is_on_duty": "no"}, headers=who).status_code == 422
    assert api.get(f"{TEAMS}/own-duty", api.service("tickets:read")) == {"teams": [], "is_on_duty": False}
