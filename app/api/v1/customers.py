"""`/api/v1/customers`: who buys Wi-Fi."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from app.api.security import requires
from app.api.v1.fields import Id, Search
from app.api.v1.paging import Page, Wanted
from app.db import transaction
from app.documented import refusals
from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal
from services.accounts.queries import customer_page, list_customers

router = APIRouter(prefix="/customers", tags=["customers"])
Reader = Annotated[Principal, requires(Permission.CUSTOMERS_READ)]


class CustomerItem(BaseModel):
    id: int
    phone: str = Field(examples=["+220833000001"])
    legacy_phone: str | None = Field(description="The same number in its old form of seven digits", examples=["+2203000001"])
    name: str | None
    language: str = Field(examples=["en"])
    created_at: datetime


class KnownDevice(BaseModel):
    id: int
    last_mac: str | None = Field(description="A hint: phones change it at every join")
    last_seen_at: datetime


class CustomerDetail(CustomerItem):
    devices: list[KnownDevice] = Field(description="The last 20, newest first")


def _fields(customer: Customer) -> dict[str, object]:
    return {
        "id": customer.id,
        "phone": customer.phone_e164,
        "legacy_phone": customer.legacy_e164,
        "name": customer.name,
        "language": customer.language,
        "created_at": customer.created_at,
    }


@router.get("", summary="List customers")
def list_all(actor: Reader, paging: Wanted, phone: Search = "") -> Page[CustomerItem]:
    """Newest first. `phone` is a whole number in either form, or how one begins."""
    with transaction() as session:
        found = list_customers(session, actor=actor, search=phone, part=paging.part())
    return paging.page(found.rows, lambda row: CustomerItem.model_validate(_fields(row)), lambda row: (row.id or 0,))


@router.get("/{customer_id}", summary="One customer", responses=refusals(404))
def one(actor: Reader, customer_id: Id) -> CustomerDetail:
    """With the devices they were seen with."""
    with transaction() as session:
        found = customer_page(session, actor=actor, customer_id=customer_id)
    devices = [{"id": device.id, "last_mac": device.last_mac, "last_seen_at": device.last_seen_at} for device in found.devices]
    return CustomerDetail.model_validate({**_fields(found.customer), "devices": devices})
