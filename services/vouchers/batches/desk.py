"""Ordering a batch of vouchers, and cancelling one."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import NoReturn

import sqlalchemy as sa
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, col, select

from app.errors import InvalidInput
from app.events import publish
from app.keys import keyed_mac, keyed_macs
from app.queue import ring
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.audit.models import AuditEntry
from services.listing import pick
from services.network.models import Site
from services.packages import service as packages
from services.revision import require
from services.vouchers.batch_models import MOST_IN_A_BATCH, BatchState, VoucherBatch
from services.vouchers.batches.gate import locked_batch
from services.vouchers.batches.making import WORK_JOB
from services.vouchers.errors import BatchNotCancellable, BatchOrderedDifferently
from services.vouchers.models import Voucher, VoucherState

TARGET = "batch"
# What the audit calls it when codes of a batch were shown to somebody (services/vouchers/sheets).
CODES_SEEN = ("batch.print", "batch.csv")
CODE_SEEN = ("voucher.reveal", "voucher.print")
_PURPOSE_KEY = "voucher-batch-order"
_LONGEST_NAME, _LONGEST_SELLER, _LONGEST_NOTE = 80, 120, 200
_LATEST_END = timedelta(days=3660)


def order_batch(
    session: Session,
    *,
    actor: Principal,
    package_id: str,
    size: int,
    name: str,
    seller: str | None,
    site_id: int | None,
    note: str | None,
    use_from: datetime | None,
    use_before: datetime | None,
    key: str | None,
    now: datetime,
) -> VoucherBatch:
    """Order vouchers of a package on sale; workers make them. `use_from` may be left out for now, `use_before` for the package's own time.

    Ordered again with the same `key`, it is the same batch. Raises Forbidden, FreshProofNeeded, PackageNotFound, InvalidInput with its
    field, or BatchOrderedDifferently.
    """
    actor.require(Permission.VOUCHERS_BATCH)
    actor.require_proof(now=now)
    offer = packages.offer_to_buy(session, package_id)
    begin = use_from or now
    batch = VoucherBatch(
        name=_text(name, "name", _LONGEST_NAME) or _refuse("Give the batch a name, so that it can be found again.", "name"),
        package_version_id=offer.version_id,
        size=_checked_size(size),
        seller=_text(seller, "seller", _LONGEST_SELLER),
        site_id=_checked_site(session, site_id),
        note=_text(note, "note", _LONGEST_NOTE),
        use_from=begin,
        use_before=_checked_end(begin, use_before or begin + timedelta(days=offer.terms.validity_days), now=now),
        made_by=actor.label,
        created_at=now,
        idempotency_mac=keyed_mac(_PURPOSE_KEY, _whose(actor, key)) if key else None,
        next_attempt_at=now,
    )
    if key and (known := _ordered_before(session, actor, key)):
        return _same(known, batch)
    try:
        with session.begin_nested():
            session.add(batch)
    except IntegrityError:
        # The same order, a moment earlier, in another transaction.
        known = _ordered_before(session, actor, key or "")
        if known is None:
            raise
        return _same(known, batch)
    assert batch.id is not None
    audit.record(session, actor, "batch.order", target=(TARGET, batch.id), now=now, after=_told(batch, package_id))
    ring(session, WORK_JOB, batch.id, queue="bulk")
    publish(session, "batches", batch.id)
    return batch


def cancel_batch(
    session: Session, *, actor: Principal, batch_id: int, reason: str = "", now: datetime, expected_revision: str | None = None
) -> VoucherBatch:
    """Have a batch taken away, while it is being made or as long as nobody has seen a code of it. Cancelled twice, it is cancelled once.

    Raises Forbidden, BatchNotFound, Stale or BatchNotCancellable.
    """
    actor.require(Permission.VOUCHERS_BATCH)
    batch = locked_batch(session, batch_id)
    if batch.state in (BatchState.CANCELLING, BatchState.CANCELLED):
        return batch
    require(expected_revision, batch.revision)
    if batch.state is BatchState.READY and is_out(session, batch_id):
        raise BatchNotCancellable
    before = batch.state
    batch.state, batch.next_attempt_at = BatchState.CANCELLING, now
    after = {"state": batch.state, "made": batch.made} | ({"reason": reason} if reason else {})
    audit.record(session, actor, "batch.cancel", target=(TARGET, batch_id), now=now, before={"state": before}, after=after)
    session.flush()
    ring(session, WORK_JOB, batch_id, queue="bulk")
    publish(session, "batches", batch_id)
    return batch


def is_out(session: Session, batch_id: int) -> bool:
    """Whether a code of it was used, or shown to anybody."""
    used = select(Voucher.id).where(Voucher.batch_id == batch_id, Voucher.state == VoucherState.USED).limit(1)
    seen = select(AuditEntry.id).where(
        AuditEntry.target_type == TARGET, AuditEntry.target_id == str(batch_id), col(AuditEntry.action).in_(CODES_SEEN)
    )
    mine = pick(sa.cast(col(Voucher.id), sa.Text)).where(col(Voucher.batch_id) == batch_id)
    shown = select(AuditEntry.id).where(
        AuditEntry.target_type == "voucher", col(AuditEntry.action).in_(CODE_SEEN), col(AuditEntry.target_id).in_(mine)
    )
    return any(session.exec(query.limit(1)).first() is not None for query in (used, seen, shown))


def _ordered_before(session: Session, actor: Principal, key: str) -> VoucherBatch | None:
    macs = keyed_macs(_PURPOSE_KEY, _whose(actor, key))
    return session.exec(select(VoucherBatch).where(col(VoucherBatch.idempotency_mac).in_(macs))).one_or_none()


def _whose(actor: Principal, key: str) -> str:
    return f"{actor.kind}:{actor.id}:{key}"


def _same(known: VoucherBatch, wanted: VoucherBatch) -> VoucherBatch:
    # The window is left out: an end that was left to the package is counted from the moment of the order.
    for part in ("name", "package_version_id", "size", "seller", "site_id", "note"):
        if getattr(known, part) != getattr(wanted, part):
            raise BatchOrderedDifferently
    return known


def _checked_size(size: int) -> int:
    if size < 1:
        _refuse("Order at least one voucher.", "size")
    if size > MOST_IN_A_BATCH:
        _refuse(f"A batch has at most {MOST_IN_A_BATCH:,} vouchers. Order several batches for more.", "size")
    return size


def _checked_site(session: Session, site_id: int | None) -> int | None:
    if site_id is not None and session.get(Site, site_id) is None:
        _refuse("There is no such site. Pick one from the list.", "site_id")
    return site_id


def _checked_end(use_from: datetime, use_before: datetime, *, now: datetime) -> datetime:
    if use_before <= use_from:
        _refuse("The vouchers must be usable for a while: let the end come after the beginning.", "use_before")
    if use_before <= now:
        _refuse("The end has passed already: nobody could use these vouchers.", "use_before")
    if use_before > now + _LATEST_END:
        _refuse("The end is more than ten years away. Pick an earlier one.", "use_before")
    return use_before


def _text(text: str | None, field: str, longest: int) -> str | None:
    """What a person wrote, without the space around it; nothing is None."""
    clean = (text or "").strip()
    if len(clean) > longest or "\x00" in clean:
        _refuse(f"At most {longest} characters.", field)
    return clean or None


def _refuse(words: str, field: str) -> NoReturn:
    raise InvalidInput(words, field=field)


def _told(batch: VoucherBatch, package_id: str) -> dict[str, object]:
    return {
        "name": batch.name,
        "package": package_id,
        "size": batch.size,
        "seller": batch.seller,
        "site_id": batch.site_id,
        "note": batch.note,
        "use_from": batch.use_from,
        "use_before": batch.use_before,
    }
