"""A web process that is killed now and then, started anew each time, and watched for the memory that it takes."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path

import psutil

from tests.answering import wait_until_it_answers
from tests.conftest import free_port

_ROOT = Path(__file__).parents[2]


class Server:
    """`inet serve` for the apps, started anew whenever it dies; its memory is watched all the time."""

    def __init__(self, directory: Path, *, kill: str) -> None:
        self.port, self.idle_mb, self.peak_mb = free_port(), 0.0, 0.0
        inherited = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
        self._environment = inherited | {"INET_ROLES": "mobile", "INET_LOG_LEVEL": "ERROR", "INET_DRILL_KILL": kill}
        self._log_file = directory / "web.log"
        self._log = self._log_file.open("wb")
        self._is_over = threading.Event()
        self._process = self._born()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        try:
            wait_until_it_answers(f"http://127.0.0.1:{self.port}/healthz/live", self._process, log=self._log_file)
        except BaseException:
            self._process.kill()
            raise
        self.idle_mb = self._memory_mb()
        self._watcher.start()

    def _born(self) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "app.cli", "serve", "--port", str(self.port)]
        return subprocess.Popen(command, env=self._environment, cwd=_ROOT, stdout=self._log, stderr=self._log)

    def _memory_mb(self) -> float:
        with suppress(psutil.Error):
            return float(psutil.Process(self._process.pid).memory_info().rss) / 2**20
        return 0.0

    def _watch(self) -> None:
        while not self._is_over.wait(0.05):
            if self._process.poll() is not None:
                self._process = self._born()
            self.peak_mb = max(self.peak_mb, self._memory_mb())

    def close(self) -> None:
        self._is_over.set()
        self._watcher.join()
        self._process.terminate()
        self._process.wait(15)
        self._log.close()
