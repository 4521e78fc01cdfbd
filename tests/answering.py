"""Waiting until a server that was started answers."""

from __future__ import annotations

import subprocess
import time
from contextlib import suppress
from pathlib import Path

import httpx

PATIENCE_SECONDS = 120.0
"""Of a busy machine; a process that ends is noticed at once."""


def wait_until_it_answers(
    url: str, process: subprocess.Popen[bytes] | None = None, *, log: Path | None = None, seconds: float = PATIENCE_SECONDS
) -> None:
    """Raises RuntimeError, with the end of its log, when `process` ended or nothing answered well in time."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and (process is None or process.poll() is None):
        with suppress(httpx.HTTPError):
            if httpx.get(url, timeout=5, trust_env=False).is_success:
                return
        time.sleep(0.05)
    ended = f"its process ended with {process.returncode}" if process is not None and process.poll() is not None else "did not answer"
    said = f": {log.read_text(errors='replace')[-2000:]}" if log is not None and log.exists() else ""
    raise RuntimeError(f"{url}: {ended}{said}")
