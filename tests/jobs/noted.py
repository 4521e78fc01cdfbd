"""Processes with a small schedule of their own: `python -m tests.jobs.noted worker|scheduler`. What ran is noted in the table `noted`."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from app.db import transaction
from jobs import scheduler, worker
from jobs.base import job
from jobs.schedule import Periodic

LINES = (
    Periodic("note-run", "tests.jobs.noted.note", 1, "urgent", "Notes its slot", 20),
    Periodic("note-slow", "tests.jobs.noted.slow", 3, "urgent", "Takes its time", 20),
)
_TABLE = "CREATE TABLE noted (id bigserial PRIMARY KEY, what text NOT NULL, slot bigint, pid int DEFAULT pg_backend_pid())"


@contextmanager
def noted(engine: sa.Engine) -> Iterator[None]:
    """The table `noted`, empty; other tests find the database as the migrations made it."""
    with engine.begin() as connection:
        connection.execute(sa.text("DROP TABLE IF EXISTS noted"))
        connection.execute(sa.text(_TABLE))
    try:
        yield
    finally:
        with engine.begin() as connection:
            connection.execute(sa.text("DROP TABLE noted"))


def say(what: str, slot: int | None = None) -> None:
    with transaction() as session:
        session.execute(sa.text("INSERT INTO noted (what, slot) VALUES (:what, :slot)"), {"what": what, "slot": slot})


@job
def note() -> None:
    with transaction() as session:
        session.execute(sa.text("INSERT INTO noted (what, slot) SELECT 'run', run_slot FROM periodic_job WHERE id = 'note-run'"))


@job
def slow() -> None:
    time.sleep(0.2)


@job
def long(number: int, seconds: int) -> None:
    say(f"began {number}")
    time.sleep(seconds)
    say(f"ended {number}")


@job
def fails(word: str) -> None:
    raise ValueError(f"{word} for +2203000001")


if __name__ == "__main__":
    if sys.argv[1] == "worker":
        worker.run(sys.argv[2:] or ("urgent", "default"), lines=LINES)
    else:
        scheduler.run(lines=LINES)
