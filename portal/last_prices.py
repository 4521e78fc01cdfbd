"""The price list as this process saw it last, for the minutes in which PostgreSQL is away: people may read on, and buy when it is back.

In the process and not in Redis, which may be away with it. Nobody buys by it: a purchase asks PostgreSQL for the price.
"""

from __future__ import annotations

import threading
import time
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from services.access.context import HotspotContext
from services.packages.selling import SaleState
from services.packages.service import Offer

KEPT_SECONDS = 600.0
# Hotspots; those who come from another one see what is sold everywhere.
_KEPT_LISTS = 200


@dataclass(frozen=True)
class Seen:
    """`at` is monotonic."""

    offers: Sequence[Offer]
    at: float

    @property
    def age(self) -> float:
        return time.monotonic() - self.at


_seen: OrderedDict[int | None, Seen] = OrderedDict()
_lock = threading.Lock()


def note(place: HotspotContext | None, offers: Sequence[Offer]) -> None:
    """What PostgreSQL said is sold at `place` now."""
    with _lock:
        _seen[_key(place)] = Seen(offers, time.monotonic())
        _seen.move_to_end(_key(place))
        while len(_seen) > _KEPT_LISTS:
            _seen.popitem(last=False)


def last(place: HotspotContext | None, *, now: datetime) -> Seen | None:
    """What of it is still on sale by its own dates; None when there is no list, or none that is young enough."""
    with _lock:
        found = _seen.get(_key(place)) or _seen.get(None)
    if found is None or found.age > KEPT_SECONDS:
        return None
    return Seen([offer for offer in found.offers if offer.state(now) is SaleState.ON_SALE], found.at)


def forget() -> None:
    with _lock:
        _seen.clear()


def _key(place: HotspotContext | None) -> int | None:
    return place.gateway_id if place is not None else None
