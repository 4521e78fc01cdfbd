"""Where a phone stands in what it is told: a sealed text that only this server can read, and only for the phone that it was made for.

It holds PostgreSQL snapshots and not a time or a number: a transaction that was open when a snapshot was taken is not in it, however small
its number, and so is told later (https://www.postgresql.org/docs/current/functions-info.html, "Transaction ID and Snapshot Information").
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from itertools import accumulate, pairwise
from typing import Any, Self

from app.errors import Conflict, InvalidInput
from app.keys import BadSeal, seal_json, unseal_json

_PURPOSE = "sync-cursor"
_FORM = 1
MOST_RUNNING = 150
"""So many open transactions are written down; whatever is younger than these counts as open."""
_FAR = 20_000


class CursorUnknown(InvalidInput):
    code, title = "cursor_unknown", "The cursor is not of this phone"
    message = "This cursor was not made for this phone. Ask without a cursor, and everything is told anew."


class CursorFromTheFuture(Conflict):
    code, title = "cursor_from_the_future", "The cursor is ahead of the server"
    message = "The server's data was set back to an earlier time. Ask without a cursor, and everything is told anew."


@dataclass(frozen=True)
class Snapshot:
    """Which transactions had ended at one moment: all below `xmin`, and those below `xmax` that are not among `running`."""

    xmin: int
    xmax: int
    running: tuple[int, ...] = ()

    @classmethod
    def read(cls, text: str) -> Self:
        """Of PostgreSQL's own form, cut to what a cursor can carry: seen as a little older, it tells of nothing too early."""
        xmin, xmax, running = text.split(":")
        open_ones = tuple(int(one) for one in running.split(",") if one)
        if len(open_ones) > MOST_RUNNING:
            return cls(int(xmin), open_ones[MOST_RUNNING], open_ones[:MOST_RUNNING])
        return cls(int(xmin), int(xmax), open_ones)

    def __str__(self) -> str:
        return f"{self.xmin}:{self.xmax}:{','.join(map(str, self.running))}"

    def pack(self) -> list[int]:
        """Each number as its distance from the one before: short, because they lie close together."""
        return [self.xmin, self.xmax - self.xmin, *(later - earlier for earlier, later in pairwise((self.xmin, *self.running)))]

    @classmethod
    def unpack(cls, numbers: list[int]) -> Self:
        xmin, width, *steps = numbers
        return cls(xmin, xmin + width, tuple(accumulate(steps, initial=xmin))[1:])

    def is_outgrown_by(self, now: Snapshot) -> bool:
        """Whether so much has ended since that each look passes over more than it has to: what was told beside a long transaction, and
        things of other kinds.
        """
        return now.xmin - self.xmin > _FAR


@dataclass(frozen=True)
class Position:
    """The last change that was told in a walk."""

    xid: int
    kind: str
    entity_id: int


@dataclass(frozen=True)
class Cursor:
    """`since`: what the phone has been told; None for nothing yet. `until` and `after` are set while a walk is under way.

    `epoch` and `scope` name the life of the database and what the caller may see: another one begins anew. `anew`: the phone doubts what it
    held before, and what is not told to it until the end it will drop.
    """

    app_device_id: int
    epoch: str
    scope: str
    kinds: tuple[str, ...]
    anew: bool = True
    since: Snapshot | None = None
    until: Snapshot | None = None
    after: Position | None = None

    def at_end(self, *, more: bool) -> Cursor:
        """After the walk. With `more` another follows at once."""
        return replace(self, since=self.until, until=None, after=None, anew=self.anew and more)

    def seal(self) -> str:
        after = [self.after.xid, self.after.kind, self.after.entity_id] if self.after else None
        snapshots = {name: one.pack() if one else None for name, one in (("since", self.since), ("until", self.until))}
        named: dict[str, object] = {"form": _FORM, "device": self.app_device_id, "epoch": self.epoch, "scope": self.scope}
        return seal_json(_PURPOSE, named | snapshots | {"kinds": ",".join(self.kinds), "anew": self.anew, "after": after})


def open_cursor(text: str, *, app_device_id: int) -> Cursor | None:
    """None for one in the form of another release: then everything is told anew. Raises CursorUnknown."""
    try:
        found: dict[str, Any] = unseal_json(_PURPOSE, text)
    except BadSeal:
        raise CursorUnknown(field="cursor") from None
    if found.get("device") != app_device_id:
        raise CursorUnknown(field="cursor")
    if found.get("form") != _FORM:
        return None
    since, until = (Snapshot.unpack(found[name]) if found[name] else None for name in ("since", "until"))
    after = Position(*found["after"]) if found["after"] else None
    kinds = tuple(found["kinds"].split(","))
    return Cursor(app_device_id, found["epoch"], found["scope"], kinds, found["anew"], since, until, after)


def tag_of(text: str) -> str:
    """The ETag of an answer that hands out this cursor."""
    return f'"{hashlib.sha256(text.encode()).hexdigest()[:20]}"'
