"""Refusals of the vouchers context. None of them repeats the code that was entered."""

from __future__ import annotations

from datetime import datetime

from app.errors import Conflict, ErrorKind, InvalidInput, NotFound, Unavailable


class MistypedCode(InvalidInput):
    code, title = "voucher_mistyped", "That code is not complete"
    message = "That is not a voucher code: a character is missing or mistyped. Check it and enter it again."


class VoucherNotFound(NotFound):
    code, title = "voucher_not_found", "No such voucher"
    message = "There is no voucher with that code. Check it and enter it again."


class VoucherAlreadyUsed(Conflict):
    code, title = "voucher_already_used", "The voucher is already used"
    message = "This voucher is already used. If it is yours, find your purchase with your phone number and receipt code."


class VoucherBlocked(Conflict):
    code, title = "voucher_blocked", "The voucher is blocked"
    message = "This voucher is blocked. Ask our staff, and have it at hand."


class VoucherExpired(Conflict):
    kind, code, title = ErrorKind.GONE, "voucher_expired", "The voucher has expired"
    message = "This voucher has expired and can no longer be used."


class VoucherNotReady(Unavailable):
    code, title = "voucher_not_ready", "The voucher is being prepared"
    message = "This voucher is still being prepared. Try again in a minute."


class VoucherTooEarly(Conflict):
    code, title = "voucher_too_early", "The voucher cannot be used yet"
    message = "This voucher cannot be used yet. Enter it again on the day that is printed on it."

    def __init__(self, use_from: datetime) -> None:
        # The Gambia keeps UTC all year.
        at = f"{use_from.day} {use_from:%B %Y, %H:%M}"
        super().__init__(f"This voucher can be used from {at} on. Keep it, and enter it again then.", use_from=use_from.isoformat())


class VoucherGone(Conflict):
    code, title = "voucher_gone", "The voucher cannot be used any more"
    message = "Its payment got another voucher, or its money goes back, so it stays blocked."


class BatchNotFound(NotFound):
    code, title = "batch_not_found", "No such batch"
    message = "There is no batch of vouchers under that number."


class BatchNotReady(Conflict):
    code, title = "batch_not_ready", "The batch is not ready"
    message = "This batch is not ready: none of its vouchers can be printed or changed until all are made."


class BatchNotCancellable(Conflict):
    code, title = "batch_not_cancellable", "The batch cannot be cancelled any more"
    message = "Codes of this batch were already used, printed or exported. Block or expire its vouchers instead."


class BatchOrderedDifferently(Conflict):
    code, title = "batch_ordered_differently", "This order was placed already"
    message = "This order was placed already, with other details. Look at the list of batches, and begin a new order if it is another one."
