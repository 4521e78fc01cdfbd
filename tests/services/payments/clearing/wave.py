"""A Wave in memory whose every call may go wrong in its own way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from typing import Any

from app.outbound import OutcomeUnknown, Refused, Unavailable
from services.integrations.wave import WaveSession
from tests.services.vouchers.porta import LATE, Fate

_LIFE = timedelta(minutes=30)


@dataclass
class Wave:
    """Plays checkout sessions and refunds. `fates` are drawn one for each call; then all goes well."""

    now: datetime
    fates: list[Fate] = field(default_factory=list)
    sessions: dict[str, WaveSession] = field(default_factory=dict)
    refunded: set[str] = field(default_factory=set)
    _numbers: Iterator[int] = field(default_factory=lambda: count(1))
    _late: list[tuple[datetime, Callable[[], object]]] = field(default_factory=list)

    def create_session(self, *, amount_bututs: int, currency: str, client_reference: str, **_: Any) -> WaveSession:
        number = next(self._numbers)
        made = WaveSession(
            id=f"cos-{client_reference}-{number}",
            amount_bututs=amount_bututs,
            currency=currency,
            client_reference=client_reference,
            checkout_status="open",
            payment_status="processing",
            transaction_id=None,
            launch_url="https://pay.example/c",
            last_error_code=None,
            when_created=self.now,
            when_expires=self.now + _LIFE,
            when_completed=None,
        )
        self._call("create_session", lambda: self.sessions.setdefault(made.id, made))
        return made

    def get_session(self, session_id: str) -> WaveSession | None:
        self._call("get_session", lambda: None)
        return self.sessions.get(session_id)

    def find_sessions(self, client_reference: str) -> list[WaveSession]:
        self._call("find_sessions", lambda: None)
        return [one for one in self.sessions.values() if one.client_reference == client_reference]

    def refund_session(self, session_id: str) -> None:
        self._call("refund_session", lambda: self.refunded.add(session_id))

    def pay(self, session_id: str) -> None:
        """The customer pays, unless they did or came too late."""
        found = self.sessions[session_id]
        if found.checkout_status == "open" and found.when_expires and self.now < found.when_expires:
            paid = {"checkout_status": "complete", "payment_status": "succeeded", "transaction_id": f"T{session_id}"}
            self.sessions[session_id] = replace(found, **paid, when_completed=self.now)  # type: ignore[arg-type]

    def fail(self, session_id: str) -> None:
        """The customer tries to pay, and cannot."""
        found = self.sessions[session_id]
        if found.checkout_status == "open":
            self.sessions[session_id] = replace(found, last_error_code="insufficient-funds")

    def pass_time(self, by: timedelta) -> None:
        self.now += by
        due = [work for at, work in self._late if at <= self.now]
        self._late = [(at, work) for at, work in self._late if at > self.now]
        for work in due:
            work()
        for name, found in self.sessions.items():
            if found.checkout_status == "open" and found.when_expires and self.now >= found.when_expires:
                self.sessions[name] = replace(found, checkout_status="expired", payment_status="cancelled")

    def _call(self, name: str, work: Callable[[], object]) -> None:
        fate: Fate = self.fates.pop(0) if self.fates else "good"
        if fate in ("good", "lost"):
            work()
        if fate == "late":
            self._late.append((self.now + LATE, work))
        if fate == "away":
            raise Unavailable("wave", name, "not connected")
        if fate == "refused":
            raise Refused("wave", name, "no", "no", 400)
        if fate != "good":
            raise OutcomeUnknown("wave", name, "no usable answer")
