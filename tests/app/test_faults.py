"""Errors of the product are counted by what they are and where, cost whoever meets them next to nothing, and never breed others."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import string
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
import structlog
from hypothesis import given
from hypothesis import strategies as st
from sqlmodel import Session

from app import correlation, db, fault_trace, faults
from app.errors import NotFound
from app.faults import Fault, Recorder
from services.operations.error_models import ErrorGroup
from tests.app.faulty import raised, refuse

ROOT = Path(__file__).parents[2]
IDS = st.text(string.ascii_letters + string.digits + "-@+'\" ", min_size=0, max_size=40)


class Kept:
    """What was handed on."""

    def __init__(self, *refusals: Exception) -> None:
        self.batches: list[list[Fault]] = []
        self._refusals = list(refusals)

    def __call__(self, session: Session, batch: Sequence[Fault], *, now: Any) -> None:
        if self._refusals:
            raise self._refusals.pop(0)
        self.batches.append(list(batch))

    @property
    def all(self) -> list[Fault]:
        return [fault for batch in self.batches for fault in batch]


@pytest.fixture
def kept(session: Session) -> Kept:
    return Kept()


@pytest.fixture
def recorder(kept: Kept) -> Recorder:
    """Without its thread: a test hands on when it wants to."""
    made = Recorder("worker")
    made.stop()
    made.keep = kept
    return made


def fingerprint(error: BaseException) -> str:
    return fault_trace.fingerprint(error)[0]


@given(one=IDS, other=IDS, depth=st.integers(0, 30), release=st.integers(0, 3))
def test_the_same_fault_with_other_ids_depth_or_lines_is_the_same(one: str, other: str, depth: int, release: int) -> None:
    first = raised(refuse(KeyError(one)), depth=1)
    second = raised(refuse(KeyError(other)), depth=depth + 1, release=release)
    assert fingerprint(first) == fingerprint(second)
    assert fault_trace.fingerprint(first)[1] == "services.made_for_a_test:inner"


@given(kinds=st.lists(st.sampled_from([KeyError, ValueError, TypeError, OSError, ZeroDivisionError]), min_size=2, max_size=2, unique=True))
def test_another_kind_or_another_way_is_another_fault(kinds: list[type[Exception]]) -> None:
    one, other = kinds
    assert fingerprint(raised(refuse(one("x")))) != fingerprint(raised(refuse(other("x"))))
    assert fingerprint(raised(refuse(one("x")))) != fingerprint(raised(refuse(one("x")), by="other_entry"))


@given(number=st.integers(10_000_000, 99_999_999), code=st.text("23456789ABCDEFGHJKMNPRSTUVWXYZ", min_size=14, max_size=14))
def test_an_example_names_no_number_code_or_value(number: int, code: str) -> None:
    phone, shown = f"+2203{str(number)[1:]}", f"{code[:4]}-{code[4:9]}-{code[9:]}"
    error = raised(refuse(ValueError(f"no {shown} or '{code}' of {phone}, token={code.lower()}, mail awa.ceesay@example.gm")))
    text = json.dumps(fault_trace.trace_of(error))
    for secret in (phone[1:], shown, code, code.lower(), "awa.ceesay", "a-local-variable-that-nobody-may-see"):
        assert secret not in text


def test_what_the_database_repeats_of_a_row_is_not_kept(session: Session) -> None:
    statement = sa.text("SELECT CAST(:code AS integer)")
    error = raised(lambda: session.execute(statement, {"code": "ABCDEFGHJKMNPR"}))
    told = json.dumps(fault_trace.trace_of(error))
    assert "invalid input syntax for type integer" in told
    assert "ABCDEFGHJKMNPR" not in told


def test_the_trace_names_functions_and_lines_and_what_caused_it() -> None:
    def wrap() -> None:
        try:
            raise KeyError("currency")
        except KeyError as cause:
            raise RuntimeError("no currency") from cause

    outer, cause = fault_trace.trace_of(raised(wrap))
    assert (outer["kind"], outer["message"], cause["kind"], cause["message"]) == ("RuntimeError", "no currency", "KeyError", "'currency'")
    ours = [frame["function"] for frame in outer["frames"] if frame["ours"]]
    assert ours == ["entry", "inner"]
    assert all(set(frame) == {"module", "function", "line", "ours"} for frame in outer["frames"])


def test_a_deep_recursion_is_cut_in_the_middle() -> None:
    (told,) = fault_trace.trace_of(raised(refuse(KeyError()), depth=600))
    assert len(told["frames"]) == 60
    assert told["frames"][-1]["function"].endswith("act")


def test_errors_are_counted_by_fingerprint_and_handed_on_in_one_set(recorder: Recorder, kept: Kept) -> None:
    for number in range(50):
        recorder.note(
            raised(refuse(KeyError(number))), event="job.failed", facts={"job": "jobs.payments.sweep", "correlation_id": "story-0001"}
        )
    recorder.note(raised(refuse(ValueError("x"))), facts={"route": "/api/wave/checkout"})
    assert recorder.flush()
    assert recorder.flush()
    (batch,) = kept.batches
    assert sorted((fault.kind, fault.count) for fault in batch) == [("KeyError", 50), ("ValueError", 1)]
    example = batch[0].example
    assert example is not None
    assert (example["where"], example["name"], example["correlation_id"], example["process"]) == (
        "job",
        "jobs.payments.sweep",
        "story-0001",
        "worker",
    )


class DisconnectedDriver(Exception):
    sqlstate = None


def away() -> sa.exc.OperationalError:
    return sa.exc.OperationalError("SELECT 1", {}, DisconnectedDriver())


def test_while_postgresql_is_away_counts_are_kept_and_written_later(session: Session) -> None:
    kept = Kept(away(), away())
    recorder = Recorder("web")
    recorder.stop()
    recorder.keep = kept
    for _ in range(2):
        recorder.note(raised(refuse(KeyError("x"))))
        assert not recorder.flush()
    recorder.note(raised(refuse(KeyError("x"))))
    assert recorder.flush()
    (fault,) = kept.all
    assert fault.count == 3
    assert fault.first_at < fault.last_at


def test_an_example_that_does_not_fit_costs_the_example_and_not_the_count(session: Session, capsys: pytest.CaptureFixture[str]) -> None:
    kept = Kept(sa.exc.DataError("INSERT", {}, Exception("too long")))
    recorder = Recorder("web")
    recorder.stop()
    recorder.keep = kept
    recorder.note(raised(refuse(KeyError("x"))))
    assert recorder.flush()
    (fault,) = kept.all
    assert (fault.count, fault.example) == (1, None)
    assert "errors cannot be recorded" in capsys.readouterr().err


def test_an_error_while_errors_are_recorded_breeds_none(session: Session) -> None:
    recorder = Recorder("web")
    recorder.stop()

    def breaks(session: Session, batch: Sequence[Fault], *, now: Any) -> None:
        recorder.note(raised(refuse(ValueError("of the recording itself"))))
        raise raised(refuse(ValueError("again")))

    recorder.keep = breaks
    recorder.note(raised(refuse(KeyError("x"))))
    assert recorder.flush()
    recorder.keep = kept = Kept()
    assert recorder.flush()
    assert kept.all == []


def test_what_cannot_be_put_into_words_is_counted_all_the_same(recorder: Recorder, kept: Kept) -> None:
    class Mute(Exception):
        def __str__(self) -> str:
            raise RuntimeError

    recorder.note(raised(refuse(Mute())))
    recorder.flush()
    assert kept.all[0].message == "(it cannot be put into words)"


def test_more_kinds_than_there_is_room_for_are_bounded(recorder: Recorder, kept: Kept, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(1100):
        recorder.note(raised(refuse(type(f"Kind{number}", (Exception,), {})())))
    recorder.flush()
    assert len(kept.all) == 1000
    assert sum(fault.example is not None for fault in kept.all) == 200
    assert "100 errors" in capsys.readouterr().err


@pytest.mark.parametrize(
    "harmless",
    [
        NotFound(),
        away(),
        asyncio.CancelledError(),
        KeyboardInterrupt(),
        faults.RedisAway("gone"),
        faults.RedisSlow("slow"),
        faults.PoolTimeout(),
    ],
    ids=lambda error: type(error).__name__,
)
def test_a_refusal_or_a_server_that_is_away_is_no_fault(recorder: Recorder, kept: Kept, harmless: BaseException) -> None:
    recorder.note(harmless)
    recorder.note(ExceptionGroup("of a task group", [raised(refuse(NotFound()))]))
    recorder.flush()
    assert kept.all == []


def test_one_that_is_logged_again_further_out_counts_once(recorder: Recorder, kept: Kept) -> None:
    error = raised(refuse(KeyError("x")))
    recorder.note(error, event="job.failed")
    recorder.note(error, event="rq.worker")
    recorder.note(ExceptionGroup("of a task group", [error]))
    recorder.flush()
    assert [fault.count for fault in kept.all] == [1]


def test_a_storm_costs_little_and_waits_for_nobody(session: Session) -> None:
    """10,000 errors while the one who writes stands still: nobody who meets an error waits for that."""
    gate, recorder = threading.Event(), Recorder("web")

    def stands_still(session: Session, batch: Sequence[Fault], *, now: Any) -> None:
        gate.wait(30)

    recorder.keep = stands_still
    made = [raised(refuse(KeyError(number)), depth=10) for number in range(10_000)]
    started = time.process_time()
    for error in made:
        recorder.note(error, event="request.failed", facts={"route": "/x"})
    took = time.process_time() - started
    gate.set()
    recorder.stop()
    assert took < 2.0  # 0.1 s on a machine with nothing else to do


def chain(recorder: Recorder) -> Any:
    """Structlog and the library's logging as every process has them, with this recorder."""
    return structlog.wrap_logger(
        logging.getLogger("test.faults"),
        processors=[
            structlog.processors.add_log_level,
            faults.capture,
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG),
    )


@pytest.fixture
def own(kept: Kept, monkeypatch: pytest.MonkeyPatch) -> Recorder:
    made = Recorder("web")
    made.stop()
    made.keep = kept
    monkeypatch.setattr(faults, "recorder", made)
    return made


def test_what_is_logged_with_an_exception_is_a_fault_and_a_warning_is_none(own: Recorder, kept: Kept) -> None:
    log = chain(own)
    with correlation.correlated("story-of-a-request"):
        for write in (log.exception, log.error, log.critical):
            try:
                raise raised(refuse(KeyError("x")))
            except KeyError:
                write("request.failed", route="/api/wave/checkout", exc_info=True)
    log.warning("after_commit.failed", exc_info=raised(refuse(KeyError("x"))))
    log.error("no.exception")
    own.flush()
    (fault,) = kept.all
    assert fault.count == 3
    assert fault.example is not None
    assert (fault.example["name"], fault.example["correlation_id"]) == ("/api/wave/checkout", "story-of-a-request")


def test_what_libraries_log_is_heard(own: Recorder, kept: Kept) -> None:
    listener, logger = faults.Listener(), logging.getLogger("asyncio.of.a.test")
    logger.addHandler(listener)
    try:
        logger.error("Task exception was never retrieved", exc_info=raised(refuse(KeyError("x"))))
        logger.warning("a warning", exc_info=raised(refuse(ValueError("x"))))
        logger.error("without an exception")
    finally:
        logger.removeHandler(listener)
    own.flush()
    assert [(fault.kind, fault.example and fault.example["event"]) for fault in kept.all] == [("KeyError", "asyncio.of.a.test")]


_PROCESS = """
import asyncio, os, sys, threading
from app import faults, logs
from app.settings import get_settings
from services.operations import errors
sys.path.insert(0, ".")
from tests.app.faulty import raised, refuse
logs.configure(get_settings(), process="worker")
faults.keep_with(errors.record)

def thread():
    raise raised(refuse(KeyError("+220833000017")))

ended = threading.Thread(target=thread)
ended.start()
ended.join()

async def loop():
    asyncio.get_running_loop().call_soon(refuse(ValueError("in the loop")))
    await asyncio.sleep(0)

asyncio.run(loop())
if os.fork() == 0:
    raise TypeError("of a fork")
os.wait()
raise RuntimeError("the end")
"""


def test_what_ends_a_thread_a_loop_a_fork_or_the_process_is_in_the_table_when_it_is_over(database: sa.Engine) -> None:
    done = subprocess.run(
        [sys.executable, "-c", _PROCESS], cwd=ROOT, env=os.environ | {"PYTHONPATH": str(ROOT)}, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1
    with db.transaction() as session:
        found = {group.kind: group for group in session.exec(sa.select(ErrorGroup)).scalars()}  # type: ignore[call-overload]
    assert set(found) == {"KeyError", "ValueError", "TypeError", "RuntimeError"}
    assert found["KeyError"].example["where"] == "thread"
    assert all(group.count == 1 and group.process == "worker" for group in found.values())
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    assert {"thread.failed", "process.failed"} <= {line["event"] for line in lines}
    assert "833000017" not in done.stderr
