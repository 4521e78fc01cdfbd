from __future__ import annotations

import pytest

from .conftest import CONTROLLER, MONITORING, OpenWispClient


def test_pages_are_ten_long_unless_asked_and_a_hundred_at_most(openwisp: OpenWispClient) -> None:
    openwisp.control("fleet", count=250, sites=20)
    assert len(openwisp.read(MONITORING)["results"]) == 10
    assert len(openwisp.read(MONITORING, page_size=7)["results"]) == 7
    for size in ("0", "-1", "many"):
        assert len(openwisp.read(MONITORING, page_size=size)["results"]) == 10
    capped = openwisp.read(MONITORING, page_size=1000, page="last")
    assert (capped["count"], len(capped["results"]), capped["next"]) == (250, 50, None)


@pytest.mark.parametrize("page", ["4", "0", "-1", "two"])
def test_a_page_that_is_not_there_is_404(openwisp: OpenWispClient, page: str) -> None:
    answer = openwisp.get(MONITORING, page=page)
    assert (answer.status_code, answer.json()) == (404, {"detail": "Invalid page."})


def test_the_links_between_pages_keep_the_query_and_name_a_host_nobody_can_reach(openwisp: OpenWispClient) -> None:
    second = openwisp.read(MONITORING, page=2, page_size=5, bogus=1)
    assert second["next"] == f"http://openwisp.internal:8000{MONITORING}?bogus=1&page=3&page_size=5"
    assert second["previous"] == f"http://openwisp.internal:8000{MONITORING}?bogus=1&page_size=5"
    openwisp.control("mode", next_host=None)
    assert openwisp.read(MONITORING)["next"].startswith(f"{openwisp.http.base_url}{MONITORING}?page=2".replace("//api", "/api"))


def test_the_controller_lists_the_newest_first_and_the_monitoring_by_name_whatever_ordering_says(openwisp: OpenWispClient) -> None:
    created = [item["created"] for item in openwisp.read(CONTROLLER, page_size=100, ordering="created")["results"]]
    assert created == sorted(created, reverse=True)
    names = [item["name"] for item in openwisp.read(MONITORING, page_size=100, ordering="-name")["results"]]
    assert names == sorted(names)


def test_filters_find_what_they_say_and_an_unknown_one_finds_everything(openwisp: OpenWispClient) -> None:
    everything = openwisp.read(CONTROLLER, page_size=100)["results"]
    one = everything[3]

    def found(**query: object) -> set[str]:
        return {item["id"] for item in openwisp.read(CONTROLLER, page_size=100, **query)["results"]}

    def those(**fields: object) -> set[str]:
        return {item["id"] for item in everything if fields.items() <= item.items()}

    assert found(mac_address=one["mac_address"].swapcase()) == {
        item["id"] for item in everything if item["mac_address"].lower() == one["mac_address"].lower()
    }
    assert found(organization=one["organization"]) == those(organization=one["organization"])
    assert found(config__status="modified") == {item["id"] for item in everything if (item["config"] or {}).get("status") == "modified"}
    assert found(created__gte=one["created"]) | found(created__lt=one["created"]) == found(config_status="modified")
    assert found(created__gte=one["created"]) & found(created__lt=one["created"]) == set()
    location = openwisp.known()["locations"][0]
    assert len(found(location=location["id"])) == len(found(location__name=location["name"])) == location["devices"]
    # The monitoring's list knows only three filters, so a name is ignored there.
    assert openwisp.read(MONITORING, name=one["name"])["count"] == len(everything)
    assert openwisp.read(MONITORING, organization_slug="kombo-lodges")["count"] == 2


@pytest.mark.parametrize(
    ("path", "query", "text"),
    [
        (CONTROLLER, {"config__status": "bogus"}, "Select a valid choice. bogus is not one of the available choices."),
        (CONTROLLER, {"organization": "notauuid"}, "“notauuid” is not a valid UUID."),
        (CONTROLLER, {"created__gte": "yesterday"}, "Enter a valid date/time."),
        (MONITORING, {"monitoring__status": "down"}, "Select a valid choice. down is not one of the available choices."),
    ],
)
def test_a_filter_with_an_impossible_value_is_400(openwisp: OpenWispClient, path: str, query: dict[str, str], text: str) -> None:
    answer = openwisp.get(path, **query)
    assert (answer.status_code, answer.json()) == (400, {next(iter(query)): [text]})


def test_the_map_counts_every_placed_device_once_by_health(openwisp: OpenWispClient) -> None:
    features = openwisp.read("/api/v1/monitoring/geojson/")["features"]
    placed = [device for device in openwisp.known()["devices"] if device["location"]]
    assert sum(feature["properties"]["device_count"] for feature in features) == len(placed)
    for status in ("ok", "problem", "critical", "unknown", "deactivated"):
        counted = sum(feature["properties"][f"{status}_count"] for feature in features)
        assert counted == sum(device["status"] == status for device in placed)


def test_a_places_devices_are_those_whose_own_location_it_is(openwisp: OpenWispClient) -> None:
    for location in openwisp.read("/api/v1/controller/location/", page_size=50)["results"]:
        for device in openwisp.read(f"/api/v1/controller/location/{location['id']}/device/")["results"]:
            assert "key" not in device
            where = openwisp.read(f"/api/v1/controller/device/{device['id']}/location/")["location"]
            assert (where["id"], where["geometry"]) == (location["id"], location["geometry"])


def test_a_forgotten_slash_is_redirected_and_the_projects_own_paths_are_not_there(openwisp: OpenWispClient) -> None:
    answer = openwisp.get("/api/v1/monitoring/device?page=2")
    assert (answer.status_code, answer.headers["location"]) == (301, "/api/v1/monitoring/device/?page=2")
    for path in ("/api/v1/network-devices", "/api/v1/device-monitoring", "/api/v1/network-devices/"):
        absent = openwisp.get(path)
        assert absent.status_code == 404
        assert absent.headers["content-type"].startswith("text/html")
