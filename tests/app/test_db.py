from __future__ import annotations

import pytest
import sqlalchemy as sa
from sqlmodel import Session, select

from app.db import BlockingCallOnEventLoop, after_commit, in_transaction, transaction
from services.network.models import Site


def test_a_use_case_that_fails_leaves_nothing_behind(session: Session) -> None:
    def fail() -> None:
        with transaction() as inner:
            inner.add(Site(name="half done"))
            inner.flush()
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert session.exec(select(Site).where(Site.name == "half done")).all() == []


def test_what_was_deferred_runs_in_order_and_only_after_the_commit(session: Session) -> None:
    order: list[str] = []
    with transaction() as inner:
        after_commit(inner, lambda: order.append("first"))
        after_commit(inner, lambda: order.append("second"))
        assert order == []
    assert order == ["first", "second"]


def test_a_rolled_back_transaction_rings_nobody(session: Session) -> None:
    rung: list[int] = []

    def fail() -> None:
        with transaction() as inner:
            after_commit(inner, lambda: rung.append(1))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fail()
    assert rung == []


def test_a_doorbell_that_cannot_be_rung_does_not_undo_the_commit(session: Session) -> None:
    def broken() -> None:
        raise ConnectionError

    with transaction() as inner:
        inner.add(Site(name="stands"))
        after_commit(inner, broken)
    assert session.exec(select(Site).where(Site.name == "stands")).one()


async def test_a_query_on_the_event_loop_is_refused(servers: None) -> None:
    with pytest.raises(BlockingCallOnEventLoop), transaction() as session:
        session.execute(sa.text("SELECT 1"))


async def test_a_use_case_hops_to_a_thread(servers: None) -> None:
    def one(session: Session) -> int:
        return int(session.execute(sa.text("SELECT 1")).scalar_one())

    assert await in_transaction(one) == 1
