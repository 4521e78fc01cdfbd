"""What a sync costs: with nothing changed, beside another small question; with fifty changes, among much and little history; from nothing.

Run in a process of its own, as tests/bench/reports.py: `python -m tests.bench.sync URL` with the product's environment prints the numbers
as JSON. What is compared is asked in turn, so that whatever else the machine does meanwhile slows down both.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
import tracemalloc
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import httpx
import sqlalchemy as sa

from app.supervisor import Stack
from tests.bench.table import Result

_ROOT = Path(__file__).parents[2]
_PHONES, _ASKED = 4, 100
_SMALL, _LARGE, _CHANGED, _TIMES = 10_000, 1_000_000, 50, 60
_FIRST, _TICKETS = 18_000, 2_000
_HISTORY = sa.text(
    "INSERT INTO sync_change (audience, kind, entity_id, xid, at)"
    " SELECT :audience, 'device', 1000000000 + n, CAST(CAST(pg_current_xact_id() AS text) AS bigint), now()"
    " FROM generate_series(CAST(:start AS bigint), :stop) AS n"
)
_DEVICES = sa.text(
    "INSERT INTO device (customer_id, last_mac, created_at, last_seen_at)"
    " SELECT :owner, '02:00:00:00:00:01', now(), now() FROM generate_series(1, :count) RETURNING id"
)
_TOLD_TICKETS = sa.text(
    "WITH made AS (INSERT INTO ticket (reference, channel, subject, body, customer_id, state, created_at)"
    " SELECT 'T-S' || n, 'mobile', 'No Wi-Fi', 'No page', :owner, 'open', now() FROM generate_series(1, :count) n RETURNING id)"
    " INSERT INTO ticket_message (ticket_id, kind, channel, author, body, created_at)"
    " SELECT id, 'customer', 'mobile', 'x', repeat('slow ', 200), now() FROM made, generate_series(1, 5)"
)


def cost_of_syncs(stack: Stack) -> list[Result]:
    """Goals: an empty sync at most twice an empty question; fifty changes at most 1.2 times as much among a hundred times the history;
    20,000 rows told from nothing within 24 MB."""
    command = [sys.executable, "-m", "tests.bench.sync", stack.url]
    done = subprocess.run(command, env=stack.environment, cwd=_ROOT, stdout=subprocess.PIPE, check=True, timeout=1800)
    found = json.loads(done.stdout.splitlines()[-1])
    return [
        Result("empty sync / GET me, over HTTP", found["sync_s"] / found["me_s"], "times", 2, "lower"),
        Result("empty sync over HTTP, median", found["sync_s"] * 1000, "ms", 100, "lower"),
        Result("50 changes among 1,000,000 / 10,000 rows", found["large_s"] / found["small_s"], "times", 1.2, "lower"),
        Result("50 changes among 10,000 rows", found["small_s"] * 1000, "ms", 100, "lower"),
        Result("20,000 rows from nothing, memory", found["first_mb"], "MB", 24, "lower"),
        Result("20,000 rows from nothing, slowest page", found["page_s"] * 1000, "ms", 2000, "lower"),
        Result("20,000 rows from nothing", found["first_s"], "seconds", 120, "lower"),
    ]


def _over_http(url: str) -> dict[str, float]:
    from app.clock import utc_now
    from app.db import transaction
    from tests.services.apps.texting import logged_in

    with transaction() as session:
        tokens = [logged_in(session, now=utc_now())[0].access_token for _ in range(_PHONES)]
    taken: dict[str, list[float]] = {"me": [], "sync": []}
    with httpx.Client(base_url=f"{url}/api/mobile/v1", timeout=30) as http:
        for token in tokens:
            headers = {"Authorization": f"Bearer {token}"}
            # The price list and the places come with the first.
            cursor, more = None, True
            while more:
                first = http.get("/sync", headers=headers, params={"cursor": cursor} if cursor else None).raise_for_status().json()
                cursor, more = first["cursor"], first["more"]
            for number in range(_ASKED):
                for name, query in (("me", None), ("sync", {"cursor": cursor})):
                    began = time.perf_counter()
                    http.get(f"/{name}", headers=headers, params=query).raise_for_status()
                    if number:
                        taken[name].append(time.perf_counter() - began)
    return {f"{name}_s": statistics.median(times) for name, times in taken.items()}


class _Side:
    """One database, with a phone that is fifty changes behind."""

    def __init__(self, name: str, history: int) -> None:
        from app import db
        from app.db import transaction
        from app.settings import get_settings
        from tests.bench.reports import _use_database
        from tests.services.apps.syncing import Phone, a_customer

        _use_database(name)
        with transaction() as session:
            self.phone = Phone(a_customer(session))
            devices = session.execute(_DEVICES, {"owner": self.phone.caller.customer_id, "count": _CHANGED}).scalars().all()
        self.phone.sync()
        for start in range(1, history, 50_000):
            with transaction() as session:
                values = {"audience": self.phone.caller.audiences[0], "start": start, "stop": min(start + 49_999, history)}
                session.execute(_HISTORY, values)
        self._be_told_of_it()
        self.engine = db.make_engine(get_settings().database_url)
        with self.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("SET statement_timeout = 0"))
            connection.execute(sa.text("VACUUM (ANALYZE) sync_change"))
        with transaction() as session:
            session.execute(sa.text("UPDATE device SET last_mac = '02:00:00:00:00:09' WHERE id = ANY(:ids)"), {"ids": list(devices)})

    def _be_told_of_it(self) -> None:
        """The history stands for things of which the phone has heard long ago."""
        from dataclasses import replace

        from app.db import transaction
        from services.apps.sync_cursor import open_cursor
        from services.apps.sync_epoch import look

        cursor = open_cursor(self.phone.cursor or "", app_device_id=self.phone.caller.app_device_id)
        with transaction() as session:
            moment = look(session)
        if cursor is None or moment is None:
            raise RuntimeError("no cursor to begin with")
        self.phone.cursor = replace(cursor, since=moment.snapshot).seal()

    def seconds(self) -> float:
        """The same fifty each time: the answer is lost."""
        from app import db

        db.use_bind(self.engine)
        began = time.perf_counter()
        answer = self.phone.ask(answer_is_lost=True)
        took = time.perf_counter() - began
        if len(answer.changes) != _CHANGED:
            raise RuntimeError(f"{len(answer.changes)} changes, not {_CHANGED}")
        return took


def _delta() -> dict[str, float]:
    from app import db

    small, large = _Side("bench_sync_small", _SMALL), _Side("bench_sync_large", _LARGE)
    # The first few fill the caches, and have the statement prepared.
    pairs = [(small.seconds(), large.seconds()) for _ in range(_TIMES + 10)][10:]
    db.use_bind(None)
    return {"small_s": statistics.median(one for one, _ in pairs), "large_s": statistics.median(other for _, other in pairs)}


def _first() -> dict[str, float]:
    from app.db import transaction
    from tests.bench.reports import _use_database
    from tests.services.apps.syncing import Phone, a_customer

    _use_database("bench_sync_first")
    with transaction() as session:
        caller = a_customer(session)
        session.execute(_DEVICES, {"owner": caller.customer_id, "count": _FIRST})
        session.execute(_TOLD_TICKETS, {"owner": caller.customer_id, "count": _TICKETS})
        session.execute(sa.text("ANALYZE"))

    def walk(ask: Callable[[Phone], object]) -> int:
        """The phone holds nothing here: what is measured is the server."""
        phone, told = Phone(caller), 0
        while True:
            answer = phone.ask(limit=500, answer_is_lost=True)
            phone.cursor, told = answer.cursor, told + len(answer.changes)
            ask(phone)
            if not answer.more:
                return told

    marks = [time.perf_counter()]
    told = walk(lambda _: marks.append(time.perf_counter()))
    if told != _FIRST + _TICKETS + 1:
        raise RuntimeError(f"{told} changes, not {_FIRST + _TICKETS + 1}")
    tracemalloc.start()
    walk(lambda _: None)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    pages = [later - earlier for earlier, later in pairwise(marks)]
    return {"first_s": marks[-1] - marks[0], "page_s": max(pages), "first_mb": peak / 2**20, "pages": len(pages)}


def _measure(url: str) -> dict[str, float]:
    os.environ["INET_LOG_LEVEL"] = "ERROR"
    from app import logs
    from app.settings import get_settings

    logs.configure(get_settings(), process="bench")
    return _over_http(url) | _delta() | _first()


if __name__ == "__main__":
    print(json.dumps(_measure(sys.argv[1])))
