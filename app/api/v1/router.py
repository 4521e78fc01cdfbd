"""`/api/v1`: the resources, for staff's own tools and for outside services (contract.md, "staff and machine JSON")."""

from __future__ import annotations

from fastapi import APIRouter, Depends

from app.api.v1 import (
    access_points,
    audit,
    backups,
    batches,
    customers,
    errors,
    gateways,
    health,
    incidents,
    jobs,
    ledger,
    money,
    notifications,
    packages,
    payments,
    personal_data,
    promos,
    reconciliation,
    refunds,
    reports,
    sessions,
    sites,
    sla,
    teams,
    ticket_conversation,
    ticket_intake,
    ticket_moves,
    tickets,
    vouchers,
)
from app.documented import refusals
from app.given_once import given_once

router = APIRouter(prefix="/api/v1", responses=refusals(401, 403, 422, 429, 503), dependencies=[Depends(given_once)])
for resource in (
    customers,
    personal_data,
    packages,
    promos,
    payments,
    refunds,
    money,
    ledger,
    vouchers,
    batches,
    sessions,
    gateways,
    access_points,
    sites,
    incidents,
    tickets,
    ticket_conversation,
    ticket_moves,
    ticket_intake,
    teams,
    sla,
    reports,
    reconciliation,
    notifications,
    audit,
    errors,
    backups,
    health,
    jobs,
):
    router.include_router(resource.router)
router.include_router(incidents.compensations)
router.include_router(jobs.failures)
