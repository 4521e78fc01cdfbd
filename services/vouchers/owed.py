"""What PortaBilling is owed for one voucher: decided under the rows' locks, asked without a transaction.

Two calls are not repeated blindly. An account is issued under an id that was fixed before, so a second one is impossible; a charge has
nothing of the kind, so after a lost answer it is looked for by its comment, and made anew only when it can no longer be under way.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, auto

from sqlmodel import Session, col, select

from services.integrations.clients import Outside
from services.integrations.portabilling import PortaAccount, PortaXdr
from services.packages import service as packages
from services.packages.models import CURRENCY
from services.payments.clearing.models import LedgerAccount, LedgerOpen
from services.payments.clearing.posting import of_payment
from services.payments.models import Payment, PaymentStatus
from services.payments.steps import issue_account
from services.vouchers.models import Voucher, VoucherOrigin, VoucherState

# PortaBilling's clock may differ from ours.
_CLOCK_SKEW = timedelta(days=1)


class Act(Enum):
    """`look` and `find_charge` only ask what became of a call whose answer was lost."""

    ISSUE = auto()
    LOOK = auto()
    CHARGE = auto()
    FIND_CHARGE = auto()
    BLOCK = auto()


@dataclass(frozen=True)
class Owed:
    """One call for one voucher. `called_at`: when the call was made that is looked for. `comment` names the sale in PortaBilling."""

    act: Act
    account_id: str
    i_account: int | None
    amount_bututs: int
    at: datetime
    activation: datetime
    use_before: datetime
    since: datetime
    look_first: bool = False
    called_at: datetime | None = None
    block: bool = True
    batch: str | None = None
    comment: str = ""
    reference: str = ""

    def perform(self, outside: Outside) -> PortaAccount | PortaXdr | None:
        """Raises OutboundError."""
        porta = outside.portabilling
        if self.act is Act.ISSUE:
            return issue_account(
                outside,
                account_id=self.account_id,
                amount_bututs=self.amount_bututs,
                currency=CURRENCY,
                at=self.activation,
                use_before=self.use_before,
                look_first=self.look_first,
                batch=self.batch,
            )
        if self.act is Act.LOOK:
            return porta.get_account(self.account_id)
        assert self.i_account is not None
        if self.act is Act.CHARGE:
            porta.charge(i_account=self.i_account, amount_bututs=self.amount_bututs, comment=self.comment)
            return None
        if self.act is Act.FIND_CHARGE:
            rows = porta.list_xdrs(i_account=self.i_account, from_at=self.since - _CLOCK_SKEW, to_at=self.at + _CLOCK_SKEW)
            return next((row for row in rows if self._is_ours(row)), None)
        porta.set_blocked(self.i_account, self.block)
        return None

    def _is_ours(self, row: PortaXdr) -> bool:
        # A release that keeps no comments still tells the sum, and nobody else charges an account of the stock.
        return self.reference in row.comment if row.comment else row.amount_bututs == self.amount_bututs


def decide(session: Session, voucher: Voucher, payment: Payment | None, *, now: datetime) -> Owed | None:
    """The next call for a voucher whose row, and whose payment's, are locked; None when PortaBilling agrees with us."""
    if voucher.porta_issued_at is None:
        return _account_owed(session, voucher, payment, now=now)
    may_block = voucher.is_block_owed or voucher.is_unblock_owed
    block = _owed(voucher, Act.BLOCK, 0, now=now, block=voucher.is_block_owed) if may_block else None
    charge = _charge_owed(session, voucher, payment, now=now)
    # A charge comes before the block, that nothing may refuse it; what was given back is blocked first.
    return (block or charge) if is_given_back(payment) else (charge or block)


def is_given_back(payment: Payment | None) -> bool:
    """Its money goes back: nothing is charged any more, only what may have been charged is looked for."""
    if payment is None:
        return False
    is_stuck = payment.status is PaymentStatus.ATTENTION and payment.attention_from is PaymentStatus.REFUNDING
    return is_stuck or payment.status in (PaymentStatus.REFUNDING, PaymentStatus.REFUNDED)


def is_charge_due(session: Session, payment: Payment) -> bool:
    """Whether the ledger still holds the charge open: it is made at most once, and not after it was dropped."""
    standing = select(LedgerOpen.balance_bututs).where(
        col(LedgerOpen.account) == LedgerAccount.PORTABILLING_CHARGE, col(LedgerOpen.subject) == of_payment(payment)
    )
    return session.exec(standing).one_or_none() is not None


def _account_owed(session: Session, voucher: Voucher, payment: Payment | None, *, now: datetime) -> Owed | None:
    called_at = voucher.porta_issue_called_at
    is_over = voucher.state in (VoucherState.BLOCKED, VoucherState.EXPIRED) or voucher.replaced_payment_id is not None
    if payment is not None and not is_given_back(payment):
        return None  # the payment issues it itself
    if payment is None and not is_over:
        amount = 0 if voucher.origin is VoucherOrigin.CREDIT else packages.terms_of(session, voucher.package_version_id).amount_bututs
        return _owed(voucher, Act.ISSUE, amount, now=now, look_first=called_at is not None, batch=_batch(voucher))
    return _owed(voucher, Act.LOOK, 0, now=now, called_at=called_at) if called_at is not None else None


def _charge_owed(session: Session, voucher: Voucher, payment: Payment | None, *, now: datetime) -> Owed | None:
    """Of the stock: the opening balance of any other account is its charge."""
    if payment is None or voucher.origin is not VoucherOrigin.STOCK or voucher.porta_charged_at is not None:
        return None
    called_at = voucher.porta_charge_called_at
    if (called_at is None and is_given_back(payment)) or not is_charge_due(session, payment):
        return None
    act = Act.CHARGE if called_at is None else Act.FIND_CHARGE
    comment = f"INET {payment.reference}"
    return _owed(voucher, act, payment.amount_bututs, now=now, called_at=called_at, comment=comment, reference=payment.reference)


def _batch(voucher: Voucher) -> str | None:
    if voucher.origin is VoucherOrigin.STOCK:
        return "inet-stock"
    return f"inet-batch-{voucher.batch_id}" if voucher.batch_id is not None else None


def _owed(
    voucher: Voucher,
    act: Act,
    amount_bututs: int,
    *,
    now: datetime,
    look_first: bool = False,
    called_at: datetime | None = None,
    block: bool = True,
    batch: str | None = None,
    comment: str = "",
    reference: str = "",
) -> Owed:
    return Owed(
        act=act,
        account_id=voucher.porta_account_id,
        i_account=voucher.porta_i_account,
        amount_bututs=amount_bututs,
        at=now,
        activation=voucher.use_from or now,
        use_before=voucher.use_before,
        since=voucher.created_at,
        look_first=look_first,
        called_at=called_at,
        block=block,
        batch=batch,
        comment=comment,
        reference=reference,
    )
