"""A PortaBilling in memory whose every call may go wrong in its own way, for what can be owed to it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Literal, cast

from app.outbound import OutcomeUnknown, Refused, Unavailable
from services.integrations.clients import Outside
from services.integrations.portabilling import DuplicateAccount, PortaAccount, PortaXdr

# `lost`: done, and the answer never came. `late`: the same, and it is done only when somebody has stopped waiting long ago.
# `broken`: nobody knows, and nothing was done.
Fate = Literal["good", "lost", "late", "broken", "away", "refused"]
FATES: tuple[Fate, ...] = ("good", "lost", "late", "broken", "away", "refused")
LATE = timedelta(seconds=45)


@dataclass
class Porta:
    """Plays the methods that settlement asks. `fates` are drawn one for each call; then all goes well."""

    now: datetime
    fates: list[Fate] = field(default_factory=list)
    accounts: dict[str, PortaAccount] = field(default_factory=dict)
    batches: dict[str, str | None] = field(default_factory=dict)
    charges: list[tuple[int, int, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    _late: list[tuple[datetime, Any]] = field(default_factory=list)

    @property
    def outside(self) -> Outside:
        return Outside(wave=cast(Any, None), portabilling=cast(Any, self), sms=None, mail=None, openwisp=None)

    def pass_time(self, by: timedelta) -> None:
        self.now += by
        due = [work for at, work in self._late if at <= self.now]
        self._late = [(at, work) for at, work in self._late if at > self.now]
        for work in due:
            work()

    def get_account(self, account_id: str) -> PortaAccount | None:
        with self._call("get_account", lambda: None):
            return self.accounts.get(account_id)

    def issue_voucher(self, *, account_id: str, opening_balance_bututs: int, batch: str | None, **_: Any) -> PortaAccount:
        if account_id in self.accounts:
            raise DuplicateAccount("portabilling", "add_account", "duplicate")

        def issue() -> None:
            made = PortaAccount(
                1000 + len(self.accounts), account_id, opening_balance_bututs, opening_balance_bututs, False, None, batch, 1
            )
            self.accounts.setdefault(account_id, made)

        with self._call("add_account", issue):
            return self.accounts[account_id]

    def charge(self, *, i_account: int, amount_bututs: int, comment: str) -> None:
        with self._call("make_transaction", lambda: self.charges.append((i_account, amount_bututs, comment))):
            pass

    def list_xdrs(self, *, i_account: int, from_at: datetime, to_at: datetime) -> list[PortaXdr]:
        assert from_at < self.now < to_at
        with self._call("get_xdr_list", lambda: None):
            return [PortaXdr("1", amount, comment, self.now) for account, amount, comment in self.charges if account == i_account]

    def set_blocked(self, i_account: int, blocked: bool) -> None:
        def block() -> None:
            found = next(account for account in self.accounts.values() if account.i_account == i_account)
            self.accounts[found.id] = replace(found, blocked=blocked)

        with self._call("update_account", block):
            pass

    @contextmanager
    def _call(self, name: str, work: Any) -> Iterator[None]:
        self.asked.append(name)
        fate: Fate = self.fates.pop(0) if self.fates else "good"
        if fate in ("good", "lost"):
            work()
        if fate == "late":
            self._late.append((self.now + LATE, work))
        if fate == "away":
            raise Unavailable("portabilling", name, "not connected")
        if fate == "refused":
            raise Refused("portabilling", name, "Server.check_access.denied", "no", 500)
        if fate != "good":
            raise OutcomeUnknown("portabilling", name, "no usable answer")
        yield
