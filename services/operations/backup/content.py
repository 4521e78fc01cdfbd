"""What a database holds, in numbers: read once in the snapshot that is dumped and once in what was restored, they must be the same."""

from __future__ import annotations

from typing import Any

import sqlalchemy as sa
from alembic.migration import MigrationContext
from sqlmodel import Session

from services.payments.clearing.queries import verify_books

Content = dict[str, Any]
_TABLES = "SELECT relname FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind = 'r' ORDER BY relname"
_BALANCES = """
SELECT account, sum(amount)::bigint FROM (
    SELECT debit AS account, amount_bututs AS amount FROM ledger_transfer UNION ALL SELECT credit, -amount_bututs FROM ledger_transfer
) AS sides GROUP BY account ORDER BY account
"""
_PAYMENTS = "SELECT status, count(*), coalesce(sum(amount_bututs), 0)::bigint FROM payment GROUP BY status ORDER BY status"
_MOST_DIFFERENCES = 5


def content_of(connection: sa.Connection, *, with_books: bool = True) -> Content:
    """Rows of each table, payments and ledger in sums, the audit's head, and the faults of the books: all as the transaction sees it.

    The books are proven by this release's rules, so they are left out (`with_books`) for tables of another one.
    """
    tables = list(connection.scalars(sa.text(_TABLES)))
    rows = {name: int(connection.execute(sa.text(f'SELECT count(*) FROM "{name}"')).scalar_one()) for name in tables}  # noqa: S608
    found: Content = {"migration": MigrationContext.configure(connection).get_current_revision(), "rows": rows}
    if "ledger_transfer" in rows:
        found["ledger"] = {account: int(balance) for account, balance in connection.execute(sa.text(_BALANCES))}
    if "payment" in rows:
        found["payments"] = {status: [int(number), int(total)] for status, number, total in connection.execute(sa.text(_PAYMENTS))}
    if "audit_head" in rows:
        head = connection.execute(sa.text("SELECT last_id, last_hash FROM audit_head WHERE id = 1")).one_or_none()
        found["audit"] = [head.last_id, head.last_hash] if head is not None else None
    if with_books:
        books = verify_books(Session(connection))
        found["books"] = {
            "transfers": books.transfers,
            "missing": len(books.missing),
            "broken": len(books.broken),
            "sum_bututs": books.sum_bututs,
        }
    return found


def differences(kept: Content, found: Content) -> list[str]:
    """What was restored and is not as it was kept, in words; empty when all is the same."""
    said = []
    for part in kept:
        if part not in found or kept[part] == found[part]:
            continue
        if isinstance(kept[part], dict):
            names = [name for name in {**kept[part], **found[part]} if kept[part].get(name) != found[part].get(name)]
            said += [f"{part} of {name}: {found[part].get(name)} instead of {kept[part].get(name)}" for name in sorted(names)]
        else:
            said.append(f"{part}: {found[part]} instead of {kept[part]}")
    return said[:_MOST_DIFFERENCES]
