"""What `database` promises each test, although it looks before it empties."""

from __future__ import annotations

import sqlalchemy as sa

from tests.emptying import empty

_ADD = sa.text("INSERT INTO customer (phone_e164, language, created_at) VALUES ('+220833000001', 'en', now()) RETURNING id")
_COUNT = sa.text("SELECT count(*) FROM customer")


def added(engine: sa.Engine) -> int:
    with engine.begin() as connection:
        return int(connection.execute(_ADD).scalar_one())


def count(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(_COUNT).scalar_one())


def test_each_time_something_was_written_it_is_gone_and_its_counter_begins_anew(database: sa.Engine) -> None:
    for _ in range(3):
        assert added(database) == 1
        empty(database)
        assert count(database) == 0


def test_a_number_that_was_taken_in_vain_is_given_again(database: sa.Engine) -> None:
    with database.connect() as connection:
        assert connection.execute(_ADD).scalar_one() == 1
        connection.rollback()
    empty(database)
    assert added(database) == 1


def test_who_writes_while_the_tables_are_emptied_is_met_the_next_time(database: sa.Engine) -> None:
    with database.connect() as late:
        late.execute(_ADD)
        empty(database)
        late.commit()
    assert count(database) == 1
    empty(database)
    assert count(database) == 0


def test_where_nobody_wrote_nothing_is_done(database: sa.Engine) -> None:
    next_number = sa.text("SELECT pg_snapshot_xmax(pg_current_snapshot())::text")

    def is_left_alone() -> bool:
        empty(database)
        with database.connect() as connection:
            before = connection.execute(next_number).scalar_one()
            connection.rollback()
            empty(database)
            return bool(connection.execute(next_number).scalar_one() == before)

    # PostgreSQL itself writes now and then, when it counts the rows of a table.
    assert True in [is_left_alone() for _ in range(3)]
