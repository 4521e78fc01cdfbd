"""What the circuit breakers of this process know of the services outside: calls of real work, beside the probes'."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from app.outbound import CircuitBreaker
from services.integrations.clients import Outside
from services.operations.health.reading import degraded
from services.operations.models import HealthState

if TYPE_CHECKING:
    from services.operations.health.rounds import Probed


@dataclass(frozen=True)
class BreakerState:
    """`state` is `ok` while calls go through, else `degraded`."""

    name: str
    state: HealthState
    detail: str = ""


def states(outside: Outside) -> list[BreakerState]:
    """Of every client that is set up."""
    clients: dict[str, object] = {
        "wave": outside.wave,
        "portabilling": outside.portabilling,
        "openwisp": outside.openwisp,
        "sms": outside.sms,
        "push": outside.push,
        "mail": outside.mail,
    }
    found = {name: getattr(client, "breaker", None) for name, client in clients.items()}
    return [_state(name, breaker) for name, breaker in found.items() if isinstance(breaker, CircuitBreaker)]


def _state(name: str, breaker: CircuitBreaker) -> BreakerState:
    seen = breaker.snapshot()
    # Half open it waits for a call to try with, and may do so for as long as nobody makes one.
    if seen.state != "open":
        return BreakerState(name, HealthState.OK)
    return BreakerState(name, HealthState.DEGRADED, f"not answering; tried again in {seen.retry_in_seconds:.0f} s")


def soured(probed: Probed, outside: Outside) -> Probed:
    """A part whose probe is well while calls to it fail is not well."""
    opened = next((one for one in states(outside) if one.name == probed.part.name and one.state is not HealthState.OK), None)
    if opened is None or probed.reading.state is not HealthState.OK:
        return probed
    reading = degraded(f"{probed.reading.said}, but calls to it fail", "See the log for what it says to them (outbound.call).")
    return replace(probed, reading=reading)
