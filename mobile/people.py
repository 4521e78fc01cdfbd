"""Whose phone it is, and which: as the answers of log-in and `me` tell it."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field
from sqlmodel import Session

from mobile.shapes import Body
from services.accounts.models import Customer
from services.accounts.permissions import Permission
from services.apps.callers import Caller
from services.apps.devices import Phone
from services.apps.models import App, AppDevice


class PhoneFacts(Body):
    """What the app says of the phone that it is on."""

    name: str = Field(default="", max_length=80, examples=["Awa's phone"])
    platform: str = Field(default="", max_length=20, examples=["android"])
    app_version: str = Field(default="", max_length=20, examples=["1.4.0"])

    @property
    def phone(self) -> Phone:
        return Phone(" ".join(self.name.split()), self.platform, self.app_version)


class DeviceName(BaseModel):
    """A phone that is logged in, as lists and cursors name it."""

    id: str = Field(examples=["6f1d0c2b9a8e4f7d8c3b2a1908f7e6d5"])
    name: str = Field(examples=["Awa's phone"])
    app: App = Field(examples=["go"])


class CustomerPerson(BaseModel):
    """A customer has no permissions: what is theirs is theirs."""

    kind: Literal["customer"] = "customer"
    id: int = Field(examples=[12])
    name: str | None = Field(examples=["Awa Ceesay"])
    phone_masked: str = Field(examples=["+220 ••• 2345"])
    permissions: list[Permission] = Field(default_factory=list, max_length=0, examples=[[]])


class StaffPerson(BaseModel):
    """One of the staff, with the permissions of this moment."""

    kind: Literal["staff"] = "staff"
    id: int = Field(examples=[3])
    name: str = Field(examples=["Lamin Jallow"])
    email: str = Field(examples=["tech@inet.demo"])
    permissions: list[Permission] = Field(examples=[["tickets:read", "tickets:edit"]])


Person = Annotated[CustomerPerson | StaffPerson, Field(discriminator="kind")]


class Me(BaseModel):
    """The phone that asks, and its person."""

    device: DeviceName
    person: Person


def device_name(device: AppDevice) -> DeviceName:
    return DeviceName(id=device.public_id, name=device.name, app=device.app)


def person_of(session: Session, caller: Caller) -> CustomerPerson | StaffPerson:
    """The caller's person, as they stand in this transaction."""
    if caller.staff is not None:
        staff = caller.staff
        return StaffPerson(id=staff.id, name=staff.name, email=staff.email or "", permissions=sorted(staff.permissions))
    return customer_person(session.get_one(Customer, caller.customer()))


def customer_person(customer: Customer) -> CustomerPerson:
    assert customer.id is not None
    return CustomerPerson(id=customer.id, name=customer.name, phone_masked=customer.masked_phone)
