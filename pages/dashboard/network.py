"""The network's part of the first page."""

from __future__ import annotations

from datetime import datetime

from pages.dashboard.blocks import Drawn, Row, Rows, checks_of
from services.access.queries import GatewayRow
from services.console.dashboards.network import NetworkPart
from services.network.incident_queries import IncidentRow


def drawn(part: NetworkPart, now: datetime) -> Drawn:
    well = f"All of {part.known:,} access points are up." if part.known else "No access point is known yet."
    outages = Rows("Outages", tuple(map(_incident, part.incidents)), ("No outage", well, "task_alt"), marker="outages")
    silent = Rows("Silent gateways", tuple(map(_gateway, part.silent)), ("Every gateway polls", "", "task_alt"), marker="silent")
    return Drawn(left=(outages, *((silent,) if part.silent else ())), right=(checks_of(part.checks),))


def _incident(row: IncidentRow) -> Row:
    hit = f"{row.hit:,} customers cut off" if row.hit != 1 else "1 customer cut off"
    down = f"{row.access_points:,} access points" if row.access_points != 1 else "1 access point"
    reference = row.incident.reference
    return Row(
        row.place,
        f"/console/incidents/{reference}",
        chip=("Down", "bad"),
        at=row.incident.started_at,
        below=" · ".join((reference, down, hit)),
    )


def _gateway(row: GatewayRow) -> Row:
    return Row(row.name, f"/console/gateways/{row.slug}", chip=("Silent", "bad"), at=row.last_poll_at, below=row.site_name or "")
