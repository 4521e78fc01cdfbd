"""Batches on a database that really commits: sent twice at once, cut off, with lost answers, and with the server dying in the middle."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlmodel import col, select

from app import db
from app.db import transaction
from services.apps.models import AppMutation
from services.apps.mutations import engine
from services.apps.mutations.engine import Result, Sent
from services.fieldwork.models import PartUsed
from services.tickets.models import Ticket, TicketEvent, TicketMessage
from tests.services.apps.mutations.phones import AnApp, a_technician, a_ticket, an_app, named, version_of


@dataclass
class Queue:
    """A phone with a queue: what was done, in its order, and what was answered of each. It sends from the front until all is answered."""

    app: AnApp
    tickets: Sequence[Ticket]
    done: list[Sent] = field(default_factory=list)
    answers: dict[str, list[Result]] = field(default_factory=dict)

    def waiting(self, most: int) -> list[Sent]:
        return [one for one in self.done if one.id not in self.answers][:most]

    def take(self, batch: Sequence[Sent], *, is_lost: bool) -> list[Result]:
        results = list(self.app.send(*batch).results)
        assert [one.id for one in results] == [one.id for one in batch]
        if not is_lost:
            for one in results:
                self.answers.setdefault(one.id, []).append(one)
        return results


def a_queue(number_of_tickets: int = 2) -> Queue:
    with transaction() as session:
        person = a_technician(session, f"tech{os.urandom(4).hex()}")
        return Queue(an_app(session, person), [a_ticket(session, person) for _ in range(number_of_tickets)])


# How many are sent, how often at once, and whether the answer is lost.
_SENDINGS = st.lists(st.tuples(st.integers(1, 6), st.integers(1, 2), st.booleans()), max_size=6)
_DONE = st.lists(st.tuples(st.integers(0, 1), st.sampled_from(["part", "note", "visit", "nothing"])), min_size=1, max_size=8)


def do(queue: Queue, done: list[tuple[int, str]]) -> None:
    """All of it offline, on what the phone saw at first."""
    with transaction() as session:
        bases = [version_of(session, ticket) for ticket in queue.tickets]
    for number, (which, kind) in enumerate(done):
        entity, base = named(queue.tickets[which]), bases[which]
        queue.done.append(
            {
                "part": lambda e=entity, n=number: queue.app.did("ticket.part", e, id=f"m{n}", name=f"part {n}"),
                "note": lambda e=entity, n=number: queue.app.did("ticket.note", e, id=f"m{n}", text=f"note {n}"),
                "visit": lambda e=entity, n=number, b=base: queue.app.did("ticket.visit", e, b, id=f"m{n}", state="on_site"),
                "nothing": lambda e=entity, n=number: queue.app.did("ticket.part", e, id=f"m{n}", name=""),
            }[kind]()
        )


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(done=_DONE, sendings=_SENDINGS)
def test_however_batches_are_cut_repeated_doubled_and_unanswered_each_is_done_once_and_in_its_order(
    database: sa.Engine, done: list[tuple[int, str]], sendings: list[tuple[int, int, bool]]
) -> None:
    queue = a_queue()
    do(queue, done)
    for most, times, is_lost in [*sendings, (len(done), 1, False)]:
        if not (batch := queue.waiting(most)):
            break
        if times == 1:
            queue.take(batch, is_lost=is_lost)
            continue
        # The phone gave up waiting, and sends more of the same while the server is still at it.
        more = queue.waiting(most + 2)
        with ThreadPoolExecutor(2) as pool:
            for sent in [pool.submit(queue.take, one, is_lost=is_lost) for one in (batch, more)]:
                sent.result(timeout=60)
    queue.take(queue.done, is_lost=False)
    _holds(queue, done)


def _holds(queue: Queue, done: list[tuple[int, str]]) -> None:
    with transaction() as session:
        for which, ticket in enumerate(queue.tickets):
            parts = session.exec(select(PartUsed.name).where(PartUsed.ticket_id == ticket.id).order_by(col(PartUsed.id))).all()
            assert list(parts) == [f"part {n}" for n, (on, kind) in enumerate(done) if (on, kind) == (which, "part")]
            notes = session.exec(
                select(TicketMessage.body)
                .where(TicketMessage.ticket_id == ticket.id, TicketMessage.kind == "note")
                .order_by(col(TicketMessage.id))
            ).all()
            assert list(notes) == [f"note {n}" for n, (on, kind) in enumerate(done) if (on, kind) == (which, "note")]
            visits = session.exec(select(TicketEvent.id).where(TicketEvent.ticket_id == ticket.id, TicketEvent.kind == "visit")).all()
            assert len(visits) == ((which, "visit") in done)
        rows = session.exec(select(AppMutation).where(AppMutation.app_device_id == queue.app.caller.app_device_id)).all()
    assert {row.client_id: row.outcome.value for row in rows} == {
        f"m{n}": "rejected" if kind == "nothing" else "applied" for n, (_, kind) in enumerate(done)
    }
    for client_id, results in queue.answers.items():
        told = {
            json.dumps([one.first or one.outcome, one.entity, one.version, dict(one.data), one.reason], sort_keys=True, default=dict)
            for one in results
        }
        assert len(told) == 1, (client_id, told)
        assert sum(one.outcome != "duplicate" for one in results) <= 1


def test_the_same_batch_twice_at_once_is_done_once(database: sa.Engine) -> None:
    queue = a_queue(1)
    do(queue, [(0, "part")] * 6)
    together = Barrier(3)

    def send() -> list[Result]:
        together.wait(20)
        return queue.take(queue.done, is_lost=False)

    with ThreadPoolExecutor(3) as pool:
        answered = [one.result(timeout=60) for one in [pool.submit(send) for _ in range(3)]]
    for results in zip(*answered, strict=True):
        assert sorted(one.outcome for one in results) == ["applied", "duplicate", "duplicate"]
    _holds(queue, [(0, "part")] * 6)


def dies_at(where: str, time: int, work: Callable[[], object], monkeypatch: pytest.MonkeyPatch) -> int:
    """Do the work in a process of its own, which kills itself when it passes this boundary so many times; answers the signal."""
    child = os.fork()
    if child == 0:
        try:
            db.engine().dispose(close=False)  # the connections are the parent's
            passed: list[str] = []

            def boundary(name: str) -> None:
                passed.append(name)
                if passed.count(where) == time:
                    os.kill(os.getpid(), signal.SIGKILL)

            monkeypatch.setattr(engine, "boundary", boundary)
            work()
        finally:
            os._exit(1)
    return os.WTERMSIG(os.waitpid(child, 0)[1])


@pytest.mark.parametrize(("where", "held"), [("mutation.applied", 1), ("mutation.committed", 2)])
def test_a_server_that_dies_in_the_middle_has_done_what_it_holds_and_nothing_else(
    database: sa.Engine, monkeypatch: pytest.MonkeyPatch, where: str, held: int
) -> None:
    queue = a_queue(1)
    do(queue, [(0, "part")] * 4)
    assert dies_at(where, 2, lambda: queue.app.send(*queue.done), monkeypatch) == signal.SIGKILL
    with transaction() as session:
        assert len(session.exec(select(PartUsed.id)).all()) == len(session.exec(select(AppMutation.client_id)).all()) == held
    assert [one.outcome for one in queue.take(queue.done, is_lost=False)] == ["duplicate"] * held + ["applied"] * (4 - held)
    _holds(queue, [(0, "part")] * 4)
