"""One of INET's own processes under supervision: its log, its warnings on the terminal, its end, its restarts."""

from __future__ import annotations

import contextlib
import json
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import IO

from app.children import family, kill_family, last_line, signal_all, spawn
from app.log_files import BoundedFile

_FIRST_DELAY_SECONDS = 0.1
_STEADY_SECONDS = 10.0  # one that ran this long starts again at once after a death
# Of each process' log so much, and so many older ones beside it.
_LOG_BYTES, _LOGS_KEPT = 10 * 1024 * 1024, 4
_CONSOLE_LEVEL = re.compile(rb"\[(warning|error|critical)\s*\]")


class Child:
    """`python -m app.cli ARGUMENT…`, started again with growing pauses whenever it ends by itself."""

    def __init__(
        self,
        name: str,
        arguments: list[str],
        *,
        env: Mapping[str, str],
        log_dir: Path,
        say: Callable[[str], None],
        max_delay_seconds: float,
    ) -> None:
        self.name = name
        self.log_path = log_dir / f"{name}.log"
        self.deaths = 0
        self._command = [sys.executable, "-m", "app.cli", *arguments]
        self._env = env
        self._say = say
        self._max_delay = max_delay_seconds
        self._delay = _FIRST_DELAY_SECONDS
        self._process: subprocess.Popen[bytes] | None = None
        self._pump: threading.Thread | None = None
        self.launched_at = 0.0  # monotonic seconds
        self._next_start_at: float | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        """The process and all it has started; empty while it is down."""
        return tuple(family(self._process.pid)) if self._process is not None and self._process.poll() is None else ()

    @property
    def status(self) -> int | None:
        """The exit status once it has ended."""
        return self._process.poll() if self._process is not None else None

    def start(self) -> None:
        self._next_start_at = None
        self.launched_at = time.monotonic()
        # SIGKILL when we die unexpectedly: a graceful end could wait for open connections while the database is already gone.
        self._process = spawn(self._command, parent_death_signal=signal.SIGKILL, env=self._env, stdout=subprocess.PIPE)
        assert self._process.stdout is not None
        self._pump = threading.Thread(target=self._pump_output, args=[self._process.stdout], name=f"log-{self.name}", daemon=True)
        self._pump.start()

    def watch(self) -> None:
        """Called again and again: notices a death, says it once, and starts anew when its pause is over."""
        now = time.monotonic()
        if self._next_start_at is not None:
            if now >= self._next_start_at:
                self.start()
            return
        if self._process is None or (status := self._process.poll()) is None:
            return
        self._sweep()
        self.deaths += 1
        self._delay = _FIRST_DELAY_SECONDS if now - self.launched_at > _STEADY_SECONDS else self._delay
        self._next_start_at = now + self._delay
        how = f"was killed ({signal.Signals(-status).name})" if status < 0 else f"ended with status {status}"
        why = f": {last_line(self.log_path)[:300]}" if status > 0 else ""
        self._say(f"{self.name} {how}{why}; starting it again in {self._delay:.1f} s (log: {self.log_path})")
        self._delay = min(self._delay * 2, self._max_delay)

    def kill(self, signal_number: int) -> None:
        """Send a signal to the process and all it has started, as a drill does."""
        if self._process is not None and self._process.poll() is None:
            signal_all(family(self._process.pid), signal_number)

    def tell_to_stop(self) -> None:
        """Ask it to end; it is not started again."""
        self._next_start_at = None
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()

    def end(self, deadline: float) -> None:
        """Wait until the monotonic `deadline` for it to end by itself, then kill it with all it has started."""
        if self._process is not None:
            with contextlib.suppress(subprocess.TimeoutExpired):
                self._process.wait(max(0.0, deadline - time.monotonic()))
            self._sweep()
            self._process = None

    def _sweep(self) -> None:
        assert self._process is not None
        kill_family(self._process.pid)
        self._process.wait()
        if self._pump is not None:
            self._pump.join(2)

    def _pump_output(self, output: IO[bytes]) -> None:
        log = BoundedFile(self.log_path, max_bytes=_LOG_BYTES, keep=_LOGS_KEPT)
        log.write(b"")  # there from the start, also of one that says nothing
        with output:
            for line in output:
                log.write(line)
                if warning := _as_warning(line):
                    self._say(f"{self.name}: {warning}")
        log.close()


def _as_warning(line: bytes) -> str | None:
    """The line as one to show on the terminal, if it is a warning or worse."""
    if line.startswith(b"{"):
        with contextlib.suppress(ValueError, AttributeError):
            record = json.loads(line)
            if record.get("level") in ("warning", "error", "critical"):
                rest = {k: v for k, v in record.items() if k not in ("level", "event", "timestamp", "process", "exception")}
                facts = " ".join(f"{name}={value}" for name, value in rest.items())
                return f"{record['level']} {record.get('event', '')} {facts}".strip()[:300]
        return None
    return line.decode(errors="replace").strip()[:300] if _CONSOLE_LEVEL.search(line) else None
