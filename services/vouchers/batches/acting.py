"""What blocking, unblocking and expiring is for one voucher: which are left alone, what the others become, and the way back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from enum import StrEnum

from sqlmodel import Session

from app.errors import NotFound
from app.events import publish
from services.accounts.permissions import Principal
from services.audit import service as audit
from services.vouchers.batch_models import VoucherBatch
from services.vouchers.batches.changing import follow
from services.vouchers.batches.gate import locked_batch, require_shown
from services.vouchers.errors import VoucherNotFound
from services.vouchers.models import Voucher, VoucherState

S = VoucherState


class BulkAction(StrEnum):
    BLOCK = "block"
    UNBLOCK = "unblock"
    EXPIRE = "expire"


FROM: Mapping[BulkAction, tuple[VoucherState, ...]] = {
    BulkAction.BLOCK: (S.PENDING, S.ACTIVE),
    BulkAction.UNBLOCK: (S.BLOCKED,),
    BulkAction.EXPIRE: (S.PENDING, S.ACTIVE, S.BLOCKED),
}
# How the audit calls a voucher's new state.
_TOLD = {S.BLOCKED: "voucher.block", S.EXPIRED: "voucher.expire", S.PENDING: "voucher.unblock", S.ACTIVE: "voucher.unblock"}


def why_left(action: BulkAction, state: VoucherState, *, is_paid: bool, is_gone: bool) -> str | None:
    """Why a voucher is left alone: its state, `paid` or `gone`; None for one that changes.

    What was paid for is taken back by a refund, never by letting it expire.
    """
    if state not in FROM[action]:
        return state.value
    if is_paid and action is BulkAction.EXPIRE:
        return "paid"
    return "gone" if is_gone and action is BulkAction.UNBLOCK else None


def becomes(action: BulkAction, voucher: Voucher) -> VoucherState:
    if action is BulkAction.UNBLOCK:
        return voucher.unblocked
    return S.BLOCKED if action is BulkAction.BLOCK else S.EXPIRED


def locked_voucher(session: Session, voucher_id: int) -> tuple[Voucher, VoucherBatch | None]:
    """With its batch, which is locked first. Raises VoucherNotFound."""
    voucher = session.get(Voucher, voucher_id)
    if voucher is None:
        raise VoucherNotFound("There is no voucher under that number.")
    batch = locked_batch(session, voucher.batch_id) if voucher.batch_id is not None else None
    session.refresh(voucher, with_for_update=True)
    try:
        require_shown(session, voucher)
    except NotFound:
        raise VoucherNotFound("There is no voucher under that number.") from None
    return voucher, batch


def move(
    session: Session,
    voucher: Voucher,
    batch: VoucherBatch | None,
    to: VoucherState,
    *,
    actor: Principal,
    reason: str,
    follow_at: datetime,
    now: datetime,
) -> None:
    """Give a locked voucher another state, with its line of the audit; PortaBilling follows from `follow_at` on."""
    assert voucher.id is not None
    before, voucher.state = voucher.state, to
    session.flush()
    if voucher.may_be_in_porta:
        follow(session, [voucher.id], now=follow_at)
        session.refresh(voucher)
    elif batch is not None and before is S.BLOCKED:
        # One that was passed over while it was blocked is taken up again by the batch's own registering.
        batch.next_attempt_at = batch.next_attempt_at or now
        session.flush()
    after = {"state": to, "reason": reason}
    audit.record(session, actor, _TOLD[to], target=("voucher", voucher.id), now=now, before={"state": before}, after=after)
    publish(session, "vouchers", voucher.id)
    if batch is not None:
        publish(session, "batches", batch.id)
