"""A part of the cluster: one program in one namespace, that can be stopped, killed, cut off and brought back."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import httpx

from app.children import LAUNCHER, StartRefused, family, kill_family, last_line, open_log, signal_all, spawn
from tests.drill.cluster.network import Host

# Of a busy machine; a process that ends instead is noticed at once.
_START_SECONDS = 240.0
# What a graceful end may take: a request, a job or a phone's poll that is under way.
_STOP_SECONDS = 40.0


class Part:
    """Its command runs in its host's namespace, its log is a file of its own. `answers` tells whether it does its work."""

    def __init__(
        self,
        host: Host,
        command: Sequence[str],
        *,
        log_dir: Path,
        env: Mapping[str, str] | None = None,
        identity: str = "-",
        cwd: Path | None = None,
        stop_signal: signal.Signals = signal.SIGTERM,
        answers: Callable[[], bool] | None = None,
        clean_ends: tuple[int, ...] = (0,),
    ) -> None:
        self.host, self.name = host, host.name
        self.command = list(command)
        self.log_path = log_dir / f"{self.name}.log"
        self.env = dict(env) if env is not None else None
        # Exit statuses other than 0 after SIGTERM, and ends that had to be forced.
        self.bad_ends: list[str] = []
        self._identity, self._cwd, self._stop_signal = identity, cwd, stop_signal
        self._answers, self._clean_ends = answers, (*clean_ends, -stop_signal)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int | None:
        return self._process.pid if self._process is not None and self._process.poll() is None else None

    @property
    def pids(self) -> tuple[int, ...]:
        """The process and all it has started; empty while it is down."""
        return tuple(family(self.pid)) if self.pid is not None else ()

    def start(self) -> None:
        """Does not wait until it answers: `await_ready` does."""
        # The change of user must come after the namespace, which only root may enter.
        launched = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGKILL)), self._identity, *self.command]
        with open_log(self.log_path) as log:
            self._process = spawn(self.host.command(*launched), parent_death_signal=signal.SIGKILL, env=self.env, stdout=log, cwd=self._cwd)

    def await_ready(self, seconds: float = _START_SECONDS) -> None:
        """Raises StartRefused with the log's last line."""
        deadline = time.monotonic() + seconds
        while not self.is_ready():
            if self.pid is None or time.monotonic() > deadline:
                raise StartRefused(f"{self.name} does not get ready: {last_line(self.log_path)[:300]} (log: {self.log_path})")
            time.sleep(0.05)

    def is_ready(self) -> bool:
        return self.pid is not None and (self._answers is None or self._answers())

    def stop(self) -> float:
        """Ask it to end, and wait; answers how many seconds that took. What does not obey is killed, and said in `bad_ends`."""
        began = time.monotonic()
        if self._process is None:
            return 0.0
        with contextlib.suppress(ProcessLookupError):
            self._process.send_signal(self._stop_signal)
        try:
            status = self._process.wait(_STOP_SECONDS)
            if status not in self._clean_ends:
                self.bad_ends.append(f"{self.name} ended with status {status} when it was told to stop: {last_line(self.log_path)[:200]}")
        except subprocess.TimeoutExpired:
            self.bad_ends.append(f"{self.name} did not end within {_STOP_SECONDS:.0f} s of being told to")
        self.sweep()
        return time.monotonic() - began

    def kill(self) -> None:
        """As a power cut: it and all it has started, at once."""
        if self._process is not None:
            signal_all(family(self._process.pid), signal.SIGKILL)
            self.sweep()

    def signal(self, number: signal.Signals) -> None:
        """To the leading process alone."""
        if self.pid is not None:
            os.kill(self.pid, number)

    def sweep(self) -> None:
        if self._process is not None:
            kill_family(self._process.pid)
            self._process.wait()
            self._process = None


def http_answers(url: str) -> Callable[[], bool]:
    """Whether `url` answers 200, asked from where the drill stands."""

    def ask() -> bool:
        with contextlib.suppress(httpx.HTTPError):
            return httpx.get(url, timeout=3, trust_env=False, verify=False).status_code == 200
        return False

    return ask


def port_answers(address: str, port: int) -> Callable[[], bool]:
    def ask() -> bool:
        with contextlib.suppress(OSError), socket.create_connection((address, port), timeout=1):
            return True
        return False

    return ask
