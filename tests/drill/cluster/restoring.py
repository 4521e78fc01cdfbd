"""A back-up taken in the middle of it all, restored beside the running product: its books must balance."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg

from tests.drill.cluster.cluster import Cluster
from tests.drill.cluster.servers import Postgres
from tests.drill.ledgers import Finding

_DATABASE = "restored"
_WHERE = "worker-1"
# What a payment's ledger, its voucher and its entitlement must say of each other in any snapshot.
_BROKEN = """
SELECT (SELECT count(*) FROM payment p WHERE p.status IN ('served', 'access_granted', 'charged', 'voucher_issued')
        AND (SELECT coalesce(sum(amount_bututs), 0) FROM payment_event e WHERE e.payment_id = p.id) <> p.amount_bututs)
    + (SELECT count(*) FROM (SELECT payment_id FROM voucher WHERE payment_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1) v)
    + (SELECT count(*) FROM (SELECT payment_id FROM entitlement WHERE payment_id IS NOT NULL GROUP BY 1 HAVING count(*) > 1) e)
"""


@dataclass
class Copy:
    """One back-up and what came of it. `payments` are those that it holds."""

    path: Path
    took: float
    restored: float = 0.0
    payments: int = 0
    said: str = ""


def take(cluster: Cluster) -> Copy:
    """While everything runs. Raises RuntimeError with the command's last words."""
    path = cluster.directory / "back-up.inetbackup"
    began = time.monotonic()
    cluster.run_inet(_WHERE, "backup", "--to", str(path), seconds=300)
    return Copy(path, time.monotonic() - began)


def restore(cluster: Cluster, copy: Copy) -> Iterator[Finding]:
    """Into a fresh database with files and a Redis database of its own; then the product's own reckoning, and ours."""
    postgres = cluster.parts["postgres"]
    assert isinstance(postgres, Postgres)
    postgres.create(_DATABASE)
    url = postgres.url.rpartition("/")[0] + f"/{_DATABASE}"
    apart = {
        "INET_DATABASE_URL": url,
        "INET_DATABASE_DIRECT_URL": url,
        "INET_DATABASE_IS_POOLED": "0",
        "INET_REDIS_URL": cluster.inside["INET_REDIS_URL"].rpartition("/")[0] + "/1",
        "INET_DATA_DIR": str(cluster.directory / _DATABASE),
    }
    began = time.monotonic()
    try:
        cluster.run_inet(_WHERE, "restore", str(copy.path), env=apart, seconds=300)
        copy.restored = time.monotonic() - began
        copy.said = cluster.run_inet(_WHERE, "ledger", "verify", env=apart).strip()
        cluster.run_inet(_WHERE, "audit", "verify", env=apart)
    except RuntimeError as why:
        yield Finding("lost", None, f"the back-up of the drill's middle: {why}")
        return
    with psycopg.connect(postgres.socket_url_of(_DATABASE).replace("+psycopg", "")) as connection:
        copy.payments = _number(connection, "SELECT count(*) FROM payment")
        broken = _number(connection, _BROKEN)
    if broken:
        yield Finding("lost", None, f"the restored back-up holds {broken} payments whose books do not balance")
    if not copy.payments:
        yield Finding("lost", None, "the restored back-up holds no payment")


def _number(connection: psycopg.Connection[tuple[object, ...]], query: str) -> int:
    row = connection.execute(query.encode()).fetchone()
    assert row is not None
    return int(str(row[0]))
