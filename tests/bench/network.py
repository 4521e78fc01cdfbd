"""What finding and watching access points costs, on a database and a sandbox of their own (issue 4, "Done when").

Run in a process of its own, so that its CPU time is that of the checks alone: `python -m tests.bench.network` with the product's
environment prints the numbers as JSON. What OpenWISP itself needs for an answer is part of a discovery's seconds, but not of a poll's
cost: that is our CPU time and the time in PostgreSQL.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import sqlalchemy as sa

from app.supervisor import Stack
from tests.answering import wait_until_it_answers
from tests.bench.table import Result
from tests.conftest import free_port

_ROOT = Path(__file__).parents[2]
_DATABASE = "bench_network"
_DISCOVERED, _SITES = 5_000, 400
_SMALL, _LARGE = 10_000, 100_000
_CHANGED_EACH_WAY = 25
_TICKS = 9


def checks_of_the_network(stack: Stack) -> list[Result]:
    """Goals: 5,000 devices in 30 s and at most 3 statements a page; a poll of 100,000 costs at most 1.3 times one of 10,000."""
    command = [sys.executable, "-m", "tests.bench.network"]
    done = subprocess.run(command, env=stack.environment, cwd=_ROOT, stdout=subprocess.PIPE, check=True, timeout=900)
    found = json.loads(done.stdout.splitlines()[-1])
    ratio = found["poll_large_ms"] / found["poll_small_ms"]
    return [
        Result("discovery of 5,000 devices", found["discovery_seconds"], "s", 30, "lower"),
        Result("its statements a page of 100", found["statements"] / found["pages"], "statements", 3, "lower"),
        Result("health poll, 10,000 access points", found["poll_small_ms"], "ms", None, "lower"),
        Result("health poll, 100,000 / 10,000", ratio, "times", 1.3, "lower"),
    ]


@dataclass
class _Statements:
    """What PostgreSQL was asked: how many statements, and how long they took."""

    count: int = 0
    seconds: float = 0.0
    _began: float = 0.0

    def listen(self, engine: sa.Engine) -> None:
        sa.event.listen(engine, "before_cursor_execute", self._before)
        sa.event.listen(engine, "after_cursor_execute", self._after)

    def _before(self, *_: Any) -> None:
        self._began = time.perf_counter()

    def _after(self, *_: Any) -> None:
        self.count += 1
        self.seconds += time.perf_counter() - self._began


class _Bench:
    """The checks against a sandbox's OpenWISP, with a clock that goes on a minute with each."""

    def __init__(self, sandbox: httpx.Client, token: str) -> None:
        from app import db
        from services.integrations.openwisp import OpenWispClient

        self._sandbox = sandbox
        self._client = OpenWispClient(str(sandbox.base_url), token, timeout_seconds=60)
        self._now = datetime.now(UTC)
        self._engine = db.engine()
        self._statements = _Statements()
        self._statements.listen(self._engine)

    def discovery(self) -> dict[str, float]:
        from app.outbound import recording

        self._fleet(_DISCOVERED)
        before, started = self._statements.count, time.perf_counter()
        with recording() as calls:
            self._discover()
        seconds = time.perf_counter() - started
        pages = sum(call.operation == "devices" for call in calls)
        return {"discovery_seconds": seconds, "statements": self._statements.count - before, "pages": pages}

    def poll_ms(self, number: int) -> float:
        """The median of ticks in which as many go down as come back."""
        self._fleet(number)
        self._discover()
        with self._engine.begin() as connection:
            connection.execute(sa.text("ANALYZE"))
            ids = connection.execute(sa.text("SELECT external_id FROM access_point ORDER BY id LIMIT 2000")).scalars().all()
        groups = [list(ids[start : start + _CHANGED_EACH_WAY]) for start in (0, 1000)]
        costs = []
        for tick in range(_TICKS + 2):
            # Each state lasts for two polls, so that every tick either sees fifty changes or confirms them.
            if tick % 2 == 0:
                down, back = groups[tick // 2 % 2], groups[1 - tick // 2 % 2]
                self._order("devices", {"ids": down, "status": "critical"})
                self._order("devices", {"ids": back, "status": "ok"})
            costs.append(self._poll())
        return statistics.median(costs[2:]) * 1000

    def _poll(self) -> float:
        from app.db import transaction
        from services.network import health

        database, started = self._statements.seconds, time.process_time()
        ended = health.poll(transaction, self._client, clock=self._clock)
        if ended.outcome != "done":
            raise RuntimeError(ended.message)
        return time.process_time() - started + self._statements.seconds - database

    def _discover(self) -> None:
        from app.db import transaction
        from services.network import discovery

        ended = discovery.discover(transaction, self._client, asked_by="bench", clock=self._clock)
        if ended.outcome != "done":
            raise RuntimeError(ended.message)

    def _fleet(self, count: int) -> None:
        """Another network, and nothing known of it."""
        self._order("fleet", {"count": count, "sites": _SITES, "odd": 0})
        with self._engine.begin() as connection:
            connection.execute(sa.text("TRUNCATE access_point, site, discovery_run, network_check, network_alarm, incident CASCADE"))

    def _order(self, path: str, body: dict[str, Any]) -> None:
        self._sandbox.post(f"/_control/openwisp/{path}", json=body).raise_for_status()

    def _clock(self) -> datetime:
        self._now += timedelta(seconds=30)
        return self._now


@contextmanager
def _sandbox() -> Iterator[httpx.Client]:
    port = free_port()
    environment = os.environ | {"INET_SANDBOX_ROUTER_COUNT": "0"}
    with tempfile.TemporaryDirectory(prefix="inet-bench-network-") as directory:
        command = [sys.executable, "-m", "app.cli", "sandbox", "--port", str(port), "--data-dir", directory]
        process = subprocess.Popen(command, env=environment, cwd=_ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=120) as http:
                wait_until_it_answers(f"http://127.0.0.1:{port}/_control/state", process)
                yield http
        finally:
            process.terminate()
            process.wait(10)


def _use_own_database() -> None:
    """An empty database beside the product's, whose worker would find another network there."""
    url = sa.make_url(os.environ["INET_DATABASE_URL"])
    engine = sa.create_engine(url, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(sa.text(f"DROP DATABASE IF EXISTS {_DATABASE}"))
        connection.execute(sa.text(f"CREATE DATABASE {_DATABASE}"))
    engine.dispose()
    os.environ["INET_DATABASE_URL"] = url.set(database=_DATABASE).render_as_string(hide_password=False)


def _measure() -> dict[str, float]:
    _use_own_database()
    os.environ["INET_LOG_LEVEL"] = "ERROR"
    from app import logs, migrate
    from app.sandbox.config import SandboxConfig
    from app.settings import get_settings

    logs.configure(get_settings(), process="bench")
    migrate.upgrade()
    with _sandbox() as sandbox:
        bench = _Bench(sandbox, SandboxConfig().openwisp_token)
        found = bench.discovery()
        return found | {"poll_small_ms": bench.poll_ms(_SMALL), "poll_large_ms": bench.poll_ms(_LARGE)}


if __name__ == "__main__":
    print(json.dumps(_measure()))
