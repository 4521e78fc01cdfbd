"""Walking a list from end to end, every row once; and what a list says of how many rows there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col

from services.accounts.models import Role, Staff
from services.listing import After, Walk, count, fetch, pick
from tests.conftest import NOON
from tests.services.tickets.people import a_person

SORTS: dict[str, Sequence[Any]] = {"seen": (col(Staff.last_login_at), col(Staff.id)), "name": (col(Staff.name), col(Staff.id))}


@pytest.fixture
def people(session: Session) -> list[int]:
    made = [a_person(session, f"p{number}@inet.test", role=Role.CUSTOMER_CARE) for number in range(7)]
    for number, one in enumerate(made):
        one.last_login_at = NOON.replace(minute=number // 2) if number < 4 else None
    session.flush()
    return [one.id or 0 for one in made]


def walked(session: Session, sort: str, *, descending: bool, limit: int) -> list[int]:
    walk, seen = Walk(limit=limit, sort=sort, descending=descending), []
    while True:
        found = fetch(session, pick(Staff), walk, sorts=SORTS, default_sort="name")
        assert len(found) == len(walk.keys)
        seen += [row[0].id for row in found[:limit]]
        if len(found) <= limit:
            return seen
        walk = Walk(limit=limit, sort=sort, descending=descending, key=walk.keys[limit - 1])


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 10])
@pytest.mark.parametrize("descending", [False, True])
@pytest.mark.parametrize("sort", ["seen", "name"])
def test_a_walk_meets_every_row_once_in_the_lists_order(
    session: Session, people: list[int], sort: str, descending: bool, limit: int
) -> None:
    columns = SORTS[sort]
    ordered = pick(Staff.id).order_by(*(column.desc() if descending else column.asc() for column in columns))
    assert walked(session, sort, descending=descending, limit=limit) == list(session.execute(ordered).scalars())


def test_rows_keep_their_names_beside_the_keys(session: Session, people: list[int]) -> None:
    walk = Walk(limit=2, sort="name", descending=False)
    rows = fetch(session, pick(Staff.id, Staff.name, Staff.last_login_at), walk, sorts=SORTS, default_sort="name")
    assert tuple(rows[0]) == (rows[0].id, rows[0].name, rows[0].last_login_at)
    assert walk.keys[0] == (rows[0].name, rows[0].id)


@pytest.mark.parametrize(("known", "answer"), [(-1, (7, False)), (15_000, (7, False)), (50_000, (50_000, True))])
def test_rows_are_counted_unless_the_table_is_surely_large(
    session: Session, people: list[int], known: int, answer: tuple[int, bool]
) -> None:
    session.execute(sa.text("UPDATE pg_class SET reltuples = :known WHERE oid = 'staff'::regclass"), {"known": known})
    assert count(session, pick(Staff.id), whole_table="staff") == answer
    # What is narrowed is counted, however large the table.
    assert count(session, pick(Staff.id).where(Staff.id == people[0])) == (1, False)
    assert count(session, pick(Staff.id), whole_table="staff", part=After()) == (0, True)
