"""Who else is here."""

from __future__ import annotations

import pytest
import redis as redis_library
from sqlmodel import Session

from app import redis
from services.accounts.permissions import Principal
from services.accounts.sessions import principal_of
from services.console import presence
from services.console.presence import Present
from tests.services.tickets.people import a_person


@pytest.fixture
def two(session: Session) -> tuple[Principal, Principal]:
    redis.client().flushall()
    return principal_of(a_person(session, "awa@inet.test")), principal_of(a_person(session, "ousman@inet.test"))


def test_people_on_one_thing_see_each_other_for_twenty_seconds(two: tuple[Principal, Principal]) -> None:
    awa, ousman = two
    assert presence.here("refund", 7, actor=awa, is_writing=True, at=100.0) == ()
    assert presence.here("refund", 7, actor=ousman, at=110.0) == (Present("Awa", True),)
    assert presence.here("refund", 8, actor=ousman, at=110.0) == ()
    assert presence.here("payment", 7, actor=ousman, at=110.0) == ()
    assert presence.here("refund", 7, actor=ousman, at=121.0) == ()


def test_who_left_is_not_there(two: tuple[Principal, Principal]) -> None:
    awa, ousman = two
    presence.here("ticket", 7, actor=ousman, at=100.0)
    presence.gone("ticket", 7, actor=ousman)
    assert presence.here("ticket", 7, actor=awa, at=101.0) == ()


def test_nobody_is_said_to_be_there_while_redis_is_away(two: tuple[Principal, Principal], monkeypatch: pytest.MonkeyPatch) -> None:
    away = redis_library.Redis.from_url("redis://127.0.0.1:9", socket_connect_timeout=0.2)
    monkeypatch.setattr(redis, "client", lambda: away)
    assert presence.here("ticket", 7, actor=two[0], at=100.0) == ()
    presence.gone("ticket", 7, actor=two[0])
