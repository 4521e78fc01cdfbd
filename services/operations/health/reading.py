"""What a probe finds, and what it is given to find it with."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from functools import lru_cache

import sqlalchemy as sa

from app.settings import Settings
from services.operations.models import HealthState

TIMEOUT_SECONDS = 4.0
_CONNECT_SECONDS, _UNHEARD_MS = 2, 3000


class Importance(StrEnum):
    """`essential`: without it nothing is sold. `important`: something that customers or staff rely on is missing. `optional`: an extra."""

    ESSENTIAL = "essential"
    IMPORTANT = "important"
    OPTIONAL = "optional"


@dataclass(frozen=True)
class Reading:
    """`said` is what was found, `advice` what to do about it, empty when all is well. Neither carries a secret."""

    state: HealthState
    said: str
    advice: str = ""

    @property
    def ok(self) -> bool:
        return self.state in (HealthState.OK, HealthState.OFF)


def well(said: str, advice: str = "") -> Reading:
    return Reading(HealthState.OK, said, advice)


def degraded(said: str, advice: str) -> Reading:
    return Reading(HealthState.DEGRADED, said, advice)


def down(said: str, advice: str) -> Reading:
    return Reading(HealthState.DOWN, said, advice)


def off(said: str) -> Reading:
    """Not set up, and nothing is wrong with that."""
    return Reading(HealthState.OFF, said)


@dataclass(frozen=True)
class Ground:
    """Where a probe stands: the settings in force and the moment of the round."""

    settings: Settings
    now: datetime

    @contextmanager
    def connected(self) -> Iterator[sa.Connection]:
        """A connection of its own to PostgreSQL, in a transaction whose statements end within TIMEOUT_SECONDS. Raises SQLAlchemyError."""
        with connected(self.settings.database_url) as connection:
            yield connection


@dataclass(frozen=True)
class Part:
    """One thing that is looked at. `means` says what customers and staff notice while it is not well (`means_degraded`: where that is
    less), `remedy` what usually helps.

    `is_asked`: something answers, so its latency means something. `has_alarm`: no other alarm, with better words, tells of it.
    """

    name: str
    title: str
    importance: Importance
    probe: Callable[[Ground], Reading]
    means: str
    remedy: str
    means_degraded: str = ""
    is_public: bool = True
    is_asked: bool = True
    has_alarm: bool = True

    def meaning(self, state: HealthState | None) -> str:
        """What people notice in this state."""
        return self.means_degraded if state is HealthState.DEGRADED and self.means_degraded else self.means


@lru_cache(maxsize=4)
def _engine(url: str) -> sa.Engine:
    """Keeps no connection: a probe must neither take one from those who work nor hang on one that died.

    A network that swallows packets is noticed by the kernel within seconds instead of a quarter of an hour.
    """
    patience = {"connect_timeout": _CONNECT_SECONDS, "tcp_user_timeout": _UNHEARD_MS}
    alive = {"keepalives_idle": 2, "keepalives_interval": 1, "keepalives_count": 3}
    # Nothing is asked of the connection as it opens, and nothing is prepared on it: a pooler may stand between.
    named = {"application_name": "inet-health", "prepare_threshold": None}
    return sa.create_engine(url, poolclass=sa.NullPool, connect_args={**patience, **alive, **named})


@contextmanager
def connected(url: str) -> Iterator[sa.Connection]:
    with _engine(url).connect() as connection:
        connection.execute(sa.text(f"SET LOCAL statement_timeout = {int(TIMEOUT_SECONDS * 1000)}"))
        yield connection
        connection.rollback()


def first_line(error: BaseException) -> str:
    """What the driver said, in one line; never a statement with its values."""
    said = getattr(error, "orig", None) or ("" if isinstance(error, sa.exc.SQLAlchemyError) else error)
    return (str(said).strip() or type(error).__name__).splitlines()[0][:160]
