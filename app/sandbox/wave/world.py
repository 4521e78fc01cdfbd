"""The whole of the imitated Wave in one hand: sessions, wallet, events, and the switches of the API key."""

from __future__ import annotations

import asyncio
from typing import Any

from app.sandbox.clock import SandboxClock, iso
from app.sandbox.config import SandboxConfig
from app.sandbox.faults import Faults
from app.sandbox.store import Store
from app.sandbox.wave.checkout import DEMO_PAYER, Checkout
from app.sandbox.wave.models import BUSINESS_NAME, CURRENCY, CheckoutSession, Transaction
from app.sandbox.wave.wallet import Wallet
from app.sandbox.wave.webhooks import Webhooks

DEFAULT_PAGE_SIZE = 1000


class WaveWorld:
    """What payers and the merchant can do at Wave; each deed of a payer sends its event."""

    def __init__(self, config: SandboxConfig, store: Store, clock: SandboxClock, faults: Faults) -> None:
        self.config = config
        self.wallet = Wallet(store, clock)
        self.checkout = Checkout(store, clock, self.wallet)
        self.webhooks = Webhooks(config, store, clock, faults)
        self._clock = clock
        self._set_switches()

    def _set_switches(self) -> None:
        # A code of `AUTH_ERRORS`: the key is refused so. What a payer does the moment a session exists: "succeed", "fail" or nothing.
        self.auth_error: str | None = None
        self.pay_on_create: str | None = None
        self.page_size = DEFAULT_PAGE_SIZE

    def pay(self, session: CheckoutSession, *, payer_mobile: str = DEMO_PAYER, silent: bool = False) -> asyncio.Event | None:
        """Pay, and tell the product unless silent. Returns the event's first attempt. Raises SessionNotOpen."""
        paid = self.checkout.pay(session, payer_mobile)
        return None if silent else self._tell(session, "completed" if paid else "payment_failed")

    def fail(self, session: CheckoutSession, code: str, *, silent: bool = False) -> asyncio.Event | None:
        """Let an attempt fail, and tell the product unless silent. Raises SessionNotOpen."""
        self.checkout.fail(session, code)
        return None if silent else self._tell(session, "payment_failed")

    def take_foreign(self, amount: str, sender_mobile: str, *, silent: bool) -> Transaction:
        """Money from outside any checkout, and its `merchant.payment_received`."""
        transaction = self.wallet.take_foreign(amount, sender_mobile)
        data = {
            "id": "T_" + transaction.transaction_id[1:],
            "amount": amount,
            "fee": transaction.fee,
            "currency": CURRENCY,
            "sender_mobile": sender_mobile,
            "merchant_id": "M_inet_sandbox",
            "merchant_name": BUSINESS_NAME,
            "custom_fields": {},
            "when_created": iso(transaction.at),
        }
        if not silent:
            self.webhooks.emit("merchant.payment_received", data)
        return transaction

    def state(self) -> dict[str, Any]:
        """Everything, as JSON."""
        return {
            "sessions": [session.wire() for session in self.checkout.all()],
            "transactions": [row.wire() for row in self.wallet.transactions.all()],
            "refunds": [row.state() for row in self.wallet.refunds.all()],
            "webhooks": [row.shown() for row in self.webhooks.deliveries.all()],
        }

    def payments(self) -> list[dict[str, Any]]:
        """Each payment the wallet took, and whether it went back."""
        return [
            {
                "transaction_id": row.transaction_id,
                "session_id": row.checkout_api_session_id,
                "client_reference": row.client_reference,
                "net_amount": row.amount,
                "fee": row.fee,
                "refunded": self.wallet.refunds.get(row.transaction_id) is not None,
            }
            for row in self.wallet.transactions.all()
            if not row.is_reversal
        ]

    def reset(self) -> None:
        """An empty wallet, no sessions, no events, no switches."""
        self.wallet.reset()
        self.checkout.reset()
        self.webhooks.reset()
        self._set_switches()

    def _tell(self, session: CheckoutSession, what: str) -> asyncio.Event:
        return self.webhooks.emit(f"checkout.session.{what}", session.wire(), session_id=session.id)
