"""Pages for people who play a phone at a hotspot."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Form, Response
from fastapi.responses import RedirectResponse

from app.sandbox.html import page
from app.sandbox.routers.control import FleetView, read_mac
from app.sandbox.routers.crypto import new_mac

BROWSED_BYTES = 300 * 1024
UPLOADED_BYTES = 20 * 1024


def hotspot_router(view: FleetView, portal_url: str) -> APIRouter:
    """The addresses under `/hotspot`."""
    router = APIRouter(prefix="/hotspot", include_in_schema=False)
    fleet = view.fleet

    @router.get("")
    async def hotspots() -> Response:
        return page("hotspots.html", routers=view.state(), portal_url=portal_url)

    @router.get("/{slug}/join")
    async def join(slug: str, mac: str = "") -> Response:
        row = view.router(slug)
        phone = fleet.lans.join(row, read_mac(mac) if mac else new_mac())
        if phone.online:
            return RedirectResponse(f"/hotspot/{slug}/phones/{phone.mac}", status_code=303)
        return RedirectResponse(view.redirect(row, phone), status_code=307)

    @router.get("/{slug}/phones/{mac}")
    async def show(slug: str, mac: str) -> Response:
        phone = view.phone(slug, mac)
        return page("phone.html", router=view.router(slug), phone=view.show(phone))

    @router.get("/{slug}/phones/{mac}/internet")
    async def internet(slug: str, mac: str) -> Response:
        phone, row = view.phone(slug, mac), view.router(slug)
        if not phone.online:
            return RedirectResponse(view.redirect(row, fleet.lans.join(row, phone.mac)), status_code=307)
        fleet.lans.add_traffic(phone, down_bytes=BROWSED_BYTES, up_bytes=UPLOADED_BYTES)
        return page("internet.html", router=row, phone=view.show(phone))

    @router.post("/{slug}/phones/{mac}/rejoin")
    async def rejoin(slug: str, mac: str, new: Annotated[str, Form()] = "") -> Response:
        phone, row = view.phone(slug, mac), view.router(slug)
        fleet.end(row, phone, "idle_deauth")
        again = fleet.lans.join(row, new_mac() if new else phone.mac)
        return RedirectResponse(f"/hotspot/{slug}/phones/{again.mac}", status_code=303)

    return router
