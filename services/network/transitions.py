"""A change of an access point's debounced state: what health polls tell incidents."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from services.network.models import Health


@dataclass(frozen=True)
class Transition:
    """`at` is when the first of the two polls saw the new state, not when the second confirmed it."""

    access_point_id: int
    before: Health
    after: Health
    at: datetime
