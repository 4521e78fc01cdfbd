"""Named step boundaries of the main job, where the fault drill lets a process die. Without INET_DRILL_KILL nothing happens here.

`INET_DRILL_KILL=probability:seed:file` (demo only): at each boundary the process kills itself with that probability, after writing the
boundary's name to the file, so that the drill can show that it died at every one of them. While there is no such file nobody dies. A
boundary that is not in the file yet is thirty times as likely, so that the seldom ones come to their turn too.
"""

from __future__ import annotations

import os
import random
import signal
from pathlib import Path

from app.settings import get_settings

_NEW_IS_LIKELIER = 30
_armed: tuple[float, random.Random, Path] | None = None


def arm_from_environment() -> None:
    """Called once by a starting process."""
    global _armed
    order = os.environ.get("INET_DRILL_KILL", "")
    if order and get_settings().env == "demo":
        probability, seed, file = order.split(":", 2)
        _armed = (float(probability), random.Random(f"{seed}:{os.getpid()}"), Path(file))  # noqa: S311 - a drill is repeated by its seed


def boundary(name: str) -> None:
    """The work up to here is done, the next step is not begun."""
    if _armed is None:
        return
    probability, chance, file = _armed
    try:
        deaths = os.fdopen(os.open(file, os.O_RDWR | os.O_APPEND), "r+", encoding="ascii")
    except FileNotFoundError:
        return
    with deaths:
        is_new = name not in deaths.read().split()
        if chance.random() >= probability * (_NEW_IS_LIKELIER if is_new else 1):
            return
        deaths.write(f"{name}\n")
    os.kill(os.getpid(), signal.SIGKILL)
