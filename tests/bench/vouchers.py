"""What 100,000 vouchers cost to make beside a bare COPY of the same rows, and what entering a code costs among a million of them.

Run in a process of its own on databases of its own, as tests/bench/tickets.py: `python -m tests.bench.vouchers` with the product's
environment prints the numbers as JSON. Everything is done by the product's own use cases: the million is made as any batch is.
`python -m tests.bench.vouchers clients` has 64 clients enter the same 4,000 codes at once.
"""

from __future__ import annotations

import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from threading import Barrier
from typing import Any

import sqlalchemy as sa

from app.supervisor import Stack
from tests.bench.table import Result

_ROOT = Path(__file__).parents[2]
_SMALL, _LARGE, _BATCH = 10_000, 1_000_000, 100_000
_WARM, _ENTRIES, _COPIES = 50, 1_000, 5
_CLIENTS, _CODES = 64, 4_000
_PIECE = 1 << 16


def batches_and_entry(stack: Stack) -> list[Result]:
    """Goals: at most 5 times a bare COPY; at a million vouchers entry costs at most 1.2 times that at 10,000."""
    found = _in_a_process(stack)
    return [
        Result("bare COPY of 100,000 vouchers", found["bare"], "s", None, "lower"),
        Result("making 100,000 vouchers", found["made"], "s", None, "lower"),
        Result("making / bare COPY", found["times"], "times", 5.0, "lower"),
        Result("voucher entry, median, 10,000 vouchers", found["small"], "ms", None, "lower"),
        Result("voucher entry, median, 1,000,000 vouchers", found["large"], "ms", None, "lower"),
        Result("voucher entry, large / small", found["large"] / found["small"], "times", 1.2, "lower"),
    ]


def many_clients(stack: Stack) -> list[Result]:
    """Goal: each of 4,000 codes lets exactly one of 64 clients in; all others hear that it is already used, and nothing else."""
    found = _in_a_process(stack, "clients")
    return [
        Result("4,000 codes entered by 64 clients: let in", found["won"], "clients", _CODES, "higher"),
        Result("4,000 codes entered by 64 clients: let in", found["won"], "clients", _CODES, "lower"),
        Result("of these, told that it is already used", found["used"], "answers", _CODES * (_CLIENTS - 1), "higher"),
        Result("of these, any other answer", found["other"], "answers", 0, "lower"),
        Result("entries", (found["won"] + found["used"]) / found["seconds"], "a second", None, "higher"),
    ]


def _in_a_process(stack: Stack, *what: str) -> dict[str, Any]:
    command = [sys.executable, "-m", "tests.bench.vouchers", *what]
    # What is rung for here is for no worker of the running product.
    redis = stack.environment["INET_REDIS_URL"]
    environment = stack.environment | {"INET_REDIS_URL": f"{redis}{'&' if '?' in redis else '?'}db=9"}
    done = subprocess.run(command, env=environment, cwd=_ROOT, stdout=subprocess.PIPE, check=True, timeout=3600)
    return dict(json.loads(done.stdout.splitlines()[-1]))


class _Shelf:
    """A database of its own, with a package and as many vouchers of it as asked for."""

    def __init__(self, name: str) -> None:
        from app import db
        from app.clock import utc_now
        from tests.bench.databases import empty_database
        from tests.factories import make_package

        self._engine = db.make_engine(empty_database(name))
        self.codes: list[str] = []
        self._bind()
        with db.transaction() as session:
            self._package = make_package(session, now=utc_now()).public_id

    def _bind(self) -> None:
        from app import db

        db.use_bind(self._engine)

    def make(self, size: int) -> tuple[int, float]:
        """One batch, ordered and made; answers its number and the seconds that the making took."""
        from app.clock import utc_now
        from app.db import transaction
        from services.vouchers.batches.desk import order_batch
        from services.vouchers.batches.making import make
        from tests.factories import staff

        self._bind()
        wanted: dict[str, Any] = {"seller": None, "site_id": None, "note": None, "use_from": None, "use_before": None, "key": None}
        actor = replace(staff(), proven_at=utc_now())
        with transaction() as session:
            batch = order_batch(session, actor=actor, package_id=self._package, size=size, name="Bench", now=utc_now(), **wanted)
        assert batch.id is not None
        began = time.perf_counter()
        make(transaction, batch.id, clock=utc_now)
        return batch.id, time.perf_counter() - began

    def fill(self, vouchers: int, *, stood: int = 0) -> None:
        for _ in range(stood, vouchers, _BATCH):
            self.make(min(_BATCH, vouchers))
        with self._engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.execute(sa.text("VACUUM (ANALYZE)"))

    def take_codes(self, count: int) -> None:
        """As many codes, from all over the table."""
        from services.vouchers.codes import unseal_code

        chosen = "SELECT code_sealed FROM voucher WHERE batch_id IS NOT NULL ORDER BY code_mac LIMIT :count"
        with self._engine.connect() as connection:
            self.codes = [unseal_code(sealed) for (sealed,) in connection.execute(sa.text(chosen), {"count": count})]

    def bare_copy(self, batch_id: int) -> float:
        """The seconds of a binary COPY of this batch's rows into a table with nothing but the same unique index."""
        raw = self._engine.raw_connection()
        connection: Any = raw.driver_connection
        try:
            with connection.cursor() as cursor:
                cursor.execute("DROP TABLE IF EXISTS bare_voucher")
                cursor.execute("CREATE TABLE bare_voucher (LIKE voucher)")
                cursor.execute("CREATE UNIQUE INDEX ON bare_voucher (code_mac)")
                with cursor.copy(f"COPY (SELECT * FROM voucher WHERE batch_id = {batch_id}) TO STDOUT (FORMAT BINARY)") as out:
                    rows = b"".join(bytes(piece) for piece in out)
            connection.commit()
            began = time.perf_counter()
            with connection.cursor() as cursor, cursor.copy("COPY bare_voucher FROM STDIN (FORMAT BINARY)") as copy:
                for start in range(0, len(rows), _PIECE):
                    copy.write(rows[start : start + _PIECE])
            connection.commit()
            return time.perf_counter() - began
        finally:
            raw.close()

    def enter(self, code: str) -> float:
        """The milliseconds of entering one code for the first time, as a use case of its own."""
        from app.clock import utc_now
        from app.db import transaction
        from services.vouchers.service import enter_code

        self._bind()
        began = time.perf_counter()
        with transaction() as session:
            enter_code(session, code=code, context=None, device=None, now=utc_now())
        return (time.perf_counter() - began) * 1000


def _measure() -> dict[str, float]:
    small, large = _Shelf("bench_vouchers_small"), _Shelf("bench_vouchers_large")
    pairs = []
    # In turns, so that whatever else the machine does falls on both.
    for _ in range(_COPIES):
        batch_id, seconds = large.make(_BATCH)
        pairs.append((seconds, large.bare_copy(batch_id)))
    small.fill(_SMALL)
    large.fill(_LARGE, stood=_COPIES * _BATCH)
    took: dict[str, list[float]] = {"small": [], "large": []}
    for shelf in (small, large):
        shelf.take_codes(_WARM + _ENTRIES)
    for turn, (of_small, of_large) in enumerate(zip(small.codes, large.codes, strict=True)):
        asked = [("small", small, of_small), ("large", large, of_large)]
        for name, shelf, code in asked if turn % 2 else reversed(asked):
            milliseconds = shelf.enter(code)
            if turn >= _WARM:
                took[name].append(milliseconds)
    medians = {name: statistics.median(times) for name, times in took.items()}
    made, bare = statistics.median_low(made for made, _ in pairs), statistics.median_low(bare for _, bare in pairs)
    return medians | {"made": made, "bare": bare, "times": statistics.median(made / bare for made, bare in pairs)}


def _have_clients_enter() -> dict[str, float]:
    shelf = _Shelf("bench_vouchers_clients")
    shelf.fill(_CODES)
    shelf.take_codes(_CODES)
    ready = Barrier(_CLIENTS)

    def enter_all(client: int) -> Counter[str]:
        from app.errors import DomainError

        answers: Counter[str] = Counter()
        ready.wait()
        # Each in an order of its own: in the same one they would only queue for the first.
        for code in random.Random(client).sample(shelf.codes, _CODES):
            try:
                shelf.enter(code)
                answers["won"] += 1
            except DomainError as refusal:
                answers["used" if refusal.code == "voucher_already_used" else "other"] += 1
        return answers

    began = time.perf_counter()
    with ThreadPoolExecutor(_CLIENTS) as threads:
        answers = sum(threads.map(enter_all, range(_CLIENTS)), Counter[str]())
    return {name: answers[name] for name in ("won", "used", "other")} | {"seconds": time.perf_counter() - began}


if __name__ == "__main__":
    os.environ["INET_LOG_LEVEL"] = "ERROR"
    print(json.dumps(_have_clients_enter() if "clients" in sys.argv[1:] else _measure()))
