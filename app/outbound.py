"""Calls to outside services: how they end, how they are watched, and how they are kept from hurting us.

Whoever calls a provider has to know one thing before all others: may the call have happened? Three exceptions answer it
(`OutcomeUnknown`, `Unavailable`, `Refused`); everything a client raises is one of them or a plain bug.
"""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal, ParamSpec, Protocol, TypeVar, TypeVarTuple

import anyio.to_thread
import stamina
import structlog
from anyio.lowlevel import RunVar

from app import correlation

P = ParamSpec("P")
T = TypeVar("T")
Ts = TypeVarTuple("Ts")

Outcome = Literal["ok", "refused", "unknown", "unavailable"]
BreakerState = Literal["closed", "open", "half_open"]

OUTBOUND_THREADS = 40
BREAKER_OPEN = "circuit open"

log = structlog.get_logger(__name__)


class OutboundError(Exception):
    """An outside call that did not succeed. `detail` is safe to log, to store and to show to staff."""

    def __init__(self, service: str, operation: str, detail: str) -> None:
        super().__init__(service, operation, detail)
        self.service, self.operation, self.detail = service, operation, detail

    def __str__(self) -> str:
        return f"{self.service} {self.operation}: {self.detail}"


class OutcomeUnknown(OutboundError):
    """The call may or may not have happened: time-out, reset, 5xx, 408, an answer that cannot be read. Ask before repeating."""


class Unavailable(OutboundError):
    """The call certainly did not happen: not connected, breaker open, or told to come back later (`retry_after`, in seconds)."""

    def __init__(self, service: str, operation: str, detail: str, retry_after: float | None = None, breaker_open: bool = False) -> None:
        super().__init__(service, operation, detail)
        self.args = (service, operation, detail, retry_after, breaker_open)
        self.retry_after, self.breaker_open = retry_after, breaker_open


class Refused(OutboundError):
    """The provider said no and will say no again. `code` is the provider's own, or one of ours where it gave none."""

    def __init__(self, service: str, operation: str, code: str, message: str = "", http_status: int | None = None) -> None:
        super().__init__(service, operation, code if http_status is None else f"{code} (HTTP {http_status})")
        self.args = (service, operation, code, message, http_status)
        self.code, self.message, self.http_status = code, message, http_status


@dataclass(frozen=True)
class OutboundCall:
    """One finished exchange with a provider."""

    service: str
    operation: str
    started_at: datetime
    duration_ms: int
    outcome: Outcome
    detail: str


@dataclass
class Observation:
    """What the client adds to the record of its call while it runs: a status, an id; never a secret."""

    detail: str = ""


on_call: list[Callable[[OutboundCall], None]] = []
"""Hears of every finished call, for metrics. Called on the thread that made the call."""

_recordings: ContextVar[tuple[list[OutboundCall], ...]] = ContextVar("outbound_recordings", default=())


@contextmanager
def recording() -> Iterator[list[OutboundCall]]:
    """Collect the calls made inside the block, also those made in threads that `run_outbound` starts from it."""
    calls: list[OutboundCall] = []
    token = _recordings.set((*_recordings.get(), calls))
    try:
        yield calls
    finally:
        _recordings.reset(token)


@contextmanager
def observe(service: str, operation: str) -> Iterator[Observation]:
    """Time one exchange, log it as `outbound.call`, and hand it to recordings and `on_call`. Exceptions pass through."""
    seen = Observation()
    started_at, started = datetime.now(UTC), time.monotonic()
    result: Outcome = "unknown"
    try:
        yield seen
        result = "ok"
    except OutboundError as error:
        result, seen.detail = _outcome_of(error), error.detail
        raise
    except BaseException as error:
        seen.detail = type(error).__name__
        raise
    finally:
        duration_ms = round((time.monotonic() - started) * 1000)
        _report(OutboundCall(service, operation, started_at, duration_ms, result, seen.detail))


def _outcome_of(error: OutboundError) -> Outcome:
    if isinstance(error, Refused):
        return "refused"
    return "unavailable" if isinstance(error, Unavailable) else "unknown"


def _report(call: OutboundCall) -> None:
    write = log.info if call.outcome in ("ok", "refused") else log.warning
    write(
        "outbound.call",
        service=call.service,
        operation=call.operation,
        outcome=call.outcome,
        duration_ms=call.duration_ms,
        detail=call.detail,
    )
    for calls in _recordings.get():
        calls.append(call)
    for hook in on_call:
        try:
            hook(call)
        except Exception:
            # The provider may just have taken money: a counter that breaks must not make that look like a failed call.
            log.exception("outbound.hook_failed", service=call.service, operation=call.operation)


def correlation_headers() -> dict[str, str]:
    """The headers that let a provider's log be matched with ours; empty outside a request or job."""
    current = correlation.current()
    return {correlation.HEADER: current} if current else {}


@dataclass(frozen=True)
class BreakerSnapshot:
    """A breaker as health pages show it. `retry_in_seconds` is 0 unless the breaker is open."""

    service: str
    state: BreakerState
    failures: int
    retry_in_seconds: float


class CircuitBreaker:
    """Stops calling a provider that keeps failing, then lets one call through to see whether it is back. Thread-safe.

    Failures are `OutcomeUnknown` and `Unavailable`; a `Refused` is a provider in good health.
    """

    def __init__(
        self,
        service: str,
        failure_threshold: int = 5,
        recovery_seconds: float = 10,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.service = service
        self._threshold, self._recovery, self._clock = failure_threshold, recovery_seconds, clock
        self._lock = threading.Lock()
        self._failures = 0
        self._opened_at: float | None = None
        self._probing = False
        self._era = 0  # moves on with every change of state, so that answers to calls from before it are not counted

    @property
    def state(self) -> BreakerState:
        with self._lock:
            return self._state()

    def snapshot(self) -> BreakerSnapshot:
        with self._lock:
            return BreakerSnapshot(self.service, self._state(), self._failures, self._retry_in())

    @contextmanager
    def guard(self, operation: str) -> Iterator[None]:
        """Run one call. Raises Unavailable, without running it, while the breaker is open."""
        era = self._admit(operation)
        try:
            yield
        except (OutcomeUnknown, Unavailable):
            self._failed(era)
            raise
        except Refused:
            self._succeeded(era)
            raise
        except BaseException:
            self._no_verdict(era)
            raise
        else:
            self._succeeded(era)

    def _state(self) -> BreakerState:
        if self._opened_at is None:
            return "closed"
        return "open" if self._retry_in() > 0 and not self._probing else "half_open"

    def _retry_in(self) -> float:
        if self._opened_at is None:
            return 0.0
        return max(0.0, self._opened_at + self._recovery - self._clock())

    def _admit(self, operation: str) -> int:
        with self._lock:
            state = self._state()
            if state == "open" or (state == "half_open" and self._probing):
                wait = max(self._retry_in(), 1.0)
                raise Unavailable(self.service, operation, BREAKER_OPEN, wait, True)
            if state == "half_open":
                self._probing = True
                self._era += 1
            return self._era

    def _failed(self, era: int) -> None:
        with self._lock:
            if era != self._era:
                return
            self._failures += 1
            if self._probing or self._failures >= self._threshold:
                self._opened_at, self._probing = self._clock(), False
                self._era += 1

    def _succeeded(self, era: int) -> None:
        with self._lock:
            if era == self._era:
                self._failures, self._opened_at, self._probing = 0, None, False

    def _no_verdict(self, era: int) -> None:
        with self._lock:
            if era == self._era:
                self._probing = False


_limiter: RunVar[anyio.CapacityLimiter] = RunVar("outbound_limiter")


async def run_outbound(call: Callable[[*Ts], T], *args: *Ts) -> T:
    """Run a blocking provider call in a thread of its own pool, so that slow providers never starve the database's threads."""
    limiter = _limiter.get(None)
    if limiter is None:
        limiter = anyio.CapacityLimiter(OUTBOUND_THREADS)
        _limiter.set(limiter)
    return await anyio.to_thread.run_sync(call, *args, limiter=limiter)


class ReadRetry(Protocol):
    """Wraps a function so that a failed read is asked again."""

    def __call__(self, call: Callable[P, T], /) -> Callable[P, T]: ...


def retry_reads(*, attempts: int = 3, wait_initial: float = 0.1, timeout: float = 8.0) -> ReadRetry:
    """A decorator that repeats a *read*, with jitter, when nobody answered. Never put it around anything that changes state.

    No new attempt starts later than `timeout` seconds after the first, so the whole takes at most `timeout` plus one call's own
    time-out. An open breaker and a provider that named its own waiting time are not worth another try.
    """

    def decorate(call: Callable[P, T], /) -> Callable[P, T]:
        def repeated(*args: P.args, **kwargs: P.kwargs) -> T:
            # A context rather than stamina's decorator: that one logs the arguments, and ours may be voucher codes.
            for attempt in stamina.retry_context(
                on=_worth_asking_again, attempts=attempts, timeout=timeout, wait_initial=wait_initial, wait_jitter=wait_initial
            ):
                with attempt:
                    return call(*args, **kwargs)
            raise AssertionError("unreachable: stamina re-raises the last error")

        return repeated

    return decorate


def _worth_asking_again(error: Exception) -> bool:
    if isinstance(error, Unavailable):
        return error.retry_after is None and not error.breaker_open
    return isinstance(error, OutcomeUnknown)
