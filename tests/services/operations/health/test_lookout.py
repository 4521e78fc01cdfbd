"""The direct look at PostgreSQL and Redis: cached, asked once at a time, and answered whatever happens to them."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Iterator
from datetime import timedelta

import pytest
import sqlalchemy as sa

from app.clock import utc_now
from app.db import transaction
from app.settings import Settings, get_settings
from services.operations.health.lookout import Lookout, Watched
from services.operations.health.parts import BY_NAME
from services.operations.health.reading import Ground, down
from services.operations.health.rounds import Probed, keep, probe_all
from services.operations.models import HealthState
from tests.services.operations.health.black_hole import Passage, black_hole


def settings_with(**values: str) -> Settings:
    return get_settings().model_copy(update=values)


async def test_both_answer_and_the_second_look_costs_nothing(database: sa.Engine) -> None:
    lookout = Lookout(get_settings())
    view = await lookout.look()
    assert (view.of("postgresql").state, view.of("redis").state, view.of("tables").state) == (HealthState.OK,) * 3
    started = time.perf_counter()
    await lookout.look()
    assert time.perf_counter() - started < 0.05
    assert lookout.postgresql.questions == lookout.redis.questions == 1
    assert await lookout.can_serve() == (True, {"postgresql": "ok", "tables": "ok", "redis": "ok"})


async def test_however_many_ask_one_question_is_under_way() -> None:
    gate = threading.Event()

    def ask() -> int:
        gate.wait(5)
        return 7

    watched = Watched(ask)
    asking = [asyncio.create_task(watched.now()) for _ in range(30)]
    await asyncio.sleep(0)
    gate.set()
    assert {(await one).value for one in asking} == {7}
    assert watched.questions == 1


async def test_a_postgresql_that_swallows_everything_is_told_within_a_moment(database: sa.Engine) -> None:
    with black_hole() as port:
        lookout = Lookout(settings_with(database_url=f"postgresql+psycopg://inet:secret-word@127.0.0.1:{port}/inet"))
        started = time.perf_counter()
        view = await lookout.look()
        assert time.perf_counter() - started < 2
        assert (view.state, view.of("postgresql").state, view.of("redis").state) == (HealthState.DOWN, HealthState.DOWN, HealthState.OK)
        # Whoever asks while the question hangs does not wait any more.
        started = time.perf_counter()
        assert not (await lookout.can_serve())[0]
        assert time.perf_counter() - started < 0.5
        assert "secret-word" not in repr(view)


async def test_a_redis_that_swallows_everything_stops_nothing(database: sa.Engine) -> None:
    with black_hole() as port:
        lookout = Lookout(settings_with(redis_url=f"redis://127.0.0.1:{port}/0"))
        started = time.perf_counter()
        view = await lookout.look()
        assert time.perf_counter() - started < 2
        assert view.of("redis").state is HealthState.DOWN
        assert view.of("postgresql").state is HealthState.OK
        assert (await lookout.can_serve())[0]


class Hands:
    """A clock that goes when it is told to."""

    def __init__(self) -> None:
        self.ahead = 0.0

    def __call__(self) -> float:
        return time.monotonic() + self.ahead


async def test_what_is_away_is_seen_to_come_back_and_since_when_it_was_away() -> None:
    is_up, clock = False, Hands()

    def ask() -> str:
        if not is_up:
            raise OSError("refused")
        return "here"

    watched = Watched(ask, clock=clock)
    first = await watched.now()
    assert (first.trouble, first.value) == ("refused", None)
    clock.ahead += 1  # a failure is not kept for long
    assert (await watched.now()).since == first.since
    is_up = True
    clock.ahead += 1
    back = await watched.now()
    assert (back.value, back.trouble, back.since) == ("here", "", None)
    is_up = False
    clock.ahead += 10
    assert (await watched.now()).value == "here"


@pytest.fixture
def passage(database: sa.Engine) -> Iterator[Passage]:
    """A way to PostgreSQL that can be blocked."""
    folder, port = database.url.query["host"], database.url.query.get("port", "5432")
    opened = Passage(f"{folder}/.s.PGSQL.{port}")
    yield opened
    opened.close()


def test_postgresql_is_cut_off_and_comes_back(passage: Passage, database: sa.Engine) -> None:
    with transaction() as session:
        keep(session, [Probed(BY_NAME["wave"], down("no answer", "wait"), 12)], now=utc_now() - timedelta(seconds=30))
    url = database.url.set(host="127.0.0.1", port=passage.port, query={})

    async def story() -> None:
        clock = Hands()
        lookout = Lookout(settings_with(database_url=url.render_as_string(hide_password=False)), clock=clock)
        assert (await lookout.look()).of("postgresql").state is HealthState.OK
        passage.swallow()
        clock.ahead += 60
        started = time.perf_counter()
        view = await lookout.look()
        assert time.perf_counter() - started < 2
        # What was known last is told on; that it is old is told as well, by its time.
        assert (view.state, view.of("wave").said) == (HealthState.DOWN, "no answer")
        assert view.of("postgresql").since is not None
        passage.open()
        for _ in range(100):
            clock.ahead += 1
            if (await lookout.can_serve())[0]:
                break
            await asyncio.sleep(0.1)
        assert (await lookout.look()).of("postgresql").state is HealthState.OK

    asyncio.run(story())


def test_tables_of_an_older_release_are_not_served_and_those_of_a_newer_one_are(database: sa.Engine) -> None:
    def at(revision: str) -> None:
        with database.begin() as connection:
            connection.execute(sa.text("UPDATE alembic_version SET version_num = :revision"), {"revision": revision})

    with database.begin() as connection:
        head = connection.execute(sa.text("SELECT version_num FROM alembic_version")).scalar_one()
    try:
        at("0011")
        can_serve, states = asyncio.run(Lookout(get_settings()).can_serve())
        assert (can_serve, states["tables"]) == (False, HealthState.DOWN)
        view = asyncio.run(Lookout(get_settings()).look())
        assert view.state is HealthState.DOWN
        assert "0011" in view.of("tables").said
        at("9999")
        assert asyncio.run(Lookout(get_settings()).can_serve())[0]
    finally:
        at(head)


@pytest.mark.parametrize("broken", ["postgresql", "redis"])
def test_a_probe_of_a_black_hole_ends(database: sa.Engine, broken: str) -> None:
    with black_hole() as port:
        changed = (
            {"database_url": f"postgresql+psycopg://inet:x@127.0.0.1:{port}/inet"}
            if broken == "postgresql"
            else {"redis_url": f"redis://127.0.0.1:{port}/0"}
        )
        ground = Ground(settings_with(**changed), utc_now())
        started = time.perf_counter()
        (found,) = probe_all(ground, parts=[BY_NAME[broken]])
        assert time.perf_counter() - started < 8
    assert found.reading.state is HealthState.DOWN
