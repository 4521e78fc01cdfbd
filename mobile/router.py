"""`/api/mobile/v1`: the JSON of INET-Go (customers) and INET-Tech (technicians) (contract.md, "mobile JSON")."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from app.documented import refusals
from app.given_once import given_once
from mobile import access, account, auth, devices, help_desk, mutations, number, photos, places, profile, push, shop, sync, work

router = APIRouter(prefix="/api/mobile/v1", responses=refusals(401, 403, 422, 429, 503), dependencies=[Depends(given_once)])
PARTS: tuple[APIRouter, ...] = (
    photos.router,
    mutations.router,
    work.router,
    auth.router,
    devices.router,
    number.router,
    shop.router,
    access.router,
    help_desk.router,
    places.router,
    profile.router,
    sync.router,
    push.router,
    account.router,
)
for part in PARTS:
    router.include_router(part)
