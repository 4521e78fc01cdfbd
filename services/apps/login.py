"""Logging in to INET-Go: a key of six digits goes to the number by SMS, and whoever brings it back holds the number.

A key opens once, for one purpose. When the answer to the right key is lost the phone asks for a new one, which comes at once: letting a
used key open again would help whoever looked over the shoulder as well. What the lost answer opened is nobody's: its device key is lost.
"""

from __future__ import annotations

import math
import re
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app.db import transaction
from app.errors import DomainError, ErrorKind, InvalidInput, TooMany
from app.keys import keyed_mac, keyed_macs
from app.refusals import place
from services.accounts.customers import find_or_create_customer, remember_device
from services.accounts.models import Customer, Device
from services.accounts.phones import parse_phone
from services.apps import devices, texts, tries
from services.apps.devices import Opened, Phone
from services.apps.models import AppDevice, KeyPurpose, PhoneKey
from services.audit import service as audit

KEY_LASTS = timedelta(minutes=10)
MAX_TRIES = 5
# How long after the first, second, third … key within an hour the next one may be sent.
_COOL_DOWNS = (60, 120, 300, 600)
_MOST_A_DAY = 10
_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_MAC = "phone-key"
_KEY = re.compile(r"\d{6}", re.ASCII)
_EVENTS = {KeyPurpose.LOG_IN: "login_key", KeyPurpose.CHANGE_NUMBER: "number_key", KeyPurpose.DELETE_ACCOUNT: "deletion_key"}
log = structlog.get_logger(__name__)


class KeyWrong(InvalidInput):
    """The key is not the one that was sent; `tries_left` says how often one may still try."""

    code, title = "key_wrong", "That is not the key"

    def __init__(self, tries_left: int) -> None:
        tries_in_words = "1 try" if tries_left == 1 else f"{tries_left} tries"
        super().__init__(
            f"That is not the key that we sent. You have {tries_in_words} left, then ask for a new one.", field="key", tries_left=tries_left
        )


class KeySpent(DomainError):
    kind, code, title = ErrorKind.GONE, "key_spent", "Ask for a new key"
    message = "This key opens nothing any more: it was used, is too old, or was tried too often. Ask for a new one."


@dataclass(frozen=True)
class Asked:
    """In how many seconds a new key may be asked for, and for how many the last one is good."""

    resend_after: int
    expires_in: int


def request_key(session: Session, *, phone: str, purpose: KeyPurpose, customer_id: int | None = None, now: datetime) -> Asked:
    """Have a key sent to a number, whether it is anybody's or not. Asked for again too soon, nothing is sent and the answer is the same.

    `customer_id` is who asks, where somebody is logged in. Raises BadPhone, TooMany, or Unavailable without Redis.
    """
    number = parse_phone(phone).canonical
    tries.count_ask(number)
    # Whom the new rows name is held before the keys, in the order in which those go who use one up: they wait with the customer in hand.
    people = sa.or_(col(Customer.phone_e164) == number, col(Customer.id) == customer_id)
    session.execute(sa.select(col(Customer.id)).where(people).order_by(col(Customer.id)).with_for_update(read=True, key_share=True))
    # Two requests at once must not become two texts.
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(sa.func.hashtext(f"{_MAC}:{purpose.value}:{number}"))))
    lately = _lately(session, number, purpose, now=now)
    waiting = _still_waiting(lately, now=now)
    if waiting is not None:
        return waiting
    if len(lately) >= _MOST_A_DAY:
        raise TooMany(_seconds(lately[_MOST_A_DAY - 1].created_at + _DAY - now))
    made, key = _make(session, lately, number, purpose, customer_id, now=now)
    _send(session, made, key, now=now)
    return Asked(_cool_down([made, *lately], now=now), _seconds(KEY_LASTS))


def _lately(session: Session, number: str, purpose: KeyPurpose, *, now: datetime) -> Sequence[PhoneKey]:
    """The day's keys of this number, the newest first."""
    wanted = select(PhoneKey).where(PhoneKey.phone_e164 == number, PhoneKey.purpose == purpose, col(PhoneKey.created_at) > now - _DAY)
    return session.exec(wanted.order_by(col(PhoneKey.id).desc()).with_for_update().execution_options(populate_existing=True)).all()


def _still_waiting(lately: Sequence[PhoneKey], *, now: datetime) -> Asked | None:
    """What to answer when it is too soon for another key; None when one may go. Who used the last one has not to wait."""
    if not lately or _was_used(lately[0]):
        return None
    wait = lately[0].created_at + timedelta(seconds=_cool_down(lately, now=now)) - now
    return Asked(_seconds(wait), max(0, _seconds(lately[0].expires_at - now))) if wait > timedelta() else None


def _was_used(key: PhoneKey) -> bool:
    """Of the newest key: one that is replaced is not the newest."""
    return key.ended_at is not None and key.tries < MAX_TRIES


def _cool_down(lately: Sequence[PhoneKey], *, now: datetime) -> int:
    within = sum(1 for key in lately if key.created_at > now - _HOUR)
    return _COOL_DOWNS[min(max(within, 1), len(_COOL_DOWNS)) - 1]


def _seconds(span: timedelta) -> int:
    return math.ceil(span.total_seconds())


def _make(
    session: Session, lately: Sequence[PhoneKey], number: str, purpose: KeyPurpose, customer_id: int | None, *, now: datetime
) -> tuple[PhoneKey, str]:
    for earlier in lately:
        earlier.ended_at = earlier.ended_at or now
    session.flush()
    # One that was left standing for longer than a day is none of `lately`.
    standing = (col(PhoneKey.phone_e164) == number) & (col(PhoneKey.purpose) == purpose) & col(PhoneKey.ended_at).is_(None)
    session.execute(sa.update(PhoneKey).where(standing).values(ended_at=now))
    key = f"{secrets.randbelow(1_000_000):06d}"
    made = PhoneKey(
        phone_e164=number,
        purpose=purpose,
        customer_id=customer_id,
        key_mac=keyed_mac(_MAC, _material(purpose, number, key)),
        created_at=now,
        expires_at=now + KEY_LASTS,
    )
    session.add(made)
    session.flush()
    return made, key


def _material(purpose: KeyPurpose, number: str, key: str) -> str:
    return f"{purpose.value}:{number}:{key}"


def _send(session: Session, made: PhoneKey, key: str, *, now: datetime) -> None:
    texts.to_number(
        session,
        made.phone_e164,
        event=_EVENTS[made.purpose],
        values={"key": key, "minutes": int(KEY_LASTS.total_seconds()) // 60},
        dedupe_key=f"phone-key:{made.id}",
        now=now,
    )


def check_key(session: Session, phone: str, purpose: KeyPurpose, key: str, *, now: datetime) -> None:
    """Use a key up, as part of this transaction: of two at once one finds it used. Raises KeyWrong, KeySpent, BadPhone, InvalidInput for
    what cannot be a key, TooMany, or Unavailable without Redis.
    """
    number, key = parse_phone(phone).canonical, "".join(key.split())
    if not _KEY.fullmatch(key):
        raise InvalidInput("A key has six digits.", field="key")
    tries.count_key(number)
    # A wrong try must count, though the refusal rolls this transaction back.
    with transaction() as apart:
        refusal = _try(apart, number, purpose, key, now=now)
    if refusal is not None:
        log.warning("phone_key.refused", code=refusal.code, purpose=purpose.value, address=place())
        raise refusal
    standing = _standing(session, number, purpose, now=now)
    if standing is None or not _fits(standing, key):
        raise KeySpent
    standing.ended_at = now
    session.flush()


def _try(session: Session, number: str, purpose: KeyPurpose, key: str, *, now: datetime) -> DomainError | None:
    """Compare, and count what is wrong. The row's lock lets no two tries count as one."""
    standing = _standing(session, number, purpose, now=now)
    if standing is None:
        return KeySpent()
    if _fits(standing, key):
        return None
    standing.tries += 1
    if standing.tries < MAX_TRIES:
        return KeyWrong(MAX_TRIES - standing.tries)
    standing.ended_at = now
    return KeySpent()


def _standing(session: Session, number: str, purpose: KeyPurpose, *, now: datetime) -> PhoneKey | None:
    wanted = select(PhoneKey).where(PhoneKey.phone_e164 == number, PhoneKey.purpose == purpose, col(PhoneKey.ended_at).is_(None))
    found = session.exec(wanted.with_for_update().execution_options(populate_existing=True)).one_or_none()
    return found if found is not None and found.expires_at > now else None


def _fits(standing: PhoneKey, key: str) -> bool:
    wanted = keyed_macs(_MAC, _material(standing.purpose, standing.phone_e164, key))
    return any(secrets.compare_digest(standing.key_mac, mac) for mac in wanted)


def log_in(session: Session, *, phone: str, key: str, on: Phone, device: Device | None = None, now: datetime) -> tuple[Opened, Customer]:
    """Log a phone in by the key that was sent to its number; makes the customer if there is none yet.

    `device` is the same phone as the shop knows it: what was bought on it before is its owner's. Raises what `check_key` raises.
    """
    check_key(session, phone, KeyPurpose.LOG_IN, key, now=now)
    customer = find_or_create_customer(session, phone=phone, now=now)
    assert customer.id is not None
    known = remember_device(session, device=device, customer_id=customer.id, mac=None, now=now)
    _let_go_of_unanswered(session, customer.id, known.id, now=now)
    opened = devices.open_for_customer(session, customer=customer, phone=on, device_id=known.id, now=now)
    caller = devices.caller_on(opened.device)
    audit.record(
        session, caller, "customer.log_in", target=("customer", customer.id), now=now, after={"phone": devices.audited_as(opened.device)}
    )
    return opened, customer


def _let_go_of_unanswered(session: Session, customer_id: int, device_id: int | None, *, now: datetime) -> None:
    """Log-ins on this very phone of which nothing was ever used: their answer was lost, and nobody holds them. A phone that the shop does
    not know cannot be told from another of its make, so there they stand in the list until their owner logs them out.
    """
    unused = (AppDevice.key_seen == 0, AppDevice.key_number == 1, col(AppDevice.revoked_at).is_(None))
    wanted = select(AppDevice).where(AppDevice.customer_id == customer_id, AppDevice.device_id == device_id, *unused)
    for found in session.exec(wanted.with_for_update()).all():
        devices.let_go(session, found, why="its log-in was never used", now=now)
