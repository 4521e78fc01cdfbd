"""A session that nobody uses ends, and says why; one that is used goes on, but not beyond its last end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import Session

from app import redis
from app.settings import get_settings
from services.accounts import sessions
from services.accounts.sessions import SessionIdle, principal_of_session, session_id_of
from services.accounts.staff import log_in, log_out, principal_for_session
from tests.conftest import NOON
from tests.services.accounts.conftest import PASSWORD, MakeStaff

pytestmark = pytest.mark.usefixtures("uncounted")


@pytest.fixture
def token(session: Session, make_staff: MakeStaff) -> str:
    make_staff("Awa")
    return log_in(session, email="awa@test.gm", password=PASSWORD, now=NOON)


def key_of(token: str) -> str:
    return f"staff-session:{session_id_of(token)}"


def seconds_left(token: str) -> int:
    return int(redis.client().ttl(key_of(token)))


def test_a_session_lives_as_long_as_it_may_be_idle_and_each_use_puts_its_end_off(session: Session, token: str) -> None:
    idle = get_settings().idle_minutes * 60
    assert idle - 5 <= seconds_left(token) <= idle
    redis.client().expire(key_of(token), 60)
    assert principal_for_session(session, token) is not None
    assert seconds_left(token) > idle - 5


def test_what_an_open_page_does_by_itself_is_no_use(session: Session, token: str) -> None:
    redis.client().expire(key_of(token), 60)
    assert principal_for_session(session, token, is_use=False) is not None
    assert seconds_left(token) <= 60


def test_no_use_puts_the_end_off_beyond_the_longest_life(session: Session, token: str) -> None:
    now, _ = redis.client().time()
    redis.client().hset(key_of(token), "ends", str(now + 90))
    assert principal_for_session(session, token) is not None
    assert seconds_left(token) <= 90


def test_who_comes_back_too_late_is_told_why(session: Session, token: str) -> None:
    redis.client().delete(key_of(token))  # which is what its end in Redis does
    with pytest.raises(SessionIdle, match="after 30 minutes without activity"):
        principal_for_session(session, token)


def test_who_logged_out_is_not_told_of_idleness(session: Session, token: str) -> None:
    log_out(token)
    assert principal_for_session(session, token) is None


def test_sessions_ended_by_others_are_not_idle_either(session: Session, make_staff: MakeStaff) -> None:
    staff = make_staff("Binta")
    token = sessions.open_session(staff, now=NOON)
    assert staff.id is not None
    sessions.end_every_session(staff.id)
    assert principal_for_session(session, token) is None


def test_programs_have_an_idle_bound_of_their_own(session: Session, make_staff: MakeStaff) -> None:
    refresh = sessions.open_refreshable(make_staff("Binta"), now=NOON)
    key = f"staff-session:{refresh.session_id}"
    assert get_settings().idle_minutes * 60 < redis.client().ttl(key) <= get_settings().api_idle_minutes * 60
    redis.client().expire(key, 60)
    swapped = sessions.swap_refresh(refresh.text)
    assert swapped is not None
    assert principal_of_session(session, swapped.session_id) is not None
    assert redis.client().ttl(key) > 60
    redis.client().delete(key)
    assert sessions.swap_refresh(swapped.text) is None


def test_a_refresh_token_used_twice_leaves_nothing_behind(session: Session, make_staff: MakeStaff) -> None:
    refresh = sessions.open_refreshable(make_staff("Binta"), now=NOON)
    sessions.swap_refresh(refresh.text)
    assert sessions.swap_refresh(refresh.text) is None
    assert principal_of_session(session, refresh.session_id) is None


def test_a_session_never_outlives_twelve_hours() -> None:
    assert timedelta(hours=12) == sessions.LIFETIME
