from __future__ import annotations

import time
from pathlib import Path

from app.sandbox.clock import SandboxClock
from app.sandbox.openwisp.network import Network
from app.sandbox.openwisp.switches import Switches
from app.sandbox.store import Store

from ..harness import make_config


def open_network(directory: Path) -> tuple[Network, Store]:
    store = Store(directory / "sandbox.sqlite3")
    return Network(make_config(directory), store, SandboxClock(), Switches(gateway_at_start=False)), store


def test_a_restarted_sandbox_remembers_the_network_and_all_that_happened_to_it(tmp_path: Path) -> None:
    network, store = open_network(tmp_path)
    network.remake(count=500, sites=40, seed=7, odd=0.1)
    first, second, third, *_ = network.by_name()
    network.set_status([first], "critical")
    network.rename(second, "ap-renamed")
    network.remove([third])
    organization = next(iter(network.organizations.values()))
    network.add(name="ap-added", location=network.locations()[0], organization=organization, mac_address=None)
    before = network.by_id()
    store.close()
    again, store = open_network(tmp_path)
    assert again.by_id() == before
    assert again.locations() == network.locations()
    newest = again.add(name=None, location=None, organization=organization, mac_address=None)
    assert newest.number not in {device.number for device in before}
    store.close()


def test_a_big_network_is_made_fast_and_takes_little_room(tmp_path: Path) -> None:
    network, store = open_network(tmp_path)
    began = time.process_time()
    network.remake(count=20_000, sites=1000, seed=1, odd=0.02)
    assert len({device.name for device in network.by_name()}) > 19_000
    # A fifth of this on a quiet machine.
    assert time.process_time() - began < 5
    assert len({location.name for location in network.locations()}) == 1000
    store.close()
    assert sum(file.stat().st_size for file in tmp_path.iterdir()) < 200_000


def test_the_same_plan_makes_the_same_network(tmp_path: Path) -> None:
    networks = [open_network(tmp_path / name) for name in ("one", "two")]
    assert [device.id for device in networks[0][0].newest_first()] == [device.id for device in networks[1][0].newest_first()]
    for _, store in networks:
        store.close()
