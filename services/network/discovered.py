"""Writing what a discovery found: sites, access points, and which router each one is. Set-wise; nothing is ever deleted."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Session, col

from services.access.models import Gateway
from services.integrations.openwisp import Device, DeviceStatus, Place
from services.network import states
from services.network.asking import HEALTH_OF
from services.network.debounce import Standing
from services.network.discovered_sites import keep_sites
from services.network.models import AccessPoint, Health, SetBy
from services.network.transitions import Transition

BATCH = 1000
_NAME, _ORGANIZATION, _TEXT = 120, 64, 120


@dataclass(frozen=True)
class Listed:
    """All that OpenWISP lists. `place_of` gives the place's id by the device's."""

    devices: tuple[Device, ...]
    places: tuple[Place, ...]
    place_of: Mapping[str, str]


@dataclass
class Found:
    """What a discovery changed; names for people, by the access point's id."""

    created: dict[int, str] = field(default_factory=dict)
    changed: dict[int, str] = field(default_factory=dict)
    returned: dict[int, str] = field(default_factory=dict)
    vanished: dict[int, str] = field(default_factory=dict)
    ambiguous: list[str] = field(default_factory=list)
    """Access points that share the MAC of a router with another one, so that none of them is linked."""
    transitions: list[Transition] = field(default_factory=list)


@dataclass(frozen=True)
class Known:
    """The access points held so far: external id -> own id, by whether they are listed still."""

    present: Mapping[str, int]
    vanished: Mapping[str, int]

    def missing(self, listed: Iterable[str]) -> dict[str, int]:
        """Those that were present and are not listed any more."""
        there = set(listed)
        return {external_id: row_id for external_id, row_id in self.present.items() if external_id not in there}


def known(session: Session) -> Known:
    """What is held now."""
    rows = session.execute(sa.select(col(AccessPoint.external_id), col(AccessPoint.id), col(AccessPoint.vanished_at))).all()
    return Known(
        {external_id: row_id for external_id, row_id, vanished_at in rows if vanished_at is None},
        {external_id: row_id for external_id, row_id, vanished_at in rows if vanished_at is not None},
    )


def apply(session: Session, listed: Listed, held: Known, *, last_good: datetime | None, now: datetime) -> Found:
    """Make the stored network what is listed. The caller holds the network's lock and has made sure that the list may be believed."""
    found = Found()
    site_ids = keep_sites(session, listed.places)
    site_of = {device_id: site_ids[place_id] for device_id, place_id in listed.place_of.items() if place_id in site_ids}
    devices = {device.external_id: device for device in listed.devices}
    is_known = held.present.keys() | held.vanished.keys()
    for batch in _batches([device for device in devices.values() if device.external_id in is_known]):
        _update(session, batch, site_of, held, found)
    for batch in _batches([device for device in devices.values() if device.external_id not in is_known]):
        _create(session, batch, site_of, found, now=now)
    _mark_vanished(session, held.missing(devices), found, last_good=last_good, now=now)
    _link_gateways(session, found)
    return found


def _batches(devices: Sequence[Device]) -> Iterable[Sequence[Device]]:
    return (devices[start : start + BATCH] for start in range(0, len(devices), BATCH))


# Access points


def _update(session: Session, devices: Sequence[Device], site_of: Mapping[str, int], held: Known, found: Found) -> None:
    rows = _json([_point_values(device, site_of) for device in devices])
    for row in session.execute(_UPDATE_POINTS, {"rows": rows}):
        group = found.returned if row.external_id in held.vanished else found.changed
        group[row.id] = row.name


def _create(session: Session, devices: Sequence[Device], site_of: Mapping[str, int], found: Found, *, now: datetime) -> None:
    rows = _json([_point_values(device, site_of) | {"health": _first_health(device)} for device in devices])
    found.created |= {row.id: row.name for row in session.execute(_INSERT_POINTS, {"rows": rows, "now": now})}


def _point_values(device: Device, site_of: Mapping[str, int]) -> dict[str, Any]:
    return {
        "external_id": device.external_id,
        "name": device.name[:_NAME] or device.external_id,
        "organization": (device.organization or "")[:_ORGANIZATION],
        "mac": device.mac,
        "address": device.address,
        "model": device.model[:_TEXT],
        "firmware": device.firmware[:_TEXT],
        "site_id": site_of.get(device.external_id),
    }


def _first_health(device: Device) -> str:
    status = DeviceStatus.DEACTIVATED if device.is_deactivated else device.status
    return HEALTH_OF[status].value if status else Health.UNKNOWN.value


def _mark_vanished(session: Session, missing: Mapping[str, int], found: Found, *, last_good: datetime | None, now: datetime) -> None:
    """Nobody knows how those fare that are no longer listed, so their state is unknown from now on; one out of service stays that."""
    if not missing:
        return
    rows = session.execute(_MARK_VANISHED, {"ids": sorted(missing.values()), "now": now}).all()
    found.vanished |= {row.id: row.name for row in rows}
    changes = []
    for row in rows:
        before = states.standing_of(row)
        end = before.health if before.health in (Health.UNKNOWN, Health.RETIRED) else Health.UNKNOWN
        since = before.health_since if end is before.health else max(now, before.health_since)
        changes.append(states.Change(row.id, before, Standing(Health.UNKNOWN, end, since)))
    found.transitions += states.write(session, changes, last_good=last_good, now=now)


# Routers


def _link_gateways(session: Session, found: Found) -> None:
    """An access point is a router when both have the same MAC and nobody else has it. Each tells the other its site where one lacks it."""
    names = _link(session, found)
    names |= {row.id: row.name for row in session.execute(_SITE_FROM_GATEWAY)}
    session.execute(_SITE_TO_GATEWAY)
    found.changed |= {row_id: name for row_id, name in names.items() if row_id not in found.created and row_id not in found.returned}


def _link(session: Session, found: Found) -> dict[int, str]:
    """Link and unlink; answers whom. Matched here, because for a table that was just filled PostgreSQL has no figures to plan by."""
    routers = _only(session.execute(sa.select(col(Gateway.mac), col(Gateway.id)).where(col(Gateway.mac).is_not(None))).all())
    points = session.execute(
        sa.select(
            col(AccessPoint.mac), col(AccessPoint.id), col(AccessPoint.name), col(AccessPoint.gateway_id), col(AccessPoint.gateway_set_by)
        ).where(col(AccessPoint.vanished_at).is_(None))
    ).all()
    radios = _only([(point.mac, point.id) for point in points if point.mac is not None])
    ours = [point for point in points if point.gateway_set_by is SetBy.DISCOVERY]
    wanted = {point.id: routers.get(point.mac) if radios.get(point.mac) else None for point in ours}
    shared = {mac for mac in routers if mac in radios and not (routers[mac] and radios[mac])}
    found.ambiguous = sorted(point.name for point in ours if point.mac in shared)
    changed = {point.id: point.name for point in ours if wanted[point.id] != point.gateway_id}
    if changed:
        session.execute(_LINK, {"ids": list(changed), "gateways": [wanted[row_id] for row_id in changed]})
    return changed


def _only(pairs: Sequence[Any]) -> dict[str, int | None]:
    """Who has each MAC; None where several have it."""
    owners: dict[str, int | None] = {}
    for mac, row_id in pairs:
        owners[mac] = None if mac in owners else row_id
    return owners


def _json(rows: Sequence[Mapping[str, Any]]) -> str:
    return orjson.dumps(rows).decode()


_GIVEN = """
jsonb_to_recordset(CAST(:rows AS jsonb)) AS given (external_id text, name text, organization text, mac text, address text,
    model text, firmware text, site_id bigint, health text)
"""

# What is empty now was known before: OpenWISP clears the address of a dead device (openwisp.md §5).
_UPDATE_POINTS = sa.text(f"""
UPDATE access_point SET name = given.name, organization = given.organization, mac = coalesce(given.mac, access_point.mac),
    address = coalesce(given.address, access_point.address), model = given.model, firmware = given.firmware,
    site_id = CASE WHEN access_point.site_set_by = 'staff' THEN access_point.site_id
        ELSE coalesce(given.site_id, access_point.site_id) END,
    vanished_at = NULL
FROM {_GIVEN}
WHERE access_point.external_id = given.external_id AND (
    access_point.vanished_at IS NOT NULL
    OR (access_point.name, access_point.organization, access_point.model, access_point.firmware)
        IS DISTINCT FROM (given.name, given.organization, given.model, given.firmware)
    OR given.mac <> coalesce(access_point.mac, '')
    OR given.address <> coalesce(access_point.address, '')
    OR (access_point.site_set_by <> 'staff' AND given.site_id <> coalesce(access_point.site_id, 0)))
RETURNING access_point.id, access_point.external_id, access_point.name
""")  # noqa: S608 - of constants

_INSERT_POINTS = sa.text(f"""
WITH made AS (
    INSERT INTO access_point (external_id, name, organization, mac, address, model, firmware, site_id, site_set_by, gateway_set_by,
        discovered_at, reported, reported_at, health, health_since)
    SELECT external_id, name, organization, mac, address, model, firmware, site_id, 'discovery', 'discovery',
        :now, health, CASE WHEN health <> 'unknown' THEN CAST(:now AS timestamptz) END, health, :now
    FROM {_GIVEN}
    RETURNING id, name, health
), periods AS (
    INSERT INTO health_period (access_point_id, state, started_at) SELECT id, health, :now FROM made
)
SELECT id, name FROM made
""")  # noqa: S608 - of constants

_MARK_VANISHED = sa.text("""
UPDATE access_point SET vanished_at = :now WHERE id = ANY(CAST(:ids AS bigint[]))
RETURNING id, name, reported, health, health_since, candidate, candidate_since
""")

_LINK = sa.text("""
UPDATE access_point SET gateway_id = wanted.gateway_id
FROM unnest(CAST(:ids AS bigint[]), CAST(:gateways AS bigint[])) AS wanted (id, gateway_id) WHERE access_point.id = wanted.id
""")

_SITE_FROM_GATEWAY = sa.text("""
UPDATE access_point SET site_id = gateway.site_id FROM gateway
WHERE gateway.id = access_point.gateway_id AND access_point.site_id IS NULL AND access_point.site_set_by = 'discovery'
    AND access_point.vanished_at IS NULL AND gateway.site_id IS NOT NULL
RETURNING access_point.id, access_point.name
""")

_SITE_TO_GATEWAY = sa.text("""
UPDATE gateway SET site_id = placed.site_id
FROM (
    SELECT DISTINCT ON (gateway_id) gateway_id, site_id FROM access_point
    WHERE gateway_id IS NOT NULL AND site_id IS NOT NULL AND vanished_at IS NULL ORDER BY gateway_id, id
) AS placed
WHERE placed.gateway_id = gateway.id AND gateway.site_id IS NULL
""")
