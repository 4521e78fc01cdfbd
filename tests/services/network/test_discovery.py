from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.db import transaction
from app.errors import Forbidden
from services.access.models import Gateway
from services.accounts.models import Role
from services.integrations.openwisp import Device, DeviceStatus, OpenWispClient, Place
from services.network import checks, discovered, discovery
from services.network.alarm_models import AlarmKind, CheckKind, CheckOutcome, DiscoveryRun, NetworkAlarm, NetworkCheck
from services.network.discovered import Listed
from services.network.discovery import Discovery, discover
from services.network.models import AccessPoint, Health, HealthPeriod, SetBy, Site
from tests.conftest import NOON, Sandbox
from tests.factories import make_gateway, staff
from tests.services.network.openwisp import TROUBLES, Clock, OpenWisp, client_of, digest

DEMO_DEVICES, DEMO_PLACES = 24, 10


def _discover(client: OpenWispClient | None, clock: Clock, *, accept_loss: bool = False) -> Discovery:
    clock.passes(3600)
    return discover(transaction, client, asked_by="test", clock=clock, accept_loss=accept_loss)


def _points(session: Session) -> dict[str, AccessPoint]:
    session.expire_all()
    return {point.external_id: point for point in session.exec(select(AccessPoint)).all()}


def _alarms(session: Session, kind: AlarmKind) -> list[NetworkAlarm]:
    session.expire_all()
    return list(session.exec(select(NetworkAlarm).where(NetworkAlarm.kind == kind, col(NetworkAlarm.ended_at).is_(None))).all())


# Over the wire


def test_everything_that_openwisp_lists_is_stored_with_its_place_and_state(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock
) -> None:
    found = _discover(client, clock)
    assert found.outcome is CheckOutcome.DONE
    points, told = _points(session), {device["id"]: device for device in openwisp.devices()}
    assert points.keys() == told.keys()
    assert len(points) == DEMO_DEVICES
    sites = {site.id: site for site in session.exec(select(Site)).all()}
    assert len(sites) == DEMO_PLACES
    for external_id, point in points.items():
        device = told[external_id]
        place = sites[point.site_id].external_id if point.site_id else None
        assert (point.name, point.mac, place) == (device["name"], device["mac_address"].lower(), device["location"])
        assert point.address == (device["management_ip"] or device["last_ip"] or None)
    assert {point.health for point in points.values()} == {Health.ONLINE, Health.DEGRADED, Health.UNKNOWN, Health.RETIRED}
    open_periods = session.exec(select(HealthPeriod).where(col(HealthPeriod.ended_at).is_(None))).all()
    states = {(period.access_point_id, period.state, period.started_at) for period in open_periods}
    assert states == {(point.id, point.health, point.discovered_at) for point in points.values()}


def test_a_device_without_configuration_is_taken_like_any_other(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock
) -> None:
    without = {device["id"] for device in openwisp.devices() if device["config_status"] is None}
    assert without
    _discover(client, clock)
    assert without <= _points(session).keys()


def test_a_second_discovery_of_the_same_network_changes_nothing(session: Session, client: OpenWispClient, clock: Clock) -> None:
    _discover(client, clock)
    before = digest(session.connection())
    second = _discover(client, clock)
    assert digest(session.connection()) == before
    assert second.message == "24 access points at 10 places: nothing new."


def test_what_is_new_renamed_moved_gone_and_back_is_told_apart(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock
) -> None:
    _discover(client, clock)
    renamed, moved, gone = openwisp.well(3)
    elsewhere = next(place for place in openwisp.state()["locations"] if place["id"] != _place_of(openwisp, moved))
    openwisp.order("devices/rename", id=renamed, name="ap-new-name")
    openwisp.order("devices/move", ids=[moved], to=elsewhere["id"])
    openwisp.order("devices/remove", ids=[gone])
    added = openwisp.order("devices/add", name="ap-added")["ids"]
    found = _discover(client, clock).found
    assert found is not None
    points = _points(session)
    assert set(found.created) == {points[external_id].id for external_id in added}
    assert set(found.changed) == {points[external_id].id for external_id in (renamed, moved)}
    assert list(found.vanished) == [points[gone].id]
    assert points[renamed].name == "ap-new-name"
    assert session.get_one(Site, points[moved].site_id).external_id == elsewhere["id"]
    assert points[gone].vanished_at == clock.now
    run = session.exec(select(DiscoveryRun).order_by(col(DiscoveryRun.id).desc())).first()
    assert run is not None
    assert (run.listed, run.created, run.changed, run.vanished, run.asked_by) == (24, 1, 2, 1, "test")
    assert run.examples["created"] == ["ap-added"]


def _place_of(openwisp: OpenWisp, device_id: str) -> str:
    return str(next(device["location"] for device in openwisp.devices() if device["id"] == device_id))


def test_the_last_known_address_is_kept_when_openwisp_clears_it(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock
) -> None:
    _discover(client, clock)
    external_id = openwisp.well(1)[0]
    openwisp.status([external_id], "critical")
    address = _points(session)[external_id].address
    listed = discovery.read(client)
    bare = [_without_address(device) for device in listed.devices]
    _apply(session, Listed(tuple(bare), listed.places, listed.place_of), clock)
    assert _points(session)[external_id].address == address


def _without_address(device: Device) -> Device:
    return Device(**{**vars(device), "address": None})


def test_an_organisation_that_is_not_seen_any_more_is_a_sudden_loss_and_changes_nothing(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock
) -> None:
    _discover(client, clock)
    before = digest(session.connection())
    openwisp.order("organization", slug="inet-gambia")
    lost = _discover(client, clock)
    assert lost.outcome is CheckOutcome.SUDDEN_LOSS
    assert "suddenly lists" in lost.message
    assert digest(session.connection()) == before
    assert [alarm.message for alarm in _alarms(session, AlarmKind.SUDDEN_LOSS)] == [lost.message]
    openwisp.order("organization", slug="inet-gambia", gone=False)
    assert _discover(client, clock).outcome is CheckOutcome.DONE
    assert _alarms(session, AlarmKind.SUDDEN_LOSS) == []


def test_a_person_can_say_that_a_loss_is_real(session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock) -> None:
    _discover(client, clock)
    openwisp.order("devices/remove", share=0.5)
    assert _discover(client, clock).outcome is CheckOutcome.SUDDEN_LOSS
    found = _discover(client, clock, accept_loss=True).found
    assert found is not None
    assert len(found.vanished) == 12


@pytest.mark.parametrize("name", TROUBLES)
def test_trouble_leaves_the_stored_network_as_it_was_and_says_so(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock, name: str
) -> None:
    orders, outcome, words = TROUBLES[name]
    _discover(client, clock)
    before = digest(session.connection())
    openwisp.trouble(orders)
    failed = _discover(client, clock)
    assert (failed.outcome, words in failed.message) == (outcome, True), failed.message
    assert failed.message.endswith("The network stays as it was.")
    assert digest(session.connection()) == before
    check = session.get_one(NetworkCheck, CheckKind.DISCOVERY, populate_existing=True)
    assert (check.outcome, check.message, check.failures_in_a_row) == (outcome, failed.message, 1)
    run = session.get_one(DiscoveryRun, failed.run_id)
    assert (run.outcome, run.message, run.ended_at) == (outcome, failed.message, clock.now)


def test_openwisp_being_away_warns_after_the_second_time_and_until_it_is_back(session: Session, sandbox: Sandbox, clock: Clock) -> None:
    away = OpenWispClient("http://127.0.0.1:9", "token", timeout_seconds=1, read_attempts=1)
    assert _discover(away, clock).outcome is CheckOutcome.UNREACHABLE
    assert _alarms(session, AlarmKind.OPENWISP_UNREACHABLE) == []
    again = _discover(away, clock)
    assert [alarm.message for alarm in _alarms(session, AlarmKind.OPENWISP_UNREACHABLE)] == [again.message]
    with client_of(sandbox) as client:
        assert _discover(client, clock).outcome is CheckOutcome.DONE
    assert _alarms(session, AlarmKind.OPENWISP_UNREACHABLE) == []


def test_the_second_dialect_finds_the_same_network(session: Session, sandbox: Sandbox, openwisp: OpenWisp, clock: Clock) -> None:
    openwisp.order("mode", gateway=True)
    with client_of(sandbox, dialect="inet") as client:
        assert _discover(client, clock).message.startswith("24 access points at 10 places: 24 new.")


# One at a time


def test_a_second_discovery_at_once_says_so_and_asks_nothing(session: Session, clock: Clock) -> None:
    assert checks.claim(session, CheckKind.DISCOVERY, now=clock.now)
    second = discover(transaction, None, asked_by="test", clock=clock)
    assert (second.outcome, second.message) == (None, "A discovery is under way already.")
    assert session.exec(select(DiscoveryRun)).all() == []


def test_the_turn_of_one_that_died_is_given_on_and_what_it_brings_late_is_dropped(
    session: Session, openwisp: OpenWisp, client: OpenWispClient, clock: Clock
) -> None:
    assert checks.claim(session, CheckKind.DISCOVERY, now=clock.now)
    died_at = clock.now
    clock.passes(checks.LEASES[CheckKind.DISCOVERY].total_seconds())
    assert discover(transaction, client, asked_by="test", clock=clock).outcome is CheckOutcome.DONE
    assert checks.still_ours(session, CheckKind.DISCOVERY, died_at) is None


def test_without_an_address_it_says_that_openwisp_is_not_set_up_and_warns_of_nothing(session: Session, clock: Clock) -> None:
    for _ in range(3):
        assert _discover(None, clock).outcome is CheckOutcome.NOT_CONFIGURED
    assert session.exec(select(NetworkAlarm)).all() == []


def test_only_who_may_edit_the_network_can_ask_for_one(session: Session) -> None:
    discovery.request(session, actor=staff(Role.SYSTEM_ADMIN), now=NOON)
    with pytest.raises(Forbidden):
        discovery.request(session, actor=staff(Role.CUSTOMER_CARE), now=NOON)
    checks.claim(session, CheckKind.DISCOVERY, now=NOON)
    with pytest.raises(discovery.DiscoveryUnderWay):
        discovery.request(session, actor=staff(Role.SYSTEM_ADMIN), now=NOON)


# What is made of a list


def _device(external_id: str, *, mac: str | None = None, status: DeviceStatus | None = DeviceStatus.OK, name: str = "") -> Device:
    return Device(
        external_id=external_id,
        name=name or f"ap-{external_id}",
        organization="inet",
        mac=mac,
        address="10.8.0.2",
        model="Archer",
        firmware="OpenWrt",
        status=status,
        is_deactivated=False,
    )


def _place(external_id: str, name: str, latitude: float | None = 13.4, longitude: float | None = -16.6) -> Place:
    return Place(external_id, name, latitude, longitude, "", is_indoor=False)


def _apply(session: Session, listed: Listed, clock: Clock) -> discovered.Found:
    clock.passes(3600)
    found = discovered.apply(session, listed, discovered.known(session), last_good=None, now=clock.now)
    session.expire_all()
    return found


def test_a_site_of_the_same_name_is_adopted_and_two_places_of_one_name_get_two_sites(session: Session, clock: Clock) -> None:
    session.add(Site(name="Brikama"))
    session.flush()
    _apply(session, Listed((), (_place("p1", "Brikama"), _place("p2", "Brikama"), _place("p3", "")), {}), clock)
    sites = {site.external_id: (site.name, site.latitude) for site in session.exec(select(Site)).all()}
    assert sites == {"p1": ("Brikama", 13.4), "p2": ("Brikama (2)", 13.4), "p3": ("Place p3", 13.4)}


def test_a_site_follows_its_place_in_position_and_keeps_it_when_the_place_has_none(session: Session, clock: Clock) -> None:
    _apply(session, Listed((), (_place("p1", "Brikama", 13.1, -16.1),), {}), clock)
    for given, kept in (((13.2, -16.2), (13.2, -16.2)), ((None, None), (13.2, -16.2)), ((95.0, -16.2), (13.2, -16.2))):
        _apply(session, Listed((), (_place("p1", "Renamed there", *given),), {}), clock)
        site = session.exec(select(Site)).one()
        assert (site.name, site.latitude, site.longitude) == ("Brikama", *kept)


def test_what_staff_set_is_left_alone(session: Session, clock: Clock) -> None:
    gateway, mine = make_gateway(session), Site(name="Mine")
    gateway.mac = "02:00:00:aa:00:01"
    session.add(mine)
    session.flush()
    listed = Listed((_device("d1", mac=gateway.mac),), (_place("p1", "Brikama"),), {"d1": "p1"})
    _apply(session, listed, clock)
    point = _points(session)["d1"]
    assert point.gateway_id == gateway.id
    point.site_id, point.site_set_by, point.gateway_id, point.gateway_set_by = mine.id, SetBy.STAFF, None, SetBy.STAFF
    session.flush()
    assert _apply(session, listed, clock).changed == {}
    point = _points(session)["d1"]
    assert (point.site_id, point.gateway_id) == (mine.id, None)


def test_access_point_and_router_are_linked_by_mac_and_tell_each_other_their_site(session: Session, clock: Clock) -> None:
    placed, unplaced = make_gateway(session), make_gateway(session)
    placed.mac, unplaced.mac, unplaced.site_id = "02:00:00:aa:00:01", "02:00:00:aa:00:02", None
    session.flush()
    devices = (_device("d1", mac=placed.mac), _device("d2", mac=unplaced.mac), _device("d3", mac="02:00:00:aa:00:03"))
    _apply(session, Listed(devices, (_place("p1", "Brikama"),), {"d2": "p1"}), clock)
    points = _points(session)
    assert [points[name].gateway_id for name in ("d1", "d2", "d3")] == [placed.id, unplaced.id, None]
    assert points["d1"].site_id == session.get_one(Gateway, placed.id).site_id
    assert session.get_one(Gateway, unplaced.id).site_id == points["d2"].site_id is not None


def test_a_mac_that_two_access_points_have_links_none_of_them_and_is_told(session: Session, clock: Clock) -> None:
    gateway = make_gateway(session)
    gateway.mac = "02:00:00:aa:00:01"
    session.flush()
    _apply(session, Listed((_device("d1", mac=gateway.mac),), (), {}), clock)
    assert _points(session)["d1"].gateway_id == gateway.id
    found = _apply(session, Listed((_device("d1", mac=gateway.mac), _device("d2", mac=gateway.mac)), (), {}), clock)
    assert found.ambiguous == ["ap-d1", "ap-d2"]
    assert [point.gateway_id for point in _points(session).values()] == [None, None]


def test_one_that_vanished_is_kept_its_state_is_unknown_from_then_on_and_it_may_come_back(session: Session, clock: Clock) -> None:
    both, one = (_device("d1"), _device("d2")), (_device("d1"),)
    _apply(session, Listed(both, (), {}), clock)
    began = clock.now
    found = _apply(session, Listed(one, (), {}), clock)
    gone_at = clock.now
    assert list(found.vanished.values()) == ["ap-d2"]
    assert [(change.before, change.after, change.at) for change in found.transitions] == [(Health.ONLINE, Health.UNKNOWN, gone_at)]
    assert list(_apply(session, Listed(both, (), {}), clock).returned.values()) == ["ap-d2"]
    point = _points(session)["d2"]
    assert (point.vanished_at, point.health) == (None, Health.UNKNOWN)
    periods = session.exec(select(HealthPeriod).where(HealthPeriod.access_point_id == point.id).order_by(col(HealthPeriod.id))).all()
    assert [(period.state, period.started_at, period.ended_at) for period in periods] == [
        (Health.ONLINE, began, gone_at),
        (Health.UNKNOWN, gone_at, None),
    ]


def test_one_that_was_out_of_service_when_it_vanished_stays_that(session: Session, clock: Clock) -> None:
    _apply(session, Listed((_device("d1", status=DeviceStatus.DEACTIVATED),), (), {}), clock)
    assert _apply(session, Listed((), (), {}), clock).transitions == []
    assert _points(session)["d1"].health is Health.RETIRED


def test_each_vanished_one_is_an_alarm_that_ends_when_it_returns(session: Session, clock: Clock) -> None:
    both = (_device("d1"), _device("d2"))
    _apply(session, Listed(both, (), {}), clock)
    for listed, standing in (((_device("d1"),), 1), (both, 0)):
        discovery._warn(session, _apply(session, Listed(listed, (), {}), clock), now=clock.now)
        assert len(_alarms(session, AlarmKind.ACCESS_POINT_VANISHED)) == standing


def test_many_that_vanish_together_are_one_alarm_until_the_last_of_them_is_back(session: Session, clock: Clock) -> None:
    devices = tuple(_device(f"d{number}") for number in range(25))
    for listed, standing in ((devices, 0), (devices[:2], 1), (devices[:20], 1), (devices, 0)):
        discovery._warn(session, _apply(session, Listed(listed, (), {}), clock), now=clock.now)
        assert len(_alarms(session, AlarmKind.ACCESS_POINT_VANISHED)) == standing


def test_five_thousand_take_a_few_statements(session: Session, clock: Clock) -> None:
    devices = tuple(_device(f"d{number}", mac=f"02:00:00:00:{number // 256:02x}:{number % 256:02x}") for number in range(5000))
    places = tuple(_place(f"p{number}", f"Place {number % 300}") for number in range(400))
    place_of = {device.external_id: f"p{number % 400}" for number, device in enumerate(devices)}
    statements: list[str] = []
    sa.event.listen(session.get_bind(), "before_cursor_execute", lambda *call: statements.append(call[2]))
    found = _apply(session, Listed(devices, places, place_of), clock)
    assert len(found.created) == 5000
    # 50 pages may cost three each; what grows with the network is one statement per thousand.
    assert len(statements) <= 20
