"""The steps of a payment that need the outside: decided under the row's lock, done without a transaction, then recorded.

Each step says before its call that it will be made, so that after a death or a lost answer the next step is to ask
(design.md, invariant 3).
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import ClassVar

from sqlmodel import Session, select

from app.outbound import OutboundError, OutcomeUnknown, Refused, Unavailable
from app.settings import get_settings
from services.integrations.clients import Outside
from services.integrations.patience import within
from services.integrations.portabilling import DuplicateAccount, LoginRefused, PortaAccount
from services.integrations.wave import WaveSession
from services.payments.absorb import absorb, is_over, to_attention
from services.payments.granting import grant_access
from services.payments.ledger import record
from services.payments.models import Checkout, EventKind, Payment, PaymentStatus
from services.vouchers import stock
from services.vouchers.models import Voucher, VoucherState

# While the customer is likely still looking at Wave's page we ask often; later seldom, until it is over.
_ASK_SOON, _ASK_LATER, _SOON = timedelta(seconds=15), timedelta(seconds=60), timedelta(minutes=4)
# A create that nobody waits for any more is not repeated: the customer never saw a link.
_GIVE_UP_CREATING_AFTER = timedelta(minutes=5)
_MAX_CREATE_CALLS = 3
# A refusal may be a log-in that was just changed; one that stays is for a person.
_REFUSALS_BEFORE_A_PERSON = 6
_BACKOFF_CAP_SECONDS = 60.0
BILLING_WAITS = "You have paid. The billing system is not answering; you will be online by yourself as soon as it does."


@dataclass(frozen=True)
class CreateAtWave:
    """Open the Wave session. Not idempotent at Wave, so only when none can exist."""

    name: ClassVar[str] = "create_at_wave"
    payment_id: int
    lease_until: datetime
    amount_bututs: int
    currency: str
    reference: str
    public_id: str
    look_first: bool

    def perform(self, outside: Outside) -> list[WaveSession]:
        if self.look_first and (found := outside.wave.find_sessions(self.reference)):
            return found
        back = f"{get_settings().public_url}/portal/pay/{self.public_id}"
        return [
            outside.wave.create_session(
                amount_bututs=self.amount_bututs,
                currency=self.currency,
                client_reference=self.reference,
                success_url=back,
                error_url=back,
            )
        ]

    def record(self, session: Session, payment: Payment, answer: list[WaveSession], *, now: datetime) -> None:
        _absorb_all(session, payment, answer, now=now)

    def failed(self, session: Session, payment: Payment, error: OutboundError, *, now: datetime) -> None:
        if isinstance(error, OutcomeUnknown):
            payment.next_attempt_at = now
            return
        if self.look_first:
            back_off(payment, error, now=now)
            return
        why = "Wave refused the payment." if isinstance(error, Refused) else "Wave is not answering."
        payment.move(PaymentStatus.FAILED, now=now, reason=why)
        payment.next_attempt_at = None
        # The customer's next try with the same key is a new purchase: nothing was opened for this one.
        payment.idempotency_mac = None
        record(session, payment, EventKind.FAILED, now=now, why=error.detail)


@dataclass(frozen=True)
class AskWave:
    """Ask what became of the sessions we know, or look for those whose creation was not answered."""

    name: ClassVar[str] = "ask_wave"
    payment_id: int
    lease_until: datetime
    reference: str
    session_ids: tuple[str, ...]

    def perform(self, outside: Outside) -> list[WaveSession]:
        if not self.session_ids:
            return outside.wave.find_sessions(self.reference)
        found = [outside.wave.get_session(session_id) for session_id in self.session_ids]
        return [session for session in found if session is not None]

    def record(self, session: Session, payment: Payment, answer: list[WaveSession], *, now: datetime) -> None:
        _absorb_all(session, payment, [found for found in answer if found.client_reference == payment.reference], now=now)

    def failed(self, session: Session, payment: Payment, error: OutboundError, *, now: datetime) -> None:
        back_off(payment, error, now=now)


@dataclass(frozen=True)
class IssueVoucher:
    """Make the voucher's account in PortaBilling; its opening balance is the charge. Asked for first if it was ever tried before.

    Where there is stock, nobody waits longer than `patience_seconds`: they get one of the stock (services/vouchers/stock.py).
    """

    name: ClassVar[str] = "issue_voucher"
    payment_id: int
    lease_until: datetime
    voucher_id: int
    account_id: str
    amount_bututs: int
    currency: str
    use_before: datetime
    at: datetime
    look_first: bool
    patience_seconds: float | None = None

    def perform(self, outside: Outside) -> PortaAccount:
        with within(self.patience_seconds):
            return issue_account(
                outside,
                account_id=self.account_id,
                amount_bututs=self.amount_bututs,
                currency=self.currency,
                at=self.at,
                use_before=self.use_before,
                look_first=self.look_first,
            )

    def record(self, session: Session, payment: Payment, answer: PortaAccount, *, now: datetime) -> None:
        if payment.status is PaymentStatus.PAID:
            with session.no_autoflush:
                voucher = session.get_one(Voucher, self.voucher_id, with_for_update=True)
            adopt_account(voucher, answer, now=now)
            payment.move(PaymentStatus.VOUCHER_ISSUED, now=now)
            record(session, payment, EventKind.VOUCHER_ISSUED, now=now, i_account=answer.i_account)
        if payment.status is not PaymentStatus.VOUCHER_ISSUED:
            return
        held = answer.opening_balance_bututs if answer.opening_balance_bututs is not None else answer.balance_bututs
        if held != payment.amount_bututs:
            to_attention(session, payment, "PortaBilling holds this voucher with another sum than was paid.", now=now, held_bututs=held)
            return
        payment.move(PaymentStatus.CHARGED, now=now)
        payment.next_attempt_at = now
        record(session, payment, EventKind.CHARGED, now=now, charged_bututs=payment.amount_bututs)

    def failed(self, session: Session, payment: Payment, error: OutboundError, *, now: datetime) -> None:
        if payment.status not in (PaymentStatus.PAID, PaymentStatus.VOUCHER_ISSUED):
            return
        # A refusal is about this voucher, and another one would fare no better; only one of our log-in is not.
        is_away = isinstance(error, OutcomeUnknown | Unavailable | LoginRefused)
        if is_away and stock.bind(session, payment, now=now) is not None:
            return
        back_off(payment, error, now=now)
        if isinstance(error, Refused) and payment.attempts >= _REFUSALS_BEFORE_A_PERSON:
            to_attention(session, payment, "PortaBilling refuses to issue the voucher.", now=now, detail=error.detail)
        elif payment.reason != BILLING_WAITS:
            payment.reason = BILLING_WAITS
            record(session, payment, EventKind.DELAYED, now=now, why=error.detail)


@dataclass(frozen=True)
class BlockVoucher:
    """Block the voucher against reuse in PortaBilling, then grant access; a block that fails is settled later and keeps nobody waiting."""

    name: ClassVar[str] = "block_voucher"
    payment_id: int
    lease_until: datetime
    voucher_id: int
    i_account: int
    already_blocked: bool

    def perform(self, outside: Outside) -> None:
        if self.already_blocked:
            return
        # Repeatable, and settled later if it fails: nobody who has paid waits longer for it.
        with within(get_settings().portabilling_patience_seconds):
            outside.portabilling.set_blocked(self.i_account, True)

    def record(self, session: Session, payment: Payment, answer: None, *, now: datetime) -> None:
        with session.no_autoflush:
            voucher = session.get_one(Voucher, self.voucher_id, with_for_update=True)
        if payment.status is not PaymentStatus.CHARGED:
            return
        voucher.porta_blocked_at = voucher.porta_blocked_at or now
        record(session, payment, EventKind.VOUCHER_BLOCKED, now=now)
        grant_access(session, payment, voucher, now=now)

    def failed(self, session: Session, payment: Payment, error: OutboundError, *, now: datetime) -> None:
        voucher = session.get_one(Voucher, self.voucher_id, with_for_update=True)
        if payment.status is not PaymentStatus.CHARGED:
            return
        voucher.porta_next_attempt_at = now + timedelta(seconds=5)
        grant_access(session, payment, voucher, now=now)


Step = CreateAtWave | AskWave | IssueVoucher | BlockVoucher


def adopt_account(voucher: Voucher, account: PortaAccount, *, now: datetime) -> None:
    """PortaBilling holds the voucher's account: it can be used."""
    voucher.porta_i_account, voucher.porta_issued_at = account.i_account, now
    voucher.porta_blocked_at = now if account.blocked else None
    if voucher.state is VoucherState.PENDING:
        voucher.state = VoucherState.ACTIVE


def issue_account(
    outside: Outside,
    *,
    account_id: str,
    amount_bututs: int,
    currency: str,
    at: datetime,
    use_before: datetime,
    look_first: bool,
    batch: str | None = None,
) -> PortaAccount:
    """Issue, or adopt what an earlier try left behind: the account's id is ours, so there is never a second one."""
    settings = get_settings()
    porta = outside.portabilling
    if look_first and (found := porta.get_account(account_id)) is not None:
        return found
    try:
        return porta.issue_voucher(
            account_id=account_id,
            opening_balance_bututs=amount_bututs,
            i_customer=settings.portabilling_customer,
            i_product=settings.portabilling_product,
            currency=currency,
            activation=at,
            expiration=use_before,
            batch=batch,
        )
    except DuplicateAccount:
        if (found := porta.get_account(account_id)) is not None:
            return found
        raise


def back_off(payment: Payment, error: OutboundError, *, now: datetime) -> None:
    """Try again later: twice as late each time up to a minute, or when the service says."""
    payment.attempts += 1
    seconds = min(_BACKOFF_CAP_SECONDS, 2.0 ** min(payment.attempts, 8))
    # Spread by the row's number, so that a recovering service is not met by all at once; repeatable without chance.
    seconds *= 0.75 + 0.5 * ((payment.id or 0) * 37 % 100) / 100
    if isinstance(error, Unavailable) and error.retry_after:
        seconds = max(seconds, min(error.retry_after, 600.0))
    payment.next_attempt_at = now + timedelta(seconds=seconds)


def _absorb_all(session: Session, payment: Payment, found: list[WaveSession], *, now: datetime) -> None:
    # The payment's row is written once at the end, not before each query in between; `absorb` flushes what those must find.
    with session.no_autoflush:
        for wave_session in found:
            absorb(session, payment, wave_session, now=now)
        if payment.status is PaymentStatus.CREATED:
            _plan_creation(session, payment, now=now)
        elif payment.status is PaymentStatus.CHECKOUT_OPEN:
            _plan_asking(session, payment, now=now)


def _plan_creation(session: Session, payment: Payment, *, now: datetime) -> None:
    """Wave knows no session for us. Within the grace a created one may still appear; after it a new one may be opened."""
    assert payment.create_called_at is not None
    if now - payment.created_at > _GIVE_UP_CREATING_AFTER or payment.create_calls >= _MAX_CREATE_CALLS:
        payment.move(PaymentStatus.EXPIRED, now=now, reason="Wave did not open the payment in time.")
        payment.next_attempt_at = None
        record(session, payment, EventKind.EXPIRED, now=now)
        return
    payment.next_attempt_at = now + timedelta(seconds=2)


def _plan_asking(session: Session, payment: Payment, *, now: datetime) -> None:
    checkouts = session.exec(select(Checkout).where(Checkout.payment_id == payment.id)).all()
    if checkouts and all(is_over(checkout, now=now) for checkout in checkouts):
        payment.move(PaymentStatus.EXPIRED, now=now, reason="The payment was not made in time.")
        payment.next_attempt_at = None
        record(session, payment, EventKind.EXPIRED, now=now)
        return
    pause = _ASK_SOON if now - payment.created_at < _SOON else _ASK_LATER
    payment.next_attempt_at = now + pause
