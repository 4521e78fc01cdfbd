"""Several processes of one machine in one directory: real processes, killed without a word where that is the point."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import pytest

from app.metrics.families import Family, Sum
from app.metrics.shared import SharedFigures

COUNTED, GAUGE, OWN = "inet_job_runs", "inet_http_in_progress", "inet_process_cpu_seconds"


def figures(runs: float, busy: float = 0, process: str = "web-1") -> list[Family]:
    return [
        [COUNTED, "counter", "Runs", [[COUNTED + "_total", {"job": "a"}, runs]]],
        [GAUGE, "gauge", "Busy", [[GAUGE, {}, busy]]],
        [OWN, "counter", "Spent", [[OWN + "_total", {"process": process}, 1.0]]],
    ]


def read(total: Sum) -> dict[str, float]:
    return {sample.name: sample.value for metric in total.metrics() for sample in metric.samples}


_OTHER = """
import sys, json
from pathlib import Path
from app.metrics.shared import SharedFigures
shared = SharedFigures(Path(sys.argv[1]), "worker")
for line in sys.stdin:
    print(json.dumps([shared.write(json.loads(line)), shared.name]), flush=True)
"""


class Other:
    """Another process with a place in the directory."""

    def __init__(self, directory: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", _OTHER, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, env={**os.environ}
        )

    def write(self, families: list[Family]) -> str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(orjson.dumps(families) + b"\n")
        self._process.stdin.flush()
        was_possible, name = orjson.loads(self._process.stdout.readline())
        assert was_possible
        return str(name)

    def kill(self) -> None:
        self._process.send_signal(signal.SIGKILL)
        self._process.communicate()


@contextmanager
def other(directory: Path) -> Iterator[Other]:
    made = Other(directory)
    try:
        yield made
    finally:
        made.kill()


def test_counters_and_gauges_of_living_processes_are_summed(tmp_path: Path) -> None:
    mine = SharedFigures(tmp_path / "metrics", "web")
    with other(tmp_path / "metrics") as another:
        assert another.write(figures(3, busy=2, process="worker-1")) == "worker-1"
        seen = read(mine.together(figures(4, busy=1)))
    assert (seen[COUNTED + "_total"], seen[GAUGE]) == (7, 3)


def test_what_a_killed_process_counted_stays_and_its_gauges_go(tmp_path: Path) -> None:
    mine = SharedFigures(tmp_path, "web")
    with other(tmp_path) as another:
        another.write(figures(3, busy=2))
        assert read(mine.together(figures(4)))[COUNTED + "_total"] == 7
    for _ in range(2):
        seen = read(mine.together(figures(4)))
        assert (seen[COUNTED + "_total"], seen[GAUGE]) == (7, 0)
    assert {path.name for path in tmp_path.iterdir()} == {".lock", "totals.json", "web-1.json", "web-1.live"}


def test_a_number_is_given_anew_and_nothing_is_counted_twice(tmp_path: Path) -> None:
    for _ in range(3):
        with other(tmp_path) as another:
            assert another.write(figures(2, busy=5)) == "worker-1"
    assert read(SharedFigures(tmp_path, "web").together(figures(0)))[COUNTED + "_total"] == 6


def test_a_thousand_starts_leave_no_more_than_one(tmp_path: Path) -> None:
    for _ in range(1000):
        shared = SharedFigures(tmp_path, "worker")
        assert shared.write(figures(1))
        shared.leave()
    assert len(list(tmp_path.iterdir())) <= 4
    assert sum(path.stat().st_size for path in tmp_path.iterdir()) < 4096
    assert read(SharedFigures(tmp_path, "web").together([]))[COUNTED + "_total"] == 1000


def test_processor_time_ends_with_its_process(tmp_path: Path) -> None:
    gone = SharedFigures(tmp_path, "worker")
    gone.write(figures(1, process="worker-1"))
    gone.leave()
    assert OWN + "_total" not in read(SharedFigures(tmp_path, "web").together([]))


def test_dying_between_the_totals_and_the_removal_counts_nothing_twice(tmp_path: Path) -> None:
    gone = SharedFigures(tmp_path, "worker")
    gone.write(figures(5))
    left = {path.name: path.read_bytes() for path in tmp_path.glob("worker-1.*")}
    gone.leave()
    mine = SharedFigures(tmp_path, "web")
    mine.together([])
    for name, content in left.items():
        (tmp_path / name).write_bytes(content)
    assert read(mine.together([]))[COUNTED + "_total"] == 5
    assert read(SharedFigures(tmp_path, "console").together([]))[COUNTED + "_total"] == 5


def test_an_unwritable_directory_leaves_a_process_its_own_figures(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("no directory")
    shared = SharedFigures(tmp_path / "file" / "metrics", "web")
    assert not shared.write(figures(1))
    assert read(shared.together(figures(2, busy=1))) == {COUNTED + "_total": 2, GAUGE: 1, OWN + "_total": 1}
    assert not shared.is_shared


def test_a_full_disk_leaves_a_process_its_own_figures_and_those_that_others_left(tmp_path: Path) -> None:
    early = SharedFigures(tmp_path, "worker")
    early.write(figures(5, busy=1))
    # What the kernel says of a disk with no room for this.
    script = (
        "import resource, signal, sys; from pathlib import Path; from tests.app.metrics.test_shared import *\n"
        "shared = SharedFigures(Path(sys.argv[1]), 'web')\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (16, 16))\n"
        "print(shared.write(figures(2)), read(shared.together(figures(2)))['inet_job_runs_total'])"
    )
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "7.0"]
    assert not list(tmp_path.glob("*.fresh"))


def test_an_emptied_directory_is_taken_again(tmp_path: Path) -> None:
    shared = SharedFigures(tmp_path, "web")
    shared.write(figures(1))
    for path in tmp_path.iterdir():
        path.unlink()
    assert shared.write(figures(2))
    assert (tmp_path / "web-1.live").exists()
    with other(tmp_path) as another:
        another.write(figures(3))
        assert read(shared.together(figures(2)))[COUNTED + "_total"] == 5


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"families": 3}', b'{"families": [["a", "counter"]], "generation": "x"}'])
def test_a_damaged_file_is_left_out(tmp_path: Path, content: bytes) -> None:
    mine = SharedFigures(tmp_path, "web")
    mine.write(figures(1))
    (tmp_path / "worker-1.json").write_bytes(content)
    (tmp_path / "totals.json").write_bytes(content)
    assert read(mine.together(figures(2)))[COUNTED + "_total"] == 2


def test_what_was_shown_by_one_process_is_never_smaller_at_the_next(tmp_path: Path) -> None:
    one, two = SharedFigures(tmp_path, "web"), SharedFigures(tmp_path, "web")
    one.write(figures(1))
    two.write(figures(1))
    assert (one.name, two.name) == ("web-1", "web-2")
    shown = read(one.together(figures(10)))[COUNTED + "_total"]
    assert read(two.together(figures(1)))[COUNTED + "_total"] == shown


def test_a_forked_child_does_not_hold_its_parents_place(tmp_path: Path) -> None:
    script = (
        "import os, sys, time; from pathlib import Path; from tests.app.metrics.test_shared import *\n"
        "shared = SharedFigures(Path(sys.argv[1]), 'worker'); shared.write(figures(1, busy=1))\n"
        "os.register_at_fork(after_in_child=shared.forget)\n"
        "os.write(1, b'%d\\n' % os.getpid()) and time.sleep(60) if os.fork() == 0 else None; os._exit(0)"
    )
    parent = subprocess.Popen([sys.executable, "-c", script, str(tmp_path)], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    child = int(parent.stdout.readline())
    try:
        parent.wait()
        assert read(SharedFigures(tmp_path, "web").together([])) == {COUNTED + "_total": 1}
    finally:
        os.kill(child, signal.SIGKILL)
        parent.stdout.close()
