"""The reference client of `/api/mobile/v1`, for the apps' makers and our own tests: what a phone keeps, queues, sends and takes in.

It shares no code with the server and speaks to it by the wire alone. `Phone` is where to begin.
"""

from __future__ import annotations

from mobile.client.errors import LoggedOut, Offline, Refused
from mobile.client.phone import Phone
from mobile.client.store import Entity, Queued, Store
from mobile.client.wire import Change, Held, Outcome, Result, SyncPage, Tokens

__all__ = [
    "Change",
    "Entity",
    "Held",
    "LoggedOut",
    "Offline",
    "Outcome",
    "Phone",
    "Queued",
    "Refused",
    "Result",
    "Store",
    "SyncPage",
    "Tokens",
]
