import json
import logging
import pickle
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from app.outbound import CircuitBreaker, OutboundError, OutcomeUnknown, Refused, Unavailable, recording
from services.integrations.openwisp import (
    Device,
    DeviceStatus,
    Forbidden,
    MalformedAnswer,
    MonitoringAbsent,
    NotAuthorised,
    NotFound,
    OpenWispClient,
    Throttled,
)

TOKEN = "0123456789abcdef0123456789abcdef01234567"
MONITORING, CONTROLLER = "/api/v1/monitoring/device/", "/api/v1/controller/device/"
SAMPLES: dict[str, dict[str, Any]] = {
    sample["label"]: sample for sample in json.loads((Path(__file__).parent / "samples.json").read_text())["samples"]
}
KOLOLI = "3801457c-377a-40c7-b530-7095fbb3c366"
KEYS = [row["key"] for row in SAMPLES["monitoring device list"]["response"]["body"]["results"]]


def device(number: int, **changed: Any) -> dict[str, Any]:
    return {
        "id": f"00000000-0000-4000-8000-{number:012d}",
        "name": f"ap-{number:05d}",
        "organization": "acdfdcfd-99f8-4596-a61c-a341f50ef126",
        "mac_address": f"00:11:22:33:{number // 256:02x}:{number % 256:02x}",
        "key": f"{number:032x}",
        "last_ip": "41.223.212.10",
        "management_ip": "10.8.0.10",
        "model": "TP-Link Archer C7 v5",
        "os": "OpenWrt 23.05.3",
        "config": {"status": "applied"},
        "monitoring": {"status": "ok"},
    } | changed


class Peer:
    """OpenWISP's lists as the dossier has them: page_size capped at 100, 404 past the end, links to an inner host."""

    def __init__(self, make: Any) -> None:
        self.make = make
        self.lists: dict[str, list[dict[str, Any]]] = {}
        self.has_monitoring = True

    def __call__(self, got: Any) -> Any:
        if got.headers.get("Authorization") != f"Bearer {TOKEN}":
            return self.make.as_json({"detail": "Invalid token."}, 401)
        if not self.has_monitoring and got.path.startswith("/api/v1/monitoring/"):
            return self.make.Reply(404, self.make.html, {"Content-Type": "text/html"})
        wanted = got.query.get("monitoring__status")
        rows = [row for row in self.lists[got.path] if wanted is None or row["monitoring"]["status"] == wanted]
        page, size = int(got.query.get("page", 1)), min(int(got.query.get("page_size", 10)), 100)
        shown = rows[(page - 1) * size : page * size]
        if page > 1 and not shown:
            return self.make.as_json({"detail": "Invalid page."}, 404)
        following = f"http://internal:8000{got.path}?page={page + 1}" if page * size < len(rows) else None
        return self.make.as_json({"count": len(rows), "next": following, "previous": None, "results": shown})


@pytest.fixture
def peer(server, make) -> Peer:
    server.handler = Peer(make)
    return server.handler


@pytest.fixture
def openwisp(server) -> Iterator[OpenWispClient]:
    client = OpenWispClient(
        server.url, TOKEN, timeout_seconds=1.0, read_attempts=1, breaker=CircuitBreaker("openwisp", failure_threshold=50)
    )
    yield client
    client.close()


def devices(client: OpenWispClient) -> list[Device]:
    return list(client.devices().items())


# --- the recorded answers of the real software

SEEN = {
    "ap-kololi-01": DeviceStatus.OK,
    "ap-kololi-02": DeviceStatus.PROBLEM,
    "ap-brikama-01": DeviceStatus.CRITICAL,
    "ap-farafenni-01": DeviceStatus.UNKNOWN,
    "ap-basse-01": DeviceStatus.DEACTIVATED,
}
NAMES = set(SEEN)
READ: dict[str, Any] = {
    "device list": lambda client: {found.name for found in client.devices().items()} == NAMES,
    "monitoring device list": lambda client: {found.name: found.status for found in client.devices().items()} == SEEN,
    "device detail": lambda client: client.device(KOLOLI).mac == "00:11:22:33:44:01",
    "device deactivated detail": lambda client: client.device(KOLOLI).is_deactivated,
    "device detail 404": lambda client: client.device(KOLOLI) is None,
    "monitoring detail (status=true)": lambda client: client.device(KOLOLI).status is DeviceStatus.OK,
    "monitoring detail no data device": lambda client: client.device(KOLOLI).status is DeviceStatus.UNKNOWN,
    "location list": lambda client: [(place.latitude, place.longitude) for place in client.places()] == [(13.4432, -16.713)],
    "location devices": lambda client: len(client.place_devices("c9558c60-8728-422f-9651-f55982f712b3")) == 3,
}
REFUSED: dict[str, type[OutboundError]] = {
    "device list no auth": NotAuthorised,
    "device list bad token": NotAuthorised,
    "device list wrong keyword Token": NotAuthorised,
    "device list page out of range": NotFound,
    "device list bad filter choice": Refused,
    "device list bad org uuid": Refused,
    "monitoring device list bad status": Refused,
    "monitoring detail bad time": Refused,
    "monitoring detail bad tz": Refused,
    # Other answers than the one asked for, or cut when they were recorded: nothing of them may pass for devices.
    "token ok": MalformedAnswer,
    "token bad password": Refused,
    "token missing field": Refused,
    "device list page_size over max": MalformedAnswer,
    "device list filter name": MalformedAnswer,
    "device list filter org slug": MalformedAnswer,
    "device list unknown filter ignored": MalformedAnswer,
    "device list ordering ignored": MalformedAnswer,
    "monitoring device list by status": MalformedAnswer,
    "device with_geo filter": MalformedAnswer,
    "device posts metrics": MalformedAnswer,
    "device posts metrics bad schema": Refused,
    "device metric list": MalformedAnswer,
    "monitoring geojson": MalformedAnswer,
    "controller geojson": MalformedAnswer,
    "device location": MalformedAnswer,
    "device location none": NotFound,
    "wifi sessions": MalformedAnswer,
}
# Devices and lists as well, in shapes near enough to be read; the client asks none of them.
NOT_ASKED = {"device list paged", "nearby devices", "monitoring location devices", "indoor coordinates (outdoor location)"}


def _replay(server, make, label: str) -> None:
    recorded = SAMPLES[label]["response"]
    server.handler = lambda _: make.as_json(recorded["body"], recorded["status"])


@pytest.mark.parametrize("label", READ)
def test_what_the_real_software_answered_is_read(server, make, openwisp, label):
    _replay(server, make, label)
    assert READ[label](openwisp)


@pytest.mark.parametrize("label", REFUSED)
def test_what_the_real_software_refused_or_answered_to_another_question_is_an_error(server, make, openwisp, label):
    _replay(server, make, label)
    with pytest.raises(REFUSED[label]):
        devices(openwisp)


def test_every_recorded_pair_is_accounted_for():
    assert {*READ, *REFUSED, *NOT_ASKED} == set(SAMPLES)


# --- lists


def test_all_devices_are_read_page_by_page_from_one_host(server, peer, openwisp):
    peer.lists[MONITORING] = [device(number) for number in range(250)]
    walk = openwisp.devices()
    got = list(walk.items())
    assert [found.external_id for found in got] == [row["id"] for row in peer.lists[MONITORING]]
    assert walk.completeness.is_complete
    assert (walk.completeness.count_said, walk.completeness.count_got) == (250, 250)
    assert [int(one.query["page"]) for one in server.got] == [1, 2, 3]
    assert all(int(one.query["page_size"]) <= 100 and one.method == "GET" for one in server.got)
    assert len(server.connections) == 1


def test_asking_by_status_filters_there_and_a_peer_that_ignores_the_filter_is_refused(server, make, peer, openwisp):
    peer.lists[MONITORING] = [device(1), device(2, monitoring={"status": "critical"})]
    assert [found.name for found in openwisp.devices(DeviceStatus.CRITICAL).items()] == ["ap-00002"]
    assert openwisp.count(DeviceStatus.CRITICAL) == 1
    assert openwisp.count() == 2
    assert server.got[-1].query["page_size"] == "1"
    server.handler = lambda _: make.as_json({"count": 2, "results": peer.lists[MONITORING]})
    with pytest.raises(MalformedAnswer, match="filter"):
        list(openwisp.devices(DeviceStatus.CRITICAL))


def test_without_monitoring_the_controllers_list_serves_and_nothing_is_told_of_health(peer, openwisp):
    peer.has_monitoring = False
    peer.lists[CONTROLLER] = [{name: value for name, value in device(number).items() if name != "monitoring"} for number in range(120)]
    walk = openwisp.devices()
    assert {found.status for found in walk.items()} == {None}
    assert walk.completeness.is_complete
    assert walk.completeness.count_got == 120
    with pytest.raises(MonitoringAbsent):
        list(openwisp.devices(DeviceStatus.OK))
    with pytest.raises(MonitoringAbsent):
        openwisp.count(DeviceStatus.OK)


def test_where_there_is_no_list_at_all_the_address_is_wrong(server, make, openwisp):
    server.handler = lambda _: make.Reply(404, make.html, {"Content-Type": "text/html"})
    for call in (lambda: devices(openwisp), openwisp.count, openwisp.places, lambda: openwisp.device(KOLOLI)):
        with pytest.raises(NotFound):
            call()


def test_a_foreign_404_in_the_middle_is_not_the_end(server, make, peer, openwisp):
    peer.lists[MONITORING] = [device(number) for number in range(250)]
    server.handler = lambda got: peer(got) if got.query["page"] == "1" else make.Reply(404, make.html)
    walk = openwisp.devices()
    next(walk)
    with pytest.raises(NotFound):
        next(walk)
    assert not walk.completeness.is_complete


def test_an_empty_list_is_whole_and_for_the_caller_to_doubt(peer, openwisp):
    peer.lists[MONITORING] = []
    walk = openwisp.devices()
    assert list(walk) == []
    assert walk.completeness.is_complete
    assert walk.completeness.count_said == 0


def test_a_page_that_fails_is_asked_again(server, make, peer):
    peer.lists[MONITORING] = [device(number) for number in range(150)]
    server.will(make.Reply(502, make.html, {"Content-Type": "text/html"}), make.Reply(ends="dropped"))
    client = OpenWispClient(server.url, TOKEN, timeout_seconds=1.0, read_attempts=3)
    assert len(devices(client)) == 150
    client.close()


# --- rows


@pytest.mark.parametrize(
    ("changed", "expected", "oddities"),
    [
        ({"config": None}, {"is_deactivated": False}, {}),
        ({"config": {"status": "deactivating"}}, {"is_deactivated": True}, {}),
        ({"monitoring": {"status": "deactivated"}}, {"is_deactivated": True, "status": DeviceStatus.DEACTIVATED}, {}),
        ({"mac_address": "AA-BB-CC-00-11-22"}, {"mac": "aa:bb:cc:00:11:22"}, {}),
        ({"mac_address": "AABBCC001122"}, {"mac": "aa:bb:cc:00:11:22"}, {}),
        ({"mac_address": "aa:bb:cc:00:11"}, {"mac": None}, {"mac": 1}),
        ({"mac_address": "00:00:00:00:00:00"}, {"mac": None}, {"mac": 1}),
        ({"mac_address": None}, {"mac": None}, {"mac": 1}),
        ({"management_ip": ""}, {"address": "41.223.212.10"}, {}),
        ({"management_ip": None, "last_ip": ""}, {"address": None}, {}),
        ({"management_ip": "soon"}, {"address": "41.223.212.10"}, {"address": 1}),
        ({"management_ip": "2001:DB8::1"}, {"address": "2001:db8::1"}, {}),
        ({"monitoring": {"status": "melting"}}, {"status": DeviceStatus.UNKNOWN}, {"status": 1}),
        ({"monitoring": None}, {"status": DeviceStatus.UNKNOWN}, {"status": 1}),
        ({"name": "ap\u0000 \n one"}, {"name": "ap one"}, {}),
        ({"brand_new_field": {"x": 1}}, {"firmware": "OpenWrt 23.05.3", "model": "TP-Link Archer C7 v5"}, {}),
    ],
)
def test_rows_are_read_with_their_known_quirks(peer, openwisp, changed, expected, oddities):
    peer.lists[MONITORING] = [device(7, **changed)]
    walk = openwisp.devices()
    (found,) = walk.items()
    assert {name: getattr(found, name) for name in expected} == expected
    assert dict(walk.oddities) == oddities


@pytest.mark.parametrize(
    "body",
    [
        b"[]",
        b"null",
        b"{}",
        b"",
        b'{"count": 1, "results": [{"id": "0',
        b"<html><body>Log in</body></html>",
        b"[" * 100_000,
        json.dumps({"count": 1}).encode(),
        json.dumps({"count": "1", "results": []}).encode(),
        json.dumps({"count": -1, "results": []}).encode(),
        json.dumps({"count": 1, "results": {}}).encode(),
        json.dumps({"count": 1, "results": ["ap"]}).encode(),
        json.dumps({"count": 1, "results": [{"name": "ap", "mac_address": None}]}).encode(),
        json.dumps({"count": 1, "results": [device(1, id=None)]}).encode(),
        json.dumps({"count": 1, "results": [device(1, id="../../users/token")]}).encode(),
        json.dumps({"count": 1, "results": [device(1, name=5)]}).encode(),
        json.dumps({"count": 1, "results": [device(1, monitoring="ok")]}).encode(),
    ],
)
def test_what_is_not_the_list_is_refused_whole(server, make, openwisp, body):
    server.will(make.Reply(200, body, {"Content-Type": "application/json"}))
    with pytest.raises(MalformedAnswer) as refused:
        devices(openwisp)
    assert isinstance(refused.value, OutcomeUnknown)


@pytest.mark.parametrize(
    ("geometry", "expected"),
    [
        ({"type": "Point", "coordinates": [-16.713, 13.4432]}, (13.4432, -16.713)),
        ({"type": "Point", "coordinates": [-16, 13, 2]}, (13.0, -16.0)),
        ({"type": "Point", "coordinates": [13.4432, -916.7]}, (None, None)),
        ({"type": "Point", "coordinates": ["west", True]}, (None, None)),
        ({"type": "Polygon", "coordinates": [[[0, 0]]]}, (None, None)),
        (None, (None, None)),
    ],
)
def test_places_have_longitude_first_or_nothing(peer, openwisp, geometry, expected):
    place = {"id": "c9558c60", "name": "Senegambia", "type": "indoor", "address": "Kololi", "geometry": geometry}
    peer.lists["/api/v1/controller/location/"] = [place]
    (found,) = openwisp.places()
    assert (found.latitude, found.longitude) == expected
    assert (found.name, found.address, found.is_indoor) == ("Senegambia", "Kololi", True)


def test_the_devices_of_a_place_are_asked_by_its_id(server, peer, openwisp):
    peer.lists["/api/v1/controller/location/c9558c60/device/"] = [{"id": f"d{number}", "name": "x"} for number in range(130)]
    assert openwisp.place_devices("c9558c60") == {f"d{number}" for number in range(130)}


def test_half_a_list_of_places_is_an_error_and_not_fewer_places(server, make, openwisp):
    place = {"id": "c9558c60", "name": "Senegambia", "geometry": None}
    server.handler = lambda _: make.as_json({"count": 40, "results": [place]})
    with pytest.raises(Unavailable, match="not whole"):
        openwisp.places()


# --- errors


@pytest.mark.parametrize(
    ("reply", "error", "says"),
    [
        (lambda make: make.as_json({"detail": "Invalid token."}, 401), NotAuthorised, "INET_OPENWISP_TOKEN"),
        (lambda make: make.as_json({"detail": "You do not have permission."}, 403), Forbidden, "view devices"),
        (lambda make: make.as_json({"detail": "Slow down"}, 429), Throttled, "429"),
        (lambda make: make.Reply(301, b"", {"Location": "https://elsewhere.example/"}), MalformedAnswer, "INET_OPENWISP_BASE_URL"),
        (lambda make: make.Reply(403, make.html, {"Content-Type": "text/html"}), MalformedAnswer, "page"),
        (lambda make: make.Reply(500, make.html, {"Content-Type": "text/html"}), Unavailable, "500"),
        (lambda make: make.Reply(504, b""), Unavailable, "504"),
        (lambda make: make.Reply(ends="hung"), Unavailable, "Timeout"),
        (lambda make: make.Reply(200, b"{}", ends="short"), Unavailable, "no usable answer"),
        (lambda make: make.Reply(200, b" " * (17 * 1024 * 1024)), Unavailable, "too large"),
    ],
)
def test_each_failure_has_its_own_error_and_one_request(server, make, reply, error, says):
    openwisp = OpenWispClient(server.url, TOKEN, timeout_seconds=0.5, read_attempts=1)
    server.will(reply(make))
    with recording() as calls, pytest.raises(error, match=says) as failed:
        devices(openwisp)
    assert len(server.got) == 1
    assert [(call.service, call.operation) for call in calls] == [("openwisp", "devices")]
    assert str(pickle.loads(pickle.dumps(failed.value))) == str(failed.value)
    openwisp.close()


@pytest.mark.parametrize(("header", "wait"), [({"Retry-After": "120"}, 120.0), ({"Retry-After": "86385"}, 3600.0), ({}, 60.0)])
def test_a_throttle_names_its_wait_and_is_not_tried_again(server, make, header, wait):
    openwisp = OpenWispClient(server.url, TOKEN, read_attempts=3)
    server.will(make.as_json({"detail": "Request was throttled."}, 429, **header))
    with pytest.raises(Throttled) as throttled:
        openwisp.count()
    assert throttled.value.retry_after_seconds == throttled.value.retry_after == wait
    assert len(server.got) == 1
    openwisp.close()


def test_a_missing_right_to_places_is_named(server, make, openwisp):
    server.will(make.as_json({"detail": "You do not have permission to perform this action."}, 403))
    with pytest.raises(Forbidden) as refused:
        openwisp.places()
    assert refused.value.right == "view locations"


@pytest.mark.parametrize("token", ["", "  ", "gültig", "two\nlines"])
def test_an_unusable_token_is_said_without_asking(server, token):
    openwisp = OpenWispClient(server.url, token)
    with pytest.raises(NotAuthorised, match="INET_OPENWISP_TOKEN"):
        openwisp.count()
    assert server.got == []
    openwisp.close()


def test_a_peer_that_keeps_failing_is_left_alone_and_refusals_do_not_count(server, make):
    breaker = CircuitBreaker("openwisp", failure_threshold=2, recovery_seconds=60)
    openwisp = OpenWispClient(server.url, TOKEN, read_attempts=1, breaker=breaker)
    server.will(*[make.as_json({"detail": "Invalid token."}, 401)] * 3, *[make.Reply(500, b"")] * 2)
    for expected in (NotAuthorised, NotAuthorised, NotAuthorised, Unavailable, Unavailable):
        with pytest.raises(expected):
            openwisp.count()
    with pytest.raises(Unavailable) as refused:
        openwisp.count()
    assert refused.value.breaker_open
    assert len(server.got) == 5
    openwisp.close()


def test_nobody_there_is_unavailable(nobody_url):
    openwisp = OpenWispClient(nobody_url, TOKEN, read_attempts=1)
    with pytest.raises(Unavailable):
        openwisp.count()
    openwisp.close()


# --- secrets


def test_neither_keys_nor_the_token_get_into_values_logs_or_errors(server, make, openwisp, caplog):
    body = SAMPLES["monitoring device list"]["response"]["body"]
    broken = json.loads(json.dumps(body))
    broken["results"][0] |= {"name": {"key": KEYS[0]}, "mac_address": 5}
    heard: list[str] = []
    with structlog.testing.capture_logs() as logs, caplog.at_level(logging.DEBUG):
        server.will(make.as_json(body), make.as_json(broken), make.as_json({"detail": f"{TOKEN} {KEYS[0]}"}, 401))
        heard.append(repr(devices(openwisp)))
        for _ in range(2):
            with pytest.raises(OutboundError) as failed:
                devices(openwisp)
            heard += [repr(failed.value), "".join(traceback.format_exception(failed.value))]
    server.will(make.as_json({"detail": f"bad {TOKEN}"}, 400))
    with pytest.raises(Refused) as refused:
        openwisp.count()
    heard += [str(logs), caplog.text, repr(refused.value), repr(vars(refused.value))]
    assert not [secret for secret in (TOKEN, *KEYS) if any(secret in words for words in heard)]
