"""The second dialect: the two addresses of the project's own specification. OpenWISP has neither, so they stand for a gateway of the ISP.

Offered only in gateway mode (`POST /_control/openwisp/mode {"gateway": true}`, or a sandbox started with `INET_OPENWISP_DIALECT=inet`).
Both take `Authorization: Bearer <token>` (the same token as OpenWISP's) and have no trailing slash:

    GET /api/v1/network-devices?limit=100&after=<cursor>
    200 {"items": [{"id": "17fdde91-...", "name": "ap-brikama-01", "mac": "00:11:22:33:44:03", "ip": "10.8.0.12" | null,
                    "model": "TP-Link Archer C7 v5", "firmware": "OpenWrt 23.05.3", "organization": "inet-gambia",
                    "site": {"id": "c9558c60-...", "name": "Brikama Square", "latitude": 13.27, "longitude": -16.65} | null}],
         "total": 24, "next": "<cursor>" | null}

    GET /api/v1/device-monitoring?limit=100&after=<cursor>
    200 {"items": [{"id": "17fdde91-...", "status": "online" | "degraded" | "offline" | "unknown" | "retired"}],
         "total": 24, "next": "<cursor>" | null}

- `limit` is 1 to 500, 100 if left out; more is capped. `next` is opaque, goes back as `after`, and is null on the last page. It names the
  last device of the page, so nothing is skipped or doubled when devices come and go between pages. Items come in the order of their ids.
- `total` is the number of all devices the token may see at that moment; collecting fewer means that part of the list was lost.
- `site` is null for a device without a place. `ip` is null when unknown, which is normal for a device that is offline.
- Errors are `{"detail": "<text>"}`: 400 (a limit that is no positive number, an unknown cursor), 401 (with `WWW-Authenticate: Bearer`),
  403, and 404 when gateway mode is off.
"""

from __future__ import annotations

from base64 import urlsafe_b64decode, urlsafe_b64encode
from bisect import bisect_right
from collections.abc import Callable
from typing import Any

from fastapi import APIRouter, Request, Response

from app.sandbox.openwisp.access import Access
from app.sandbox.openwisp.errors import OpenWispError, page_not_found
from app.sandbox.openwisp.models import Device, Location
from app.sandbox.openwisp.network import Network
from app.sandbox.openwisp.spoiling import spoilt_route
from app.sandbox.openwisp.switches import Switches
from app.sandbox.problems import json_response

DEFAULT_LIMIT, MAX_LIMIT = 100, 500
STATUSES = {"ok": "online", "problem": "degraded", "critical": "offline", "unknown": "unknown", "deactivated": "retired"}


def own_dialect_router(network: Network, access: Access, switches: Switches) -> APIRouter:
    """The two addresses."""
    router = APIRouter(prefix="/api/v1", route_class=spoilt_route(switches), include_in_schema=False)

    def listed(request: Request, item: Callable[[Device], dict[str, Any]]) -> Response:
        if not switches.mode.gateway:
            raise page_not_found()
        access.check(request)
        answer = _page(network, switches, request, item)
        switches.page_served()
        return json_response(answer)

    @router.get("/network-devices")
    async def network_devices(request: Request) -> Response:
        return listed(request, lambda device: _device(network, device))

    @router.get("/device-monitoring")
    async def device_monitoring(request: Request) -> Response:
        return listed(request, lambda device: {"id": device.id, "status": STATUSES[device.status]})

    return router


def _page(network: Network, switches: Switches, request: Request, item: Callable[[Device], dict[str, Any]]) -> dict[str, Any]:
    limit, after = _limit(request.query_params.get("limit")), _read_cursor(request.query_params.get("after"))
    devices = [] if switches.mode.answer == "empty" else network.by_id()
    start = bisect_right(devices, after, key=lambda device: device.id)
    page = devices[start : start + limit]
    return {
        "items": [item(device) for device in switches.survivors(page)],
        "total": len(devices),
        "next": _cursor(page[-1].id) if start + limit < len(devices) else None,
    }


def _device(network: Network, device: Device) -> dict[str, Any]:
    location = network.location_of(device)
    return {
        "id": device.id,
        "name": device.name,
        "mac": device.mac_address,
        "ip": device.management_ip or device.last_ip or None,
        "model": device.model,
        "firmware": device.os,
        "organization": network.organizations[device.organization].slug,
        "site": _site(location) if location else None,
    }


def _site(location: Location) -> dict[str, Any]:
    return {"id": location.id, "name": location.name, "latitude": location.latitude, "longitude": location.longitude}


def _limit(text: str | None) -> int:
    if text is None:
        return DEFAULT_LIMIT
    if not (text.isascii() and text.isdigit() and int(text)):
        raise OpenWispError(400, {"detail": "limit must be a positive number."})
    return min(int(text), MAX_LIMIT)


def _cursor(device_id: str) -> str:
    return urlsafe_b64encode(device_id.encode()).decode()


def _read_cursor(cursor: str | None) -> str:
    try:
        return urlsafe_b64decode(cursor or "").decode("ascii")
    except ValueError:
        raise OpenWispError(400, {"detail": "after is not a cursor of this list."}) from None
