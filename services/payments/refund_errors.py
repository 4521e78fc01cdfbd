"""Why money is not given back."""

from __future__ import annotations

from app.errors import Conflict, Forbidden, InvalidInput, NotFound


class RefundNotFound(NotFound):
    code, title = "refund_not_found", "No such refund"
    message = "There is no refund under that number."


class NothingPaid(Conflict):
    code, title = "nothing_paid", "Nothing was paid"
    message = "Nothing was paid for this purchase, so there is nothing to give back."


class AlreadyRefunded(Conflict):
    code, title = "already_refunded", "Refunded already"
    message = "This payment was given back already, or its refund is on its way."


class RefundWaits(Conflict):
    code, title = "refund_waits", "A refund waits already"
    message = "A refund of this payment waits for a second person already."


class CreditedAlready(Conflict):
    code, title = "credited_already", "The rest of it was credited"
    message = "What was left of this purchase was given to the customer as a voucher, so its money stays."


class WholeSumOnly(InvalidInput):
    code, title = "whole_sum_only", "Another sum than was paid"
    message = "Wave gives back the whole sum that was paid, no more and no less. Leave the sum out, or enter what was paid."


class OverLimit(Forbidden):
    code, title = "refund_over_limit", "Over your limit"


class OwnRefund(Forbidden):
    code, title = "own_refund", "You asked for it yourself"
    message = "You asked for this refund, so another person has to decide about it."


class NotWaiting(Conflict):
    code, title = "refund_not_waiting", "Decided already"
    message = "This refund does not wait for a decision any more. Reload the page to see its state."


class NotFailed(Conflict):
    code, title = "refund_not_failed", "Wave did not refuse it"
    message = "Only a refund that Wave refused can be sent again or paid out another way."


class OwnPayout(Forbidden):
    code, title = "own_payout", "You asked for it yourself"
    message = "You asked for this refund, so another person has to say that it was paid out."
