"""In which life of the database we are: cursors speak of its transaction numbers, which mean nothing in another one.

Another life begins when the rows came here by a dump and a restore (the cluster's own identifier differs), and by hand
(`inet sync restart`). A restore to a point in time makes another timeline of the same cluster, which cursors are bound to as well.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa
import structlog
from sqlmodel import Session

from app.errors import Unavailable
from services.accounts.permissions import Principal
from services.apps.sync_cursor import Snapshot
from services.audit import service as audit

# Any number that nobody else locks.
_LOCK = 5_909_001
log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Moment:
    """What has been committed by now; its numbers mean something only within `epoch`. No transaction has reached `next_xid`."""

    epoch: str
    snapshot: Snapshot
    next_xid: int


class BeginningAnew(Unavailable):
    code, title = "sync_begins_anew", "The server was restored"
    message = "The server's data was just restored and is being prepared. Try again in a minute; nothing was lost."


_LOOK = sa.text("""
SELECT CAST(pg_current_snapshot() AS text) AS snapshot, CAST(CAST(pg_snapshot_xmax(pg_current_snapshot()) AS text) AS bigint) AS next_xid,
    CAST(cluster.system_identifier AS text) AS cluster, point.timeline_id,
    sync_epoch.epoch, sync_epoch.system_identifier AS begun_in
FROM pg_control_system() AS cluster CROSS JOIN pg_control_checkpoint() AS point LEFT JOIN sync_epoch ON sync_epoch.id = 1
""")
# What was changed in another cluster counts as changed now, where its number is one that this cluster has still to reach.
_RENUMBER = sa.text("""
UPDATE sync_change SET xid = CAST(CAST(pg_current_xact_id() AS text) AS bigint)
WHERE xid >= CAST(CAST(pg_snapshot_xmin(pg_current_snapshot()) AS text) AS bigint)
""")
_BEGIN = sa.text("""
INSERT INTO sync_epoch (id, epoch, system_identifier, began_at)
SELECT 1, :epoch, CAST(cluster.system_identifier AS text), :now FROM pg_control_system() AS cluster
ON CONFLICT (id) DO UPDATE SET epoch = excluded.epoch, system_identifier = excluded.system_identifier, began_at = excluded.began_at
""")


def look(session: Session) -> Moment | None:
    """None when another epoch has to begin first (`begin_anew`, in a transaction of its own).

    What is read afterwards in this transaction is at least as new as the moment (READ COMMITTED: each statement sees anew).
    """
    row = session.execute(_LOOK).one()
    if row.epoch is None or row.begun_in != row.cluster:
        return None
    return Moment(f"{row.epoch}.{row.timeline_id}", Snapshot.read(row.snapshot), row.next_xid)


def begin_anew(session: Session, *, by_hand: bool = False, now: datetime) -> bool:
    """Begin another epoch, once whoever asks first: every phone is then told everything anew. False when somebody else just did.

    Raises BeginningAnew while somebody else is at it.
    """
    if not session.execute(sa.text("SELECT pg_try_advisory_xact_lock(:lock)"), {"lock": _LOCK}).scalar_one():
        raise BeginningAnew
    if not by_hand and look(session) is not None:
        return False
    # A million rows take longer than a request's statement may.
    session.execute(sa.text("SET LOCAL statement_timeout = 0"))
    renumbered: int = session.execute(_RENUMBER).rowcount  # type: ignore[attr-defined]
    session.execute(_BEGIN, {"epoch": secrets.token_hex(12), "now": now})
    log.warning("sync.epoch_began", renumbered=renumbered, by_hand=by_hand)
    return True


def restart(session: Session, *, actor: Principal, now: datetime) -> None:
    """Begin one by hand, whatever stands. Raises BeginningAnew."""
    begin_anew(session, by_hand=True, now=now)
    audit.record(session, actor, "sync.restart", target=("sync", "epoch"), now=now)
