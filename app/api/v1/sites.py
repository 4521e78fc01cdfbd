"""`/api/v1/sites`: the places that gateways stand at."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.api.security import requires
from app.api.v1.fields import Id, Search
from app.api.v1.paging import Page, Wanted
from app.db import transaction
from app.documented import refusals
from services.accounts.permissions import Permission, Principal
from services.network.queries import list_sites, site_page

router = APIRouter(prefix="/sites", tags=["sites"])
Reader = Annotated[Principal, requires(Permission.GATEWAYS_READ)]


class SiteDetail(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str = Field(examples=["Serekunda Market"])
    gateway_count: int


@router.get("", summary="List sites")
def list_all(actor: Reader, paging: Wanted, search: Search = "") -> Page[SiteDetail]:
    """Newest first."""
    with transaction() as session:
        found = list_sites(session, actor=actor, search=search, part=paging.part())
    return paging.page(found.rows, SiteDetail.model_validate, lambda row: (row.id,))


@router.get("/{site_id}", summary="One site", responses=refusals(404))
def one(actor: Reader, site_id: Id) -> SiteDetail:
    """With how many gateways stand there."""
    with transaction() as session:
        return SiteDetail.model_validate(site_page(session, actor=actor, site_id=site_id))
