"""What staff reads of the network: lists, counts, the map, and what surrounds a place."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session

from app.errors import Forbidden
from services.access.models import Gateway
from services.accounts.models import Role
from services.accounts.permissions import Principal
from services.listing import After, Slice
from services.network import surroundings
from services.network.access_point_queries import (
    AccessPointFilter,
    AccessPointNotFound,
    access_point_page,
    canonical_mac,
    find_gateways,
    list_access_points,
    list_periods,
    near_gateways,
    raw_changes,
)
from services.network.alarm_models import CheckKind, CheckOutcome, DiscoveryRun, NetworkCheck
from services.network.models import AccessPoint, Health, HealthChange, Site
from services.network.queries import down_now, list_runs, network_summary
from services.network.site_queries import (
    SiteNotFound,
    figures_of,
    find_sites,
    list_sites,
    months_of_site,
    site_choices,
    site_page,
    sites_on_map,
)
from services.payments.models import PaymentStatus
from tests.conftest import NOON
from tests.factories import make_gateway, staff
from tests.pages import builders
from tests.services.network.places import make_access_point, make_site, turn

ROOT = staff()
NOBODY = Principal(kind="token", id=1, name="nobody", permissions=frozenset())


def found(session: Session, **wanted: object) -> list[int]:
    listing = list_access_points(session, actor=ROOT, wanted=AccessPointFilter(**wanted), part=Slice(descending=False))  # type: ignore[arg-type]
    return [row.id for row in listing.rows]


def identity(row: AccessPoint | Site | Gateway) -> int:
    assert row.id is not None
    return row.id


def test_a_mac_is_found_however_it_is_written(session: Session) -> None:
    point = make_access_point(session)
    make_access_point(session)
    assert point.mac is not None
    digits = point.mac.replace(":", "")
    for text in (point.mac, point.mac.upper(), point.mac.replace(":", "-"), digits, f"{digits[:4]}.{digits[4:8]}.{digits[8:]}"):
        assert found(session, search=text) == [point.id]
    assert canonical_mac("02:00:00:00:00") is None
    assert canonical_mac("not a mac") is None


def test_the_list_is_narrowed_by_what_people_ask_for(session: Session) -> None:
    site, gateway = make_site(session), make_gateway(session)
    linked = make_access_point(session, gateway=gateway)
    placed = make_access_point(session, site=site)
    down = make_access_point(session, health=Health.OFFLINE)
    gone = make_access_point(session)
    gone.vanished_at, placed.address = NOON, "10.9.8.7"
    session.flush()
    assert found(session, health=Health.OFFLINE) == [down.id]
    assert found(session, site_id=site.id) == [placed.id]
    assert found(session, is_linked=True) == found(session, gateway_slug=gateway.slug) == [linked.id]
    assert found(session, presence="vanished") == [gone.id]
    assert gone.id not in found(session)
    assert len(found(session, presence="all")) == 4
    assert set(found(session, has_site=False)) == {linked.id, down.id}
    assert found(session, search="9.8.7") == [placed.id]
    assert found(session, search=down.name.lower()) == [down.id]
    assert found(session, gateway_slug="no-such") == []
    assert found(session, search="100%") == []


def test_pages_of_the_list_follow_each_other_without_a_gap(session: Session) -> None:
    ids = [identity(make_access_point(session)) for _ in range(5)]
    seen: list[int] = []
    key: tuple[int] | None = None
    for _ in range(3):
        part = After(limit=2, sort="discovered", key=key)
        rows = list_access_points(session, actor=ROOT, wanted=AccessPointFilter(), part=part).rows[:2]
        seen += [row.id for row in rows]
        key = (rows[-1].id,)
    assert seen == ids[::-1]


def test_a_row_says_where_it_belongs(session: Session) -> None:
    site, gateway = make_site(session), make_gateway(session)
    point = make_access_point(session, site=site, gateway=gateway)
    row = access_point_page(session, actor=ROOT, access_point_id=identity(point))
    assert (row.site_name, row.gateway_name, row.gateway_slug) == (site.name, gateway.name, gateway.slug)
    with pytest.raises(AccessPointNotFound):
        access_point_page(session, actor=ROOT, access_point_id=10**12)


def test_gateways_whose_mac_differs_in_the_last_part_are_suggested(session: Session) -> None:
    near, far = make_gateway(session), make_gateway(session)
    near.mac, far.mac = "02:11:22:33:44:51", "02:11:22:33:45:50"
    session.flush()
    assert [choice.slug for choice in near_gateways(session, actor=ROOT, mac="02:11:22:33:44:50")] == [near.slug]
    assert near_gateways(session, actor=ROOT, mac=None) == ()
    assert [choice.slug for choice in find_gateways(session, actor=ROOT, search="33:45")] == [far.slug]


def test_the_states_of_a_range_are_those_that_touch_it(session: Session) -> None:
    point = make_access_point(session, at=NOON)
    for hours, state in ((1, Health.OFFLINE), (2, Health.ONLINE), (3, Health.DEGRADED)):
        turn(session, point, state, NOON + timedelta(hours=hours))
    session.add(HealthChange(access_point_id=identity(point), at=NOON, before=Health.UNKNOWN, after=Health.ONLINE))
    session.flush()

    def states(since: float | None, until: float | None) -> list[Health]:
        span = [None if hours is None else NOON + timedelta(hours=hours) for hours in (since, until)]
        rows = list_periods(session, actor=ROOT, access_point_id=identity(point), since=span[0], until=span[1], part=Slice())
        return [row.state for row in rows]

    assert states(None, None) == [Health.DEGRADED, Health.ONLINE, Health.OFFLINE, Health.ONLINE]
    assert states(2, 3) == [Health.ONLINE]
    assert states(1.5, 2.5) == [Health.ONLINE, Health.OFFLINE]
    assert states(4, None) == [Health.DEGRADED]
    assert [change.after for change in raw_changes(session, actor=ROOT, access_point_id=identity(point))] == [Health.ONLINE]


def test_a_site_counts_what_is_in_service(session: Session) -> None:
    site = make_site(session)
    for state in Health:
        make_access_point(session, site=site, health=state)
    gone = make_access_point(session, site=site)
    gone.vanished_at = NOON
    gateway = make_gateway(session)
    gateway.site_id = site.id
    session.flush()
    row = site_page(session, actor=ROOT, site_id=identity(site))
    assert (row.access_point_count, row.access_points_up, row.gateway_count) == (4, 2, 1)
    (shown,) = (one for one in sites_on_map(session, actor=ROOT) if one.id == site.id)
    assert (shown.total, shown.up, shown.worst) == (4, 2, Health.OFFLINE)
    with pytest.raises(SiteNotFound):
        site_page(session, actor=ROOT, site_id=10**12)


def test_sites_are_found_by_name_and_address(session: Session) -> None:
    one, other = make_site(session, "Kuntaur Wharf"), make_site(session, "Basse Market")
    other.address = "Mansajang Road, near Kuntaur House"
    session.flush()
    rows = list_sites(session, actor=ROOT, search="KUNTAUR", part=Slice(sort="name", descending=False)).rows
    assert [row.name for row in rows] == ["Basse Market", "Kuntaur Wharf"]
    assert [site.id for site in find_sites(session, actor=ROOT, search="kuntaur")] == [one.id]
    assert one.id not in [site.id for site in find_sites(session, actor=ROOT, search="", besides=one.id)]
    assert site_choices(session, actor=ROOT, besides=identity(one))[str(one.id)] == "Kuntaur Wharf"


def test_a_site_without_access_points_has_no_worst_state(session: Session) -> None:
    site = make_site(session)
    (shown,) = (one for one in sites_on_map(session, actor=ROOT) if one.id == site.id)
    assert (shown.total, shown.worst) == (0, None)


def test_the_uptime_of_a_site_is_told_by_month(session: Session) -> None:
    site = make_site(session)
    point = make_access_point(session, site=site, at=NOON - timedelta(hours=2))
    turn(session, point, Health.OFFLINE, NOON - timedelta(hours=1))
    figures = figures_of(session, actor=ROOT, site_ids=[identity(site)], now=NOON)[identity(site)]
    assert figures.uptime.share == 0.5
    months = months_of_site(session, actor=ROOT, site_id=identity(site), months=3, now=NOON)
    assert [month.month for month in months] == [9, 10, 11]
    assert [uptime.share for uptime in months.values()] == [None, None, 0.5]


def test_what_is_down_is_told_newest_first(session: Session) -> None:
    older = make_access_point(session, health=Health.OFFLINE, at=NOON - timedelta(hours=3))
    newer = make_access_point(session, health=Health.OFFLINE, at=NOON - timedelta(hours=1))
    gone = make_access_point(session, health=Health.OFFLINE)
    gone.vanished_at = NOON
    make_access_point(session)
    session.flush()
    assert [row.id for row in down_now(session, actor=ROOT)] == [newer.id, older.id]
    assert len(down_now(session, actor=ROOT, limit=1)) == 1


def test_the_summary_counts_the_network_and_tells_of_the_last_questions(session: Session) -> None:
    site = make_site(session)
    make_access_point(session, site=site)
    make_access_point(session, health=Health.RETIRED)
    make_access_point(session, health=Health.OFFLINE).vanished_at = NOON
    session.add(NetworkCheck(kind=CheckKind.HEALTH, started_at=NOON, ended_at=NOON, outcome=CheckOutcome.UNREACHABLE))
    session.add(DiscoveryRun(started_at=NOON))
    session.add(DiscoveryRun(started_at=NOON + timedelta(hours=1), outcome=CheckOutcome.DONE))
    session.flush()
    summary = network_summary(session, actor=ROOT)
    assert summary.by_health == {Health.ONLINE: 1, Health.RETIRED: 1}
    assert (summary.total, summary.vanished, summary.without_site) == (1, 1, 0)
    assert summary.discovery is None
    assert summary.poll is not None
    assert summary.poll.outcome is CheckOutcome.UNREACHABLE
    assert [run.outcome for run in list_runs(session, actor=ROOT, part=Slice()).rows] == [CheckOutcome.DONE, None]


def test_takings_are_what_was_paid_in_front_of_the_gateway_and_kept(session: Session) -> None:
    gateway, other = builders.a_gateway(session, now=NOON), builders.a_gateway(session, now=NOON, name="Elsewhere")
    offer, customer = builders.an_offer(session, now=NOON), builders.a_customer(session, 1, now=NOON)
    for status, hours, where in (
        (PaymentStatus.SERVED, 1, gateway),
        (PaymentStatus.PAID, 30, gateway),
        (PaymentStatus.SERVED, 24 * 20, gateway),
        (PaymentStatus.SERVED, 24 * 40, gateway),
        (PaymentStatus.REFUNDED, 1, gateway),
        (PaymentStatus.EXPIRED, 1, gateway),
        (PaymentStatus.SERVED, 1, other),
    ):
        builders.a_payment(session, offer=offer, customer=customer, status=status, at=NOON - timedelta(hours=hours), gateway=where)
    assert gateway.id is not None
    sums = surroundings.takings(session, actor=ROOT, gateway_ids=[gateway.id], now=NOON)
    price = offer.terms.amount_bututs
    assert (sums.today, sums.seven_days, sums.thirty_days) == (price, 2 * price, 3 * price)
    assert surroundings.takings(session, actor=ROOT, gateway_ids=[], now=NOON).thirty_days == 0
    assert surroundings.live_sessions(session, actor=ROOT, gateway_ids=[gateway.id]) == 3
    assert gateway.site_id is not None
    assert surroundings.live_sessions_by_site(session, actor=ROOT, site_ids=[gateway.site_id]) == {gateway.site_id: 3}
    with pytest.raises(Forbidden):
        surroundings.takings(session, actor=staff(Role.FIELD_TECHNICIAN), gateway_ids=[gateway.id], now=NOON)


def test_reports_about_an_access_point_are_those_the_reader_may_know_of(session: Session) -> None:
    people = {role: builders.a_staff(session, role, now=NOON) for role in (Role.FIELD_TECHNICIAN,)}
    gateway = make_gateway(session)
    point = make_access_point(session, gateway=gateway)
    builders.a_ticket(session, gateway=gateway, at=NOON)
    mine = builders.a_ticket(session, gateway=gateway, assignee=people[Role.FIELD_TECHNICIAN], at=NOON - timedelta(hours=1))
    builders.a_ticket(session, gateway=gateway, at=NOON - timedelta(days=200))
    builders.a_ticket(session, gateway=make_gateway(session), at=NOON)
    assert len(surroundings.tickets_about(session, actor=ROOT, access_point=point)) == 3
    technician = Principal(
        kind="staff",
        id=mine.assignee_id or 0,
        name="",
        role=Role.FIELD_TECHNICIAN,
        permissions=staff(Role.FIELD_TECHNICIAN).permissions,
    )
    assert [ticket.id for ticket in surroundings.tickets_about(session, actor=technician, access_point=point)] == [mine.id]


def test_nobody_reads_the_network_without_the_right_to(session: Session) -> None:
    for read in (
        lambda: list_access_points(session, actor=NOBODY, wanted=AccessPointFilter(), part=Slice()),
        lambda: list_sites(session, actor=NOBODY, search="", part=Slice()),
        lambda: sites_on_map(session, actor=NOBODY),
        lambda: network_summary(session, actor=NOBODY),
        lambda: down_now(session, actor=NOBODY),
        lambda: list_runs(session, actor=NOBODY, part=Slice()),
        lambda: figures_of(session, actor=NOBODY, site_ids=[1], now=NOON),
    ):
        with pytest.raises(Forbidden):
            read()
