"""What a month's report costs among ten thousand tickets and among 1.1 million: the month is the same, what lies around it is not.

Run in a process of its own on databases of its own, as tests/bench/sla.py: `python -m tests.bench.reports` with the product's environment
prints the numbers as JSON. Measured is the whole report by team, as the page asks for it; the two in turn, so that whatever else the
machine does meanwhile slows down both.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from app.supervisor import Stack
from tests.bench.table import Result

_ROOT = Path(__file__).parents[2]
_MONTH_OF, _LARGE, _PORTION, _TIMES = 10_000, 1_100_000, 20_000, 7
_UNTIL = datetime(2026, 12, 1, tzinfo=UTC)
_START = datetime(2026, 11, 1, tzinfo=UTC)
# As the product writes them: every ticket asked, answered, asked again, answered and, but for one in twenty, resolved within a day.
_FILL = sa.text(
    "WITH made AS (INSERT INTO ticket (reference, channel, subject, body, state, priority, team_id, created_at, updated_at,"
    " last_customer_at, first_responded_at, resolved_at, sla_policy_version_id, first_response_due_at, reopened_count, change_number)"
    " SELECT :prefix || n, 'portal', 'No Wi-Fi', 'My Wi-Fi does not work', CASE WHEN n % 20 = 0 THEN 'open' ELSE 'resolved' END, 'normal',"
    " 1 + n % 5, at, at, at, at + interval '1 hour', CASE WHEN n % 20 = 0 THEN NULL ELSE at + interval '9 hours' END, :version,"
    " at + interval '4 hours', 0, 6 FROM (SELECT n, CAST(:start AS timestamptz) + (CAST(:until AS timestamptz) - :start) * n / :whole AS at"
    " FROM generate_series(1, :count) n) AS spread RETURNING id, created_at, state),"
    " said AS (INSERT INTO ticket_message (ticket_id, kind, channel, author, body, created_at)"
    " SELECT id, kind, 'portal', 'x', 'Words', created_at FROM made, (VALUES ('customer'), ('reply')) m (kind)),"
    " rated AS (INSERT INTO ticket_rating (ticket_id, score, comment, at)"
    " SELECT id, 1 + id % 5, '', created_at + interval '10 hours' FROM made WHERE id % 3 = 0)"
    " INSERT INTO ticket_event (ticket_id, at, actor, kind, data)"
    " SELECT id, created_at + after, 'system', kind, CAST(data AS jsonb) FROM made, (VALUES"
    " (1, interval '0', 'created', '{}'), (2, interval '0', 'message', '{\"kind\": \"customer\"}'),"
    " (3, interval '1 hour', 'message', '{\"kind\": \"reply\"}'), (4, interval '2 hours', 'message', '{\"kind\": \"customer\"}'),"
    " (5, interval '3 hours', 'message', '{\"kind\": \"reply\"}'),"
    ' (6, interval \'9 hours\', \'state\', \'{"from": "new", "to": "resolved"}\'))'
    " AS event (number, after, kind, data) WHERE number < 6 OR state = 'resolved' ORDER BY id, number"
)


def report_of_a_month(stack: Stack) -> list[Result]:
    """Goal: the same month costs at most 1.3 times as much among a hundred times as many tickets, what is undone being the same."""
    command = [sys.executable, "-m", "tests.bench.reports"]
    done = subprocess.run(command, env=stack.environment, cwd=_ROOT, stdout=subprocess.PIPE, check=True, timeout=1800)
    found = json.loads(done.stdout.splitlines()[-1])
    return [
        Result("report of a month of 10,000 tickets", found["small_s"], "seconds", 3, "lower"),
        Result("the same among 1,100,000 / 10,000", found["large_s"] / found["small_s"], "times", 1.3, "lower"),
    ]


def _use_database(name: str) -> None:
    """An empty one with the product's tables, for everything that follows."""
    from app import db, migrate
    from app.settings import get_settings

    url = sa.make_url(os.environ["INET_DATABASE_URL"])
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE IF EXISTS {name}"))
        connection.execute(sa.text(f"CREATE DATABASE {name}"))
    engine.dispose()
    os.environ["INET_DATABASE_URL"] = url.set(database=name).render_as_string(hide_password=False)
    get_settings.cache_clear()
    db.dispose()
    migrate.upgrade()


class _Bench:
    def __init__(self) -> None:
        from app.db import transaction
        from services.tickets.desk_models import Team
        from tests.services.tickets.sla import builders

        with transaction() as session:
            for number in range(1, 6):
                session.add(Team(name=f"Team {number}", created_at=_START))
            policy = builders.a_policy(session)
            self._version = builders.version_of(session, policy).id

    def fill(self, prefix: str, count: int, *, start: datetime, until: datetime) -> None:
        """Spread evenly over the time between; in portions, so that no statement outlasts what one may take."""
        from app.db import transaction

        step = (until - start) / max(1, -(-count // _PORTION))
        for number in range(0, count, _PORTION):
            portion = min(_PORTION, count - number)
            begins = start + step * (number // _PORTION)
            values: dict[str, Any] = {
                "prefix": f"{prefix}{number // _PORTION}-",
                "count": portion,
                "whole": portion,
                "version": self._version,
            }
            with transaction() as session:
                session.execute(_FILL, values | {"start": begins, "until": begins + step})

    def quiet(self, *, is_on: bool) -> None:
        """What is filled in is no news to anybody's phone; noting it would take longer than all the rest."""
        from app.db import transaction

        with transaction() as session:
            for table in ("ticket", "ticket_message", "ticket_rating"):
                session.execute(sa.text(f"ALTER TABLE {table} {'DISABLE' if is_on else 'ENABLE'} TRIGGER USER"))

    def close_all_but_the_month(self) -> None:
        """What lies there costs a report what it is worth; here both sides have the same."""
        from app.db import transaction

        with transaction() as session:
            session.execute(sa.text("SET LOCAL statement_timeout = 0"))
            session.execute(sa.text("UPDATE ticket SET state = 'closed' WHERE state = 'open' AND created_at < :start"), {"start": _START})

    def settle(self) -> sa.Engine:
        """As a database is after its nightly rest; answers the way to it."""
        from app import db
        from app.settings import get_settings

        engine = db.make_engine(get_settings().database_url)
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("SET statement_timeout = 0"))
            for table in ("ticket", "ticket_event", "ticket_message", "ticket_rating", "sla_step"):
                connection.execute(sa.text(f"VACUUM (ANALYZE) {table}"))
        return engine


def _seconds(engine: sa.Engine) -> float:
    from app import db
    from services.tickets.reports import report
    from tests.factories import staff

    db.use_bind(engine)
    began = time.perf_counter()
    with db.transaction() as session:
        found = report(session, actor=staff(), by="team", start=_START, until=_UNTIL, now=_UNTIL)
    if found.whole.created != _MONTH_OF:
        raise RuntimeError(f"{found.whole.created} tickets in the month, not {_MONTH_OF}")
    return time.perf_counter() - began


def _filled(name: str, older: int) -> sa.Engine:
    _use_database(name)
    bench = _Bench()
    bench.quiet(is_on=True)
    bench.fill("T-M", _MONTH_OF, start=_START, until=_UNTIL - timedelta(days=1))
    if older:
        bench.fill("T-O", older, start=_START - timedelta(days=1100), until=_START - timedelta(days=2))
        bench.close_all_but_the_month()
    bench.quiet(is_on=False)
    return bench.settle()


def _measure() -> dict[str, float]:
    os.environ["INET_LOG_LEVEL"] = "ERROR"
    from app import logs
    from app.settings import get_settings

    logs.configure(get_settings(), process="bench")
    small, large = _filled("bench_reports_small", 0), _filled("bench_reports_large", _LARGE - _MONTH_OF)
    # The first of each fills the caches.
    pairs = [(_seconds(small), _seconds(large)) for _ in range(_TIMES + 1)][1:]
    return {"small_s": statistics.median(one for one, _ in pairs), "large_s": statistics.median(other for _, other in pairs)}


if __name__ == "__main__":
    print(json.dumps(_measure()))
