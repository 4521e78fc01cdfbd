from collections.abc import Iterator
from typing import Any

import pytest

from app.outbound import Unavailable
from services.integrations.openwisp import DeviceStatus, MalformedAnswer, NotFound, OpenWispClient, OwnPaths

DEVICES, MONITORING = "/api/v1/network-devices", "/api/v1/device-monitoring"
WORDS = ["online", "degraded", "offline", "unknown", "retired"]
STATUSES = [DeviceStatus.OK, DeviceStatus.PROBLEM, DeviceStatus.CRITICAL, DeviceStatus.UNKNOWN, DeviceStatus.DEACTIVATED]


class Gateway:
    """The two lists by cursor, as the sandbox documents them."""

    def __init__(self, make: Any, count: int) -> None:
        self.make = make
        self.dropped: set[str] = set()
        self.lists: dict[str, list[dict[str, Any]]] = {
            DEVICES: [
                {
                    "id": f"d{number:04d}",
                    "name": f"ap-{number}",
                    "mac": f"00:11:22:33:44:{number % 256:02X}",
                    "ip": None if number % 2 else "10.8.0.12",
                    "model": "Archer",
                    "firmware": "OpenWrt",
                    "organization": "inet-gambia",
                    "site": {"id": f"s{number % 3}", "name": "Brikama", "latitude": 13.27, "longitude": -16.65} if number else None,
                }
                for number in range(count)
            ],
            MONITORING: [{"id": f"d{number:04d}", "status": WORDS[number % 5]} for number in range(count)],
        }

    def __call__(self, got: Any) -> Any:
        rows = self.lists.get(got.path)
        if rows is None:
            return self.make.Reply(404, self.make.html)
        start, limit = int(got.query.get("after", 0)), int(got.query["limit"])
        shown = [row for row in rows[start : start + limit] if row["id"] not in self.dropped]
        following = str(start + limit) if start + limit < len(rows) else None
        return self.make.as_json({"items": shown, "total": len(rows), "next": following})


@pytest.fixture
def gateway(server, make) -> Gateway:
    server.handler = Gateway(make, 130)
    return server.handler


@pytest.fixture
def openwisp(server) -> Iterator[OpenWispClient]:
    client = OpenWispClient(server.url, "token", dialect="inet", timeout_seconds=1.0, read_attempts=1)
    yield client
    client.close()


def test_devices_and_their_health_are_joined(gateway, openwisp):
    walk = openwisp.devices()
    found = list(walk.items())
    assert [device.status for device in found[:5]] == STATUSES
    assert (found[0].mac, found[0].address, found[1].address) == ("00:11:22:33:44:00", "10.8.0.12", None)
    assert found[0].place is None
    assert found[1].place is not None
    assert (found[1].place.latitude, found[1].place.longitude) == (13.27, -16.65)
    assert found[4].is_deactivated
    assert walk.completeness.is_complete
    assert walk.completeness.count_got == 130
    assert not walk.oddities


def test_by_status_only_those_are_handed_out(gateway, openwisp):
    walk = openwisp.devices(DeviceStatus.CRITICAL)
    assert {device.status for device in walk.items()} == {DeviceStatus.CRITICAL}
    assert walk.completeness.is_complete
    assert openwisp.count(DeviceStatus.CRITICAL) == 26
    assert openwisp.count() == 130


def test_places_come_with_their_devices(server, gateway, openwisp):
    places = {place.external_id: place for place in openwisp.places()}
    asked = len(server.got)
    assert set(places) == {"s0", "s1", "s2"}
    members = openwisp.place_devices(places["s1"])
    assert members == {f"d{number:04d}" for number in range(130) if number % 3 == 1}
    assert len(server.got) == asked
    assert openwisp.place_devices("s1") == members
    assert openwisp.place_devices("nowhere") == frozenset()


def test_one_device_is_found_in_the_list(gateway, openwisp):
    found = openwisp.device("d0129")
    assert found is not None
    assert found.name == "ap-129"
    assert openwisp.device("d9999") is None


def test_half_a_list_of_devices_is_not_whole_and_half_of_the_health_is_an_error(gateway, openwisp):
    gateway.lists[MONITORING] = gateway.lists[MONITORING][:65]
    gateway.dropped = {"d0070"}
    walk = openwisp.devices()
    assert [device.status for device in walk.items()].count(None) == 64
    assert not walk.completeness.is_complete
    with pytest.raises(Unavailable, match="not whole"):
        openwisp.places()
    with pytest.raises(Unavailable, match="not whole"):
        openwisp.device("d0070")
    gateway.dropped = {"d0001"}
    with pytest.raises(Unavailable, match="not whole"):
        list(openwisp.devices())


def test_a_status_nobody_heard_of_is_unknown(gateway, openwisp):
    gateway.lists[MONITORING][0]["status"] = "melting"
    assert next(openwisp.devices().items()).status is DeviceStatus.UNKNOWN


@pytest.mark.parametrize("body", [{}, [], {"items": []}, {"items": [{"id": "d1"}], "next": None}, {"items": [], "next": 5}])
def test_another_shape_is_refused(server, make, openwisp, body):
    server.will(make.as_json(body))
    with pytest.raises(MalformedAnswer):
        openwisp.count()


def test_the_paths_can_be_others_and_wrong_ones_are_said(server, gateway, openwisp):
    gateway.lists["/net/ap"] = gateway.lists.pop(DEVICES)
    with pytest.raises(NotFound):
        list(openwisp.devices())
    other = OpenWispClient(server.url, "token", dialect="inet", own_paths=OwnPaths(devices="/net/ap"))
    assert len(list(other.devices().items())) == 130
    other.close()
