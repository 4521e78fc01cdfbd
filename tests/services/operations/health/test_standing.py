"""One word for all of it, and what is told of each part."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta

import pytest
import sqlalchemy as sa
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session

from app.clock import utc_now
from app.errors import Forbidden
from services.accounts.models import Role
from services.operations.health.parts import BY_NAME, PARTS, PROBES
from services.operations.health.reading import Importance, Reading
from services.operations.health.rounds import Probed, keep, minute_of
from services.operations.health.standing import Look, Standing, overall, read, standing, worst
from services.operations.models import HealthSample, HealthState, ProcessKind, RunningProcess
from tests.factories import staff

SEVERITY = [HealthState.OFF, HealthState.OK, HealthState.DEGRADED, HealthState.DOWN]
LOOKS = st.lists(
    st.builds(
        Look,
        name=st.just("x"),
        title=st.just("X"),
        importance=st.sampled_from(Importance),
        state=st.one_of(st.none(), st.sampled_from(HealthState)),
    ),
    max_size=12,
)


@given(LOOKS)
def test_the_whole_is_never_better_than_its_worst_essential_part(looks: list[Look]) -> None:
    essential = [look.state for look in looks if look.importance is Importance.ESSENTIAL]
    assert SEVERITY.index(overall(looks)) >= max((SEVERITY.index(state) for state in essential if state is not None), default=0)
    if None in essential:
        assert overall(looks) is not HealthState.OK


@given(LOOKS)
def test_only_an_essential_part_takes_the_whole_down_and_nothing_bad_is_kept_quiet(looks: list[Look]) -> None:
    whole = overall(looks)
    if whole is HealthState.DOWN:
        assert any(look.importance is Importance.ESSENTIAL and look.state is HealthState.DOWN for look in looks)
    if whole is HealthState.OK:
        assert not any(look.is_bad for look in looks)


@given(LOOKS, LOOKS)
def test_more_parts_never_make_it_better(some: list[Look], more: list[Look]) -> None:
    assert SEVERITY.index(overall([*some, *more])) >= SEVERITY.index(overall(some))


def test_the_worst_of_nothing_is_nothing() -> None:
    assert worst([]) is HealthState.OFF
    assert worst([HealthState.OK, None, HealthState.DEGRADED]) is HealthState.DEGRADED


@pytest.fixture
def sampled(session: Session) -> Callable[[str, HealthState, datetime], None]:
    def add(name: str, state: HealthState, at: datetime) -> None:
        keep(session, [Probed(BY_NAME[name], Reading(state, f"is {state}", "mend it"), 5)], now=at)

    return add


def of(session: Session, name: str, now: datetime) -> Look:
    return next(look for look in read(session.connection(), now=now).looks if look.name == name)


def test_the_newest_sample_stands_and_tells_since_when_it_is_bad(
    session: Session, sampled: Callable[[str, HealthState, datetime], None]
) -> None:
    now = utc_now()
    states = [HealthState.OK, HealthState.DEGRADED, HealthState.DOWN, HealthState.DOWN]
    for minutes, state in zip((4, 3, 2, 1), states, strict=True):
        sampled("wave", state, now - timedelta(minutes=minutes))
    look = of(session, "wave", now)
    assert (look.state, look.said, look.advice, look.latency_ms) == (HealthState.DOWN, "is down", "mend it", 5)
    assert look.since == now - timedelta(minutes=3)
    sampled("wave", HealthState.OK, now)
    assert of(session, "wave", now).since is None


def test_what_was_never_well_has_been_bad_since_its_first_sample(
    session: Session, sampled: Callable[[str, HealthState, datetime], None]
) -> None:
    now = utc_now()
    for days in (9, 6, 0):
        sampled("sms", HealthState.DOWN, now - timedelta(days=days))
    assert of(session, "sms", now).since == now - timedelta(days=6)


def test_what_is_old_says_that_nobody_looks_any_more(session: Session) -> None:
    now = utc_now()
    assert of(session, PROBES, now).said == "nothing was looked at yet"
    session.add(HealthSample(part=PROBES, at=minute_of(now), state=HealthState.OK))
    session.flush()
    assert of(session, PROBES, now).state is HealthState.OK
    assert of(session, PROBES, now + timedelta(minutes=10)).state is HealthState.DEGRADED


def beats(session: Session, kind: ProcessKind, serves: str = "", *, ago: float = 3, release: str = "1", stopped: bool = False) -> None:
    at = session.execute(sa.select(sa.func.clock_timestamp())).scalar_one() - timedelta(seconds=ago)
    number = f"{kind}-{serves}-{ago}-{release}"[:40]
    row = RunningProcess(id=number, kind=kind, host="h", pid=1, serves=serves, release=release, started_at=at, beat_at=at)
    row.stopped_at = at if stopped else None
    session.add(row)
    session.flush()


@pytest.mark.parametrize(
    ("serves", "state", "said"),
    [
        ((), HealthState.DOWN, "none runs"),
        (("urgent,default,triage,bulk",), HealthState.OK, "1 runs: urgent 1, default 1, triage 1, bulk 1"),
        (("urgent,default,bulk", "urgent,default,bulk"), HealthState.DEGRADED, "nobody empties triage"),
        (("triage", "bulk,default"), HealthState.DOWN, "nobody empties urgent"),
    ],
)
def test_every_queue_needs_somebody(session: Session, serves: tuple[str, ...], state: HealthState, said: str) -> None:
    for number, queues in enumerate(serves):
        beats(session, ProcessKind.WORKER, queues, ago=number + 1)
    beats(session, ProcessKind.WORKER, "urgent,triage", ago=600)
    beats(session, ProcessKind.WORKER, "urgent,triage", ago=2, stopped=True, release="stopped")
    look = of(session, "workers", utc_now())
    assert (look.state, look.said) == (state, said)


def test_a_scheduler_that_fell_silent_is_no_scheduler(session: Session) -> None:
    beats(session, ProcessKind.SCHEDULER, ago=300)
    assert of(session, "scheduler", utc_now()).state is HealthState.DOWN
    beats(session, ProcessKind.SCHEDULER)
    assert of(session, "scheduler", utc_now()).said == "one runs"


def test_people_see_processes_and_mixed_releases_and_only_with_the_right(session: Session) -> None:
    beats(session, ProcessKind.WEB, "portal", release="1")
    beats(session, ProcessKind.WORKER, "urgent", release="2")
    beats(session, ProcessKind.WORKER, "bulk", release="0", ago=120)
    found: Standing = standing(session, actor=staff(), now=utc_now())
    assert found.releases == ("1", "2")
    assert [(process.kind, found.is_alive(process)) for process in found.processes] == [
        (ProcessKind.WEB, True),
        (ProcessKind.WORKER, False),
        (ProcessKind.WORKER, True),
    ]
    with pytest.raises(Forbidden):
        standing(session, actor=staff(Role.CUSTOMER_CARE), now=utc_now())


def test_every_part_says_what_it_means_and_what_to_do() -> None:
    assert all(part.means.endswith((".", "!")) and part.remedy.endswith(".") and len(part.name) <= 40 for part in PARTS)
    assert len({part.name for part in PARTS} | {part.title for part in PARTS}) == 2 * len(PARTS)
