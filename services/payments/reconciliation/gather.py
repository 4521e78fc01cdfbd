"""Asking the two other sides: Wave's list day by day, PortaBilling's accounts page by page. No transaction is open while they think."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from itertools import islice
from typing import Any, Protocol

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlmodel import Session, col

from app.settings import get_settings
from services.integrations.portabilling import PortaAccount, PortaPage
from services.integrations.wave import WaveTransaction
from services.payments.reconciliation.models import PortaMirror, WaveMovement

ACCOUNTS_AT_ONCE = 200
_ROWS_AT_ONCE = 1000
_KEPT_CHANGES = 50
# What a row of the list is; when another of these is shown later, that is a finding's evidence.
_SHOWN = ("type", "day", "at", "gross_bututs", "fee_bututs", "currency", "is_reversal", "session_id", "client_reference")
Shown = dict[str, Any]


class ListsAccounts(Protocol):
    def list_accounts(self, *, i_customer: int, offset: int, limit: int = ...) -> PortaPage: ...


def parts(rows: Iterator[WaveTransaction]) -> Iterator[list[WaveTransaction]]:
    """A day's list in portions that fit one short transaction each."""
    while part := list(islice(rows, _ROWS_AT_ONCE)):
        yield part


def keep_movements(session: Session, day: date, rows: Sequence[WaveTransaction], *, seen_at: datetime) -> list[Shown]:
    """Take in what Wave's list shows; answers the rows that were shown differently before."""
    new = {row.id: _as_movement(row, day, seen_at) for row in rows}
    if not new:
        return []
    known = session.execute(sa.select(WaveMovement).where(col(WaveMovement.id).in_(new)).with_for_update()).scalars().all()
    changed = [_change(old, new[old.id]) for old in known if any(getattr(old, name) != new[old.id][name] for name in _SHOWN)]
    session.expunge_all()
    put = insert(WaveMovement).values(list(new.values()))
    later = {name: put.excluded[name] for name in (*_SHOWN, "counterparty_mobile")}
    session.execute(
        put.on_conflict_do_update(
            index_elements=["id"], set_=later | {"seen_at": sa.func.greatest(put.excluded.seen_at, col(WaveMovement.seen_at))}
        )
    )
    return changed[:_KEPT_CHANGES]


def _as_movement(row: WaveTransaction, day: date, seen_at: datetime) -> Shown:
    return {
        "id": row.id[:64],
        "type": row.type[:64],
        "day": day,
        "at": row.at,
        "gross_bututs": row.gross_bututs,
        "fee_bututs": row.fee_bututs,
        "currency": row.currency[:3],
        "is_reversal": row.is_reversal or (row.gross_bututs < 0 and row.type.endswith(("_refund", "_reversal"))),
        "session_id": row.session_id[:64] if row.session_id else None,
        "client_reference": row.client_reference[:255] if row.client_reference else None,
        "counterparty_mobile": row.counterparty_mobile[:32] if row.counterparty_mobile else None,
        "seen_at": seen_at,
    }


def _change(old: WaveMovement, new: Shown) -> Shown:
    differing = {name: (getattr(old, name), new[name]) for name in _SHOWN if getattr(old, name) != new[name]}
    return {"id": old.id, "changed": {name: [_plain(before), _plain(after)] for name, (before, after) in differing.items()}}


def _plain(value: object) -> object:
    return value.isoformat() if isinstance(value, date) else value


def page_of_accounts(porta: ListsAccounts, offset: int) -> PortaPage:
    return porta.list_accounts(i_customer=get_settings().portabilling_customer, offset=offset, limit=ACCOUNTS_AT_ONCE)


def keep_accounts(session: Session, accounts: Sequence[PortaAccount], *, run_id: int, seen_at: datetime) -> None:
    """Take in a page of accounts."""
    new = {account.id: _as_mirror(account, run_id, seen_at) for account in accounts}
    if not new:
        return
    numbers = [row["i_account"] for row in new.values()]
    # A number that stands with another name now: the old name is gone.
    session.execute(sa.delete(PortaMirror).where(col(PortaMirror.i_account).in_(numbers), col(PortaMirror.account_id).not_in(new)))
    put = insert(PortaMirror).values(list(new.values()))
    later = {name: put.excluded[name] for name in ("i_account", "opening_bututs", "balance_bututs", "is_blocked", "batch", "seen_run_id")}
    session.execute(
        put.on_conflict_do_update(
            index_elements=["account_id"], set_=later | {"seen_at": sa.func.greatest(put.excluded.seen_at, col(PortaMirror.seen_at))}
        )
    )


def _as_mirror(account: PortaAccount, run_id: int, seen_at: datetime) -> Shown:
    return {
        "account_id": account.id[:64],
        "i_account": account.i_account,
        "opening_bututs": account.opening_balance_bututs,
        "balance_bututs": account.balance_bututs,
        "is_blocked": account.blocked,
        "batch": account.batch[:120] if account.batch else None,
        "seen_run_id": run_id,
        "seen_at": seen_at,
    }


def accounts_seen(session: Session, since: datetime) -> int:
    return int(session.execute(sa.select(sa.func.count()).select_from(PortaMirror).where(col(PortaMirror.seen_at) >= since)).scalar_one())
