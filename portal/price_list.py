"""`GET /api/portal/packages`: what every page and every phone asks first, so answered from Redis while nothing changes.

The kept lists go with any change of a package, and each by itself after seconds or when a window opens or closes. Buying asks PostgreSQL.
While that is away, the list that this process saw last is told, with its age in seconds as HTTP has it (`Age`).
"""

from __future__ import annotations

import contextlib
import time
from typing import Annotated, Any

import anyio.to_thread
import orjson
from fastapi import APIRouter, Query, Response
from sqlalchemy.exc import OperationalError

from app import redis
from app.clock import utc_now
from app.db import transaction
from app.hot import Batcher
from portal import last_prices, schemas
from portal.buying import counter
from portal.schemas import answers
from services.access.context import HotspotContext, read_context
from services.packages import answers as kept_lists
from services.packages.service import Offer, offers, turns_at

_KEEP_SECONDS = 5.0
router = APIRouter()
_Items = list[dict[str, Any]]


@router.get("/portal/packages", summary="The price list", responses=answers(schemas.PriceList, 410))
async def packages(
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: Annotated[int, Query(ge=0)] = 0,
    context: Annotated[str | None, Query(max_length=1000, description="The hotspot's token: what is sold there is listed too")] = None,
) -> Response:
    """What is sold now, in its order; without `context`, what is sold everywhere."""
    place = read_context(context, now=utc_now())
    items, headers = await _kept_items(place), {}
    if items is None:
        try:
            items = await anyio.to_thread.run_sync(_fresh, place)
        except OperationalError:
            seen = last_prices.last(place, now=utc_now())
            if seen is None:
                raise
            items, headers = [_item(offer) for offer in seen.offers], {"Age": str(round(seen.age))}
    more = len(items) > cursor + limit
    body = {"items": items[cursor : cursor + limit], "next_cursor": str(cursor + limit) if more else None}
    return Response(orjson.dumps(body), media_type="application/json", headers=headers)


async def _kept_items(place: HotspotContext | None) -> _Items | None:
    try:
        kept = await _kept(_field(place))
    except redis.Away:
        return None
    if kept is None:
        return None
    held = orjson.loads(kept)
    items: _Items = held["items"]
    return items if held["until"] > time.time() else None


def _fresh(place: HotspotContext | None) -> _Items:
    now = utc_now()
    with transaction() as session:
        found = offers(session, counter=counter(place, now))
        turns = turns_at(session, now=now)
    last_prices.note(place, found)
    items = [_item(offer) for offer in found]
    until = min(now.timestamp() + _KEEP_SECONDS, turns.timestamp() if turns else float("inf"))
    with contextlib.suppress(*redis.Away):
        kept_lists.keep(_field(place), orjson.dumps({"items": items, "until": until}))
    return items


def _item(offer: Offer) -> dict[str, Any]:
    return {
        "id": offer.public_id,
        "name": offer.terms.name,
        "amount": offer.terms.amount_bututs,
        "currency": offer.currency,
        "duration_seconds": offer.terms.duration_seconds,
        "quota_bytes": offer.terms.quota_bytes,
        "down_kbps": offer.terms.down_kbps,
        "up_kbps": offer.terms.up_kbps,
        "device_limit": offer.terms.device_limit,
    }


def _field(place: HotspotContext | None) -> str:
    return str(place.gateway_id) if place is not None else "-"


_kept: Batcher[str, bytes | None] = Batcher(kept_lists.ask)
