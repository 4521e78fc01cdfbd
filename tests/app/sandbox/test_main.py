from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

from app.sandbox.config import SandboxConfig
from app.sandbox.main import SandboxStartError, create_app, run

from .harness import PortalStub, SandboxClient, make_config, running_sandbox, serving

RUN = "import sys; from pathlib import Path; from app.sandbox.config import SandboxConfig; from app.sandbox.main import run; "
ROOT = Path(__file__).parents[3]


def test_a_newcomer_finds_everything_from_the_index(town: SandboxClient) -> None:
    index = town.get("/").text
    for address in ("/hotspot", "/sms", "/_control/state", "/_control/openapi.json"):
        assert f'href="{address}"' in index
        assert town.get(address).status_code == 200


def test_state_has_the_keys_that_the_contract_promises_and_no_faskey(town: SandboxClient) -> None:
    keys = [router["faskey"] for router in town.control("routers", method="GET")]
    answer = town.get("/_control/state")
    assert {"sessions", "payments", "vouchers", "charges", "grants", "pushes", "sms", "wave", "portabilling", "routers"} <= set(
        answer.json()
    )
    assert not [key for key in keys if key in answer.text]


def test_reset_forgets_everything_but_who_the_routers_are(town: SandboxClient) -> None:
    before = town.control("routers", method="GET")
    session = town.open_session()
    town.control("wave/pay", {"session_id": session["id"], "outcome": "succeed"})
    town.post("/version1/messaging", data={"username": "inet", "to": "+220833000001", "message": "x"}, headers={"apiKey": "sandbox"})
    town.control(f"routers/{before[0]['slug']}/phones")
    town.control("faults", {"service": "sms", "down": True})
    town.control("clock", {"advance_seconds": 5000})
    town.control("reset")
    state = town.state()
    assert state["sessions"] == state["payments"] == state["sms"] == state["wave"]["webhooks"] == []
    assert state["faults"] == {}
    assert [router["clients"] for router in state["routers"]] == [[]] * 4
    assert town.control("routers", method="GET") == before


def test_a_restarted_sandbox_remembers(tmp_path: Path) -> None:
    config = make_config(tmp_path)
    with running_sandbox(config) as sandbox:
        session = sandbox.open_session()
        routers = sandbox.control("routers", method="GET")
        phone = sandbox.control(f"routers/{routers[0]['slug']}/phones")
    with running_sandbox(config) as sandbox:
        assert sandbox.get_session(session["id"]) == session
        assert sandbox.control("routers", method="GET") == routers
        again = sandbox.control(f"routers/{routers[0]['slug']}/phones/{phone['mac']}", method="GET")
        assert again["hid"] == phone["hid"]


def test_an_unknown_address_and_an_unknown_session_are_problems(sandbox: SandboxClient) -> None:
    for answer in (
        sandbox.get("/nowhere"),
        sandbox.post("/_control/wave/pay", json={"session_id": "cos-none", "outcome": "succeed"}),
    ):
        assert (answer.status_code, answer.headers["content-type"]) == (404, "application/problem+json")
    wrong = sandbox.post("/_control/wave/pay", json={"outcome": "explode"})
    assert (wrong.status_code, wrong.headers["content-type"]) == (422, "application/problem+json")


def test_settings_come_from_the_products_own_names(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INET_PUBLIC_URL", "http://127.0.0.1:9999/")
    monkeypatch.setenv("INET_WAVE_API_KEY", "k")
    monkeypatch.setenv("INET_SANDBOX_SEED", "5")
    config = SandboxConfig()
    assert (config.portal_url, config.wave_api_key, config.seed) == ("http://127.0.0.1:9999", "k", 5)


def test_a_taken_port_and_an_unusable_data_dir_are_said_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(SandboxStartError, match="cannot use"):
        create_app(make_config(tmp_path / "file"))
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(SandboxStartError, match="cannot listen on"):
            run(make_config(tmp_path, port=taken.getsockname()[1]))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_stops_it_at_once_and_cleanly(portal: PortalStub, tmp_path: Path, number: signal.Signals) -> None:
    code = RUN + "run(SandboxConfig(port=0, data_dir=Path(sys.argv[1]), portal_url=sys.argv[2]))"
    command = [sys.executable, "-c", code, str(tmp_path), portal.url]
    with subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE) as process:
        portal.wait_for(lambda stub: len(stub.polls) >= 4)
        process.send_signal(number)
        _, errors = process.communicate(timeout=5)
    assert (process.returncode, errors) == (0, b"")


def test_a_call_that_is_kept_waiting_does_not_hold_up_the_stop(portal: PortalStub, tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    code = RUN + "run(SandboxConfig(port=int(sys.argv[3]), data_dir=Path(sys.argv[1]), portal_url=sys.argv[2]))"
    command = [sys.executable, "-c", code, str(tmp_path), portal.url, str(port)]
    with (
        subprocess.Popen(command, env=os.environ | {"PYTHONPATH": str(ROOT)}, stderr=subprocess.PIPE) as process,
        SandboxClient(base_url=f"http://127.0.0.1:{port}", trust_env=False, verify=False) as client,
    ):
        portal.wait_for(lambda stub: len(stub.polls) >= 4)
        client.control("faults", {"service": "wave", "latency_ms": 60_000})
        with pytest.raises(httpx.ReadTimeout):
            client.get("/v1/balance", timeout=0.1)
        process.terminate()
        _, errors = process.communicate(timeout=3)
    assert (process.returncode, errors) == (0, b"")


def test_two_sandboxes_of_one_seed_have_the_same_routers(tmp_path: Path) -> None:
    fleets = []
    for name in ("one", "two"):
        with (
            serving(create_app(make_config(tmp_path / name))) as url,
            SandboxClient(base_url=url, trust_env=False) as client,
        ):
            fleets.append(client.control("routers", method="GET"))
    assert fleets[0] == fleets[1]
