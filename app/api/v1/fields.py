"""Small types of the resources: what numbers, names and texts look like in addresses and bodies."""

from __future__ import annotations

import re
from datetime import date
from typing import Annotated, Literal

from fastapi import Path, Query
from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field

from services.accounts.models import Customer
from services.accounts.permissions import Permission, Principal

NO_NUL = r"^[^\x00]*$"
"""PostgreSQL takes no NUL, and no person types one."""
_MOST = 2**63 - 1
_BEGINS_WITH_A_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")

Id = Annotated[int, Path(ge=1, le=_MOST, description="The number of the record")]
Reference = Annotated[str, Path(pattern=r"^[A-Za-z0-9-]{1,16}$", description="The short code that people see", examples=["7KMNPRST"])]
Slug = Annotated[str, Path(pattern=r"^[a-z0-9][a-z0-9-]{0,63}$", description="The name in addresses")]
IdFilter = Annotated[int | None, Query(ge=1, le=_MOST)]
Search = Annotated[str, Query(max_length=80, pattern=NO_NUL)]
Currency = Literal["GMD"]
Bututs = Annotated[int, Field(description="In bututs, 100 to the dalasi", examples=[2500])]
Name = Annotated[str, Field(min_length=1, max_length=120, pattern=r"^[^\x00]*[^\x00\s][^\x00]*$")]


def _as_iso_text(value: object) -> object:
    if isinstance(value, str) and not _BEGINS_WITH_A_DAY.match(value):
        raise ValueError("Input should be ISO 8601, such as 2026-11-22T10:00:00Z or 2026-11-22")
    return value


# Without it a bare number would be read as seconds since 1970.
Moment = Annotated[AwareDatetime, BeforeValidator(_as_iso_text)]
Day = Annotated[date, BeforeValidator(_as_iso_text)]


def _is_text(value: object) -> object:
    if value is not None and not isinstance(value, str):
        raise ValueError("Input should be text, ISO 8601, such as 2026-11-22T10:00:00Z")
    return value


BodyMoment = Annotated[Moment, BeforeValidator(_is_text), Field(strict=False)]
"""A moment in a `Wanted` body: its types are meant as they are sent, and JSON has no moments."""


class Wanted(BaseModel):
    """A body of a request: what it does not know is refused, so that nothing is set by the way; types are meant as they are sent."""

    model_config = ConfigDict(extra="forbid", strict=True, str_strip_whitespace=True)


class Person(BaseModel):
    """A customer as far as the reader may know: the whole number only with `customers:read`."""

    id: int
    phone: str | None = Field(description="Null without `customers:read`", examples=["+220833000001"])
    phone_masked: str = Field(examples=["+220 ••• 0001"])


def person(customer: Customer, actor: Principal) -> Person:
    assert customer.id is not None
    phone = customer.phone_e164 if actor.may(Permission.CUSTOMERS_READ) else None
    return Person(id=customer.id, phone=phone, phone_masked=customer.masked_phone)
