"""Lets `tests.browser.furnished` put something on every page of a running product."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

_CHECKOUT = Path(__file__).parents[2]


def furnish(environment: Mapping[str, str]) -> dict[str, Any]:
    """What it says of where each page is looked at. Raises AssertionError with its last words if it ends wrongly."""
    command = [sys.executable, "-m", "tests.browser.furnished"]
    done = subprocess.run(command, env=environment, cwd=_CHECKOUT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    # The product's own words may stand before it.
    said: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return said
