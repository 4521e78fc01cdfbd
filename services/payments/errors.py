"""Refusals of the payments context."""

from __future__ import annotations

from app.errors import Conflict, ErrorKind, NotFound, Unavailable


class IllegalMove(Conflict):
    code, title = "illegal_payment_move", "The payment is in another state"

    def __init__(self, reference: str, old: str, new: str) -> None:
        super().__init__(f"Payment {reference} cannot go from {old} to {new}.")


class PaymentNotFound(NotFound):
    code, title = "payment_not_found", "No such payment"
    message = "There is no payment under that id. Check the link, or find it by phone number and receipt code."


class IdempotencyMismatch(Conflict):
    kind, code, title = ErrorKind.INVALID, "idempotency_mismatch", "Idempotency-Key already used"
    message = "This Idempotency-Key was used with another request. Send a new key for a new purchase."


class WaveUnavailable(Unavailable):
    code, title = "wave_unavailable", "Wave is not answering"
    message = "Wave is not answering right now. You have not been charged. Try again in a minute."


class WaveRefused(Conflict):
    code, title = "wave_refused", "Wave refused the payment"
    message = "Wave refused to open this payment. You have not been charged. Try again, or ask our staff."


class NothingToRetry(Conflict):
    code, title = "nothing_to_retry", "Nothing to retry"
    message = "This payment has no step that waits. Reload the page to see its state."


class ForgedWebhook(NotFound):
    kind, code, title = ErrorKind.UNAUTHENTICATED, "webhook_refused", "Webhook refused"
    message = "The webhook's signature does not match."
