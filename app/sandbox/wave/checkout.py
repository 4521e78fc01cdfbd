"""The life of a checkout session at Wave (protocols/wave.md §4): created, tried, paid or expired."""

from __future__ import annotations

import secrets
import string
from dataclasses import dataclass

from app.sandbox.clock import SandboxClock
from app.sandbox.store import Store, Table
from app.sandbox.wave.create import CreateRequest
from app.sandbox.wave.errors import PAYMENT_ERRORS, WaveError, refund_failed
from app.sandbox.wave.models import CheckoutSession, Refund
from app.sandbox.wave.wallet import Wallet

DEMO_PAYER = "+220833000001"
_ID_ALPHABET = string.ascii_lowercase + string.digits
# A number has its old and its new form; both end in the same seven digits (protocols/push-and-sms.md part C).
_COMMON_DIGITS = 7


class SessionNotOpen(Exception):
    """The payer came to a session that is complete or expired. Holds that status."""


@dataclass
class CheckoutMode:
    """Switches for rare behaviour, set over the control address."""

    session_life_seconds: float = 1800
    refund_fails: bool = False


class Checkout:
    """All checkout sessions. Paying the same session twice is impossible; two sessions of one reference are not."""

    def __init__(self, store: Store, clock: SandboxClock, wallet: Wallet) -> None:
        self._clock, self._wallet = clock, wallet
        self.mode = CheckoutMode()
        self.sessions = Table(
            store, "wave_session", CheckoutSession, key=lambda row: row.id, reference=lambda row: row.client_reference or ""
        )

    def create(self, request: CreateRequest, base_url: str) -> CheckoutSession:
        """Open a session. Every call opens a new one, whatever its reference or `Idempotency-Key`: so does Wave."""
        session_id = "cos-" + "".join(secrets.choice(_ID_ALPHABET) for _ in range(14))
        now = self._clock.now()
        return self.sessions.save(
            CheckoutSession(
                id=session_id,
                amount=request.amount,
                success_url=request.success_url,
                error_url=request.error_url,
                client_reference=request.client_reference,
                restrict_payer_mobile=request.restrict_payer_mobile,
                wave_launch_url=f"{base_url}/c/{session_id}",
                created_at=now,
                expires_at=now + self.mode.session_life_seconds,
            )
        )

    def get(self, session_id: str) -> CheckoutSession | None:
        """A session as it is now: one whose time is over becomes expired by being looked at."""
        session = self.sessions.get(session_id)
        return self._settle(session) if session else None

    def by_reference(self, reference: str) -> list[CheckoutSession]:
        """All sessions of a client reference, oldest first."""
        return [self._settle(session) for session in self.sessions.grouped(reference)] if reference else []

    def all(self) -> list[CheckoutSession]:
        """Every session as it is now."""
        return [self._settle(session) for session in self.sessions.all()]

    def pay(self, session: CheckoutSession, payer_mobile: str) -> bool:
        """The payer presses Pay. False: a payer the session is not for. Raises SessionNotOpen."""
        self._require_open(session)
        wanted = session.restrict_payer_mobile
        if wanted and wanted[-_COMMON_DIGITS:] != payer_mobile[-_COMMON_DIGITS:]:
            self.fail(session, "payer-mobile-mismatch")
            return False
        transaction = self._wallet.take_checkout(session, payer_mobile)
        session.transaction_id, session.completed_at = transaction.transaction_id, transaction.at
        session.checkout_status, session.payment_status = "complete", "succeeded"
        self.sessions.save(session)
        return True

    def fail(self, session: CheckoutSession, code: str) -> None:
        """An attempt fails; the session stays open for another. Raises SessionNotOpen."""
        self._require_open(session)
        session.last_payment_error = {"code": code, "message": PAYMENT_ERRORS.get(code, "The payment failed")}
        self.sessions.save(session)

    def expire(self, session: CheckoutSession) -> None:
        """The merchant asks for an end. Raises WaveError (409) when the session is complete or expired."""
        if session.checkout_status != "open":
            raise WaveError(409, "checkout-session-not-open", f"The checkout session is {session.checkout_status}")
        session.expires_at = self._clock.now()
        self._settle(session)

    def refund(self, session: CheckoutSession) -> Refund:
        """Give a paid session's whole amount back; harmless when repeated. Raises WaveError (409)."""
        transaction = self._wallet.transactions.get(session.transaction_id or "")
        if transaction is None:
            raise refund_failed("The checkout session is not paid")
        if self.mode.refund_fails:
            raise refund_failed("The refund failed")
        return self._wallet.refund(transaction)

    def reset(self) -> None:
        """Forget every session and every switch."""
        self.sessions.clear()
        self.mode = CheckoutMode()

    def _require_open(self, session: CheckoutSession) -> None:
        if self._settle(session).checkout_status != "open":
            raise SessionNotOpen(session.checkout_status)

    def _settle(self, session: CheckoutSession) -> CheckoutSession:
        if session.checkout_status == "open" and self._clock.now() >= session.expires_at:
            session.checkout_status, session.payment_status = "expired", "cancelled"
            session.completed_at = session.expires_at
            self.sessions.save(session)
        return session
