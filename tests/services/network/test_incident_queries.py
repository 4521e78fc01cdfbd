from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session, select

from app.errors import Forbidden
from services.access import compensation
from services.access.compensation import CompensationFilter
from services.access.outage_models import CompensationRule
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.listing import Slice
from services.network import incident_desk
from services.network.alarm_models import AlarmKind, CheckKind, CheckOutcome
from services.network.glance import network_glance, past_alarms, standing_alarms
from services.network.incident_desk import IncidentNotFound
from services.network.incident_models import IncidentState
from services.network.incident_queries import IncidentFilter, incident_page, list_incidents, preview_false_alarm
from services.network.uptime_ranking import Ranking, ranking
from services.network.uptime_report import By, Range
from services.notifications.models import NotificationState
from services.tickets import changes
from services.tickets.models import Channel, Ticket
from services.tickets.opening import Opening, open_ticket
from tests.conftest import NOON
from tests.factories import make_gateway, staff
from tests.services.network.outage import LOST, MINUTE, Outages, some_alarms, two_outages
from tests.services.network.places import make_site

ADMIN, CARE, BILLING, TECH = (staff(role) for role in (Role.SYSTEM_ADMIN, Role.CUSTOMER_CARE, Role.BILLING_OFFICER, Role.FIELD_TECHNICIAN))
NOBODY = Principal(kind="token", id=1, name="nothing", permissions=frozenset())
GIVEN = int(LOST.total_seconds())


@pytest.fixture
def outages(session: Session) -> Outages:
    return two_outages(session, now=NOON)


def found(session: Session, wanted: IncidentFilter) -> list[str]:
    return [row.incident.reference for row in list_incidents(session, actor=ADMIN, wanted=wanted, part=Slice()).rows]


# Incidents


def test_the_list_says_what_each_outage_hit_and_gave(session: Session, outages: Outages) -> None:
    still, over = list_incidents(session, actor=TECH, wanted=IncidentFilter(), part=Slice()).rows
    assert (over.place, over.access_points, over.hit, over.given_seconds) == ("Albert Market", 2, 2, 2 * GIVEN)
    assert over.lasted(now=NOON) == LOST
    assert (still.place, still.access_points, still.hit, still.given_seconds) == ("=Brufut Beach", 1, 1, 0)
    assert still.lasted(now=NOON) == 20 * MINUTE


def test_the_list_is_narrowed(session: Session, outages: Outages) -> None:
    over, still = outages.over.reference, outages.open.reference
    assert found(session, IncidentFilter()) == [still, over]
    assert found(session, IncidentFilter(state=IncidentState.OPEN)) == [still]
    assert found(session, IncidentFilter(site_id=outages.site.id)) == [over]
    assert found(session, IncidentFilter(since=NOON - 30 * MINUTE)) == [still]
    assert found(session, IncidentFilter(until=NOON - 30 * MINUTE)) == [over]
    assert found(session, IncidentFilter(search="albert")) == [over]
    assert found(session, IncidentFilter(search=over.lower())) == [over]
    assert found(session, IncidentFilter(search=outages.points[-1].name)) == [still]
    assert found(session, IncidentFilter(search="50%")) == []


def test_a_page_tells_everything_that_came_of_it(session: Session, outages: Outages) -> None:
    shown = incident_page(session, actor=ADMIN, reference=outages.over.reference)
    assert shown.given is not None
    assert (shown.given.count, shown.given.seconds, shown.standing) == (2, 2 * GIVEN, 0)
    assert [(stretch.started_at, stretch.ended_at) for stretch in shown.stretches] == [(NOON - 90 * MINUTE, NOON - 45 * MINUTE)] * 2
    assert (dict(shown.messages.by_state), shown.messages.first_at) == ({NotificationState.QUEUED: 2}, NOON - 43 * MINUTE)
    assert [ticket.incident_id for ticket in shown.tickets or ()] == [outages.over.id]
    assert incident_page(session, actor=ADMIN, reference=outages.open.reference).standing == 1


def test_a_technician_sees_no_ticket_that_was_not_given_to_them_and_no_money(session: Session, outages: Outages) -> None:
    shown = incident_page(session, actor=TECH, reference=outages.open.reference)
    assert (shown.tickets, shown.given) == ((), None)


def test_what_staff_did_is_part_of_the_story(session: Session, outages: Outages) -> None:
    reference = outages.over.reference
    incident_desk.note(session, actor=ADMIN, reference=reference, text="The mains failed.", expected_revision=None, now=NOON)
    assert [entry.action for entry in incident_page(session, actor=TECH, reference=reference).history] == ["incident.note"]


def test_an_unknown_incident_is_not_found(session: Session) -> None:
    with pytest.raises(IncidentNotFound):
        incident_page(session, actor=ADMIN, reference="I-NOTHING")


def test_the_preview_of_a_false_alarm_says_what_it_then_does(session: Session, outages: Outages) -> None:
    gateway = make_gateway(session)
    opening = Opening(body="No Wi-Fi", channel=Channel.PORTAL, gateway_id=gateway.id, incident_id=outages.open.id)
    report = open_ticket(session, opening, who=changes.By("customer"), now=NOON)
    preview = preview_false_alarm(session, actor=ADMIN, reference=outages.open.reference, now=NOON)
    assert (preview.clocks, preview.used_up, preview.down_seconds, preview.own_tickets, preview.reports) == (1, 0, 20 * 60, 1, 1)
    assert (preview.given.count, preview.told) == (0, 0)
    incident_desk.call_false_alarm(session, actor=ADMIN, reference=outages.open.reference, reason="It was up", now=NOON)
    assert incident_page(session, actor=ADMIN, reference=outages.open.reference).standing == 0
    own = session.exec(select(Ticket).where(Ticket.incident_id == outages.open.id)).one()
    assert (own.is_open, report.incident_id) == (False, None)


def test_the_preview_counts_whose_time_would_be_over(session: Session, outages: Outages) -> None:
    preview = preview_false_alarm(session, actor=ADMIN, reference=outages.open.reference, now=NOON + timedelta(hours=4))
    assert (preview.clocks, preview.used_up) == (1, 1)


def test_what_was_given_and_told_stays_and_the_preview_says_so(session: Session, outages: Outages) -> None:
    preview = preview_false_alarm(session, actor=ADMIN, reference=outages.over.reference, now=NOON)
    assert (preview.clocks, preview.given.count, preview.given.seconds, preview.told) == (0, 2, 2 * GIVEN, 2)


def test_reading_needs_the_right_to(session: Session, outages: Outages) -> None:
    reference = outages.over.reference
    with pytest.raises(Forbidden):
        list_incidents(session, actor=NOBODY, wanted=IncidentFilter(), part=Slice())
    with pytest.raises(Forbidden):
        incident_page(session, actor=NOBODY, reference=reference)
    with pytest.raises(Forbidden):
        preview_false_alarm(session, actor=CARE, reference=reference, now=NOON)
    with pytest.raises(Forbidden):
        network_glance(session, actor=NOBODY)
    with pytest.raises(Forbidden):
        standing_alarms(session, actor=NOBODY)


# At a glance


def test_the_glance_counts_what_is_down_open_and_standing(session: Session, outages: Outages) -> None:
    some_alarms(session, now=NOON)
    glance = network_glance(session, actor=TECH)
    assert (glance.down, glance.known, glance.open_incidents, glance.alarms) == (1, 3, 1, 1)
    assert {kind: check.outcome for kind, check in glance.checks.items()} == {
        CheckKind.DISCOVERY: CheckOutcome.DONE,
        CheckKind.HEALTH: CheckOutcome.UNREACHABLE,
    }


def test_alarms_stand_or_are_history(session: Session) -> None:
    some_alarms(session, now=NOON)
    assert [row.alarm.kind for row in standing_alarms(session, actor=ADMIN)] == [AlarmKind.OPENWISP_UNREACHABLE]
    past = past_alarms(session, actor=ADMIN, kind=None, part=Slice())
    assert [row.alarm.kind for row in past.rows] == [AlarmKind.MONITORING_ABSENT]
    assert past_alarms(session, actor=ADMIN, kind=AlarmKind.TWO_POLLERS, part=Slice()).rows == ()


# Up-time in any order


def ranked(session: Session, by: By, sort: str = "share", *, descending: bool = False, search: str = "") -> Ranking:
    span = Range(NOON - timedelta(hours=2), NOON)
    part = Slice(sort=sort, descending=descending)
    return ranking(session, actor=TECH, by=by, span=span, part=part, search=search, now=NOON)


def test_sites_are_ranked_with_the_worst_first_and_the_unknown_last(session: Session, outages: Outages) -> None:
    make_site(session, "A site without access points")
    found = ranked(session, "site")
    assert [(one.row.name, one.row.uptime.offline, one.incidents) for one in found.listing.rows] == [
        ("Albert Market", 2 * GIVEN, 1),
        ("=Brufut Beach", 20 * 60, 1),
        ("A site without access points", 0, 0),
        ("Westfield", 0, 0),
    ]
    assert (found.whole.offline, found.whole.counted, found.incidents) == (2 * GIVEN + 20 * 60, 3 * 7200, 2)
    assert ranked(session, "site", descending=True).listing.rows[-1].row.uptime.share is None
    assert ranked(session, "site", "down").listing.rows[0].row.uptime.offline == 0
    assert [one.row.name for one in ranked(session, "site", search="albert").listing.rows] == ["Albert Market"]


def test_access_points_are_ranked_and_false_alarms_are_no_incidents(session: Session, outages: Outages) -> None:
    assert [one.incidents for one in ranked(session, "access_point", "incidents", descending=True).listing.rows] == [1, 1, 1]
    incident_desk.call_false_alarm(session, actor=ADMIN, reference=outages.open.reference, reason="It was up", now=NOON)
    found = ranked(session, "access_point", "incidents")
    assert [one.incidents for one in found.listing.rows] == [0, 1, 1]
    assert found.listing.rows[0].row.uptime.share == 1.0


# Time given back


def test_what_was_given_is_found_by_incident_place_and_phone(session: Session, outages: Outages) -> None:
    for search, number in ((outages.over.reference, 2), ("albert", 2), ("83 300 0901", 1), ("83 300 0999", 0), ("brufut", 0)):
        wanted = CompensationFilter(search=search)
        assert compensation.sum_of(session, actor=BILLING, wanted=wanted).count == number, search
        assert compensation.list_compensations(session, actor=BILLING, wanted=wanted, part=Slice()).total == number


@pytest.mark.parametrize(
    ("lasted", "given"),
    [
        (timedelta(seconds=30), timedelta()),
        (timedelta(seconds=60), timedelta(seconds=60)),
        (timedelta(minutes=45), timedelta(minutes=45)),
        (timedelta(hours=30), timedelta(hours=24)),
    ],
)
def test_the_rule_says_what_an_outage_gives(lasted: timedelta, given: timedelta) -> None:
    rule = CompensationRule(valid_from=NOON, minimum_seconds=60, cap_seconds=86_400)
    assert compensation.gives(rule, lasted) == given


def test_rules_are_kept_newest_first(session: Session) -> None:
    for hours in (1, 2):
        compensation.set_rule(
            session, actor=BILLING, minimum_seconds=60, cap_seconds=hours * 3600, any_access_point=False, now=NOON + hours * MINUTE
        )
    assert [rule.cap_seconds for rule in compensation.rule_history(session, actor=CARE)] == [7200, 3600]
    assert compensation.current_rule(session, actor=BILLING, now=NOON + 2 * MINUTE).cap_seconds == 7200
