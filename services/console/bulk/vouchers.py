"""Vouchers that were picked one by one: blocked, freed or expired. Whole batches have their own way (services/vouchers/batches/bulk.py)."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

from sqlmodel import Session, col, select

from app.errors import Conflict
from services.accounts.permissions import Permission, Principal
from services.console.bulk.errors import ChangedSince
from services.console.bulk.shape import Action, Answers, Doing, Done, Line
from services.payments.models import Payment
from services.vouchers.batches import acting
from services.vouchers.batches.acting import BulkAction
from services.vouchers.batches.gate import is_shown
from services.vouchers.errors import VoucherGone
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.service import is_gone

# PortaBilling is told of one after the other: customers who stand at a router come first.
_PAUSE = timedelta(seconds=0.1)
_WORDS = {
    VoucherState.PENDING: "being prepared",
    VoucherState.ACTIVE: "ready",
    VoucherState.USED: "used",
    VoucherState.BLOCKED: "blocked",
    VoucherState.EXPIRED: "expired",
}
_WHY: Mapping[str, str] = {
    VoucherState.PENDING: "It is not blocked.",
    VoucherState.ACTIVE: "It is not blocked.",
    VoucherState.USED: "It is used.",
    VoucherState.EXPIRED: "It has expired.",
    "paid": "A customer paid for it: give the money back instead.",
    "gone": VoucherGone.message,
}


class VoucherLeft(Conflict):
    """One that the action leaves alone."""

    code, title = "voucher_left", "The voucher stays as it is"


class _OnVouchers(Action[None]):
    page = "vouchers"
    things = ("voucher", "vouchers")
    permission = Permission.VOUCHERS_BATCH
    needs_proof = True
    act: ClassVar[BulkAction]

    def read(self, session: Session, answers: Answers, *, actor: Principal) -> None:
        return None

    def look(self, session: Session, row_ids: Collection[int], wish: None, *, actor: Principal, now: datetime) -> Sequence[Line]:
        # With their payments, of which it is asked whether the money goes back.
        paid = select(Voucher, Payment).outerjoin(Payment, col(Payment.id) == col(Voucher.payment_id))
        found = session.exec(paid.where(col(Voucher.id).in_(row_ids), is_shown())).all()
        return [self._line(session, voucher) for voucher, _ in found]

    def _line(self, session: Session, voucher: Voucher) -> Line:
        assert voucher.id is not None
        name, why = f"No. {voucher.id}", self._why(session, voucher)
        if self._is_so(voucher):
            return Line(voucher.id, name)
        if why is not None:
            return Line(voucher.id, name, why_not=why)
        return Line(voucher.id, name, (f"{_WORDS[voucher.state]} → {_WORDS[acting.becomes(self.act, voucher)]}",))

    def _is_so(self, voucher: Voucher) -> bool:
        return self.act is not BulkAction.UNBLOCK and voucher.state is acting.becomes(self.act, voucher)

    def _why(self, session: Session, voucher: Voucher) -> str | None:
        gone = self.act is BulkAction.UNBLOCK and is_gone(session, voucher)
        why = acting.why_left(self.act, voucher.state, is_paid=voucher.payment_id is not None, is_gone=gone)
        return None if why is None else _WHY.get(why, f"It is {_WORDS.get(voucher.state, why)}.")

    def apply(self, session: Session, row_id: int, wish: None, doing: Doing) -> Done | None:
        voucher, batch = acting.locked_voucher(session, row_id)
        if self._is_so(voucher):
            return None
        if (why := self._why(session, voucher)) is not None:
            raise VoucherLeft(why)
        before, after = voucher.state, acting.becomes(self.act, voucher)
        at = doing.now + doing.place * _PAUSE
        acting.move(session, voucher, batch, after, actor=doing.actor, reason=doing.reason, follow_at=at, now=doing.now)
        return Done(f"{_WORDS[before]} → {_WORDS[after]}", {"before": before.value, "after": after.value})

    def undo(self, session: Session, row_id: int, kept: Mapping[str, Any], doing: Doing) -> str:
        voucher, batch = acting.locked_voucher(session, row_id)
        before, after = VoucherState(kept["before"]), VoucherState(kept["after"])
        # What was freed while PortaBilling had not heard of it may be ready by now.
        is_as_left = voucher.state is after or (self.act is BulkAction.UNBLOCK and voucher.state is VoucherState.ACTIVE)
        if not is_as_left:
            raise ChangedSince(f"It is {_WORDS[voucher.state]} by now, so it stays as it is.")
        if before is not VoucherState.BLOCKED:
            if is_gone(session, voucher):
                raise VoucherGone
            if self.act is BulkAction.EXPIRE and doing.now >= voucher.use_before:
                raise ChangedSince("Its own time is over by now, so it stays expired.")
        to = before if before is VoucherState.BLOCKED else voucher.unblocked
        at = doing.now + doing.place * _PAUSE
        acting.move(session, voucher, batch, to, actor=doing.actor, reason=doing.reason, follow_at=at, now=doing.now)
        return ""


class BlockVouchers(_OnVouchers):
    name = "voucher.block"
    label = "Block"
    meaning = "Nobody can enter them until the block is lifted. PortaBilling is told in the background."
    act = BulkAction.BLOCK


class UnblockVouchers(_OnVouchers):
    name = "voucher.unblock"
    label = "Lift the block"
    meaning = "They can be entered again. PortaBilling is told in the background."
    act = BulkAction.UNBLOCK


class ExpireVouchers(_OnVouchers):
    name = "voucher.expire"
    label = "Expire"
    meaning = "Nobody can enter them any more. PortaBilling is told in the background."
    is_grave = True
    act = BulkAction.EXPIRE


ACTIONS = (BlockVouchers(), UnblockVouchers(), ExpireVouchers())
