"""The network itself: devices, places, organisations, and what can happen to them."""

from __future__ import annotations

import random
import uuid
from collections.abc import Callable, Iterable
from typing import TypeVar

from app.sandbox.clock import SandboxClock
from app.sandbox.config import SandboxConfig
from app.sandbox.openwisp.making import DEMO_COUNT, DEMO_SITES, Made, Plan, free_mac, make, new_device
from app.sandbox.openwisp.models import Device, Location, Organization, Removed
from app.sandbox.openwisp.switches import Switches
from app.sandbox.store import Store, Table

DEMO_ODD = 0.25
View = TypeVar("View")


class Network:
    """What the token may see of OpenWISP's devices, in each of the orders OpenWISP lists them in.

    Remembered are the plan a network was made from and the devices that differ from it, not each of 100,000 devices.
    """

    def __init__(self, config: SandboxConfig, store: Store, clock: SandboxClock, switches: Switches) -> None:
        self._config, self._clock, self._switches = config, clock, switches
        self._plans = Table(store, "openwisp_plan", Plan, key=lambda row: row.name)
        self._changed = Table(store, "openwisp_device", Device, key=lambda row: row.id)
        self._removed = Table(store, "openwisp_removed", Removed, key=lambda row: row.id)
        self.gone: set[str] = set()
        plan = self._plans.last()
        self._take(make(plan or self._save_plan(DEMO_COUNT, DEMO_SITES, config.seed, DEMO_ODD)))
        self._devices |= {device.id: device for device in self._changed.all()}
        for removed in self._removed.all():
            self._devices.pop(removed.id, None)

    def reset(self) -> None:
        """The demo's network, as new."""
        self.remake(count=DEMO_COUNT, sites=DEMO_SITES, seed=self._config.seed, odd=DEMO_ODD)

    def remake(self, *, count: int, sites: int, seed: int, odd: float) -> None:
        """Another network in place of this one."""
        self._changed.clear()
        self._removed.clear()
        self.gone.clear()
        self._take(make(self._save_plan(count, sites, seed, odd)))

    def _save_plan(self, count: int, sites: int, seed: int, odd: float) -> Plan:
        routers = min(self._config.router_count, count)
        return self._plans.save(Plan(count, sites, seed, odd, routers, made_at=self._clock.now()))

    def _take(self, made: Made) -> None:
        self.organizations, self._locations, self._devices = made.organizations, made.locations, made.devices
        self._next_number = 1 + max((row.number for row in (*self._devices.values(), *self._changed.all())), default=-1)
        self.seen_anew()

    # What is seen

    def seen_anew(self) -> None:
        """Forget the orders and groups: devices came, went or moved, or the rights changed."""
        self._views: dict[str, object] = {}

    def newest_first(self) -> list[Device]:
        """The controller's order."""
        return self._view("newest", lambda: sorted(self._visible(), key=lambda device: (device.created_at, device.number), reverse=True))

    def by_name(self) -> list[Device]:
        """The monitoring's order."""
        return self._view("name", lambda: sorted(self._visible(), key=lambda device: (device.name, device.id)))

    def by_id(self) -> list[Device]:
        """The own dialect's order."""
        return self._view("id", lambda: sorted(self._visible(), key=lambda device: device.id))

    def locations(self) -> list[Location]:
        """Newest first."""
        seen = (location for location in self._locations.values() if location.organization not in self.gone)
        return self._view("locations", lambda: sorted(seen, key=lambda location: location.created_at, reverse=True))

    def devices_at(self, location: Location) -> list[Device]:
        """The devices of a place, oldest first."""
        return self._view("places", self._by_location).get(location.id, [])

    def device(self, device_id: str) -> Device | None:
        """One device that the token may see."""
        device = self._devices.get(device_id)
        return device if device and device.organization not in self.gone else None

    def location(self, location_id: str | None) -> Location | None:
        """One place that the token may see."""
        location = self._locations.get(location_id or "")
        return location if location and location.organization not in self.gone else None

    def location_of(self, device: Device) -> Location | None:
        """Where a device stands."""
        return self.location(device.location)

    def _visible(self) -> list[Device]:
        return [device for device in self._devices.values() if device.organization not in self.gone]

    def _by_location(self) -> dict[str, list[Device]]:
        found: dict[str, list[Device]] = {}
        for device in self._visible():
            if device.location is not None:
                found.setdefault(device.location, []).append(device)
        return found

    def _view(self, name: str, build: Callable[[], View]) -> View:
        if name not in self._views:
            self._views[name] = build()
        view: View = self._views[name]  # type: ignore[assignment]
        return view

    # What happens

    def set_status(self, devices: Iterable[Device], status: str) -> int:
        """Let the monitoring come to a conclusion; gives how many devices changed. A deactivated device has none."""
        return self._save_all([device for device in devices if not device.deactivated and self._conclude(device, status)])

    def _conclude(self, device: Device, status: str) -> bool:
        if device.status == status:
            return False
        device.status = status
        address = device.management_ip
        if status == "critical" and self._switches.mode.clear_management_ip:
            device.management_ip = None
        elif status in ("ok", "problem"):
            device.management_ip = device.usual_management_ip
        if device.management_ip != address:
            device.modified_at = self._clock.now()
        return True

    def set_active(self, devices: Iterable[Device], active: bool) -> int:
        """Deactivate devices, or bring them back (of unknown health, their configuration not applied yet)."""
        changed = [device for device in devices if device.deactivated is active]
        for device in changed:
            device.status = "unknown" if active else "deactivated"
            if device.config_status is not None:
                device.config_status = "modified" if active else "deactivating"
            device.modified_at = self._clock.now()
        return self._save_all(changed)

    def add(self, *, name: str | None, location: Location | None, organization: Organization, mac_address: str | None) -> Device:
        """A new device, seen by the monitoring already."""
        number, self._next_number = self._next_number, self._next_number + 1
        device = new_device(
            str(uuid.uuid4()),
            number,
            name or f"ap-new-{number:05d}",
            organization=organization.id,
            location=location.id if location else None,
            mac_address=mac_address or free_mac(number),
            at=self._clock.now(),
        )
        self._devices[device.id] = device
        self._save_all([device])
        self.seen_anew()
        return device

    def remove(self, devices: Iterable[Device]) -> int:
        """Delete devices: they vanish from every list."""
        gone = list(devices)
        for device in gone:
            del self._devices[device.id]
            self._changed.delete(device.id)
            self._removed.save(Removed(device.id))
        self.seen_anew()
        return len(gone)

    def rename(self, device: Device, name: str) -> None:
        """Give a device another name; that of another device is fine."""
        device.name, device.modified_at = name, self._clock.now()
        self._save_all([device])
        self.seen_anew()

    def move(self, devices: Iterable[Device], location: Location | None) -> int:
        """Put devices elsewhere, or nowhere."""
        moved = list(devices)
        for device in moved:
            device.location = location.id if location else None
        self.seen_anew()
        return self._save_all(moved)

    def some(self, count: int, *, seed: int, active_only: bool = False) -> list[Device]:
        """So many devices by seeded chance, fewer if there are not enough."""
        candidates = [device for device in self.by_id() if not (active_only and device.deactivated)]
        return random.Random(seed).sample(candidates, min(count, len(candidates)))

    def _save_all(self, devices: list[Device]) -> int:
        for device in devices:
            self._changed.save(device)
        return len(devices)
