"""The merchant's wallet: what was paid in, what it cost, what went back (protocols/wave.md §6)."""

from __future__ import annotations

import secrets
import string
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

from app.sandbox.clock import SandboxClock
from app.sandbox.store import Store, Table
from app.sandbox.wave.errors import refund_failed
from app.sandbox.wave.models import CheckoutSession, Refund, Transaction

FEE_SHARE = Decimal("0.01")
REFUND_TYPES = {"api_checkout": "api_checkout_refund", "merchant_payment": "merchant_payment_refund"}
_ID_ALPHABET = string.ascii_uppercase + string.digits


def fee_of(gross: Decimal) -> Decimal:
    """Wave's share: 1 %, rounded up to a whole dalasi, never more than the payment (our choice; Wave's own rule is unpublished)."""
    return min((gross * FEE_SHARE).to_integral_value(ROUND_CEILING), gross)


class Wallet:
    """Transactions and refunds of the one wallet that the API key opens."""

    def __init__(self, store: Store, clock: SandboxClock) -> None:
        self._clock = clock
        self.transactions = Table(store, "wave_transaction", Transaction, key=lambda row: row.transaction_id, reference=lambda row: row.day)
        self.refunds = Table(store, "wave_refund", Refund, key=lambda row: row.transaction_id)

    def balance(self) -> Decimal:
        """Money in the wallet."""
        last = self.transactions.last()
        return Decimal(last.balance) if last else Decimal(0)

    def take_checkout(self, session: CheckoutSession, payer_mobile: str) -> Transaction:
        """Book the payment of a checkout session."""
        gross = Decimal(session.amount)
        fee = fee_of(gross)
        return self._book(
            "api_checkout",
            amount=gross - fee,
            fee=fee,
            mobile=payer_mobile,
            client_reference=session.client_reference,
            session_id=session.id,
        )

    def take_foreign(self, amount: str, sender_mobile: str) -> Transaction:
        """Book money that somebody sent to the merchant outside of any checkout."""
        gross = Decimal(amount)
        fee = fee_of(gross)
        return self._book("merchant_payment", amount=gross - fee, fee=fee, mobile=sender_mobile)

    def refund(self, transaction: Transaction) -> Refund:
        """Give all of a payment back, fee included. Asked again, nothing moves. Raises WaveError for what is no payment."""
        done = self.refunds.get(transaction.transaction_id)
        if done is not None:
            done.requests += 1
            return self.refunds.save(done)
        kind = REFUND_TYPES.get(transaction.transaction_type)
        if kind is None:
            raise refund_failed("Only a payment can be refunded")
        amount, fee = -Decimal(transaction.amount), -Decimal(transaction.fee)
        row = self._book(
            kind,
            amount=amount,
            fee=fee,
            mobile=transaction.counterparty_mobile,
            client_reference=transaction.client_reference,
            session_id=transaction.checkout_api_session_id,
            is_reversal=True,
        )
        return self.refunds.save(
            Refund(
                transaction_id=transaction.transaction_id,
                refund_transaction_id=row.transaction_id,
                amount=str(-(amount + fee)),
                at=row.at,
                session_id=transaction.checkout_api_session_id,
                client_reference=transaction.client_reference,
            )
        )

    def plant(self, transaction_id: str, *, gross: str | None, vanished: bool) -> Transaction | None:
        """Show a row of the list wrongly, as no real wallet should: with another sum, or not at all. None: there is no such row."""
        row = self.transactions.get(transaction_id)
        if row is None:
            return None
        if gross is not None:
            row.amount = str((Decimal(gross) - abs(Decimal(row.fee))) * (-1 if row.is_reversal else 1))
        row.vanished = vanished
        return self.transactions.save(row)

    def reset(self) -> None:
        """Empty the wallet."""
        self.transactions.clear()
        self.refunds.clear()

    def _book(
        self,
        kind: str,
        *,
        amount: Decimal,
        fee: Decimal,
        mobile: str | None,
        client_reference: str | None = None,
        session_id: str | None = None,
        is_reversal: bool = False,
    ) -> Transaction:
        now = self._clock.now()
        return self.transactions.save(
            Transaction(
                transaction_id="T" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(10)),
                transaction_type=kind,
                amount=str(amount),
                fee=str(fee),
                balance=str(self.balance() + amount),
                at=now,
                day=datetime.fromtimestamp(now, UTC).date().isoformat(),
                counterparty_mobile=mobile,
                client_reference=client_reference,
                checkout_api_session_id=session_id,
                is_reversal=is_reversal,
            )
        )
