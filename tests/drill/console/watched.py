"""`python -m tests.drill.console.watched PORT FILE`: a console process that watches itself and tells in FILE.

How late the loop comes back is measured every few milliseconds, without what the machine kept its thread waiting for a processor
(`/proc/.../schedstat`): other work on the machine is no fault of the console's. What stood on the loop meanwhile is kept with it. Beside
that it counts whatever an open page makes and a closed one must not leave.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import threading
import time
import traceback
from collections import Counter, deque
from pathlib import Path

from app import main

_EVERY_SECONDS, _NOTED_SECONDS, _TOO_LONG_SECONDS, _WRITTEN_EVERY = 0.005, 0.03, 0.1, 0.3
_SHOWN_FRAMES, _KEPT_HOLDS, _OLDEST = 14, 500, 2
_PROJECT = str(Path(__file__).parents[3])


def _in_line() -> float:
    """Seconds that this thread was ready to run and had no processor."""
    return int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9


class Watch:
    """How long anything held the loop, and what did; full garbage collections apart, which hold every thread."""

    def __init__(self, told: Path) -> None:
        self._told = told
        self._main, self._loop = threading.get_ident(), asyncio.get_running_loop()
        self._seen = time.monotonic()
        # When, for how long, and how much of that the loop's own thread computed; the rest it waited for other threads or a disk.
        self._holds: deque[tuple[float, float, float]] = deque(maxlen=_KEPT_HOLDS)
        self._longest, self._longest_own, self._too_long = 0.0, 0.0, 0
        self._stacks: Counter[str] = Counter()
        self._collecting, self._collected, self._longest_collection = 0.0, 0, 0.0

    async def run(self) -> None:
        gc.callbacks.append(self._collects)
        threading.Thread(target=self._look, daemon=True).start()
        while True:
            asked, waited, computed = time.monotonic(), _in_line(), time.thread_time()
            self._seen = asked
            await asyncio.sleep(_EVERY_SECONDS)
            held = time.monotonic() - asked - _EVERY_SECONDS
            if held > _NOTED_SECONDS:
                held -= _in_line() - waited
            if held > _NOTED_SECONDS:
                own = time.thread_time() - computed
                self._holds.append((asked, held, own))
                self._longest, self._longest_own = max(self._longest, held), max(self._longest_own, min(held, own))
                self._too_long += held > _TOO_LONG_SECONDS

    def _collects(self, phase: str, info: dict[str, int]) -> None:
        if info["generation"] < _OLDEST:
            return
        if phase == "start":
            self._collecting = time.thread_time()
        else:
            self._collected += 1
            self._longest_collection = max(self._longest_collection, time.thread_time() - self._collecting)

    def _look(self) -> None:
        """In a thread of its own: what is on the loop when it is late, and what there is to tell."""
        written = 0.0
        while True:
            time.sleep(0.02)
            now = time.monotonic()
            if now - self._seen > _TOO_LONG_SECONDS * 0.7:
                stack = traceback.extract_stack(sys._current_frames().get(self._main))
                # Our own lines of it, and the innermost ones.
                ours = [one for one in stack[:-_SHOWN_FRAMES] if one.filename.startswith(_PROJECT) and "/.venv/" not in one.filename]
                lines = [f"{Path(one.filename).name}:{one.lineno} {one.name}" for one in (*ours, *stack[-_SHOWN_FRAMES:])]
                self._stacks[" < ".join(reversed(lines))] += 1
            if now - written > _WRITTEN_EVERY:
                written = now
                self._write()

    def _write(self) -> None:
        told = {
            "longest_ms": round(self._longest * 1000, 1),
            "longest_own_ms": round(self._longest_own * 1000, 1),
            "too_long": self._too_long,
            "holds": [(round(at, 3), round(held * 1000, 1), round(own * 1000, 1)) for at, held, own in list(self._holds)],
            "collections": self._collected,
            "longest_collection_ms": round(self._longest_collection * 1000, 1),
            "stacks": self._stacks.most_common(12),
            "open": self._open(),
        }
        new = self._told.with_suffix(".new")
        new.write_text(json.dumps(told), encoding="utf-8")
        os.replace(new, self._told)

    def _open(self) -> dict[str, int]:
        from nicegui import Client, app, background_tasks, binding

        from pages import live

        return {
            "pages": len(Client.instances),
            "background tasks": len(background_tasks.running_tasks),
            "tasks": len(asyncio.all_tasks(self._loop)),
            "who listen to news": live.listening(),
            "bindings": len(binding.active_links),
            "browsers": len(app.storage._users),
            "threads": threading.active_count(),
            "files": len(os.listdir("/proc/self/fd")),
            "blocks of memory": sys.getallocatedblocks(),
        }


def serve(port: int, told: Path) -> None:
    from nicegui import app, background_tasks

    def begin() -> None:
        background_tasks.create(Watch(told).run(), name="watched loop")

    app.on_startup(begin)
    main.serve("127.0.0.1", port)


if __name__ == "__main__":
    serve(int(sys.argv[1]), Path(sys.argv[2]))
