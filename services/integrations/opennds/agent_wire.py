"""What the optional script on a router says in its `custom` calls, and how it is answered (docs/router-agent.md).

Pure functions. Both directions carry a keyed digest under a key that only this router and we have; a text without a good one is nobody's.
"""

from __future__ import annotations

import hashlib
import hmac
import re
from collections.abc import Sequence
from dataclasses import dataclass

MAX_ORDERS = 8
MAX_CLIENTS = 250  # openNDS serves no more (opennds.md §7)
FIRST_MAC, LAST_MAC = "000000000000", "ffffffffffff"

_MAC = r"[0-9a-f]{12}"
_CLIENT = rf"{_MAC}\.[0-9a-f]{{8}}\.[0-9]{{1,15}}\.[0-9]{{1,15}}"
_REPORT = re.compile(
    rf"(?P<body>inet1:(?P<counter>[1-9][0-9]{{0,14}}):(?P<online>[0-9]{{1,4}}):(?P<after>{_MAC}):(?P<upto>{_MAC})"
    rf":(?P<clients>-|{_CLIENT}(?:_{_CLIENT})*)):(?P<digest>[0-9a-f]{{64}})"
)
_KB = 1024


@dataclass(frozen=True)
class AgentClient:
    """One client that the router has let in, with what it used since then. `token` is the router's secret name for it."""

    mac: str
    token: str
    bytes_down: int
    bytes_up: int


@dataclass(frozen=True)
class AgentReport:
    """All clients with a MAC after `after` and up to `upto`, of `online` on the router: a router with many tells them in parts.

    `counter` grows from report to report; it is also the router's time in seconds, so that it survives a restart without flash memory.
    """

    counter: int
    online: int
    after: str
    upto: str
    clients: tuple[AgentClient, ...]

    def covers(self, mac: str) -> bool:
        """Whether a client of this MAC would have been in this part, were it online."""
        bare = mac.replace(":", "")
        # The first part begins at the lowest MAC there is, itself included.
        return (self.after < bare or self.after == FIRST_MAC) and bare <= self.upto


def digest(key: str, direction: str, text: str) -> str:
    """The nested keyed digest: an outer hash over the key and an inner hash, so that nobody lengthens a text that was signed.

    `direction` is `router` or `server`: what one side said can never be played back as said by the other.
    """
    inner = hashlib.sha256(f"{key}:{direction}:{text}".encode()).hexdigest()
    return hashlib.sha256(f"{key}:outer:{inner}".encode()).hexdigest()


def read_report(text: str, *, key: str) -> AgentReport | None:
    """The report in a `custom` text, or None for anything that this router's script did not sign."""
    found = _REPORT.fullmatch(text)
    if found is None or not hmac.compare_digest(found["digest"], digest(key, "router", found["body"])):
        return None
    clients = () if found["clients"] == "-" else tuple(_client(one) for one in found["clients"].split("_"))
    if len(clients) > MAX_CLIENTS:
        return None
    return AgentReport(int(found["counter"]), int(found["online"]), found["after"], found["upto"], clients)


def _client(text: str) -> AgentClient:
    mac, token, down, up = text.split(".")
    return AgentClient(with_colons(mac), token, int(down) * _KB, int(up) * _KB)


def with_colons(bare: str) -> str:
    """`020000bb0050` as `02:00:00:bb:00:50`."""
    return ":".join(bare[at : at + 2] for at in range(0, 12, 2))


def answer(key: str, counter: int, orders: Sequence[str]) -> bytes:
    """`ack`, or `ack <counter> <digest> deauth <mac>…` with at most eight MACs: an answer to this one report and no other."""
    if not orders:
        return b"ack"
    if len(orders) > MAX_ORDERS or not all(re.fullmatch(r"[0-9a-f]{2}(?::[0-9a-f]{2}){5}", mac) for mac in orders):
        raise ValueError("not an order that a router may see")
    words = " ".join(["deauth", *orders])
    return f"ack {counter} {digest(key, 'server', f'{counter} {words}')} {words}".encode()
