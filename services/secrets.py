"""Sealing everything at rest anew after INET_SECRET_KEY was changed (`inet secrets rotate`).

Safe to stop, to repeat and to run beside the product: what is sealed with the current key is left alone, each batch is a transaction of
its own, and rows are locked only while they change. The earlier key may be dropped from INET_SECRET_KEY_PREVIOUS once nothing is left.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, SQLModel, col, select

from app.db import Begin
from app.keys import BadSeal, is_sealed_anew, keyed_mac, seal, unseal
from services.access.agent import AGENT_KEY
from services.access.gateways import FASKEY
from services.access.models import Gateway
from services.accounts.idempotency import SEALED_FOR as IDEMPOTENT_ANSWER
from services.accounts.models import IdempotentAnswer, Staff
from services.accounts.permissions import Principal
from services.audit import service as audit
from services.notifications import preferences, pushes, service
from services.notifications.models import ContactPreference, Notification, PushToken
from services.tickets import inbound_store, people
from services.tickets.intake_models import Correspondent, InboundMessage
from services.vouchers import codes
from services.vouchers.models import Voucher

_BATCH = 200


@dataclass(frozen=True)
class Sealed:
    """A column of sealed texts, and what else of its row hangs on the key."""

    model: type[SQLModel]
    column: str
    purpose: str
    also: Callable[[Any, bytes], None] | None = None

    @property
    def name(self) -> str:
        return f"{self.model.__tablename__}.{self.column}"


def _renew_code_mac(voucher: Voucher, code: bytes) -> None:
    voucher.code_mac, voucher.tail_mac = codes.code_mac(code.decode()), codes.tail_mac(code.decode())


def _renew_address_mac(preference: ContactPreference, address: bytes) -> None:
    preference.address_mac = keyed_mac(preferences.ADDRESS_MAC, address.decode())


def _renew_token_mac(token: PushToken, clear: bytes) -> None:
    token.token_mac = keyed_mac(pushes.TOKEN_MAC, clear.decode())


# A test fails when a column named `…_sealed` is missing here, or when a purpose is not the one that its rows are sealed for.
def _renew_correspondent(correspondent: Correspondent, address: bytes) -> None:
    correspondent.address_mac = keyed_mac(people.ADDRESS, address.decode())


SEALED = (
    Sealed(Gateway, "faskey_sealed", FASKEY),
    Sealed(Gateway, "faskey_next_sealed", FASKEY),
    Sealed(Gateway, "agent_key_sealed", AGENT_KEY),
    Sealed(Voucher, "code_sealed", codes.SEALED_FOR, _renew_code_mac),
    Sealed(Notification, "body_sealed", service.BODY),
    Sealed(Notification, "subject_sealed", service.SUBJECT),
    Sealed(Notification, "address_sealed", service.ADDRESS),
    Sealed(Notification, "headers_sealed", service.HEADERS),
    Sealed(ContactPreference, "address_sealed", service.ADDRESS, _renew_address_mac),
    Sealed(PushToken, "token_sealed", pushes.TOKEN, _renew_token_mac),
    # The messages that lie in files go with their sender's column.
    Sealed(InboundMessage, "sender_sealed", inbound_store.SENDER, inbound_store.renew),
    Sealed(InboundMessage, "raw_sealed", inbound_store.RAW),
    Sealed(Correspondent, "address_sealed", people.ADDRESS, _renew_correspondent),
    Sealed(Staff, "totp_sealed", "totp-seed"),
    Sealed(IdempotentAnswer, "body_sealed", IDEMPOTENT_ANSWER),
)


@dataclass
class Rotated:
    """What became of one column. `unreadable` rows open with no key that is configured, and were left as they are."""

    name: str
    renewed: int = 0
    current: int = 0
    unreadable: int = 0


def rotate(begin: Begin, *, batch: int = _BATCH) -> Iterator[Rotated]:
    """Seal every column anew with the current key, one after the other; answers each as it is done."""
    for sealed in SEALED:
        done, after = Rotated(sealed.name), 0
        while True:
            with begin() as session:
                last = _renew_batch(session, sealed, done, after=after, batch=batch)
            if last is None:
                break
            after = last
        yield done


def note_rotation(session: Session, *, actor: Principal, done: list[Rotated], now: datetime) -> None:
    """Keep in the audit who sealed everything anew, and how it went."""
    counts = {"renewed": sum(one.renewed for one in done), "unreadable": sum(one.unreadable for one in done)}
    audit.record(session, actor, "secrets.rotate", target=("secret", "all"), now=now, after=counts)


def _renew_batch(session: Session, sealed: Sealed, done: Rotated, *, after: int, batch: int) -> int | None:
    """One batch; answers the last row's id, None when there was none."""
    model: Any = sealed.model
    column = col(getattr(model, sealed.column))
    query = select(model).where(model.id > after, column.is_not(None), column != "").order_by(model.id).limit(batch).with_for_update()
    rows = session.exec(query).all()
    for row in rows:
        try:
            _renew(row, sealed, done)
        except BadSeal:
            done.unreadable += 1
    session.flush()
    return int(rows[-1].id) if rows else None


def _renew(row: Any, sealed: Sealed, done: Rotated) -> None:
    text = getattr(row, sealed.column)
    if is_sealed_anew(sealed.purpose, text):
        done.current += 1
        return
    clear = unseal(sealed.purpose, text)
    setattr(row, sealed.column, seal(sealed.purpose, clear))
    if sealed.also is not None:
        sealed.also(row, clear)
    done.renewed += 1
