"""Sites for OpenWISP's places: adopted, made, and moved with them."""

from __future__ import annotations

from collections.abc import Container, Sequence
from itertools import count
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col

from services.integrations.openwisp import Place
from services.network.models import Site

_NAME, _ADDRESS = 120, 200


def keep_sites(session: Session, places: Sequence[Place]) -> dict[str, int]:
    """Sites for all places: known ones follow in position and address, others are adopted by their name or made. External id -> site id.

    A site's name is taken from the place once; from then on it is staff's.
    """
    rows = session.execute(sa.select(col(Site.id), col(Site.external_id), col(Site.name))).all()
    by_external = {row.external_id: row.id for row in rows if row.external_id}
    unclaimed = {row.name: row.id for row in rows if not row.external_id}
    taken = {row.name for row in rows}
    held: list[dict[str, Any]] = []
    new: list[dict[str, Any]] = []
    for place in sorted(places, key=lambda place: place.external_id):
        values = _site_values(place)
        site_id = by_external.get(place.external_id) or unclaimed.pop(place.name[:_NAME].strip(), None)
        if site_id is not None:
            held.append(values | {"id": site_id})
            by_external[place.external_id] = site_id
        else:
            name = _name_for(place.name, place.external_id, taken)
            taken.add(name)
            new.append(values | {"name": name})
    if held:
        session.execute(_UPDATE_SITES, {"rows": orjson.dumps(held).decode()})
    if new:
        by_external |= {row.external_id: row.id for row in session.execute(_INSERT_SITES, {"rows": orjson.dumps(new).decode()})}
    return by_external


def _site_values(place: Place) -> dict[str, Any]:
    latitude, longitude = place.latitude, place.longitude
    if latitude is None or longitude is None or not (-90 <= latitude <= 90 and -180 <= longitude <= 180):
        latitude = longitude = None
    address = place.address.strip()[:_ADDRESS] or None
    return {"external_id": place.external_id, "address": address, "latitude": latitude, "longitude": longitude}


def _name_for(wanted: str, external_id: str, taken: Container[str]) -> str:
    """`wanted`, or "wanted (2)" and so on when another site has that name. A place without a name is called by its id."""
    base = wanted.strip() or f"Place {external_id[:8]}"
    if base[:_NAME].strip() not in taken:
        return base[:_NAME].strip()
    for number in count(2):
        suffix = f" ({number})"
        name = base[: _NAME - len(suffix)].strip() + suffix
        if name not in taken:
            return name
    raise AssertionError("unreachable: there are more numbers than sites")


_UPDATE_SITES = sa.text("""
UPDATE site SET external_id = given.external_id, address = coalesce(given.address, site.address),
    latitude = coalesce(given.latitude, site.latitude), longitude = coalesce(given.longitude, site.longitude)
FROM jsonb_to_recordset(CAST(:rows AS jsonb))
    AS given (id bigint, external_id text, address text, latitude double precision, longitude double precision)
WHERE site.id = given.id AND (
    site.external_id IS DISTINCT FROM given.external_id
    OR site.address IS DISTINCT FROM coalesce(given.address, site.address)
    OR site.latitude IS DISTINCT FROM coalesce(given.latitude, site.latitude)
    OR site.longitude IS DISTINCT FROM coalesce(given.longitude, site.longitude))
""")

# A router that is registered at this moment may have made a site of that name: then the next discovery adopts it.
_INSERT_SITES = sa.text("""
INSERT INTO site (name, external_id, address, latitude, longitude)
SELECT name, external_id, address, latitude, longitude FROM jsonb_to_recordset(CAST(:rows AS jsonb))
    AS given (name text, external_id text, address text, latitude double precision, longitude double precision)
ON CONFLICT DO NOTHING RETURNING id, external_id
""")
