"""`/api/mobile/v1`: the JSON of INET-Go (customers) and INET-Tech (technicians) (contract.md, "mobile JSON")."""

from __future__ import annotations

from fastapi import APIRouter

from app.documented import refusals

router = APIRouter(prefix="/api/mobile/v1", responses=refusals(401, 403, 422, 429, 503))
PARTS: tuple[APIRouter, ...] = ()
for part in PARTS:
    router.include_router(part)
