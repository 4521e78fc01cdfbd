"""What the console's large lists cost among 1,000,000 rows each, and among 10,000 (issue 9, "Done when").

Run in a process of its own on databases of its own, as tests/bench/tickets.py: `python -m tests.bench.lists` with the product's environment
prints the numbers as JSON; a number behind it is the larger size. Measured are the product's own use cases with their transaction: the
list as it opens, a later page, the views above it, another order, and a walk for a file. Every question is asked of both sizes in turn, so
that whatever else the machine does meanwhile slows down both. Tickets have a section of their own.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session

from app.supervisor import Stack
from tests.bench.databases import empty_database
from tests.bench.table import Result

_ROOT = Path(__file__).parents[2]
SMALL, LARGE = 10_000, 1_000_000
_WARM, _ROUNDS = 3, 40
NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
# Filled without triggers and foreign keys: what is made up here is no news to anybody, and is whole by itself. Each stretches over a year,
# one session in fifty runs (20,000 of the larger size), and at either size 50 payments need a person: that depends on the day.
_TABLES: dict[str, str] = {
    "customer": "INSERT INTO customer (id, phone_e164, language, created_at) SELECT n, '+2208' || lpad(n::text, 8, '0'), 'en', made FROM s",
    "payment": "INSERT INTO payment (id, public_id, reference, customer_id, package_version_id, amount_bututs, currency, status,"
    " status_since, attention_from, reason, gateway_id, mac_trusted, attempts, create_calls, event_count, created_at, paid_at, served_at,"
    " wave_transaction_id)"
    " SELECT n, md5(n::text), 'P' || lpad(n::text, 9, '0'), 1 + n % :all, :version, 5000, 'GMD', state, made,"
    " CASE WHEN state = 'attention' THEN 'paid' END, NULL, :gateway, false, 0, 1, 5, made, paid, CASE WHEN state = 'served' THEN paid END,"
    " CASE WHEN paid IS NOT NULL THEN 'T' || n END FROM (SELECT *, CASE WHEN state <> 'expired' THEN made END AS paid FROM"
    " (SELECT *, CASE WHEN n % (:all / 50) = 0 THEN 'attention' WHEN n % 4 = 0 THEN 'expired' ELSE 'served' END AS state FROM s) t) p",
    "voucher": "INSERT INTO voucher (id, code_mac, code_sealed, package_version_id, origin, state, issued_by, created_at, use_before,"
    " porta_account_id, porta_attempts, porta_next_attempt_at)"
    " SELECT n, md5(n::text) || md5('v' || n), 'sealed', :version, 'hand', CASE WHEN n % 1000 = 0 THEN 'blocked' ELSE 'active' END,"
    " 'system', made, made + interval '90 days', 'inet-' || n, 0, CASE WHEN n % 2000 = 0 THEN made END FROM s",
    "access_grant": "INSERT INTO access_grant (id, gateway_id, hid, seconds, up_kbps, down_kbps, up_quota_kb, down_quota_kb, state, actor,"
    " created_at, offer_count) SELECT n, :gateway, md5(n::text), 3600, 0, 0, 0, 0, CASE WHEN n > :all * 0.98 THEN 'acked' ELSE 'ended' END,"
    " 'system', made, 1 FROM s",
    "access_session": "INSERT INTO access_session (id, grant_id, gateway_id, customer_id, state, started_at, ends_at, ended_at)"
    " SELECT n, n, :gateway, 1 + n % :all, CASE WHEN n > :all * 0.98 THEN 'active' ELSE 'ended' END, made, made + interval '1 hour',"
    " CASE WHEN n <= :all * 0.98 THEN made + interval '1 hour' END FROM s",
    "audit_entry": "INSERT INTO audit_entry (id, at, actor, action, target_type, target_id, address, correlation_id, previous_hash, hash)"
    " SELECT n, made, 'staff:p' || n % 40 || '@inet.test', 'ticket.edit', CASE WHEN n % 3 = 0 THEN 'ticket' ELSE 'payment' END, n::text,"
    " '', '', '', '' FROM s",
}
_SERIES = (
    "WITH s AS MATERIALIZED (SELECT n, :now - (:all - n) * :step * interval '1 second' AS made"
    " FROM generate_series(CAST(:first AS bigint), CAST(:last AS bigint)) n) "
)
_PORTION = 100_000


def paging(stack: Stack) -> list[Result]:
    """Goals: at 1,000,000 rows the 95th percentile is at most 1.3 times that at 10,000, and no table is read as a whole."""
    command = [sys.executable, "-m", "tests.bench.lists"]
    done = subprocess.run(command, env=stack.environment, cwd=_ROOT, stdout=subprocess.PIPE, check=True, timeout=1800)
    found = json.loads(done.stdout.splitlines()[-1])
    small, large = found["small"]["p95"], found["large"]["p95"]
    grown = {name: found["large"]["each"][name] / median for name, median in found["small"]["each"].items()}
    most = max(grown, key=lambda name: grown[name])
    return [
        Result("a page of a list p95, 10,000 rows", small, "ms", None, "lower"),
        Result("a page of a list p95, 1,000,000 rows", large, "ms", None, "lower"),
        Result("a page of a list p95, large / small", large / small, "times", 1.3, "lower"),
        Result(f"the list that grows most ({most}), median, large / small", grown[most], "times", None, "lower"),
        Result("lists that read or sort a whole table", len(found["whole"]), "lists", 0, "lower"),
    ]


@dataclass(frozen=True)
class Question:
    name: str
    ask: Callable[[Session], object]


class Shop:
    """A database of this size, and what its lists are asked."""

    def __init__(self, name: str, rows: int, *, now: datetime = NOON) -> None:
        from app import db

        self._rows, self._now = rows, now
        self._took: dict[str, list[float]] = defaultdict(list)
        self._engine = db.make_engine(empty_database(name))
        self._fill()

    def _fill(self) -> None:
        from app import db
        from tests.pages import builders

        db.use_bind(self._engine)
        with db.transaction() as session:
            builders.an_offer(session, now=self._now)
            gateway = builders.a_gateway(session, now=self._now)
            version = session.execute(sa.text("SELECT max(id) FROM package_version")).scalar_one()
            shared = {"all": self._rows, "gateway": gateway.id, "version": version, "now": self._now, "step": 365 * 86400 / self._rows}
        engine = sa.create_engine(self._engine.url, isolation_level="AUTOCOMMIT")
        with engine.connect() as connection:
            connection.execute(sa.text("SET session_replication_role = replica"))
            for statement in _TABLES.values():
                for first in range(1, self._rows + 1, _PORTION):
                    wanted = {name: value for name, value in shared.items() if f":{name}" in _SERIES + statement}
                    last = min(first + _PORTION - 1, self._rows)
                    connection.execute(sa.text(_SERIES + statement), wanted | {"first": first, "last": last})
            connection.execute(sa.text("VACUUM (ANALYZE)"))
        engine.dispose()

    def ask(self, question: Question, *, is_kept: bool) -> None:
        """As a use case, in a transaction of its own."""
        from app import db

        db.use_bind(self._engine)
        began = time.perf_counter()
        with db.transaction() as session:
            question.ask(session)
        if is_kept:
            self._took[question.name].append((time.perf_counter() - began) * 1000)

    def reads_a_whole_table(self, question: Question) -> bool:
        """Whether a page's rows come by a sequential scan of one of the large tables, or by sorting much of one (EXPLAIN)."""
        from app import db

        asked: list[tuple[str, Any]] = []

        def note(_: Any, __: Any, statement: str, parameters: Any, *___: Any) -> None:
            if "ORDER BY" in statement and "count(" not in statement:
                asked.append((statement, parameters))

        sa.event.listen(self._engine, "before_cursor_execute", note)
        self.ask(question, is_kept=False)
        sa.event.remove(self._engine, "before_cursor_execute", note)
        db.use_bind(self._engine)
        with self._engine.connect() as connection:
            plans = [connection.exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values).scalar_one() for statement, values in asked]
        return any(_is_whole(plan[0]["Plan"], self._rows) for plan in plans)

    def result(self) -> dict[str, Any]:
        """The 95th percentile of all questions in milliseconds, and the median of each."""
        every = [taken for times in self._took.values() for taken in times]
        medians = {name: round(statistics.median(times), 2) for name, times in self._took.items()}
        return {"p95": statistics.quantiles(every, n=20)[-1], "each": medians}


def _is_whole(node: dict[str, Any], rows: int) -> bool:
    is_scan = node["Node Type"] == "Seq Scan" and node.get("Relation Name") in _TABLES
    # What a partial index finds (who is online, what is blocked) may be sorted.
    is_sort = node["Node Type"] == "Sort" and node["Plan Rows"] > rows / 10
    return is_scan or is_sort or any(_is_whole(inner, rows) for inner in node.get("Plans", []))


def questions() -> list[Question]:
    from services.access.session_queries import SessionFilter, list_sessions
    from services.accounts.queries import list_customers
    from services.audit.queries import AuditFilter, list_audit
    from services.listing import Slice, Walk
    from services.payments.models import PaymentStatus
    from services.payments.queries import PaymentFilter, list_payments
    from services.vouchers.models import VoucherState
    from services.vouchers.queries import VoucherFilter, list_vouchers
    from tests.factories import staff

    root = staff()

    def of(name: str, service: Callable[..., object], part: Slice | None = None, **wanted: object) -> Question:
        return Question(name, lambda session: service(session, actor=root, part=part or Slice(), **wanted))

    fifth, oldest = Slice(offset=100), Slice(descending=False)
    payments, vouchers, sessions = PaymentFilter(), VoucherFilter(), SessionFilter()
    return [
        of("payments", list_payments, wanted=payments),
        of("payments, fifth page", list_payments, fifth, wanted=payments),
        of("payments, oldest first", list_payments, oldest, wanted=payments),
        of("payments, served", list_payments, wanted=PaymentFilter(status=PaymentStatus.SERVED)),
        of("payments, need a person", list_payments, wanted=PaymentFilter(needs_person_at=NOON)),
        of("payments, for a file", list_payments, Walk(limit=25, sort="created"), wanted=payments),
        of("vouchers", list_vouchers, wanted=vouchers),
        of("vouchers, fifth page", list_vouchers, fifth, wanted=vouchers),
        of("vouchers, blocked", list_vouchers, wanted=VoucherFilter(state=VoucherState.BLOCKED)),
        of("vouchers, owed a step", list_vouchers, wanted=VoucherFilter(is_owed=True)),
        of("customers", list_customers, search=""),
        of("customers, fifth page", list_customers, fifth, search=""),
        of("customers, by a number's beginning", list_customers, search="+220800001"),
        of("sessions, online", list_sessions, wanted=sessions),
        of("sessions, ended", list_sessions, wanted=SessionFilter(which="ended")),
        of("sessions, all", list_sessions, fifth, wanted=SessionFilter(which="all")),
        of("audit", list_audit, wanted=AuditFilter()),
        of("audit, fifth page", list_audit, fifth, wanted=AuditFilter()),
        of("audit, of payments", list_audit, wanted=AuditFilter(target_type="payment")),
    ]


def _in_turns(shops: Sequence[Shop], asked: Sequence[Question]) -> None:
    """The same question of each, then the next one; who is asked first changes from round to round."""
    for turn in range(-_WARM, _ROUNDS):
        for question in asked:
            for shop in shops if turn % 2 else reversed(shops):
                shop.ask(question, is_kept=turn >= 0)


def measured(asked: list[Question], name: str, large_size: int) -> dict[str, Any]:
    """What `asked` costs at both sizes, and which of it reads or sorts a whole table at the larger one; `name` is the databases'."""
    os.environ["INET_LOG_LEVEL"] = "ERROR"
    from app import logs
    from app.settings import get_settings

    logs.configure(get_settings(), process="bench")
    small, large = Shop(f"{name}_small", SMALL), Shop(f"{name}_large", large_size)
    _in_turns([small, large], asked)
    whole = [question.name for question in asked if large.reads_a_whole_table(question)]
    return {"small": small.result(), "large": large.result(), "whole": whole}


if __name__ == "__main__":
    print(json.dumps(measured(questions(), "bench_lists", int(sys.argv[1]) if len(sys.argv) > 1 else LARGE)))
