from __future__ import annotations

import json

import pytest

from app.sandbox.openwisp.making import router_mac

from .conftest import AUTH, CONTROLLER, MONITORING, OpenWispClient


def device(openwisp: OpenWispClient, device_id: str) -> dict[str, object]:
    found: dict[str, object] = next(item for item in openwisp.known()["devices"] if item["id"] == device_id)
    return found


def test_the_demo_network_stands_where_the_routers_stand(openwisp: OpenWispClient) -> None:
    known = openwisp.known()
    assert (len(known["devices"]), len(known["locations"])) == (24, 10)
    names = {location["id"]: location["name"] for location in known["locations"]}
    by_mac = {item["mac_address"].lower(): item for item in known["devices"]}
    routers = openwisp.http.state()["routers"]
    assert len(routers) == 4
    for number, router in enumerate(routers):
        assert router["mac"] == router_mac(number)
        assert names[by_mac[router["mac"]]["location"]] == router["name"]
        assert by_mac[router["mac"]]["status"] == "ok"


def test_the_demo_network_holds_one_of_every_oddity(openwisp: OpenWispClient) -> None:
    items = openwisp.walk()
    macs, names = [item["mac_address"].lower() for item in items], [item["name"] for item in items]
    assert None in [item["config"] for item in items]
    assert {"unknown", "problem", "deactivated"} <= {item["monitoring"]["status"] for item in items}
    assert "" in [item["last_ip"] for item in items]
    assert len(set(macs)) == len(macs) - 1
    assert len(set(names)) == len(names) - 1
    assert any(item["mac_address"] != item["mac_address"].lower() for item in items)
    assert None in [item["location"] for item in openwisp.known()["devices"]]


def test_a_device_goes_through_the_states_and_its_address_is_cleared_while_critical(openwisp: OpenWispClient) -> None:
    one = next(item for item in openwisp.walk() if item["monitoring"]["status"] == "ok")
    for status, address in (("problem", one["management_ip"]), ("critical", None), ("ok", one["management_ip"])):
        assert openwisp.control("devices", ids=[one["id"]], status=status) == {"changed": 1}
        assert openwisp.control("devices", ids=[one["id"]], status=status) == {"changed": 0}
        now = openwisp.read(f"{MONITORING}{one['id']}/")
        assert (now["monitoring"]["status"], now["management_ip"]) == (status, address)
    openwisp.control("mode", clear_management_ip=False)
    openwisp.control("devices", ids=[one["id"]], status="critical")
    assert openwisp.read(f"{CONTROLLER}{one['id']}/")["management_ip"] == one["management_ip"]


def test_devices_are_chosen_by_name_by_place_or_by_share(openwisp: OpenWispClient) -> None:
    openwisp.control("fleet", count=400, sites=40, odd=0)
    name = openwisp.walk()[0]["name"]
    assert openwisp.control("devices", names=[name], status="problem") == {"changed": 1}
    assert openwisp.control("devices", location="Kololi Strip", status="critical") == {"changed": 10}
    assert openwisp.control("devices", share=0.25, status="unknown") == {"changed": 100}
    assert openwisp.read(MONITORING, monitoring__status="unknown")["count"] == 100
    for wrong in ({}, {"ids": [], "share": 1}):
        assert openwisp.http.post("/_control/openwisp/devices", json={"status": "ok"} | wrong).status_code == 422
    assert openwisp.http.post("/_control/openwisp/devices", json={"status": "ok", "names": ["nobody"]}).status_code == 404


def test_a_device_can_be_renamed_moved_deactivated_brought_back_and_removed(openwisp: OpenWispClient) -> None:
    one = next(item for item in openwisp.walk() if item["monitoring"]["status"] == "ok")
    openwisp.control("devices/rename", id=one["id"], name="ap-other")
    openwisp.control("devices/move", names=["ap-other"], to="Basse Market")
    assert openwisp.read(f"{CONTROLLER}{one['id']}/location/")["location"]["properties"]["name"] == "Basse Market"
    openwisp.control("devices/move", ids=[one["id"]], to=None)
    assert openwisp.get(f"{CONTROLLER}{one['id']}/location/").status_code == 404
    openwisp.control("devices/activation", ids=[one["id"]], active=False)
    gone = openwisp.read(f"{CONTROLLER}{one['id']}/")
    assert (gone["is_deactivated"], gone["config"]["status"]) == (True, "deactivating")
    assert openwisp.control("devices", ids=[one["id"]], status="ok") == {"changed": 0}
    openwisp.control("devices/activation", ids=[one["id"]], active=True)
    assert device(openwisp, one["id"])["status"] == "unknown"
    openwisp.control("devices/remove", ids=[one["id"]])
    assert openwisp.get(f"{CONTROLLER}{one['id']}/").json() == {"detail": "No Device matches the given query."}
    assert len(openwisp.walk()) == openwisp.read(CONTROLLER)["count"] == 23


def test_an_added_device_is_the_newest_and_may_share_its_mac_with_one_of_another_organisation(openwisp: OpenWispClient) -> None:
    mac = openwisp.walk()[0]["mac_address"]
    added = openwisp.control("devices/add", name="ap-twin", organization="kombo-lodges", location="Tanji Lodge", mac_address=mac)
    assert openwisp.read(CONTROLLER)["results"][0]["id"] == added["ids"][0]
    assert openwisp.read(CONTROLLER, mac_address=mac)["count"] >= 2


def test_devices_come_and_go_between_two_pages(openwisp: OpenWispClient) -> None:
    openwisp.control("fleet", count=30, sites=3, odd=0)
    openwisp.control("between-pages", after_pages=1, add=5)
    drifted = [item["id"] for item in openwisp.walk(CONTROLLER)]
    # Five newer ones pushed five that were read already onto the next page.
    assert (len(drifted), len(set(drifted))) == (35, 30)
    openwisp.control("between-pages", after_pages=2, remove=10, seed=3)
    assert len({item["id"] for item in openwisp.walk(CONTROLLER)}) < 35


def test_a_token_may_be_revoked_in_the_middle_of_a_poll(openwisp: OpenWispClient) -> None:
    openwisp.control("between-pages", after_pages=2, revoke_token=True)
    assert [openwisp.get(MONITORING, page=page).status_code for page in (1, 2, 3)] == [200, 200, 401]


def test_without_the_monitoring_app_its_addresses_are_not_there(openwisp: OpenWispClient) -> None:
    openwisp.control("mode", monitoring=False)
    for path in (MONITORING, "/api/v1/monitoring/geojson/"):
        answer = openwisp.get(path)
        assert (answer.status_code, answer.headers["content-type"].split(";")[0]) == (404, "text/html")
    assert openwisp.get(CONTROLLER).status_code == 200


@pytest.mark.parametrize(("answer", "status"), [("html_500", 500), ("bad_gateway", 502), ("gateway_timeout", 504), ("html_200", 200)])
def test_a_page_may_come_in_place_of_json(openwisp: OpenWispClient, answer: str, status: int) -> None:
    openwisp.control("mode", answer=answer)
    got = openwisp.get(MONITORING)
    assert (got.status_code, got.headers["content-type"].split(";")[0]) == (status, "text/html")
    openwisp.control("mode", answer="ok")
    assert openwisp.get(MONITORING).json()["count"] == 24


def test_a_list_may_be_cut_empty_or_half(openwisp: OpenWispClient) -> None:
    openwisp.control("mode", answer="truncated")
    with pytest.raises(json.JSONDecodeError):
        openwisp.get(MONITORING).json()
    openwisp.control("mode", answer="empty")
    assert openwisp.read(MONITORING) == {"count": 0, "next": None, "previous": None, "results": []}
    openwisp.control("mode", answer="half")
    assert (openwisp.read(MONITORING)["count"], len(openwisp.walk())) == (24, 12)


def test_the_common_faults_reach_openwisp_by_operation(openwisp: OpenWispClient) -> None:
    faults = {"service": "openwisp", "error_rate": 1, "error_statuses": [503], "operations": ["monitoring-devices"]}
    openwisp.http.control("faults", faults)
    assert openwisp.get(MONITORING).status_code == 503
    assert openwisp.get(CONTROLLER).status_code == 200


def test_state_tells_neither_keys_nor_the_token(openwisp: OpenWispClient) -> None:
    state = json.dumps(openwisp.known())
    assert not [item["key"] for item in openwisp.walk() if item["key"] in state]
    assert AUTH["Authorization"].split()[1] not in state
