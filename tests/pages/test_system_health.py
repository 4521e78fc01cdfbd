"""The page System health in a simulated browser: all well, something away, nobody looking, processes of two releases."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest
from nicegui.testing import User

from app.db import transaction
from services.accounts.models import Role
from services.operations.health import history
from services.operations.health.parts import PARTS, PROBES
from services.operations.health.reading import down, well
from services.operations.health.rounds import Probed, keep, minute_of
from services.operations.models import HealthSample, HealthState, ProcessKind, RunningProcess
from tests.pages.conftest import SignIn

PAGE = "/console/health"


@pytest.fixture(autouse=True)
def _uncounted() -> Iterator[None]:
    history.forget()
    yield
    history.forget()


@pytest.fixture
def probed(shop: None, now: datetime) -> None:
    """Two rounds: Wave went away, all else is well; a worker and a scheduler beat, of two releases."""
    with transaction() as session:
        for at, wave in ((now - timedelta(minutes=1), well("answers")), (now, down("no answer", "Look at their page."))):
            session.add(HealthSample(part=PROBES, at=minute_of(at), state=HealthState.OK))
            keep(session, [Probed(part, wave if part.name == "wave" else well("here"), 7) for part in PARTS], now=at)
        for number, (kind, serves) in enumerate(((ProcessKind.WORKER, "urgent,default,triage,bulk"), (ProcessKind.SCHEDULER, ""))):
            row = RunningProcess(id=str(number), kind=kind, host="a-host", pid=number, serves=serves, started_at=now, beat_at=now)
            row.release = f"1.{number}"
            session.add(row)


async def test_what_is_away_is_told_with_its_meaning_and_its_remedy(probed: None, sign_in: SignIn, user: User) -> None:
    await sign_in(Role.SYSTEM_ADMIN)
    await user.open(PAGE)
    await user.should_see("INET works, but not all of it.")
    await user.should_see("Not well: Wave.")
    await user.should_see("Nobody can pay.")
    await user.should_see("Look at their page.")
    await user.should_see("50.00 % up")
    await user.should_see(marker="mixed-releases")
    await user.should_see("a-host, process 1")


async def test_a_week_is_one_click_away(probed: None, sign_in: SignIn, user: User) -> None:
    await sign_in(Role.ROOT)
    await user.open(f"{PAGE}?range=week")
    await user.should_see("the last 7 days")


async def test_before_anybody_looked_the_page_says_so(shop: None, sign_in: SignIn, user: User) -> None:
    await sign_in(Role.ROOT)
    await user.open(PAGE)
    await user.should_see("INET is down.")
    await user.should_see("No process beats")
    await user.should_see("Nothing was looked at yet")


async def test_only_who_may_read_health_sees_it(shop: None, sign_in: SignIn, user: User) -> None:
    await sign_in(Role.BILLING_OFFICER)
    await user.open(PAGE)
    await user.should_see(marker="not-allowed")
