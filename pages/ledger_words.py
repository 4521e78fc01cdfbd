"""The ledger in words: its accounts, reasons, ages and subjects, and where each of them is looked at."""

from __future__ import annotations

from collections.abc import Mapping

from pages.components import words
from services.payments.clearing.items import Age
from services.payments.clearing.models import LedgerAccount, TransferReason

A, R = LedgerAccount, TransferReason
ACCOUNTS: Mapping[LedgerAccount, str] = {
    A.WAVE_RECEIVABLE: "At Wave, not listed yet",
    A.WAVE_WALLET: "Wave wallet",
    A.WAVE_FEES: "Wave's fees",
    A.UNEARNED_ACCESS: "Paid, not used yet",
    A.SALES: "Sales",
    A.REFUNDS: "To be given back",
    A.PORTABILLING_CHARGE: "To be charged in PortaBilling",
    A.PORTABILLING_CONTRA: "PortaBilling, other side",
    A.SUSPENSE: "Foreign money",
    A.CASH: "Paid out another way",
}
REASONS: Mapping[TransferReason, str] = {
    R.PAID: "Paid",
    R.CHARGE_DUE: "Charge due",
    R.CHARGED: "Charged",
    R.CHARGE_DROPPED: "Charge dropped",
    R.EARNED: "Earned",
    R.LAPSED: "Lapsed unused",
    R.SECOND_SUCCESS: "Paid a second time",
    R.REFUND_DUE: "Refund due",
    R.REFUND_UNDONE: "Refund undone",
    R.REFUNDED: "Refunded",
    R.PAID_OUT: "Paid out another way",
    R.WAVE_LISTED: "Listed by Wave",
    R.WAVE_FEE: "Wave's fee",
    R.FOREIGN: "Foreign money",
    R.CREDITED: "Credited",
    R.CORRECTED: "Corrected",
}
AGES: Mapping[Age, str] = {Age.TODAY: "Under a day", Age.DAYS_1_2: "1 to 2 days", Age.DAYS_3_7: "3 to 7 days", Age.OLDER: "Older"}
# What we owe stands on the credit side, and is shown as the sum that it is.
_OWED = frozenset({A.UNEARNED_ACCESS, A.REFUNDS, A.SUSPENSE})
_SUBJECTS = {"payment": "Payment", "voucher": "Credit", "wave": "Wave"}


def owed(account: LedgerAccount, balance_bututs: int) -> str:
    """A balance on its own side of the account: positive is as it should be."""
    return words.money(-balance_bututs if account in _OWED else balance_bututs)


def subject_words(subject: str) -> str:
    kind, _, name = subject.partition(":")
    return f"{_SUBJECTS[kind]} {name}" if kind in _SUBJECTS else subject


def target_address(target: tuple[str, str] | None) -> str | None:
    """The page on which a person deals with it."""
    if target is None:
        return None
    kind, name = target
    match kind:
        case "payment":
            return f"/console/payments/{name}"
        case "voucher":
            return f"/console/vouchers/{name}"
        case "finding":
            return f"/console/reconciliation/findings/{name}"
    return f"/console/reconciliation?from={name}&to={name}"
