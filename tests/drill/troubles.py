"""What goes wrong in each section of a drill, and when: at fixed shares of the section's customers, so always in the middle."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable
from dataclasses import dataclass

from tests.drill.world import World, until

# (service, operations whose answers are lost): a look-up happens only after another answer was lost.
LOST_IN_TURN: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("wave", ("create",)),
    ("wave", ("create", "search")),
    ("wave", ("get",)),
    ("wave", ("refund",)),
    ("portabilling", ("login",)),
    ("portabilling", ("add_account",)),
    ("portabilling", ("add_account", "get_account_info")),
    ("portabilling", ("update_account",)),
    ("sms", ("send",)),
    ("routers", ("view",)),
    ("routers", ("ack",)),
)
_LOST_EACH, _TURN_SECONDS = 4, 6.0
_AWAY_SECONDS = 8.0


@dataclass(frozen=True)
class Event:
    """Something that happens when this share of the section's customers has come."""

    share: float
    what: str
    happen: Callable[[World], None]


@dataclass(frozen=True)
class Section:
    """A named part of a drill. `share` is its part of all customers."""

    name: str
    share: float
    events: tuple[Event, ...] = ()
    kills: bool = False
    untold_share: float = 0.1


def _lose_in_turn() -> tuple[Event, ...]:
    def lose(service: str, operations: tuple[str, ...]) -> Callable[[World], None]:
        def happen(world: World) -> None:
            world.calm()
            if "login" in operations:
                world.ask_sandbox("POST", "/_control/portabilling/expire-sessions").raise_for_status()
            world.fault(service, drop_response_rate=1.0, operations=list(operations), count=_LOST_EACH * len(operations))
            # The set is void once so many answers were lost; what nobody calls in this time is not waited for.
            with contextlib.suppress(TimeoutError):
                until(lambda: service not in world.faults_in_force(), seconds=_TURN_SECONDS, what="the answers are lost")

        return happen

    turns = len(LOST_IN_TURN)
    return tuple(
        Event(0.6 * turn / turns, f"lose answers of {service} {'+'.join(operations)}", lose(service, operations))
        for turn, (service, operations) in enumerate(LOST_IN_TURN)
    )


def _lose_by_rate(world: World) -> None:
    for service in ("wave", "portabilling", "sms", "routers"):
        world.fault(service, drop_response_rate=0.15, error_rate=0.05)


def _spoil_webhooks(world: World) -> None:
    world.fault("wave", duplicate_webhook_rate=0.5, reorder_webhooks=0.5, webhook_delay_ms=1500)


def _unblockable(world: World) -> None:
    # A block that fails is what leads to the settlement's own boundaries.
    world.fault("portabilling", drop_response_rate=0.5, operations=["update_account"])


def _lose_issuing(world: World) -> None:
    world.fault("portabilling", drop_response_rate=0.4, operations=["add_account"])


def _everything(world: World) -> None:
    world.fault("wave", drop_response_rate=0.05, error_rate=0.03, duplicate_webhook_rate=0.3, reorder_webhooks=0.3, webhook_delay_ms=500)
    world.fault("portabilling", drop_response_rate=0.1, error_rate=0.03, latency_ms=20)
    world.fault("sms", drop_response_rate=0.1)
    world.fault("routers", drop_response_rate=0.05, error_rate=0.05)


def _away(service: str) -> Callable[[World], None]:
    def happen(world: World) -> None:
        world.fault(service, down=True)
        time.sleep(_AWAY_SECONDS)
        world.fault(service, latency_ms=0)

    return happen


def _kill(name: str) -> Callable[[World], None]:
    return lambda world: world.kill(name, signal.SIGKILL)


_SERVERS = (
    Event(0.10, "FLUSHALL", lambda world: world.flush_redis()),
    Event(0.25, "Valkey killed", _kill("valkey")),
    Event(0.40, "PostgreSQL restarted", lambda world: world.stack.restart_postgres()),
    Event(0.50, "scheduler killed", _kill("scheduler")),
    Event(0.60, "PostgreSQL killed", _kill("postgres")),
    Event(0.70, "PortaBilling away", _away("portabilling")),
    Event(0.85, "Wave away", _away("wave")),
    Event(0.95, "FLUSHALL", lambda world: world.flush_redis()),
)

SECTIONS = (
    Section("kills", 0.25, (Event(0.0, "blocks fail", _unblockable),), kills=True),
    Section("lost-answers", 0.25, (*_lose_in_turn(), Event(0.6, "lose answers by rate", _lose_by_rate))),
    Section("webhooks", 0.15, (Event(0.0, "webhooks doubled, late, reordered", _spoil_webhooks),), untold_share=0.3),
    Section("servers", 0.15, _SERVERS),
    Section("together", 0.20, (Event(0.0, "everything by rate", _everything), *_SERVERS), kills=True, untold_share=0.2),
)

# For `make test`: a little of everything, and nothing that is waited out.
SHORT = Section(
    "short",
    1.0,
    (
        Event(0.0, "everything by rate", _everything),
        Event(0.2, "FLUSHALL", lambda world: world.flush_redis()),
        Event(0.5, "PostgreSQL killed", _kill("postgres")),
    ),
    kills=True,
    untold_share=0.2,
)
# For the planted bugs: answers are lost, and that is all that a wrong product needs to go wrong.
LOST_ONLY = Section("lost-only", 1.0, (Event(0.0, "lose answers of add_account", _lose_issuing),))
