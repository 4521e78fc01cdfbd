"""A web process of its own before a running stack's database and Redis, for what is measured on one process alone."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from app.supervisor import Stack
from tests.answering import wait_until_it_answers
from tests.conftest import free_port

_ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class WebProcess:
    port: int
    pid: int

    @property
    def cpu_seconds(self) -> float:
        times = psutil.Process(self.pid).cpu_times()
        return times.user + times.system


@contextmanager
def web_process(stack: Stack, module: str, *flags: str) -> Iterator[WebProcess]:
    """Runs `python -m MODULE PORT FLAG…`, which is to serve on that port; its output goes to the stack's logs."""
    port = free_port()
    log_path = stack.data_dir / "log" / f"{module}-{port}.log"
    with log_path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(port), *flags], env=stack.environment, cwd=_ROOT, stdout=log, stderr=log
        )
    try:
        wait_until_it_answers(f"http://127.0.0.1:{port}/healthz/live", process, log=log_path)
        yield WebProcess(port, process.pid)
    finally:
        process.terminate()
        process.wait(10)


def cores() -> tuple[set[int], set[int]]:
    """One core for the process that is measured, and those for everything else; the same where there is only one."""
    if not hasattr(os, "sched_getaffinity"):
        return set(), set()
    first, *others = sorted(os.sched_getaffinity(0))
    return {first}, set(others) or {first}


@contextmanager
def alone_on_one_core(stack: Stack, process: WebProcess) -> Iterator[set[int]]:
    """Gives `process` a core and the stack the others; answers those. Does nothing where a system cannot (macOS)."""
    own, others = cores()
    if own:
        for pid in stack.pids_left():
            _pin(pid, others)
        _pin(process.pid, own)
    try:
        yield others
    finally:
        for pid in stack.pids_left() if own else ():
            _pin(pid, own | others)


def _pin(pid: int, to: set[int]) -> None:
    with contextlib.suppress(psutil.NoSuchProcess, ProcessLookupError):  # PostgreSQL's own come and go
        for thread in psutil.Process(pid).threads():
            os.sched_setaffinity(thread.id, to)
