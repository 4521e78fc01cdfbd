"""What a router remembers. Instants are Unix seconds; quotas are 1024-byte kB; rates are kbit/s."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from app.sandbox.clock import iso_or_none

MINIMUM_LEVEL_4 = (10, 2)
# An unauthenticated client is forgotten after this long, and gets a new token when it comes back (preauthidletimeout).
PREAUTH_SECONDS = 30 * 60


@dataclass
class Router:
    """One openNDS router. `number` decides its LAN; the faskey never leaves it except over `/_control/routers`."""

    slug: str
    name: str
    gateway_name: str
    faskey: str
    level: int
    version: str
    number: int
    poll_interval_seconds: float
    # The daemon runs; the line to the outside works.
    running: bool = True
    wan_up: bool = True
    # `clear` is owed: authmon sends it once when the daemon (re)starts.
    owes_clear: bool = True
    # Real time, not the sandbox's: liveness is about the sandbox's own work.
    last_poll_at: float | None = None

    @property
    def version_numbers(self) -> tuple[int, int]:
        major, minor = self.version.split(".")[:2]
        return int(major), int(minor)

    @property
    def entries_per_view(self) -> int | None:
        """10.2+ stops after four entries, older ones take all they understand."""
        return 4 if self.version_numbers >= MINIMUM_LEVEL_4 else None

    @property
    def admits_unlisted(self) -> bool:
        """allow_preemptive_authentication: a MAC may be let in before it asked (default from 10.1)."""
        return self.version_numbers >= (10, 1)

    @property
    def gateway_mac(self) -> str:
        return f"02:00:00:aa:{self.number // 256:02x}:{self.number % 256:02x}"

    @property
    def gateway_address(self) -> str:
        return f"{self._network}.0.1:2050"

    def client_address(self, index: int) -> str:
        """The address of the LAN's n-th client."""
        return f"{self._network}.{index // 250 % 250}.{index % 250 + 2}"

    @property
    def _network(self) -> str:
        return f"10.{self.number % 250 + 1}"

    @property
    def online(self) -> bool:
        """Whether it can reach the product."""
        return self.running and self.wan_up


@dataclass(frozen=True)
class Terms:
    """What a client is let in for. 0 minutes of a grant became 24 h already; other zeros mean unlimited."""

    minutes: int
    upload_kbps: int
    download_kbps: int
    upload_quota_kb: int
    download_quota_kb: int
    custom: str


@dataclass
class Phone:
    """A device on a router's Wi-Fi. An empty token: the daemon has no list entry for it."""

    slug: str
    mac: str
    clientip: str
    token: str = ""
    hid: str = ""
    listed_at: float = 0
    # The running session's grant, or empty while captive.
    grant_id: str = ""

    @property
    def key(self) -> str:
        return phone_key(self.slug, self.mac)

    @property
    def online(self) -> bool:
        return self.grant_id != ""


def phone_key(slug: str, mac: str) -> str:
    """A phone's name in the store."""
    return f"{slug}/{mac}"


@dataclass
class Grant:
    """One admission of one phone: the session that ndsctl opened, and how it ended."""

    id: str
    slug: str
    mac: str
    hid: str
    minutes: int
    upload_kbps: int
    download_kbps: int
    upload_quota_kb: int
    download_quota_kb: int
    custom: str
    started_at: float
    bytes_incoming: int = 0
    bytes_outgoing: int = 0
    ended_at: float | None = None
    method: str | None = None
    # Whether the deauthed report was answered; None: not sent.
    reported: bool | None = None

    @property
    def ends_at(self) -> float:
        return self.started_at + self.minutes * 60

    def spent_quota(self) -> str | None:
        """`down` or `up` if that quota is used up."""
        if self.download_quota_kb and self.bytes_incoming >= self.download_quota_kb * 1024:
            return "down"
        if self.upload_quota_kb and self.bytes_outgoing >= self.upload_quota_kb * 1024:
            return "up"
        return None

    def state(self) -> dict[str, Any]:
        """The grant for `GET /_control/state`."""
        return {**vars(self), "started_at": iso_or_none(self.started_at), "ended_at": iso_or_none(self.ended_at)}


@dataclass
class Violation:
    """A list that no server may hand to a router: `reason` is `bytes` (outside the whitelist) or `size` (too long, too many)."""

    id: str
    slug: str
    reason: str
    raw: str
    at: float
