from __future__ import annotations

from .conftest import MONITORING, TOKEN, OpenWispClient

CREDENTIALS = {"username": "admin", "password": "adminpass"}


def log_in(openwisp: OpenWispClient, address: str = "192.0.2.1", **fields: str) -> tuple[int, str]:
    answer = openwisp.http.post("/api/v1/users/token/", data=CREDENTIALS | fields, headers={"X-Forwarded-For": address})
    return answer.status_code, answer.text


def test_the_same_token_comes_every_time_until_the_day_is_used_up(openwisp: OpenWispClient) -> None:
    assert {log_in(openwisp)[1] for _ in range(19)} == {f'{{"token":"{TOKEN}"}}'}
    assert log_in(openwisp, password="wrong")[0] == 400
    throttled = openwisp.http.post("/api/v1/users/token/", json=CREDENTIALS, headers={"X-Forwarded-For": "192.0.2.1"})
    seconds = int(throttled.headers["Retry-After"])
    assert (throttled.status_code, 86_000 < seconds <= 86_400) == (429, True)
    assert throttled.json() == {"detail": f"Request was throttled. Expected available in {seconds} seconds."}
    assert log_in(openwisp, address="192.0.2.2")[0] == 200
    openwisp.http.control("clock", {"advance_seconds": 86_400})
    assert log_in(openwisp)[0] == 200


def test_a_revoked_token_is_invalid_and_the_next_log_in_makes_another(openwisp: OpenWispClient) -> None:
    openwisp.control("token", action="revoke")
    refused = openwisp.get(MONITORING)
    assert (refused.status_code, refused.json()) == (401, {"detail": "Invalid token."})
    assert refused.headers["WWW-Authenticate"] == "Bearer"
    fresh = openwisp.http.post("/api/v1/users/token/", json=CREDENTIALS).json()["token"]
    assert fresh != TOKEN
    assert openwisp.http.get(MONITORING, headers={"Authorization": f"Bearer {fresh}"}).status_code == 200
    openwisp.control("token", action="restore")
    assert openwisp.get(MONITORING).status_code == 200


def test_a_rotated_token_replaces_the_old_one(openwisp: OpenWispClient) -> None:
    fresh = openwisp.control("token", action="rotate")["token"]
    assert openwisp.get(MONITORING).status_code == 401
    assert openwisp.http.get(MONITORING, headers={"Authorization": f"Bearer {fresh}"}).status_code == 200


def test_a_user_without_the_view_permissions_is_403(openwisp: OpenWispClient) -> None:
    openwisp.control("mode", forbidden=True)
    answer = openwisp.get(MONITORING)
    assert (answer.status_code, answer.json()) == (403, {"detail": "You do not have permission to perform this action."})


def test_an_organisation_whose_permission_is_lost_vanishes_without_a_word(openwisp: OpenWispClient) -> None:
    mine = openwisp.walk()[0]
    openwisp.control("organization", slug="inet-gambia")
    assert openwisp.read(MONITORING)["count"] == openwisp.read("/api/v1/controller/location/")["count"] + 1 == 2
    assert openwisp.get(f"/api/v1/controller/device/{mine['id']}/").status_code == 404
    openwisp.control("organization", slug="kombo-lodges")
    assert openwisp.read(MONITORING) == {"count": 0, "next": None, "previous": None, "results": []}
    openwisp.control("organization", slug="inet-gambia", gone=False)
    assert openwisp.read(MONITORING)["count"] == 22
