"""What tests of messages need: people, and transactions that stay inside the rolled-back session."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from sqlmodel import Session, col, select

from app.db import Begin
from app.keys import unseal
from app.outbound import OutboundError
from services.accounts.customers import find_or_create_customer
from services.accounts.models import Role, Staff
from services.accounts.staff import add_staff
from services.integrations.clients import Outside, outside
from services.integrations.push import PushMessage, Receipt, Ticket
from services.integrations.sms import SmsReceipt
from services.notifications.models import Notification
from services.notifications.service import BODY
from tests.conftest import NOON

PHONE = "+220833000001"


def customer(session: Session, phone: str = PHONE, language: str = "en") -> int:
    made = find_or_create_customer(session, phone=phone, now=NOON)
    made.language = language
    session.flush()
    assert made.id is not None
    return made.id


def person(session: Session, role: Role = Role.SYSTEM_ADMIN, email: str = "admin@test.gm") -> Staff:
    return add_staff(session, email=email, role=role, password=None, now=NOON)[0]


def begin_in(session: Session) -> Begin:
    @contextmanager
    def begin() -> Iterator[Session]:
        yield session
        session.flush()
        session.info.pop("after_commit", None)

    return begin


@dataclass
class Gateway:
    """Takes texts, or does what `will` says next: an id, or an error to raise."""

    name: str = "second"
    will: list[str | OutboundError] = field(default_factory=list)
    taken: list[tuple[str, str]] = field(default_factory=list)

    def send(self, *, to: str, text: str) -> SmsReceipt:
        answer = self.will.pop(0) if self.will else f"{self.name}-{len(self.taken)}"
        if isinstance(answer, OutboundError):
            raise answer
        self.taken.append((to, text))
        return SmsReceipt(answer, "")


@dataclass
class Mailbox:
    """Takes mails, or raises what `will` says next."""

    will: list[OutboundError] = field(default_factory=list)
    taken: list[dict[str, object]] = field(default_factory=list)

    def send(self, **mail: object) -> str:
        if self.will:
            raise self.will.pop(0)
        self.taken.append(mail)
        return f"<{len(self.taken)}@test.gm>"


@dataclass
class Expo:
    """Takes pushes; `tickets` and `errors` say otherwise for the next request, `known` are the receipts."""

    errors: list[OutboundError] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)
    known: dict[str, Receipt] = field(default_factory=dict)
    taken: list[list[PushMessage]] = field(default_factory=list)

    def send(self, messages: list[PushMessage]) -> list[Ticket]:
        if self.errors:
            raise self.errors.pop(0)
        self.taken.append(list(messages))
        return [Ticket(None, self.bad[one.to]) if one.to in self.bad else Ticket(f"t-{one.notification_id}") for one in messages]

    def receipts(self, ids: list[str]) -> dict[str, Receipt]:
        return {name: self.known[name] for name in ids if name in self.known}


@dataclass
class Clock:
    """Time that passes when a test says so."""

    now: datetime = NOON

    def __call__(self) -> datetime:
        return self.now

    def passes(self, **span: float) -> None:
        self.now += timedelta(**span)


def world(*, sms: Gateway | None = None, second: Gateway | None = None, mail: Mailbox | None = None, push: Expo | None = None) -> Outside:
    """The outside with these providers and no other; the rest is never asked."""
    there = outside()
    return Outside(there.wave, there.portabilling, sms, mail, None, second, push)  # type: ignore[arg-type]


def rows(session: Session) -> list[Notification]:
    session.flush()
    return list(session.exec(select(Notification).order_by(col(Notification.id)).execution_options(populate_existing=True)).all())


def words(message: Notification) -> str:
    return unseal(BODY, message.body_sealed).decode()
