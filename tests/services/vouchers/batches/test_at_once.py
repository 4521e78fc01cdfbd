"""Batches on a database that really commits: dying workers, two at once, an order cancelled meanwhile, many who enter the same codes."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from threading import Barrier

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, func, select

from app.db import transaction
from app.errors import DomainError
from services.access.models import Entitlement
from services.vouchers.batch_models import BatchState, VoucherBatch
from services.vouchers.batches import making
from services.vouchers.batches.desk import cancel_batch
from services.vouchers.errors import VoucherAlreadyUsed
from services.vouchers.models import Voucher, VoucherState
from services.vouchers.service import enter_code
from tests.conftest import NOON
from tests.services.vouchers.batches.ordering import OFFICER, batch_of, clock, codes_of, committed, number

pytestmark = pytest.mark.usefixtures("database")
_PROJECT = Path(__file__).parents[4]
_WORKER = """
import sys
from app import failpoints
from app.clock import utc_now
from app.db import transaction
from jobs.batches import making
failpoints.arm_from_environment()
making.make(transaction, int(sys.argv[1]), clock=utc_now, chunk=40)
"""


def rows_of(batch_id: int) -> int:
    with transaction() as session:
        return session.exec(select(func.count()).select_from(Voucher).where(Voucher.batch_id == batch_id)).one()


def assert_whole(batch_id: int) -> None:
    batch = batch_of(batch_id)
    assert (batch.state, batch.made) == (BatchState.READY, batch.size)
    with transaction() as session:
        assert len(set(codes_of(session, batch))) == rows_of(batch_id) == batch.size


def test_a_worker_that_is_killed_at_any_point_leaves_whole_chunks_and_is_followed(tmp_path: Path) -> None:
    batch_id = number(committed(size=400))
    deaths = tmp_path / "deaths"
    deaths.touch()
    for probability in ("1", "0.1", "0.1"):
        environment = os.environ | {"INET_DRILL_KILL": f"{probability}:a-seed:{deaths}"}
        command = [sys.executable, "-c", _WORKER, str(batch_id)]
        ended = subprocess.run(command, env=environment, cwd=_PROJECT, check=False, timeout=60, capture_output=True)
        assert ended.returncode in (-signal.SIGKILL, 0), ended.stderr.decode()[-500:]
        assert rows_of(batch_id) == batch_of(batch_id).made
        assert rows_of(batch_id) % 40 == 0
    # The first died with its first chunk written and not committed.
    assert deaths.read_text().split()[0] == "batch.rows_copied"
    making.make(transaction, batch_id, clock=clock, chunk=40)
    assert_whole(batch_id)


def test_two_workers_at_once_make_no_voucher_too_many() -> None:
    batch_id, ready = number(committed(size=1000)), Barrier(3)

    def work(_: int) -> None:
        ready.wait()
        while batch_of(batch_id).state is BatchState.MAKING:
            making.make(transaction, batch_id, clock=clock, chunk=30)

    with ThreadPoolExecutor(3) as threads:
        list(threads.map(work, range(3)))
    assert_whole(batch_id)


def test_an_order_that_is_cancelled_while_it_is_made_ends_with_nothing() -> None:
    batch_id, begun = number(committed(size=200)), 0

    @contextmanager
    def cancelled_at_the_third() -> Iterator[Session]:
        nonlocal begun
        begun += 1
        if begun == 3:
            with transaction() as session:
                cancel_batch(session, actor=OFFICER, batch_id=batch_id, now=NOON)
        with transaction() as session:
            yield session

    making.make(cancelled_at_the_third, batch_id, clock=clock, chunk=20)
    assert (batch_of(batch_id).state, batch_of(batch_id).made, rows_of(batch_id)) == (BatchState.CANCELLING, 40, 40)
    making.make(transaction, batch_id, clock=clock)  # too late
    with ThreadPoolExecutor(2) as threads:
        list(threads.map(lambda _: making.take_away(transaction, batch_id, clock=clock, chunk=7), range(2)))
    making.take_away(transaction, batch_id, clock=clock)
    assert (batch_of(batch_id).state, batch_of(batch_id).made, rows_of(batch_id)) == (BatchState.CANCELLED, 0, 0)


def test_the_sweep_finds_what_a_dead_worker_left() -> None:
    batch_id = number(committed(size=3))
    with transaction() as session:
        assert making.ring_due(session, now=NOON) == 1
    with transaction() as session:
        assert making.ring_due(session, now=NOON) == 0
        session.execute(sa.update(VoucherBatch).values(next_attempt_at=NOON))
    with transaction() as session:
        assert making.ring_due(session, now=NOON) == 1
    making.make(transaction, batch_id, clock=clock)
    assert_whole(batch_id)


def test_of_many_clients_who_enter_the_same_codes_each_code_lets_exactly_one_in() -> None:
    """The size of the goal (64 clients, 4,000 codes) is measured by `python -m tests.bench vouchers`."""
    clients, batch = 64, committed(size=24)
    making.make(transaction, number(batch), clock=clock)
    with transaction() as session:
        codes = codes_of(session, batch)
    ready = Barrier(clients)

    def enter_all(client: int) -> Counter[str]:
        answers: Counter[str] = Counter()
        ready.wait()
        for code in random.Random(client).sample(codes, len(codes)):
            try:
                with transaction() as session:
                    enter_code(session, code=code, context=None, device=None, now=NOON)
                answers["won"] += 1
            except DomainError as refusal:
                answers[refusal.code] += 1
        return answers

    with ThreadPoolExecutor(clients) as threads:
        answers = sum(threads.map(enter_all, range(clients)), Counter[str]())
    assert answers == {"won": len(codes), VoucherAlreadyUsed.code: len(codes) * (clients - 1)}
    with transaction() as session:
        assert session.exec(select(func.count()).select_from(Entitlement)).one() == len(codes)
        assert set(session.exec(select(Voucher.state).where(col(Voucher.batch_id) == batch.id))) == {VoucherState.USED}
