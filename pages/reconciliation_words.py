"""The words of the reconciliation desk: kinds of findings, what is proposed, and what each side showed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pages.components import words
from services.payments.reconciliation.models import FindingKind as K
from services.payments.reconciliation.models import Fix as F

KINDS: dict[K, str] = {
    K.FOREIGN_PAYMENT: "Foreign money",
    K.PAID_AT_WAVE_ONLY: "Paid at Wave only",
    K.PAID_HERE_ONLY: "Paid here only",
    K.WRONG_AMOUNT: "Wrong amount",
    K.REFUND_AT_WAVE_ONLY: "Refunded at Wave only",
    K.REFUND_HERE_ONLY: "Refunded here only",
    K.CHARGE_MISSING: "Charge missing",
    K.CHARGE_DIFFERS: "Charge differs",
    K.FOREIGN_ACCOUNT: "Foreign account",
    K.NOT_BLOCKED: "Not blocked",
    K.LOST_ROW: "Lost row",
}
MEANINGS: dict[K, str] = {
    K.FOREIGN_PAYMENT: "Wave's list shows money that no purchase of ours knows.",
    K.PAID_AT_WAVE_ONLY: "Wave's list shows our reference as paid, and here it is not.",
    K.PAID_HERE_ONLY: "It is paid here, and Wave's list, read whole, does not show it.",
    K.WRONG_AMOUNT: "Wave's list shows another sum than our books hold.",
    K.REFUND_AT_WAVE_ONLY: "Wave's list shows that it was given back, and our books do not.",
    K.REFUND_HERE_ONLY: "Our books say that it was given back, and Wave's list does not show it.",
    K.CHARGE_MISSING: "Our books say that PortaBilling was charged, and it has no such account.",
    K.CHARGE_DIFFERS: "PortaBilling was charged another sum than was paid.",
    K.FOREIGN_ACCOUNT: "PortaBilling has an account among ours that we did not make.",
    K.NOT_BLOCKED: "A voucher that cannot be used here any more could still be used in PortaBilling.",
    K.LOST_ROW: "A row of our own books that must be there is not.",
}
FIXES: dict[F, tuple[str, str]] = {
    F.ASK_WAVE: ("Ask Wave again", "Wave is asked for every checkout of this purchase, and what was paid is taken in."),
    F.GIVE_CREDIT: (
        "Give a voucher",
        "The customer of that phone number is given a voucher of the package at this price, and is texted its code. The money counts as "
        "paid for it.",
    ),
    F.HOLD_IN_SUSPENSE: ("Hold in suspense", "The money is put on the suspense account until somebody can say what it was for."),
    F.RECORD_REFUND: (
        "Record the refund",
        "A refund of ours is sent: Wave gives nothing back twice, and it is settled here.",
    ),
    F.SEND_REFUND: ("Send the refund again", "Wave is asked once more to give the money back. If it did so already, nothing moves."),
    F.ISSUE_AGAIN: ("Issue it again", "The account is made again in PortaBilling, and blocked if the voucher is used up."),
    F.BLOCK_ACCOUNT: ("Block the account", "PortaBilling is asked to block the account, so that nobody uses it there."),
    F.POST_AGAIN: ("Mend the ledger", "The transfer that is missing is posted again, and what stands open is summed anew."),
    F.LOOK: (
        "Close as looked into",
        "A person has to find out. Closing it changes nothing; write what you found when you reject it instead.",
    ),
}
SIDES = (("wave", "Wave"), ("ledger", "Our books"), ("porta", "PortaBilling"))


_FIRST = (
    "what",
    "row",
    "payment",
    "subject",
    "transaction",
    "voucher",
    "account_number",
    "state",
    "type",
    "gross_bututs",
    "fee_bututs",
    "net_bututs",
)


def in_order(evidence: dict[str, Any]) -> list[tuple[str, Any]]:
    """What a side showed, the telling things first: JSON in the database keeps no order of its own."""
    return sorted(evidence.items(), key=lambda item: (_FIRST.index(item[0]) if item[0] in _FIRST else len(_FIRST), item[0]))


def label(name: str) -> str:
    """`gross_bututs` -> `Gross`."""
    return name.removesuffix("_bututs").removesuffix("_at").replace("_", " ").capitalize()


def value(name: str, found: object) -> str:
    """What a side showed, as a person reads it."""
    if found is None or found == "":
        return "–"
    if isinstance(found, bool):
        return "yes" if found else "no"
    if name.endswith("_bututs") and isinstance(found, int):
        return words.money(found)
    if name in ("state", "type", "account", "debit", "credit"):
        return str(found).replace("_", " ").capitalize()
    if isinstance(found, str) and len(found) >= 19 and found[4:5] == "-" and found[10:11] in ("T", " "):
        try:
            at = datetime.fromisoformat(found)
        except ValueError:
            return found
        at = at.astimezone(UTC)
        return f"{at.day} {at:%b %Y %H:%M:%S}"
    return f"{found:,}" if isinstance(found, int) and name not in ("account_number", "voucher") else str(found)


def money(bututs: int | None) -> str | None:
    return None if bututs is None else words.money(bututs)
