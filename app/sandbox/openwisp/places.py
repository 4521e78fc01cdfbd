"""Where Gambian access points stand: the demo's sites by name, and the towns around which a big network is scattered."""

from __future__ import annotations

import random
from dataclasses import dataclass

from app.sandbox.routers.fleet import DEMO_NAMES


@dataclass(frozen=True)
class Place:
    """A named point; degrees north and east."""

    name: str
    address: str
    latitude: float
    longitude: float


# The routers of the sandbox stand at the first six, so that access points and gateways meet (`app.sandbox.routers`).
_POINTS_OF_DEMO_NAMES = (
    ("Westfield, Serekunda", 13.4497, -16.6761),
    ("Mosque Road, Serekunda", 13.4382, -16.6781),
    ("Atlantic Road, Bakau", 13.4781, -16.6819),
    ("Senegambia, Kololi", 13.4420, -16.7230),
    ("Liberation Avenue, Banjul", 13.4546, -16.5728),
    ("Brikama, West Coast Region", 13.2714, -16.6494),
)
_ROUTER_SITES = tuple(
    Place(name, f"{address}, The Gambia", latitude, longitude)
    for name, (address, latitude, longitude) in zip(DEMO_NAMES, _POINTS_OF_DEMO_NAMES, strict=True)
)
SITES = (
    *_ROUTER_SITES,
    Place("Farafenni Clinic", "Farafenni, North Bank Region, The Gambia", 13.5667, -15.6000),
    Place("Soma Junction", "Soma, Lower River Region, The Gambia", 13.4333, -15.5333),
    Place("Basse Market", "Basse Santa Su, Upper River Region, The Gambia", 13.3097, -14.2137),
)
PARTNER_SITE = Place("Tanji Lodge", "Tanji, West Coast Region, The Gambia", 13.3539, -16.7975)

_TOWNS = (
    ("Serekunda", 13.4383, -16.6781),
    ("Bakau", 13.4781, -16.6819),
    ("Sukuta", 13.4103, -16.7082),
    ("Brikama", 13.2714, -16.6494),
    ("Gunjur", 13.2019, -16.7339),
    ("Kartong", 13.0889, -16.7556),
    ("Barra", 13.4828, -16.5458),
    ("Kerewan", 13.4898, -16.0888),
    ("Bwiam", 13.2361, -16.0917),
    ("Farafenni", 13.5667, -15.6000),
    ("Mansa Konko", 13.4433, -15.5357),
    ("Kuntaur", 13.6709, -14.8898),
    ("Janjanbureh", 13.5399, -14.7666),
    ("Bansang", 13.4336, -14.6494),
    ("Basse", 13.3097, -14.2137),
)
_KINDS = ("Market", "School", "Clinic", "Garage", "Lodge", "Library", "Square", "Beach", "Office", "Bakery")


def sites(count: int, chance: random.Random) -> list[Place]:
    """The first `count` sites: the demo's, then made-up ones near the towns. Names are unique."""
    return [SITES[number] if number < len(SITES) else _made_up(number - len(SITES), chance) for number in range(count)]


def _made_up(number: int, chance: random.Random) -> Place:
    town, latitude, longitude = _TOWNS[number % len(_TOWNS)]
    turn = number // len(_TOWNS)
    name = f"{town} {_KINDS[turn % len(_KINDS)]} {turn // len(_KINDS) + 1}"
    nearby = (round(latitude + chance.uniform(-0.02, 0.02), 5), round(longitude + chance.uniform(-0.02, 0.02), 5))
    return Place(name, f"{town}, The Gambia", *nearby)
