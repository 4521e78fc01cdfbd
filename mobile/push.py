"""`/api/mobile/v1`: where pushes go to, when they are wanted, and what was told."""

from __future__ import annotations

import re
from datetime import datetime, time
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, PlainSerializer

from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from mobile.security import AnyPhone, CustomerPhone
from services.apps import notices, push
from services.apps.push import Wish
from services.notifications.models import Medium

router = APIRouter(tags=["mobile"])
_CLOCK = re.compile(r"([01]\d|2[0-3]):[0-5]\d", re.ASCII)
_TOKEN: dict[str, Any] = {"token": "ExponentPushToken[xxxxxxxxxxxxxxxxxxxxxx]"}
_QUIET: dict[str, Any] = {"on": True, "quiet_from": "22:00", "quiet_until": "07:00"}
_ON: dict[str, Any] = {"on": True, "quiet_from": None, "quiet_until": None}


def _as_time(value: object) -> object:
    if value is None or isinstance(value, time):
        return value
    if not isinstance(value, str) or not _CLOCK.fullmatch(value):
        raise ValueError("Input should be hours and minutes, such as 22:00")
    return time.fromisoformat(value)


# Hours and minutes as people write them, with nothing else that could be read as a time of day.
ClockTime = Annotated[
    time | None,
    BeforeValidator(_as_time, json_schema_input_type=str | None),
    PlainSerializer(lambda value: value and f"{value:%H:%M}", return_type=str | None),
]


class _Wanted(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TokenWanted(_Wanted):
    """Expo's name of this app on this phone."""

    model_config = ConfigDict(json_schema_extra={"examples": [_TOKEN]})

    token: str = Field(min_length=1, max_length=200, pattern=r"^[!-~]+$", description="An Expo push token")


class MediumWish(_Wanted):
    """Quiet hours are Banjul's, may cross midnight, and hold what can wait; null for none of one's own."""

    model_config = ConfigDict(from_attributes=True, json_schema_extra={"examples": [_QUIET]})

    on: bool = Field(description="Whether the person wants this medium")
    quiet_from: ClockTime = Field(default=None, description="From when it is quiet")
    quiet_until: ClockTime = Field(default=None, description="Until when")


class Preferences(_Wanted):
    """Of technicians there are only pushes to choose; the bell and mails belong to their work."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"push": _QUIET, "sms": _ON, "email": _ON}]})

    push: MediumWish | None = None
    sms: MediumWish | None = None
    email: MediumWish | None = None


class NoticeItem(BaseModel):
    """One thing that we told the customer, without any secret in it."""

    model_config = ConfigDict(from_attributes=True)

    id: int = Field(examples=[71])
    title: str = Field(examples=["INET"])
    body: str = Field(examples=["There is an answer to your request T-4KM7PXQ."])
    entity: str | None = Field(description="What it is about", examples=["ticket:17"])
    at: datetime
    read_at: datetime | None = Field(description="Null while it is new")


class NoticePage(BaseModel):
    """The newest first."""

    items: list[NoticeItem]
    next_cursor: str | None = Field(description="For the next page; null at the end", examples=["52"])
    unread: int = Field(description="New ones, counted up to 100", examples=[2])


@router.post("/push-tokens", summary="Send pushes to this phone", status_code=204)
def register_push_token(caller: AnyPhone, body: TokenWanted) -> None:
    """Safe to repeat at each start of the app. One token a phone: a new one takes the place of the last.

    A token that came from another person's phone goes to whoever is logged in on it now.
    """
    with transaction() as session:
        push.register(session, caller, token=body.token, now=utc_now())


@router.delete("/push-tokens", summary="Send no more pushes by a token", status_code=204)
def give_push_token_back(caller: AnyPhone, body: TokenWanted) -> None:
    """Answered alike for a token that is not the person's: nothing happens to that one. Logging out does this by itself."""
    with transaction() as session:
        push.give_back(session, caller, token=body.token, now=utc_now())


@router.get("/preferences", summary="What the person wants to be told, and how")
def show_preferences(caller: AnyPhone) -> Preferences:
    """Who never chose anything is told on every medium; news wait for the morning."""
    with transaction() as session:
        return _preferences(push.wishes(session, caller))


@router.put("/preferences", summary="Choose how to be told")
def choose_preferences(caller: AnyPhone, body: Preferences) -> Preferences:
    """Sets the media that are named; the others stay. A key to log in and an answer that was asked for come in any case."""
    named = {medium: getattr(body, medium.value) for medium in Medium if getattr(body, medium.value, None) is not None}
    wanted = {medium: Wish(one.on, one.quiet_from, one.quiet_until) for medium, one in named.items()}
    with transaction() as session:
        return _preferences(push.set_wishes(session, caller, wanted, now=utc_now()))


def _preferences(found: dict[Medium, Wish]) -> Preferences:
    return Preferences(**{medium.value: MediumWish.model_validate(wish) for medium, wish in found.items()})


@router.get("/notices", summary="What we told the customer", responses=refusals(403))
def list_notices(
    caller: CustomerPhone,
    limit: Annotated[int, Query(ge=1, le=100)] = 30,
    cursor: Annotated[str | None, Query(pattern=r"^[1-9]\d{0,17}$", description="`next_cursor` of the page before")] = None,
) -> NoticePage:
    """They come with a sync as well; `notice.read` among the mutations marks one as read."""
    with transaction() as session:
        found = notices.list_notices(session, caller, before=int(cursor) if cursor else None, limit=limit)
    items = [NoticeItem.model_validate(one) for one in found.items]
    return NoticePage(items=items, next_cursor=str(items[-1].id) if found.more else None, unread=found.unread)
