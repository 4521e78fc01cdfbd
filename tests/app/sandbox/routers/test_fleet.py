"""Whole routers against a small portal: who is let in, what is acknowledged, what is reported."""

from __future__ import annotations

import re
import time
from base64 import b64decode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, unquote, urlsplit

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from app.sandbox.routers.crypto import gateway_hash, hid_of, rhid_of

from ..harness import WAIT_SECONDS, PortalStub, Received, SandboxClient, make_config, running_sandbox

LEVELS = [(3, "10.3.1"), (4, "10.3.1"), (3, "9.10.0"), (4, "11.0.0beta")]


class Router:
    """One demo router and its control addresses."""

    def __init__(self, town: SandboxClient, portal: PortalStub, row: dict[str, Any]) -> None:
        self.town, self.portal, self.row = town, portal, row
        self.path = f"routers/{row['slug']}"

    def join(self, mac: str | None = None) -> Any:
        return self.town.control(f"{self.path}/phones", {"mac": mac})

    def phone(self, mac: str) -> Any:
        return self.town.control(f"{self.path}/phones/{mac}", method="GET")

    def poll(self, *entries: str) -> list[Received]:
        """Let it poll with these entries pending; gives its calls of this poll."""
        before = len(self.calls())
        self.portal.lists[:] = ["* " + " ".join(quote(entry, safe="") for entry in entries) if entries else "*"]
        self.town.control(f"{self.path}/poll")
        return self.calls()[before:]

    def admit(self, phone: dict[str, Any], rest: str = "60 0 0 0 0 Zz04YzFm") -> list[Received]:
        return self.poll(f"{self.rhid(phone)} {rest}")

    def rhid(self, phone: dict[str, Any]) -> str:
        return rhid_of(phone["hid"], self.row["faskey"])

    def calls(self) -> list[Received]:
        return [call for call in self.portal.polls if call.path == f"/fas/{self.row['slug']}"]

    def reports(self) -> list[dict[str, str]]:
        texts = [payload(call) for call in self.calls() if "auth_get=deauthed" in call.text]
        return [dict(part.split("=", 1) for part in text.split(", ")) for text in texts]

    def wait_for_report(self) -> dict[str, str]:
        self.portal.wait_for(lambda _: bool(self.reports()))
        return self.reports()[-1]

    def state(self) -> Any:
        return next(row for row in self.town.state()["routers"] if row["slug"] == self.row["slug"])


def payload(call: Received) -> str:
    text = call.text.split("&payload=")[1]
    return b64decode(unquote(text) if call.method == "POST" else text).decode()


@pytest.fixture(params=range(4), ids=[f"level-{level}-{version}" for level, version in LEVELS])
def router(request: pytest.FixtureRequest, town: SandboxClient, portal: PortalStub) -> Router:
    """Each kind of demo router in turn, after the poll it makes when it is switched on."""
    row = town.control("routers", method="GET")[request.param]
    assert (row["level"], row["version"]) == LEVELS[request.param]
    found = Router(town, portal, row)
    portal.wait_for(lambda _: len(found.calls()) == 3)
    return found


def test_a_router_clears_once_and_then_views_and_acknowledges_even_nothing(router: Router) -> None:
    kinds = [(re.search(r"auth_get=(\w+)", call.text)[1], payload(call)) for call in router.calls() + router.poll()]  # type: ignore[index]
    assert kinds == [("clear", "none"), ("view", "none"), ("view", "*"), ("view", "none"), ("view", "*")]
    wanted = f"gatewayhash={gateway_hash(router.row['gateway_name'])}"
    assert all(wanted in call.text and call.method == ("GET" if router.row["level"] == 4 else "POST") for call in router.calls())


def test_a_phone_named_by_its_rhid_is_let_in_and_acknowledged(router: Router) -> None:
    phone = router.join()
    calls = router.admit(phone)
    assert payload(calls[-1]) == f"* {router.rhid(phone)}"
    shown = router.phone(phone["mac"])
    assert (shown["state"], shown["minutes_left"], shown["grant"]["custom"]) == ("online", 60, "Zz04YzFm")
    assert [grant["mac"] for grant in router.town.state()["grants"]] == [phone["mac"]]


def test_a_wrong_rhid_and_a_phone_already_online_are_met_with_silence(router: Router) -> None:
    phone = router.join()
    assert payload(router.poll(f"{'0' * 64} 60 0 0 0 0 bmE=")[-1]) == "*"
    router.admit(phone)
    assert payload(router.admit(phone, "120 0 0 0 0 bmE=")[-1]) == "*"
    assert router.phone(phone["mac"])["minutes_left"] == 60


def test_a_mac_is_let_in_too(router: Router) -> None:
    phone = router.join()
    assert payload(router.poll(f"{phone['mac']} 5 0 0 0 0 bWFj")[-1]) == f"* {phone['mac']}"
    assert router.phone(phone["mac"])["state"] == "online"


def test_the_redirect_says_who_the_phone_is(router: Router) -> None:
    phone = router.join("02-00-00-BB-00-50")
    url = urlsplit(phone["redirect_url"])
    query = {name: values[0] for name, values in parse_qs(url.query.replace("+", "%2B")).items()}
    plain = decrypt(query["fas"], query["iv"], router.row["faskey"]) if "iv" in query else b64decode(query["fas"]).decode()
    values = dict(part.split("=", 1) for part in plain.split(", ") if "=" in part)
    assert (url.path, "iv" in query) == (f"/fas/{router.row['slug']}", router.row["level"] == 3)
    assert (values["hid"], values["clientmac"], values["clientip"]) == (phone["hid"], "02:00:00:bb:00:50", phone["clientip"])
    assert values["gatewayname"] == router.row["gateway_name"]
    assert ("authdir" in values, "cpi_query" in values) == (router.row["level"] == 3, router.row["version"] != "9.10.0")


def test_time_over_ends_the_session_with_a_report_that_holds_the_token(router: Router) -> None:
    phone = router.join()
    router.admit(phone, "1 0 0 0 0 Zz04YzFm")
    router.town.control(f"{router.path}/phones/{phone['mac']}/traffic", {"down_kb": 3})
    router.town.control("clock", {"advance_seconds": 61})
    router.poll()
    report = router.wait_for_report()
    assert report["method"].strip('"') == "timeout_deauth"
    assert (hid_of(report["token"]), report["bytes_incoming"]) == (phone["hid"], "3072")
    assert unquote(report["custom"].strip('"')) == "Zz04YzFm"
    again = router.join(phone["mac"])
    assert (again["state"], again["hid"] != phone["hid"]) == ("captive", True)


def test_a_spent_quota_ends_the_session(router: Router) -> None:
    phone = router.join()
    router.admit(phone, "60 0 0 0 100 bmE=")
    router.town.control(f"{router.path}/phones/{phone['mac']}/traffic", {"down_kb": 100})
    router.poll()
    old = router.row["version"] == "9.10.0"
    assert router.wait_for_report()["method"].strip('"') == ("downquota_deauth" if old else "download_quota_deauth")


def test_a_phone_that_leaves_is_reported_and_comes_back_with_a_new_hid(router: Router) -> None:
    phone = router.join()
    router.admit(phone)
    router.town.control(f"{router.path}/phones/{phone['mac']}/leave")
    assert router.wait_for_report()["method"].strip('"') == "idle_deauth"
    assert router.join(phone["mac"])["hid"] not in ("", phone["hid"])


def test_a_restart_reports_everybody_and_then_clears(router: Router) -> None:
    phone = router.join()
    router.admit(phone)
    router.town.control(f"{router.path}/restart")
    assert router.wait_for_report()["method"].strip('"') == "shutdown_deauth"
    router.portal.wait_for(lambda _: sum("auth_get=clear" in call.text for call in router.calls()) == 2)
    assert router.phone(phone["mac"])["state"] == "captive"


def test_a_crash_sends_nothing_and_leaves_the_phones_online(router: Router) -> None:
    phone = router.join()
    router.admit(phone)
    router.town.control(f"{router.path}/crash")
    assert router.poll() == []
    assert (router.phone(phone["mac"])["state"], router.state()["online"]) == ("online", False)


def test_with_the_line_down_sessions_run_out_unreported(router: Router) -> None:
    phone = router.join()
    router.admit(phone, "1 0 0 0 0 bmE=")
    router.town.control(f"{router.path}/wan", {"up": False})
    router.town.control("clock", {"advance_seconds": 61})
    assert router.poll() == []
    assert router.phone(phone["mac"])["state"] == "captive"
    router.town.control(f"{router.path}/wan", {"up": True})
    router.poll()
    assert router.reports() == []
    assert router.state()["grants"][0]["reported"] is False


def test_a_list_with_shell_in_it_is_kept_as_evidence(router: Router) -> None:
    router.poll(f"{'0' * 64} 60 0 0 0 0 x;touch${{IFS}}/tmp/x")
    (violation,) = router.state()["violations"]
    assert (violation["reason"], "touch" in violation["raw"]) == ("bytes", True)


def test_an_answer_can_be_lost_on_its_way_to_the_router(router: Router) -> None:
    phone = router.join()
    router.town.control("faults", {"service": "routers", "drop_response_rate": 1, "operations": ["view"], "count": 1})
    router.admit(phone)
    assert router.phone(phone["mac"])["state"] == "captive"
    router.admit(phone)
    assert router.phone(phone["mac"])["state"] == "online"


def test_the_same_phone_keeps_its_hid_for_half_an_hour(town: SandboxClient, portal: PortalStub) -> None:
    router = Router(town, portal, town.control("routers", method="GET")[0])
    phone = router.join()
    town.control("clock", {"advance_seconds": 1700})
    assert router.join(phone["mac"])["hid"] == phone["hid"]
    town.control("clock", {"advance_seconds": 200})
    assert router.join(phone["mac"])["hid"] != phone["hid"]


def test_a_router_can_be_added_and_polls_at_the_interval_it_is_given(town: SandboxClient, portal: PortalStub) -> None:
    row = {"slug": "mine", "gateway_name": "inet-mine", "faskey": "abc", "level": 3, "poll_interval_seconds": 0.02}
    town.control("routers", row)
    portal.wait_for(lambda stub: sum(call.path == "/fas/mine" for call in stub.polls) >= 7)
    assert town.control("routers/mine", {"poll_interval_seconds": 50}, "PATCH")["poll_interval_seconds"] == 50
    assert town.post("/_control/routers", json=row).status_code == 409


@pytest.mark.parametrize(
    "wrong", [{"level": 2}, {"faskey": "no way"}, {"slug": "a/b"}, {"level": 4, "version": "9.10.0"}, {"gateway_name": ""}]
)
def test_a_wrong_router_is_refused(sandbox: SandboxClient, wrong: dict[str, object]) -> None:
    row = {"slug": "mine", "gateway_name": "inet-mine", "faskey": "abc", "level": 3}
    assert sandbox.post("/_control/routers", json=row | wrong).status_code == 422
    assert sandbox.control("routers", method="GET") == []


def test_a_portal_that_is_away_only_makes_the_routers_wait(tmp_path: Path) -> None:
    with running_sandbox(make_config(tmp_path)) as town:
        slug = town.control("routers", method="GET")[0]["slug"]
        assert town.control(f"routers/{slug}/poll")["online"] is True


def test_a_round_that_goes_wrong_in_an_unforeseen_way_is_followed_by_the_next(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    row = {"slug": "mine", "gateway_name": "inet-mine", "faskey": "abc", "level": 3, "poll_interval_seconds": 0.02}
    with running_sandbox(make_config(tmp_path, portal_url="http://127.0.0.1:no-port")) as town:
        town.control("routers", row)
        deadline = time.monotonic() + WAIT_SECONDS
        while caplog.text.count("router.round_failed name=mine") < 3:
            assert time.monotonic() < deadline, "it never tried again"
            time.sleep(0.01)


def test_a_person_joins_and_is_sent_to_the_portal_and_sees_the_phone(town: SandboxClient, portal: PortalStub) -> None:
    router = Router(town, portal, town.control("routers", method="GET")[0])
    portal.wait_for(lambda _: len(router.calls()) == 3)
    assert "Join this Wi-Fi as a phone" in town.get("/hotspot").text
    slug, mac = router.row["slug"], "02:00:00:bb:00:51"
    joined = town.get(f"/hotspot/{slug}/join", params={"mac": mac})
    assert (joined.status_code, joined.headers["location"].startswith(f"{portal.url}/fas/{slug}?fas=")) == (307, True)
    assert town.get(f"/hotspot/{slug}/phones/{mac}/internet").status_code == 307
    router.admit(router.phone(mac))
    assert "60 minutes left" in town.get(f"/hotspot/{slug}/phones/{mac}").text
    assert "You are online" in town.get(f"/hotspot/{slug}/phones/{mac}/internet").text
    assert town.get(f"/hotspot/{slug}/join", params={"mac": mac}).headers["location"] == f"/hotspot/{slug}/phones/{mac}"
    left = town.post(f"/hotspot/{slug}/phones/{mac}/rejoin", data={"new": "1"})
    assert left.headers["location"] != f"/hotspot/{slug}/phones/{mac}"
    assert "Captive" in town.get(left.headers["location"]).text


def test_what_is_no_mac_and_no_router_is_refused(town: SandboxClient) -> None:
    slug = town.control("routers", method="GET")[0]["slug"]
    assert town.post(f"/_control/routers/{slug}/phones", json={"mac": "nonsense"}).status_code == 422
    assert town.post("/_control/routers/none/phones").status_code == 404
    assert town.get(f"/_control/routers/{slug}/phones/02:00:00:00:00:99").status_code == 404


def decrypt(fas: str, iv: str, faskey: str) -> str:
    ciphertext = b64decode(b64decode(fas))
    decryptor = Cipher(algorithms.AES(faskey.encode()[:32]), modes.CBC(iv.encode())).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    return padded[: -padded[-1]].decode()
