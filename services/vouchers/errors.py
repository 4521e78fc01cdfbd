"""Refusals of the vouchers context. None of them repeats the code that was entered."""

from __future__ import annotations

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
