"""Two schedulers and two workers on one Redis and one PostgreSQL: whatever happens to them, each slot has one run at most."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import pytest
import sqlalchemy as sa

from app import redis
from tests.jobs.standing import standing

pytestmark = pytest.mark.stack


def test_no_slot_runs_twice_through_flushes_freezes_and_kills(database: sa.Engine, tmp_path: Path) -> None:
    dice = random.Random(20261123)
    with standing(database, tmp_path / "log") as product:
        schedulers = [product.start("scheduler") for _ in range(2)]
        workers = [product.start("worker") for _ in range(2)]
        product.await_(lambda: len(product.noted()) >= 2)
        for turn in range(6):
            frozen = schedulers[turn % 2]
            frozen.send_signal(signal.SIGSTOP)
            # Its lock is gone, as after its expiry, and with it all that Redis knows of the schedule.
            redis.client().flushall()
            seen = len(product.noted())
            product.await_(lambda seen=seen: len(product.noted()) >= seen + 2)  # type: ignore[misc]
            frozen.send_signal(signal.SIGCONT)
            redis.client().flushall()
            if turn in (2, 4):
                dead = dice.randrange(2)
                workers[dead].kill()
                workers[dead] = product.start("worker")
            if turn == 3:
                schedulers[0].kill()
                schedulers[0] = product.start("scheduler")
            time.sleep(dice.uniform(0.1, 0.6))
        seen = len(product.noted())
        product.await_(lambda: len(product.noted()) >= seen + 2)
        slots = product.noted()
        assert len(slots) == len(set(slots))
        assert slots == sorted(slots, key=lambda slot: slot or 0)
        assert product.asked("SELECT count(*) FROM running_process WHERE kind = 'scheduler'") == [(3,)]
