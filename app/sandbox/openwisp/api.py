"""OpenWISP's addresses, as far as the product and its tests use them (protocols/openwisp.md §4 to §6). Reading only."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from fastapi import APIRouter, Depends, Request, Response
from fastapi.responses import RedirectResponse

from app.sandbox.clock import SandboxClock
from app.sandbox.openwisp import filters, shapes
from app.sandbox.openwisp.access import Access
from app.sandbox.openwisp.charts import charts, data, metrics, read_time, read_zone
from app.sandbox.openwisp.errors import bad_choice, no_match, page_not_found
from app.sandbox.openwisp.models import STATUSES, Device, Location
from app.sandbox.openwisp.network import Network
from app.sandbox.openwisp.paging import GEOJSON_PAGE_SIZE, page_of
from app.sandbox.openwisp.spoiling import spoilt_route
from app.sandbox.openwisp.switches import Switches
from app.sandbox.problems import json_response

_WITH_SLASH = ("controller/", "monitoring/", "users/")


def controller_router(network: Network, access: Access, switches: Switches) -> APIRouter:
    """The addresses of openwisp-controller."""

    async def authorised(request: Request) -> None:
        access.check(request)

    router = APIRouter(
        prefix="/api/v1/controller", route_class=spoilt_route(switches), dependencies=[Depends(authorised)], include_in_schema=False
    )

    @router.get("/device/")
    async def devices(request: Request) -> Response:
        return _device_page(
            request, switches, filters.controller_devices(network, request.query_params), partial(shapes.device_item, network)
        )

    @router.get("/device/{device_id}/")
    async def device(device_id: str) -> Response:
        return json_response(shapes.device_detail(network, _device(network, device_id)))

    @router.get("/device/{device_id}/location/")
    async def device_location(device_id: str) -> Response:
        location = network.location_of(_device(network, device_id, "DeviceLocation"))
        if location is None:
            raise no_match("DeviceLocation")
        return json_response(shapes.location_of_device(location))

    @router.get("/location/")
    async def locations(request: Request) -> Response:
        return json_response(page_of(request, switches, filters.locations(network, request.query_params), shapes.location_item))

    @router.get("/location/geojson/")
    async def geojson(request: Request) -> Response:
        return json_response(_geojson(network, switches, request, monitored=False))

    @router.get("/location/{location_id}/device/")
    async def location_devices(location_id: str, request: Request) -> Response:
        found = network.devices_at(_location(network, location_id))
        item = partial(shapes.device_at_place, network, origin=_origin(request, switches))
        return json_response(page_of(request, switches, found, item) | {"has_floorplan": False})

    return router


def monitoring_router(network: Network, access: Access, switches: Switches, clock: SandboxClock) -> APIRouter:
    """The addresses of openwisp-monitoring; without it there are none."""

    async def installed(request: Request) -> None:
        if not switches.mode.monitoring:
            raise page_not_found()
        access.check(request)

    router = APIRouter(
        prefix="/api/v1/monitoring", route_class=spoilt_route(switches), dependencies=[Depends(installed)], include_in_schema=False
    )

    @router.get("/device/")
    async def devices(request: Request) -> Response:
        found = filters.monitoring_devices(network, request.query_params)
        return _device_page(request, switches, found, partial(shapes.monitored_item, network))

    @router.get("/device/{device_id}/")
    async def device(device_id: str, request: Request) -> Response:
        return json_response(_monitored_detail(network, _device(network, device_id), request, clock.now()))

    @router.get("/device/{device_id}/metric/")
    async def device_metrics(device_id: str) -> Response:
        return json_response(metrics(_device(network, device_id)))

    @router.get("/geojson/")
    async def geojson(request: Request) -> Response:
        return json_response(_geojson(network, switches, request, monitored=True))

    @router.get("/location/{location_id}/device/")
    async def location_devices(location_id: str, request: Request) -> Response:
        found, status = network.devices_at(_location(network, location_id)), request.query_params.get("status")
        if status and status not in STATUSES:
            raise bad_choice("status", status)
        if status:
            found = [device for device in found if device.status == status]
        item = partial(shapes.monitored_device_at_place, network, origin=_origin(request, switches))
        return json_response(page_of(request, switches, found, item) | {"has_floorplan": False})

    return router


def elsewhere_router(switches: Switches) -> APIRouter:
    """Every other address under `/api/v1/`: Django adds a forgotten slash by redirect, and else knows no such page. Comes last."""
    router = APIRouter(prefix="/api/v1", route_class=spoilt_route(switches), include_in_schema=False)

    @router.get("/{rest:path}")
    async def elsewhere(rest: str, request: Request) -> Response:
        if rest.startswith(_WITH_SLASH) and not rest.endswith("/"):
            query = f"?{request.url.query}" if request.url.query else ""
            return RedirectResponse(f"{request.url.path}/{query}", 301)
        raise page_not_found()

    return router


def _device_page(request: Request, switches: Switches, found: list[Device], item: Callable[[Device], dict[str, Any]]) -> Response:
    answer = json_response(page_of(request, switches, found, item))
    switches.page_served()
    return answer


def _device(network: Network, device_id: str, model: str = "Device") -> Device:
    device = network.device(device_id)
    if device is None:
        raise no_match(model)
    return device


def _location(network: Network, location_id: str) -> Location:
    location = network.location(location_id)
    if location is None:
        raise no_match("Location")
    return location


def _origin(request: Request, switches: Switches) -> str:
    return switches.mode.next_host or str(request.base_url).rstrip("/")


def _geojson(network: Network, switches: Switches, request: Request, *, monitored: bool) -> dict[str, Any]:
    def item(location: Location) -> dict[str, Any]:
        return shapes.feature(location, network.devices_at(location), monitored=monitored)

    # Only places where a device stands are on the map.
    found = [location for location in filters.locations(network, request.query_params) if network.devices_at(location)]
    page = page_of(request, switches, found, item, fixed_size=GEOJSON_PAGE_SIZE)
    features = page.pop("results")
    return {"type": "FeatureCollection", **page, "features": features}


def _monitored_detail(network: Network, device: Device, request: Request, now: float) -> dict[str, Any]:
    query = request.query_params
    days, zone = read_time(query.get("time")), read_zone(query.get("timezone"))
    answer = shapes.monitored_item(network, device) | charts(device, days=days, zone=zone, now=now)
    if query.get("status"):
        related = [{"name": metric["name"], "is_healthy": metric["is_healthy"]} for metric in metrics(device)]
        answer |= {"monitoring": {"status": device.status, "related_metrics": related}, "data": data(device, now=now)}
    return answer
