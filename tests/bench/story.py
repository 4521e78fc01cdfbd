"""What a customer's page costs among 1,000,000 customers and as many payments: one with 2,000 things in their story, and one with a few.

Run in a process of its own on a database of its own, as tests/bench/tickets.py: `python -m tests.bench.story` with the product's
environment prints the numbers as JSON. Measured are the page's own use cases with their transaction; the two customers are asked of in
turn, so that whatever else the machine does meanwhile slows down both. Every part of the union is explained, and none may read a whole
table.
"""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from app.supervisor import Stack
from tests.bench.databases import empty_database
from tests.bench.table import Result

_ROOT = Path(__file__).parents[2]
_NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
_MANY, _PORTION, _ROUNDS = 1_000_000, 100_000, 40
# Of the 2,000: payments with a voucher made and used and a session, beside messages, devices and tickets.
_BUSY, _QUIET = 7, 500_007
_TABLES: tuple[str, ...] = (
    "customer",
    "payment",
    "voucher",
    "entitlement",
    "access_grant",
    "access_session",
    "device",
    "notification",
    "ticket",
)
_TABLES += ("ticket_message", "ticket_event", "refund", "compensation", "audit_entry")


def page_of_a_customer(stack: Stack) -> list[Result]:
    """Goal: the page of who did 2,000 things takes at most 50 ms more than that of who did a few, and no part reads a whole table."""
    command = [sys.executable, "-m", "tests.bench.story"]
    done = subprocess.run(command, env=stack.environment, cwd=_ROOT, stdout=subprocess.PIPE, check=True, timeout=1800)
    found = json.loads(done.stdout.splitlines()[-1])
    quiet, busy = found["quiet"], found["busy"]
    return [
        Result("customer's page, a few things, among 1,000,000", quiet, "ms", None, "lower"),
        Result("customer's page, 2,000 things, among 1,000,000", busy, "ms", None, "lower"),
        Result("customer's page, milliseconds more for 2,000 things", busy - quiet, "ms", 50, "lower"),
        Result("customer's story, parts that read a whole table", len(found["scans"]), "parts", 0, "lower"),
    ]


# Of smaller ones PostgreSQL may well read all, where that is the cheaper.
_LARGE = ("customer", "payment", "voucher", "entitlement")
_FILL = {
    "customer": "(id, phone_e164, legacy_e164, name, language, created_at) SELECT n, '+2208' || (30000000 + n), NULL, "
    "'Customer ' || n, 'en',"
    " :now - n * interval '1 minute' FROM generate_series(:first, :last) n",
    "payment": "(id, public_id, reference, customer_id, package_version_id, amount_bututs, currency, status, "
    "status_since, paid_at, served_at,"
    " wave_transaction_id, created_at, mac_trusted, attempts, create_calls, event_count)"
    " SELECT n, md5(n::text), 'R' || n, CASE WHEN n % 2500 = 7 THEN 7 ELSE 1 + n::bigint * 7919 % 1000000 END, 1, 2500, 'GMD', "
    "'served', at, at, at,"
    " 'T' || n, at, false, 0, 0, 0 FROM (SELECT n, :now - n * interval '90 seconds' AS at FROM generate_series(:first, :last) n) t",
    "voucher": "(id, code_mac, code_sealed, package_version_id, payment_id, customer_id, origin, state, issued_by, "
    "created_at, use_before,"
    " used_at, porta_account_id, porta_attempts)"
    " SELECT id, md5('c' || id), 'x', 1, id, customer_id, 'payment', 'used', 'payment', created_at, created_at + interval '30 days',"
    " created_at, 'inet-' || id, 0 FROM payment WHERE id BETWEEN :first AND :last",
    "entitlement": "(id, voucher_id, payment_id, customer_id, package_version_id, seconds_total, bytes_used, down_kbps, "
    "up_kbps, device_limit,"
    " state, created_at, use_before, started_at, ends_at)"
    " SELECT id, id, id, customer_id, 1, 3600, 0, 0, 0, 1, 'ended', created_at, created_at + interval '30 days', created_at,"
    " created_at + interval '1 hour' FROM payment WHERE id BETWEEN :first AND :last",
    "access_grant": "(id, gateway_id, mac, entitlement_id, seconds, up_kbps, down_kbps, up_quota_kb, down_quota_kb, "
    "state, actor, created_at,"
    " offer_count) SELECT id, 1, '02:00:00:00:00:01', id, 3600, 0, 0, 0, 0, 'ended', 'system', created_at, 1 FROM payment"
    " WHERE id BETWEEN :first AND :last AND (id % 4 = 0 OR customer_id = 7)",
    "access_session": "(id, grant_id, gateway_id, entitlement_id, customer_id, mac, state, started_at, ends_at, ended_at)"
    " SELECT id, id, 1, id, customer_id, '02:00:00:00:00:01', 'ended', created_at, created_at + interval '1 hour',"
    " created_at + interval '1 hour' FROM payment WHERE id BETWEEN :first AND :last AND (id % 4 = 0 OR customer_id = 7)",
    "device": "(id, customer_id, last_mac, created_at, last_seen_at) SELECT id, customer_id, '02:00:00:00:00:01', created_at, created_at"
    " FROM payment WHERE id BETWEEN :first AND :last AND (id % 4 = 0 OR customer_id = 7)",
    "notification": "(id, dedupe_key, event, medium, urgency, language, customer_id, body_sealed, segments, state, attempts, created_at)"
    " SELECT id, 'r' || id, 'purchase_receipt', 'sms', 'urgent', 'en', customer_id, '', 1, 'delivered', 1, created_at"
    " FROM payment WHERE id BETWEEN :first AND :last AND (id % 4 = 0 OR customer_id = 7)",
    "ticket": "(id, reference, channel, subject, body, customer_id, state, priority, created_at, updated_at, "
    "reopened_count, change_number)"
    " SELECT id, 'T-' || id, 'portal', '', 'Slow', customer_id, 'closed', 'normal', created_at, created_at, 0, 1"
    " FROM payment WHERE id BETWEEN :first AND :last AND (id % 10 = 0 OR customer_id = 7)",
    "ticket_message": "(ticket_id, kind, channel, author, body, created_at) SELECT id, 'reply', 'portal', 'Awa', 'Join again', "
    "created_at + interval '1 hour' FROM ticket WHERE id BETWEEN :first AND :last",
    "ticket_event": "(ticket_id, at, actor, kind, data) SELECT id, created_at + interval '2 hours', 'system', 'state', "
    '\'{"from": "open", "to": "closed"}\' FROM ticket WHERE id BETWEEN :first AND :last',
    "refund": "(payment_id, checkout_id, kind, amount_bututs, reason, asked_by, state, attempts, created_at, settled_at) SELECT id, id, "
    "'sale', 2500, 'why', 'system', 'refunded', 1, created_at, created_at FROM payment WHERE id BETWEEN :first AND :last AND id % 20 = 7",
    "compensation": "(entitlement_id, incident_id, customer_id, lost_from, lost_until, seconds, worth_bututs, created_at) SELECT id, 1, "
    "customer_id, created_at, created_at + interval '10 minutes', 600, 100, created_at FROM payment WHERE id BETWEEN :first AND :last "
    "AND id % 50 = 7",
    "audit_entry": "(id, at, actor, action, target_type, target_id, address, correlation_id, previous_hash, hash) SELECT id, created_at, "
    "'staff:awa', CASE WHEN id % 20 = 7 THEN 'voucher.block' ELSE 'voucher.reveal' END, 'voucher', id::text, '', '', '', '' FROM payment "
    "WHERE id BETWEEN :first AND :last AND (id % 4 = 0 OR customer_id = 7)",
}


def _fill(engine: sa.Engine) -> None:
    from sqlmodel import Session

    from tests.pages import builders

    with Session(engine) as session:
        builders.an_offer(session, now=_NOON)
        builders.a_gateway(session, now=_NOON)
        session.commit()
    with sa.create_engine(engine.url, isolation_level="AUTOCOMMIT").connect() as connection:
        # What is filled in here is no news to anybody, and is known to fit together.
        connection.execute(sa.text("SET session_replication_role = replica"))
        connection.execute(sa.text("SET synchronous_commit = off"))
        for table in _TABLES:
            for first in range(1, _MANY + 1, _PORTION):
                values = {"first": first, "last": first + _PORTION - 1} | ({"now": _NOON} if ":now" in _FILL[table] else {})
                connection.execute(sa.text(f"INSERT INTO {table} {_FILL[table]}"), values)
            print(f"{table} filled", file=sys.stderr, flush=True)
        connection.execute(sa.text("ANALYZE"))


def _explained(connection: sa.Connection) -> list[str]:
    """The parts of the two stories that read the whole of a table of 1,000,000 rows; their plans go to the error stream."""
    from services.accounts.models import Role
    from services.console.customer_parts import PARTS
    from tests.factories import staff

    scans = []
    for part in PARTS:
        for customer_id in (_BUSY, _QUIET):
            rows = part.rows(customer_id, staff(Role.CUSTOMER_CARE))
            own = rows.offset(0).subquery()
            statement = sa.select(own).order_by(*(column.desc() for column in own.c)).limit(26)
            text = str(statement.compile(dialect=postgresql.dialect(), compile_kwargs={"literal_binds": True}))  # type: ignore[no-untyped-call]
            plan = "\n".join(connection.exec_driver_sql(f"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF) {text.replace('%', '%%')}").scalars())
            print(f"--- {part.what} of {customer_id}\n{plan}", file=sys.stderr, flush=True)
            if re.search(rf"Seq Scan on ({'|'.join(_LARGE)})\b", plan):
                scans.append(f"{part.what} of {customer_id}")
    return scans


def _measure() -> dict[str, Any]:
    from app import db
    from app.db import transaction
    from services.accounts.models import Role
    from services.console.customer_now import standing
    from services.console.customer_story import story
    from tests.factories import staff

    engine = db.make_engine(empty_database("bench_story"))
    db.use_bind(engine)
    _fill(engine)
    care = staff(Role.CUSTOMER_CARE)

    def opened(customer_id: int) -> Callable[[], int]:
        def open_page() -> int:
            with transaction() as session:
                standing(session, actor=care, customer_id=customer_id, now=_NOON)
                return len(story(session, actor=care, customer_id=customer_id, now=_NOON).events)

        return open_page

    took: dict[str, list[float]] = {"busy": [], "quiet": []}
    for turn in range(_ROUNDS + 5):
        for name, customer_id in (("busy", _BUSY), ("quiet", _QUIET)):
            began = time.perf_counter()
            opened(customer_id)()
            if turn >= 5:
                took[name].append((time.perf_counter() - began) * 1000)
    with engine.connect() as connection:
        scans = _explained(connection)
    least = {f"{name}_least": min(times) for name, times in took.items()}
    return {name: statistics.median(times) for name, times in took.items()} | least | {"scans": scans}


if __name__ == "__main__":
    print(json.dumps(_measure()))
