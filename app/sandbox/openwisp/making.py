"""Making a network from a few numbers: the same plan makes the same network, so only the plan has to be remembered."""

from __future__ import annotations

import random
import uuid
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

from app.sandbox.openwisp.models import Device, Location, Organization
from app.sandbox.openwisp.places import PARTNER_SITE, Place, sites
from app.sandbox.routers.fleet import DEMO_NAMES

DEMO_COUNT, DEMO_SITES = 24, 10
_MONTH_SECONDS = 30 * 86_400
_MODELS = (
    ("TP-Link Archer C7 v5", "OpenWrt 23.05.3", "Qualcomm Atheros QCA956X"),
    ("Ubiquiti UniFi AC Mesh", "OpenWrt 23.05.5", "Qualcomm Atheros QCA9563"),
    ("GL.iNet GL-MT300N-V2", "OpenWrt 22.03.7", "MediaTek MT7628AN"),
)


@dataclass
class Plan:
    """What a network is made from. `odd` is the share of devices with a peculiarity (at least one of each kind, unless 0)."""

    count: int
    sites: int
    seed: int
    odd: float
    routers: int
    made_at: float
    name: str = "plan"


@dataclass(frozen=True)
class Made:
    """A network as it was made; devices oldest first."""

    organizations: dict[str, Organization]
    locations: dict[str, Location]
    devices: dict[str, Device]


def make(plan: Plan) -> Made:
    """Make the network. The first devices are the sandbox's own routers, on the sites that those stand at."""
    chance = random.Random(plan.seed)
    own = Organization(_uuid(chance), "INET Gambia", "inet-gambia", _uuid(chance))
    partner = Organization(_uuid(chance), "Kombo Lodges", "kombo-lodges")
    with_partner = plan.odd > 0 and plan.sites > 1
    places = sites(plan.sites - with_partner, chance)
    locations = [_location(own, place, plan, chance) for place in places]
    partner_location = _location(partner, PARTNER_SITE, plan, chance) if with_partner else None
    devices = [_device(number, own, locations, plan, chance) for number in range(plan.count)]
    _name(devices, {location.id: location for location in locations})
    _make_some_odd(devices, plan, chance, partner, partner_location)
    everywhere = [*locations, *([partner_location] if partner_location else [])]
    return Made(
        {organization.id: organization for organization in (own, partner)},
        {location.id: location for location in everywhere},
        {device.id: device for device in devices},
    )


def router_mac(number: int) -> str:
    """The MAC of the sandbox's n-th router: its access point is the same box."""
    return f"02:00:00:aa:{number // 256:02x}:{number % 256:02x}"


def free_mac(number: int) -> str:
    """The MAC of a device that is no router of the sandbox; some are in capitals, as somebody typed them."""
    mac = f"04:d4:c4:{number >> 16 & 255:02x}:{number >> 8 & 255:02x}:{number & 255:02x}"
    return mac.upper() if number % 5 == 4 else mac


def new_device(
    device_id: str, number: int, name: str, *, organization: str, location: str | None, mac_address: str, at: float, config: str = "applied"
) -> Device:
    """A healthy device of the n-th kind."""
    model, firmware, system = _MODELS[number % len(_MODELS)]
    device = Device(
        id=device_id,
        number=number,
        name=name,
        organization=organization,
        location=location,
        mac_address=mac_address,
        last_ip=f"41.223.{212 + number // 250 % 4}.{number % 250 + 2}",
        management_ip=None,
        model=model,
        os=firmware,
        system=system,
        config_status=config,
        status="ok",
        created_at=at,
        modified_at=at,
    )
    device.management_ip = device.usual_management_ip
    return device


def slug(text: str) -> str:
    """A name as part of a host name."""
    return "-".join(text.lower().split())


def _uuid(chance: random.Random) -> str:
    return str(uuid.UUID(int=chance.getrandbits(128), version=4))


def _location(organization: Organization, place: Place, plan: Plan, chance: random.Random) -> Location:
    at = plan.made_at - _MONTH_SECONDS - chance.random() * _MONTH_SECONDS
    return Location(_uuid(chance), organization.id, place.name, place.address, place.latitude, place.longitude, at)


def _device(number: int, own: Organization, locations: list[Location], plan: Plan, chance: random.Random) -> Device:
    is_router = number < plan.routers
    site = number % len(DEMO_NAMES) if is_router else number
    location = locations[site % len(locations)].id if locations else None
    at = plan.made_at - _MONTH_SECONDS * (1 - number / plan.count)
    mac = router_mac(number) if is_router else free_mac(number)
    config = "modified" if number % 10 == 9 else "applied"
    return new_device(_uuid(chance), number, "", organization=own.id, location=location, mac_address=mac, at=at, config=config)


def _name(devices: list[Device], locations: dict[str, Location]) -> None:
    counted: Counter[str | None] = Counter()
    slugs = {key: slug(location.name) for key, location in locations.items()}
    for device in devices:
        counted[device.location] += 1
        device.name = f"ap-{slugs.get(device.location or '', 'spare')}-{counted[device.location]:02d}"


Oddity = Callable[[Device, Device], None]


def _make_some_odd(
    devices: list[Device], plan: Plan, chance: random.Random, partner: Organization, partner_location: Location | None
) -> None:
    """Give some devices, never a router of the sandbox, what a client of OpenWISP must live with (§8.3)."""

    def to_partner(device: Device) -> None:
        device.organization, device.location = partner.id, partner_location.id if partner_location else None

    def same_mac(device: Device, other: Device) -> None:
        to_partner(device)
        device.mac_address = other.mac_address.upper()

    def same_name(device: Device, other: Device) -> None:
        to_partner(device)
        device.name = other.name

    oddities: tuple[Oddity, ...] = (_without_config, same_mac, _never_seen, same_name, _in_trouble, _retired, _nowhere)
    candidates = devices[plan.routers + 1 :]
    if plan.odd:
        wanted = min(len(candidates), max(len(oddities), round(plan.odd * plan.count)))
        for turn, device in enumerate(chance.sample(candidates, wanted)):
            oddities[turn % len(oddities)](device, devices[plan.routers])


def _without_config(device: Device, _: Device) -> None:
    device.config_status = None


def _never_seen(device: Device, _: Device) -> None:
    device.status, device.last_ip, device.management_ip = "unknown", "", None


def _in_trouble(device: Device, _: Device) -> None:
    device.status, device.config_status = "problem", "error"


def _retired(device: Device, _: Device) -> None:
    device.status, device.config_status = "deactivated", "deactivated"


def _nowhere(device: Device, _: Device) -> None:
    device.location = None
