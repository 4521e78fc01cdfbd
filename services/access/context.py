"""The opaque token that the hotspot's entry page hands to the portal: which gateway, which client (contract.md)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from app.keys import BadSeal, seal_json, unseal_json
from services.access.errors import StaleContext

_PURPOSE = "hotspot-context"
# A client entry lives 30 minutes on the router; a page left open longer still tells which hotspot it was.
_LIFETIME = timedelta(hours=6)


@dataclass(frozen=True)
class HotspotContext:
    """One client in front of one router. `mac_trusted` is true only where the router encrypted it (level 3)."""

    gateway_id: int
    hid: str
    mac: str
    mac_trusted: bool
    at: datetime

    def token(self) -> str:
        return seal_json(
            _PURPOSE, {"g": self.gateway_id, "h": self.hid, "m": self.mac, "t": self.mac_trusted, "a": int(self.at.timestamp())}
        )


def read_context(token: str | None, *, now: datetime) -> HotspotContext | None:
    """None without a token. Raises StaleContext for one that is old, altered or not ours."""
    if not token:
        return None
    try:
        held = unseal_json(_PURPOSE, token)
        at = datetime.fromtimestamp(int(str(held["a"])), UTC)
        found = HotspotContext(int(str(held["g"])), str(held["h"]), str(held["m"]), bool(held["t"]), at)
    except (BadSeal, KeyError, ValueError):
        raise StaleContext from None
    if now - at > _LIFETIME:
        raise StaleContext
    return found
