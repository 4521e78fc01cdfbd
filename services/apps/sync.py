"""What changed for a phone since it last asked: each thing once, as it stands now, however often it changed and whoever still writes.

`sync_change` holds, for each thing and each who may hear of it, the number of the transaction that changed it last (triggers of migration
0010). A walk tells of the rows whose transaction has ended by now (`until`) and had not at the last walk (`since`), in the order of their
numbers, page by page; then `until` becomes `since`. A transaction that stays open for an hour is told when it has ended; nobody waits
for it, and none is passed over. What the caller does not see, or no more, is told as a removal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import orjson
import sqlalchemy as sa
from sqlmodel import Session

from app.db import Begin
from app.errors import InvalidInput
from services.apps import documents, sync_epoch
from services.apps.callers import Caller
from services.apps.sync_cursor import Cursor, CursorFromTheFuture, Position, Snapshot, open_cursor, tag_of
from services.revision import revision_of

DEFAULT_LIMIT, MAX_LIMIT = 200, 500
PAGE_BYTES = 512 * 1024
"""A page ends with the first change that brings it past this."""
# So many rows' documents are in memory at once.
_AT_ONCE = 100


@dataclass(frozen=True)
class Asked:
    """No `kinds`: those that the cursor is for, or all of them."""

    cursor: str | None = None
    kinds: tuple[str, ...] | None = None
    limit: int = DEFAULT_LIMIT


@dataclass(frozen=True)
class Answer:
    """`changes` are JSON objects already. `is_same`: nothing changed, and the cursor is the one that was sent."""

    changes: tuple[bytes, ...]
    cursor: str
    more: bool
    start_over: bool
    is_same: bool = False

    @property
    def tag(self) -> str:
        return tag_of(self.cursor)


@dataclass(frozen=True)
class _Page:
    changes: tuple[bytes, ...]
    told_to: Position | None
    is_last: bool


def sync(begin: Begin, *, caller: Caller, asked: Asked, now: datetime) -> Answer:
    """One page. Raises InvalidInput for kinds that there are not, CursorUnknown, CursorFromTheFuture or BeginningAnew."""
    kinds = _kinds(caller, asked.kinds)
    sent = open_cursor(asked.cursor, app_device_id=caller.app_device_id) if asked.cursor is not None else None
    with begin() as session:
        moment = sync_epoch.look(session)
        if moment is not None:
            return _answer(session, caller, asked, sent, kinds, moment)
    with begin() as session:
        sync_epoch.begin_anew(session, now=now)
    with begin() as session:
        moment = sync_epoch.look(session)
        if moment is None:
            raise sync_epoch.BeginningAnew
        return _answer(session, caller, asked, sent, kinds, moment)


def _kinds(caller: Caller, asked: tuple[str, ...] | None) -> tuple[str, ...] | None:
    """In one order, so that the same kinds are always the same."""
    known = documents.KINDS_OF[caller.app]
    unknown = sorted(set(asked or ()) - set(known))
    if unknown:
        raise InvalidInput(f"There is no kind {unknown[0]!r} here. There are: {', '.join(known)}.", field="kinds")
    return tuple(kind for kind in known if kind in asked) if asked else None


def _answer(
    session: Session, caller: Caller, asked: Asked, sent: Cursor | None, kinds: tuple[str, ...] | None, moment: sync_epoch.Moment
) -> Answer:
    fresh = Cursor(caller.app_device_id, moment.epoch, _scope(caller), kinds or documents.KINDS_OF[caller.app])
    goes_on = sent is not None and (sent.epoch, sent.scope) == (fresh.epoch, fresh.scope) and kinds in (None, sent.kinds)
    cursor = sent if sent is not None and goes_on else fresh
    if any(one is not None and one.xmax > moment.next_xid for one in (cursor.since, cursor.until)):
        raise CursorFromTheFuture
    walk = cursor if cursor.until is not None else replace(cursor, until=moment.snapshot)
    page = _page(session, caller, walk, limit=asked.limit)
    if not page.is_last:
        return Answer(page.changes, replace(walk, after=page.told_to or walk.after).seal(), more=True, start_over=not goes_on)
    if asked.cursor is not None and page.told_to is None and _rests(cursor, moment.snapshot):
        return Answer((), asked.cursor, more=False, start_over=False, is_same=True)
    # What changed while a longer walk went on is told at once: it must not be missing when the phone drops what was not confirmed.
    more = (cursor.until is not None or cursor.anew) and _has_more(session, caller, walk.at_end(more=True))
    return Answer(page.changes, walk.at_end(more=more).seal(), more=more, start_over=not goes_on)


def _rests(cursor: Cursor, now: Snapshot) -> bool:
    """Whether a cursor for which nothing was found stays as it is."""
    return cursor.since is not None and cursor.until is None and not cursor.anew and not cursor.since.is_outgrown_by(now)


def _scope(caller: Caller) -> str:
    """Another one when the caller may see other things, or documents have another shape."""
    rights = sorted(permission.value for permission in caller.staff.permissions) if caller.staff is not None else []
    return revision_of(documents.SHAPE, caller.audiences, rights)


def _page(session: Session, caller: Caller, walk: Cursor, *, limit: int) -> _Page:
    rows = _changed(session, caller, walk, wanted=limit + 1)
    changes: list[bytes] = []
    told_to, size = None, 0
    for position, change in _told(session, caller, rows[:limit], with_removals=walk.since is not None):
        told_to = position
        if change is not None:
            changes.append(change)
            size += len(change)
        if size > PAGE_BYTES:
            break
    last = rows[min(len(rows), limit) - 1] if rows else None
    return _Page(tuple(changes), told_to, is_last=len(rows) <= limit and told_to == last)


def _told(session: Session, caller: Caller, rows: Sequence[Position], *, with_removals: bool) -> Iterator[tuple[Position, bytes | None]]:
    """Each change as JSON. A phone that holds nothing yet needs no removals."""
    for start in range(0, len(rows), _AT_ONCE):
        some = rows[start : start + _AT_ONCE]
        found = {
            kind: documents.load(session, caller, kind, {row.entity_id for row in some if row.kind == kind})
            for kind in dict.fromkeys(row.kind for row in some)
        }
        for row in some:
            document = found[row.kind].get(row.entity_id)
            if document is not None:
                yield row, document.json
            else:
                yield row, orjson.dumps({"kind": row.kind, "id": str(row.entity_id), "removed": True}) if with_removals else None


# Of each audience no more is read than a page can take, along the index (audience, xid, kind, entity_id).
_CHANGED = sa.text("""
WITH walk AS MATERIALIZED (SELECT CAST(:since AS pg_snapshot) AS since, CAST(:until AS pg_snapshot) AS until)
SELECT told.xid, told.kind, told.entity_id
FROM walk CROSS JOIN unnest(CAST(:audiences AS text[])) AS own (audience)
CROSS JOIN LATERAL (
    SELECT c.xid, c.kind, c.entity_id FROM sync_change AS c
    WHERE c.audience = own.audience AND (c.xid, c.kind, c.entity_id) > (:xid, :kind, :entity_id) AND c.xid < :below
        AND c.kind = ANY(CAST(:kinds AS text[]))
        AND pg_visible_in_snapshot(CAST(CAST(c.xid AS text) AS xid8), walk.until)
        AND (walk.since IS NULL OR NOT pg_visible_in_snapshot(CAST(CAST(c.xid AS text) AS xid8), walk.since))
    ORDER BY c.xid, c.kind, c.entity_id LIMIT :wanted
) AS told
ORDER BY told.xid, told.kind, told.entity_id LIMIT :wanted
""")


def _changed(session: Session, caller: Caller, walk: Cursor, *, wanted: int) -> list[Position]:
    assert walk.until is not None
    after = walk.after or Position(walk.since.xmin if walk.since else 0, "", 0)
    values: dict[str, Any] = {
        "since": str(walk.since) if walk.since else None,
        "until": str(walk.until),
        "audiences": list(caller.audiences),
        "kinds": list(walk.kinds),
        "xid": after.xid,
        "kind": after.kind,
        "entity_id": after.entity_id,
        "below": walk.until.xmax,
        "wanted": wanted,
    }
    return [Position(*row) for row in session.execute(_CHANGED, values)]


def _has_more(session: Session, caller: Caller, at_end: Cursor) -> bool:
    """Whether something has changed meanwhile."""
    moment = sync_epoch.look(session)
    return moment is not None and bool(_changed(session, caller, replace(at_end, until=moment.snapshot), wanted=1))
