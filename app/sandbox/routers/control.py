"""The strings behind the routers and their phones, for programs."""

from __future__ import annotations

import re
from typing import Any, Literal

from fastapi import APIRouter, HTTPException, Response
from pydantic import BaseModel, ConfigDict, Field

from app.sandbox.clock import SandboxClock, iso_or_none
from app.sandbox.problems import json_response
from app.sandbox.routers.crypto import new_mac
from app.sandbox.routers.fleet import Fleet
from app.sandbox.routers.models import Phone, Router, phone_key
from app.sandbox.routers.redirect import redirect_url

_MAC = re.compile(r"([0-9a-f]{2}:){5}[0-9a-f]{2}")


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid")


class NewRouter(_Body):
    """A router that the product already knows, or will."""

    slug: str = Field(pattern=r"^[A-Za-z0-9_-]{1,64}$")
    gateway_name: str = Field(min_length=1, max_length=64)
    faskey: str = Field(pattern=r"^[A-Za-z0-9]{1,64}$")
    level: Literal[3, 4]
    version: str = Field(default="10.3.1", pattern=r"^\d{1,2}\.\d{1,2}(\.\w+)?$")
    name: str = ""
    poll_interval_seconds: float | None = Field(default=None, gt=0, le=3600)


class ChangedRouter(_Body):
    """What can change on a running router."""

    poll_interval_seconds: float = Field(gt=0, le=3600)


class Joining(_Body):
    """A phone; without a MAC it makes one up."""

    mac: str | None = None


class Leaving(_Body):
    """How the session ends; `silent` sends no report (the phone is gone and the report was lost)."""

    method: Literal["idle_deauth", "client_deauth", "ndsctl_deauth"] = "idle_deauth"
    silent: bool = False


class Traffic(_Body):
    """What a phone used, in 1024-byte kB."""

    down_kb: int = Field(default=0, ge=0)
    up_kb: int = Field(default=0, ge=0)


class Wan(_Body):
    """Whether the router's line works."""

    up: bool


class FleetView:
    """Looking up routers and phones, and showing them."""

    def __init__(self, fleet: Fleet, clock: SandboxClock, portal_url: str) -> None:
        self.fleet, self._clock, self._portal_url = fleet, clock, portal_url

    def router(self, slug: str) -> Router:
        """Raises 404."""
        router = self.fleet.routers.get(slug)
        if router is None:
            raise HTTPException(404, "No such router")
        return router

    def phone(self, slug: str, mac: str) -> Phone:
        """Raises 404 for a phone that never was on this Wi-Fi."""
        phone = self.fleet.lans.phones.get(phone_key(self.router(slug).slug, read_mac(mac)))
        if phone is None:
            raise HTTPException(404, "No such phone on this Wi-Fi")
        return phone

    def redirect(self, router: Router, phone: Phone) -> str:
        """Where the router sends this phone now."""
        return redirect_url(self._portal_url, router, phone)

    def show(self, phone: Phone) -> dict[str, Any]:
        """A phone as its router sees it."""
        grant = self.fleet.lans.grant_of(phone)
        left = max(0, grant.ends_at - self._clock.now()) if grant else 0
        return {
            "mac": phone.mac,
            "hid": phone.hid,
            "clientip": phone.clientip,
            "state": "online" if phone.online else "captive",
            "seconds_left": int(left),
            "minutes_left": -(-int(left) // 60),
            "grant": grant.state() if grant else None,
        }

    def state(self) -> list[dict[str, Any]]:
        """All routers without their keys."""
        lans = self.fleet.lans
        return [
            {
                "slug": router.slug,
                "name": router.name,
                "gateway_name": router.gateway_name,
                "level": router.level,
                "version": router.version,
                "mac": router.gateway_mac,
                "online": router.online,
                "last_poll": iso_or_none(router.last_poll_at),
                "poll_interval_seconds": router.poll_interval_seconds,
                "violations": [vars(violation) for violation in self.fleet.violations.grouped(router.slug)],
                "grants": [grant.state() for grant in lans.grants.grouped(router.slug)],
                "clients": [self.show(phone) for phone in lans.phones.grouped(router.slug)],
            }
            for router in self.fleet.routers.all()
        ]


def read_mac(text: str) -> str:
    """A MAC in lower case with colons. Raises 422."""
    mac = text.strip().lower().replace("-", ":")
    if not _MAC.fullmatch(mac):
        raise HTTPException(422, "A MAC address looks like 02:00:00:bb:00:50")
    return mac


def control_router(view: FleetView, default_interval_seconds: float) -> APIRouter:
    """The addresses under `/_control/routers`."""
    router = APIRouter(prefix="/_control/routers", tags=["routers"])
    fleet = view.fleet

    @router.get("")
    async def list_routers() -> Response:
        return json_response([_with_key(row) for row in fleet.routers.all()])

    @router.post("", status_code=201)
    async def add_router(body: NewRouter) -> Response:
        if fleet.routers.get(body.slug):
            raise HTTPException(409, "There is a router of this slug")
        if body.level == 4 and tuple(int(part) for part in body.version.split(".")[:2]) < (10, 2):
            raise HTTPException(422, "Level 4 needs openNDS 10.2")
        row = Router(
            slug=body.slug,
            name=body.name or body.slug,
            gateway_name=body.gateway_name,
            faskey=body.faskey,
            level=body.level,
            version=body.version,
            number=len(fleet.routers.all()),
            poll_interval_seconds=body.poll_interval_seconds or default_interval_seconds,
        )
        return json_response(_with_key(fleet.add(row)), 201)

    @router.patch("/{slug}")
    async def change_router(slug: str, body: ChangedRouter) -> Response:
        row = view.router(slug)
        row.poll_interval_seconds = body.poll_interval_seconds
        fleet.changed(row)
        return json_response(_with_key(row))

    @router.post("/{slug}/poll")
    async def poll_now(slug: str) -> Response:
        row = view.router(slug)
        await fleet.poll(row)
        return _online(row)

    @router.post("/{slug}/restart")
    async def restart(slug: str) -> Response:
        fleet.restart(view.router(slug))
        return _online(view.router(slug))

    @router.post("/{slug}/reboot")
    async def reboot(slug: str) -> Response:
        fleet.reboot(view.router(slug))
        return _online(view.router(slug))

    @router.post("/{slug}/crash")
    async def crash(slug: str) -> Response:
        fleet.crash(view.router(slug))
        return _online(view.router(slug))

    @router.post("/{slug}/wan")
    async def wan(slug: str, body: Wan) -> Response:
        row = view.router(slug)
        row.wan_up = body.up
        fleet.changed(row)
        return _online(row)

    @router.post("/{slug}/phones", status_code=201)
    async def join(slug: str, body: Joining | None = None) -> Response:
        row = view.router(slug)
        phone = fleet.lans.join(row, read_mac(body.mac) if body and body.mac else new_mac())
        return json_response({**view.show(phone), "redirect_url": view.redirect(row, phone)}, 201)

    @router.get("/{slug}/phones/{mac}")
    async def show_phone(slug: str, mac: str) -> Response:
        return json_response(view.show(view.phone(slug, mac)))

    @router.post("/{slug}/phones/{mac}/leave")
    async def leave(slug: str, mac: str, body: Leaving | None = None) -> Response:
        body = body or Leaving()
        phone = view.phone(slug, mac)
        fleet.end(view.router(slug), phone, body.method, report=not body.silent)
        return json_response(view.show(phone))

    @router.post("/{slug}/phones/{mac}/traffic")
    async def traffic(slug: str, mac: str, body: Traffic) -> Response:
        phone = view.phone(slug, mac)
        fleet.lans.add_traffic(phone, down_bytes=body.down_kb * 1024, up_bytes=body.up_kb * 1024)
        return json_response(view.show(phone))

    return router


def _with_key(router: Router) -> dict[str, Any]:
    names = ("slug", "gateway_name", "faskey", "level", "name", "version", "poll_interval_seconds")
    return {name: getattr(router, name) for name in names}


def _online(router: Router) -> Response:
    return json_response({"slug": router.slug, "online": router.online})
