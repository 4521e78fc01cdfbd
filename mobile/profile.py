"""A customer's name and language (INET-Go). The number is changed by a key of its own (`/profile/phone`)."""

from __future__ import annotations

from typing import Literal

from fastapi import APIRouter
from pydantic import BaseModel, ConfigDict, Field

from app.db import transaction
from mobile.security import CustomerPhone
from mobile.shapes import Body, RowText
from services.apps import documents
from services.apps.profile import MAX_NAME, set_profile

router = APIRouter(tags=["mobile"])


class ProfileChange(Body):
    """What is left out stays as it is; an empty name takes it away."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": "Awa Ceesay", "language": "en"}]})

    name: str | None = Field(default=None, max_length=MAX_NAME)
    language: str | None = Field(default=None, max_length=8)


class ProfileData(BaseModel):
    name: str | None
    phone: str = Field(examples=["+220833000001"])
    language: str = Field(examples=["en"])


class ProfileShown(BaseModel):
    """As a sync tells it."""

    kind: Literal["profile"]
    id: RowText
    version: str
    data: ProfileData


@router.patch("/profile", summary="Change name or language")
def change_profile(caller: CustomerPhone, body: ProfileChange) -> ProfileShown:
    """Change what we call you, and the language that we write to you in."""
    with transaction() as session:
        set_profile(session, caller, name=body.name, language=body.language)
        stands = documents.one(session, caller, "profile", caller.customer())
    assert stands is not None
    return ProfileShown(kind="profile", id=str(stands.id), version=stands.version, data=ProfileData.model_validate(stands.data))
