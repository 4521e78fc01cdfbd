"""What a tick of the SLA costs with 100 due tickets among ten thousand open ones and among a million (issue 5, "Done when").

Run in a process of its own on a database of its own, as tests/bench/network.py: `python -m tests.bench.sla` with the product's
environment prints the numbers as JSON. Measured is the whole tick: finding what is due, replaying it, and writing what is done.
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

import sqlalchemy as sa

from app.supervisor import Stack
from tests.bench.table import Result

_ROOT = Path(__file__).parents[2]
_DATABASE = "bench_sla"
_SMALL, _LARGE, _DUE = 10_000, 1_000_000, 100
_TICKS, _PORTION = 9, 20_000
_NOON = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)
# As the product writes a ticket, its creation and its policy, but thousands at once.
_OPEN = sa.text(
    "WITH made AS (INSERT INTO ticket (reference, channel, subject, body, state, priority, created_at, updated_at,"
    " last_customer_at, sla_policy_version_id, resolution_due_at, due_at, sla_next_at, reopened_count, change_number)"
    " SELECT :prefix || n, 'portal', 'No Wi-Fi', 'My Wi-Fi does not work', 'open', 'normal', :at, :at, :at, :version, :due,"
    " :due, :next, 0, 2"
    " FROM generate_series(1, :count) n RETURNING id)"
    " INSERT INTO ticket_event (ticket_id, at, actor, kind, data)"
    " SELECT id, :at, 'system', kind, CAST(data AS jsonb) FROM made, (VALUES (1, 'created', '{\"channel\": \"portal\"}'),"
    " (2, 'policy', '{\"version_id\": ' || :version || ', \"why\": \"it takes every ticket\"}')) AS event (number, kind, data)"
    " ORDER BY id, number"
)


def tick_among_many(stack: Stack) -> list[Result]:
    """Goal: among a million open tickets at most 1.3 times what it costs among ten thousand."""
    command = [sys.executable, "-m", "tests.bench.sla"]
    done = subprocess.run(command, env=stack.environment, cwd=_ROOT, stdout=subprocess.PIPE, check=True, timeout=1800)
    found = json.loads(done.stdout.splitlines()[-1])
    return [
        Result("SLA tick, 100 due of 10,000 open", found["small_ms"], "ms", None, "lower"),
        Result("SLA tick, 1,000,000 / 10,000 open", found["large_ms"] / found["small_ms"], "times", 1.3, "lower"),
        Result("replay of a usual history", found["refresh_ms"], "ms CPU", 3, "lower"),
    ]


def _use_own_database() -> None:
    url = sa.make_url(os.environ["INET_DATABASE_URL"])
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE IF EXISTS {_DATABASE}"))
        connection.execute(sa.text(f"CREATE DATABASE {_DATABASE}"))
    engine.dispose()
    os.environ["INET_DATABASE_URL"] = url.set(database=_DATABASE).render_as_string(hide_password=False)


class _Bench:
    def __init__(self) -> None:
        from app.db import transaction
        from tests.services.tickets.sla import builders

        always = {str(day): [["00:00", "24:00"]] for day in range(7)}
        with transaction() as session:
            calendar = builders.a_calendar(session, builders.CalendarDraft("Always", spans=always, holidays_of=None))
            policy = builders.a_policy(session, calendar, first_response_seconds=None, next_response_seconds=None)
            self._version = builders.version_of(session, policy).id
        self._open, self._rounds = 0, 0

    def tick_ms(self, open_tickets: int) -> float:
        """The median of several ticks; each finds a hundred tickets whose deadline has just passed, and breaks their promise."""
        from app import db

        self._fill("T-F", open_tickets - self._open, created_at=_NOON - timedelta(hours=1))
        self._open = open_tickets
        with db.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM (ANALYZE) ticket"))
            connection.execute(sa.text("VACUUM (ANALYZE) ticket_event"))
        self._tick()
        return statistics.median(self._tick() for _ in range(_TICKS))

    def _tick(self) -> float:
        from app.db import transaction
        from services.tickets.sla import ticks

        self._fill("T-D", _DUE, created_at=_NOON - timedelta(hours=8), next_at=_NOON)
        began = time.perf_counter()
        looked = ticks.run(transaction, now=_NOON)
        took = (time.perf_counter() - began) * 1000
        if looked != _DUE:
            raise RuntimeError(f"{looked} tickets were due, not {_DUE}")
        return took

    def _fill(self, prefix: str, count: int, *, created_at: datetime, next_at: datetime | None = None) -> None:
        from app.db import transaction

        self._rounds += 1
        due = created_at + timedelta(hours=8)
        values = {"at": created_at, "due": due, "next": next_at or created_at + timedelta(hours=6), "version": self._version}
        # In portions, so that no statement outlasts what one may take.
        for number in range(0, count, _PORTION):
            portion = {"count": min(_PORTION, count - number), "prefix": f"{prefix}{self._rounds}-{number // _PORTION}-"}
            with transaction() as session:
                session.execute(_OPEN, values | portion)


def _refresh_ms() -> float:
    """CPU of bringing a ticket's clocks up to date after eight answers and as many pauses."""
    from app.db import transaction
    from services.tickets.models import TicketState
    from services.tickets.sla import clocks
    from tests.services.tickets.sla import builders as make

    with transaction() as session:
        ticket = make.a_ticket(session)
        for number in range(8):
            make.we_reply(session, ticket, now=make.at(number + 0.2))
            make.to_state(session, ticket, TicketState.PENDING, now=make.at(number + 0.3))
            make.customer_says(session, ticket, now=make.at(number + 0.5))
            make.to_state(session, ticket, TicketState.OPEN, now=make.at(number + 0.6))
        times, began = 100, time.process_time()
        for _ in range(times):
            clocks.refresh(session, ticket, now=make.at(9))
        return (time.process_time() - began) / times * 1000


def _measure() -> dict[str, float]:
    _use_own_database()
    os.environ["INET_LOG_LEVEL"] = "ERROR"
    from app import logs, migrate
    from app.settings import get_settings

    logs.configure(get_settings(), process="bench")
    migrate.upgrade()
    bench = _Bench()
    return {"small_ms": bench.tick_ms(_SMALL), "large_ms": bench.tick_ms(_LARGE), "refresh_ms": _refresh_ms()}


if __name__ == "__main__":
    print(json.dumps(_measure()))
