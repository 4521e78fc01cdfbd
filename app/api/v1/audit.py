"""`/api/v1/audit`: who did what, as the console's page shows it; for staff only, no token may have its scope."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from app.api.security import requires
from app.api.v1.fields import NO_NUL, Day, Search
from app.api.v1.paging import Page, Wanted
from app.db import transaction
from services.accounts.permissions import Permission, Principal
from services.audit.queries import AuditFilter, list_audit

router = APIRouter(prefix="/audit", tags=["audit"])
Reader = Annotated[Principal, requires(Permission.AUDIT_READ)]


class AuditItem(BaseModel):
    """One action. Each row's `hash` covers its content and the hash of the row before."""

    model_config = ConfigDict(from_attributes=True)

    id: int
    at: datetime
    actor: str = Field(examples=["staff:care@inet.demo"])
    action: str = Field(examples=["voucher.issue"])
    target_type: str
    target_id: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    address: str
    correlation_id: str
    previous_hash: str
    hash: str


@router.get("", summary="Read the audit")
def list_all(
    actor: Reader,
    paging: Wanted,
    search: Annotated[Search, Query(description="How an action, target, actor or correlation ID begins")] = "",
    on: Annotated[Day | None, Query(description="A day in UTC")] = None,
    target_type: Annotated[str | None, Query(max_length=40, pattern=NO_NUL)] = None,
) -> Page[AuditItem]:
    """Newest first."""
    with transaction() as session:
        found = list_audit(session, actor=actor, wanted=AuditFilter(search, on, target_type), part=paging.part())
    return paging.page(found.rows, AuditItem.model_validate, lambda row: (row.id,))
