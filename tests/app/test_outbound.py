import pickle
import threading
import time

import anyio
import pytest
from structlog.testing import capture_logs

from app import outbound
from app.correlation import correlated
from app.outbound import (
    CircuitBreaker,
    OutcomeUnknown,
    Refused,
    Unavailable,
    correlation_headers,
    observe,
    recording,
    retry_reads,
    run_outbound,
)


class Clock:
    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def breaker(clock):
    return CircuitBreaker("wave", failure_threshold=3, recovery_seconds=10, clock=clock)


def fail(breaker: CircuitBreaker, error: Exception) -> None:
    with pytest.raises(type(error)), breaker.guard("get"):
        raise error


UNKNOWN = OutcomeUnknown("wave", "get", "HTTP 500")
REFUSED = Refused("wave", "get", "bad-request", "words", 400)


def open_up(breaker: CircuitBreaker) -> None:
    for _ in range(3):
        fail(breaker, UNKNOWN)


# --- exceptions


@pytest.mark.parametrize("error", [UNKNOWN, REFUSED, Unavailable("wave", "get", "HTTP 429", 7.0, True)])
def test_errors_survive_a_queue(error):
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), str(copy), vars(copy)) == (type(error), str(error), vars(error))


def test_errors_say_who_what_and_why():
    assert str(REFUSED) == "wave get: bad-request (HTTP 400)"
    assert str(UNKNOWN) == "wave get: HTTP 500"


# --- breaker


def test_the_breaker_opens_after_consecutive_failures_only(breaker):
    fail(breaker, UNKNOWN)
    fail(breaker, Unavailable("wave", "get", "refused"))
    with breaker.guard("get"):
        pass
    fail(breaker, UNKNOWN)
    fail(breaker, UNKNOWN)
    assert breaker.state == "closed"
    fail(breaker, UNKNOWN)
    assert breaker.state == "open"


def test_refusals_show_a_healthy_provider(breaker):
    fail(breaker, UNKNOWN)
    fail(breaker, UNKNOWN)
    for _ in range(5):
        fail(breaker, REFUSED)
    assert breaker.snapshot().failures == 0


def test_our_own_mistakes_are_not_the_providers(breaker):
    for _ in range(5):
        fail(breaker, KeyError("ours"))
    assert breaker.state == "closed"


def test_an_open_breaker_runs_nothing_and_names_the_wait(breaker, clock):
    open_up(breaker)
    clock.now += 4
    with pytest.raises(Unavailable) as refused, breaker.guard("create"):
        pytest.fail("must not run")
    assert (refused.value.operation, refused.value.retry_after, refused.value.breaker_open) == ("create", 6.0, True)
    assert breaker.snapshot() == outbound.BreakerSnapshot("wave", "open", 3, 6.0)


def test_half_open_lets_one_probe_through_and_closes_on_success(breaker, clock):
    open_up(breaker)
    clock.now += 10
    assert breaker.state == "half_open"
    with breaker.guard("probe"), pytest.raises(Unavailable, match="circuit open"), breaker.guard("second"):
        pytest.fail("must not run")
    assert breaker.state == "closed"
    assert breaker.snapshot().failures == 0


def test_a_failed_probe_opens_again(breaker, clock):
    open_up(breaker)
    clock.now += 10
    fail(breaker, UNKNOWN)
    assert (breaker.state, breaker.snapshot().retry_in_seconds) == ("open", 10.0)


def test_a_probe_that_broke_on_our_side_leaves_room_for_the_next(breaker, clock):
    open_up(breaker)
    clock.now += 10
    fail(breaker, KeyError("ours"))
    with breaker.guard("probe"):
        pass
    assert breaker.state == "closed"


def test_a_probe_refused_by_the_provider_closes(breaker, clock):
    open_up(breaker)
    clock.now += 10
    fail(breaker, REFUSED)
    assert breaker.state == "closed"


def test_answers_to_calls_from_before_the_opening_change_nothing(breaker, clock):
    with breaker.guard("slow"):
        open_up(breaker)
    assert breaker.state == "open"
    clock.now += 10
    with breaker.guard("probe"):
        pass
    assert breaker.state == "closed"


def test_of_many_threads_one_gets_the_probe(breaker, clock):
    open_up(breaker)
    clock.now += 10
    inside, leave, ran, turned_away = threading.Barrier(8), threading.Event(), [], []

    def attempt() -> None:
        inside.wait(5)
        try:
            with breaker.guard("probe"):
                ran.append(1)
                leave.wait(5)
        except Unavailable:
            turned_away.append(1)
            if len(turned_away) == 7:
                leave.set()

    threads = [threading.Thread(target=attempt) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert (len(ran), len(turned_away)) == (1, 7)


# --- observation


def test_every_outcome_is_recorded_logged_and_told(monkeypatch):
    told: list[outbound.OutboundCall] = []
    monkeypatch.setattr(outbound, "on_call", [told.append])
    with capture_logs() as logs, recording() as calls:
        with observe("wave", "ok") as seen:
            seen.detail = "HTTP 200"
        for error in (REFUSED, UNKNOWN, Unavailable("wave", "get", "refused"), KeyError("x")):
            with pytest.raises(type(error)), observe("wave", "get"):
                raise error
    assert [(call.outcome, call.detail) for call in calls] == [
        ("ok", "HTTP 200"),
        ("refused", "bad-request (HTTP 400)"),
        ("unknown", "HTTP 500"),
        ("unavailable", "refused"),
        ("unknown", "KeyError"),
    ]
    assert told == calls
    assert [entry["log_level"] for entry in logs] == ["info", "info", "warning", "warning", "warning"]
    assert logs[0] == {
        "event": "outbound.call",
        "log_level": "info",
        "service": "wave",
        "operation": "ok",
        "outcome": "ok",
        "duration_ms": calls[0].duration_ms,
        "detail": "HTTP 200",
    }


def test_a_broken_hook_does_not_make_a_done_call_look_failed(monkeypatch):
    monkeypatch.setattr(outbound, "on_call", [lambda _: 1 / 0])
    with capture_logs() as logs, recording() as calls, observe("wave", "refund"):
        pass
    assert calls[0].outcome == "ok"
    assert logs[-1]["event"] == "outbound.hook_failed"


def test_recordings_nest_and_end_with_their_block():
    with recording() as outer:
        with recording() as inner, observe("wave", "first"):
            pass
        with observe("wave", "second"):
            pass
    with observe("wave", "third"):
        pass
    assert [call.operation for call in inner] == ["first"]
    assert [call.operation for call in outer] == ["first", "second"]


def test_the_correlation_header_is_there_inside_a_request_only():
    assert correlation_headers() == {}
    with correlated("corr-12345678"):
        assert correlation_headers() == {"X-Correlation-ID": "corr-12345678"}


# --- threads


async def test_calls_run_in_a_thread_that_keeps_context_and_recordings():
    def call(operation: str) -> tuple[dict[str, str], bool]:
        with observe("wave", operation):
            return correlation_headers(), threading.current_thread() is threading.main_thread()

    with correlated("corr-12345678"), recording() as calls:
        headers, on_main = await run_outbound(call, "get")
    assert headers == {"X-Correlation-ID": "corr-12345678"}
    assert not on_main
    assert [call.operation for call in calls] == ["get"]


async def test_forty_slow_providers_leave_the_common_threads_free():
    release, started = threading.Event(), threading.Semaphore(0)

    def slow() -> None:
        started.release()
        release.wait(10)

    async with anyio.create_task_group() as group:
        for _ in range(60):
            group.start_soon(run_outbound, slow)
        for _ in range(outbound.OUTBOUND_THREADS):
            await anyio.to_thread.run_sync(started.acquire)
        assert not started.acquire(blocking=False)  # the other twenty wait their turn
        assert await anyio.to_thread.run_sync(lambda: "database") == "database"
        release.set()


# --- reads


def test_a_read_is_repeated_until_it_succeeds():
    answers = [UNKNOWN, Unavailable("wave", "get", "refused"), "value"]

    @retry_reads(wait_initial=0.001)
    def read(word: str) -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return word + answer

    assert read("the ") == "the value"


@pytest.mark.parametrize(
    ("error", "tries"),
    [
        (UNKNOWN, 3),
        (Unavailable("wave", "get", "refused"), 3),
        (Unavailable("wave", "get", "HTTP 429", 5.0), 1),
        (Unavailable("wave", "get", "circuit open", None, True), 1),
        (REFUSED, 1),
        (KeyError("ours"), 1),
    ],
)
def test_only_what_may_change_is_asked_again(error, tries):
    tried = []

    @retry_reads(attempts=3, wait_initial=0.001)
    def read() -> None:
        tried.append(1)
        raise error

    with pytest.raises(type(error)):
        read()
    assert len(tried) == tries


def test_no_new_attempt_starts_after_the_time_is_up():
    tried = []

    @retry_reads(attempts=1000, wait_initial=0.02, timeout=0.1)
    def read() -> None:
        tried.append(1)
        raise UNKNOWN

    started = time.monotonic()
    with pytest.raises(OutcomeUnknown):
        read()
    assert time.monotonic() - started < 2
    assert len(tried) < 20


def test_retries_log_no_arguments():
    @retry_reads(attempts=2, wait_initial=0.001)
    def read(voucher_code: str) -> None:
        raise UNKNOWN

    with capture_logs() as logs, pytest.raises(OutcomeUnknown):
        read("SECRET-CODE")
    assert "SECRET-CODE" not in str(logs)
