"""Logs as files: they turn over, are forgotten, belong to one process each, and never break whoever writes them."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from app import log_files
from app.log_files import BoundedFile, DailyFiles, forget_old

ROOT = Path(__file__).parents[2]
DAY = 86_400.0
NOW = 20_000 * DAY + 3600


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> float:
        return self.now


def handler(directory: Path, clock: Clock, *, max_bytes: int = 1000, keep_days: int = 30) -> DailyFiles:
    made = DailyFiles(directory, "web", keep_days=keep_days, max_bytes=max_bytes, clock=clock)
    made.setFormatter(logging.Formatter("%(message)s"))
    return made


def write(files: DailyFiles, *lines: str) -> None:
    for line in lines:
        files.emit(logging.makeLogRecord({"msg": line, "name": "test"}))


def texts(directory: Path) -> list[str]:
    return sorted(path.read_text() for path in directory.iterdir())


def aged(path: Path, seconds: float) -> None:
    os.utime(path, (seconds, seconds))


def test_a_full_file_is_set_aside(tmp_path: Path) -> None:
    files = handler(tmp_path, Clock(), max_bytes=30)
    write(files, "one " * 5, "two " * 5, "three " * 4)
    assert len(texts(tmp_path)) == 3
    assert files.path.read_text().startswith("three")
    files.close()


def test_a_new_day_begins_a_new_file(tmp_path: Path) -> None:
    clock = Clock()
    files = handler(tmp_path, clock)
    write(files, "of the first day")
    clock.now += DAY
    write(files, "of the second")
    assert texts(tmp_path) == ["of the first day\n", "of the second\n"]
    assert files.path.read_text() == "of the second\n"
    files.close()


def test_a_process_of_the_same_number_goes_on_in_the_file_of_that_day(tmp_path: Path) -> None:
    clock = Clock()
    for words in ("before", "after"):
        files = handler(tmp_path, clock)
        write(files, words)
        files.close()
        aged(files.path, clock.now)
    assert texts(tmp_path) == ["before\nafter\n"]


def test_old_files_are_forgotten_by_whoever_opens_a_new_one(tmp_path: Path) -> None:
    clock = Clock()
    for name in ("web-a-1.log", "worker-b.example-22.20240101-000000-0.log", "somebody-elses.log", "web-a-1.txt"):
        (tmp_path / name).write_text("old")
        aged(tmp_path / name, NOW - 31 * DAY)
    (tmp_path / "web-c-3.log").write_text("young")
    aged(tmp_path / "web-c-3.log", NOW - 29 * DAY)
    files = handler(tmp_path, clock)
    write(files, "new")
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {"somebody-elses.log", "web-a-1.txt", "web-c-3.log", files.path.name}
    assert forget_old(tmp_path, datetime.fromtimestamp(NOW, UTC) - timedelta(days=1)) == 1
    assert forget_old(tmp_path / "absent", datetime.now(UTC)) == 0
    files.close()


def test_what_cannot_be_written_is_said_once_and_breaks_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock, blocked = Clock(), tmp_path / "log"
    blocked.write_text("a file where the directory should be")
    files = handler(blocked, clock)
    for _ in range(3):
        write(files, "lost")
        clock.now += 10
    assert capsys.readouterr().err.count("cannot be written") == 1
    blocked.unlink()
    write(files, "kept")
    assert files.path.read_text() == "kept\n"
    files.close()


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_breaks_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    clock = Clock()
    clock.now = Path("/dev/full").stat().st_mtime
    files = handler(tmp_path, clock)
    files.path.symlink_to("/dev/full")
    write(files, "lost", "lost as well")
    full = BoundedFile(Path("/dev/full"), max_bytes=100, keep=1)
    full.write(b"lost")
    full.write(b"lost")
    said = capsys.readouterr().err
    assert said.count("No space left on device") == 2
    full.close()
    files.close()


_FORKS = """
import os, sys
from app import logs
from app.settings import get_settings
import structlog
logs.configure(get_settings(), process="worker")
log = structlog.get_logger()
log.info("said.before")
if os.fork() == 0:
    log.info("said.child", phone="+220833000017", error="token=abcdef")
    os._exit(0)
os.wait()
log.info("said.after")
"""


def test_each_process_has_a_file_of_json_lines_of_its_own(tmp_path: Path) -> None:
    environment = os.environ | {"PYTHONPATH": str(ROOT), "INET_LOG_DIR": str(tmp_path), "INET_LOG_FORMAT": "console"}
    done = subprocess.run([sys.executable, "-c", _FORKS], cwd=ROOT, env=environment, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    told = sorted([json.loads(line)["event"] for line in text.splitlines()] for text in texts(tmp_path))
    assert told == [["said.before", "said.after"], ["said.child"]]
    assert all(path.name.startswith("worker-") for path in tmp_path.iterdir())
    assert "abcdef" not in "".join(texts(tmp_path))


def test_a_childs_log_is_bounded_and_the_newest_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "web.log"
    log = BoundedFile(path, max_bytes=100, keep=2)
    for number in range(40):
        log.write(b"%03d %s\n" % (number, b"x" * 20))
    log.close()
    kept = {found.name: found.read_bytes() for found in tmp_path.iterdir()}
    assert set(kept) == {"web.log", "web.log.1", "web.log.2"}
    assert all(len(text) <= 100 for text in kept.values())
    assert (kept["web.log.2"] + kept["web.log.1"] + kept["web.log"]).split(b"\n")[-2].startswith(b"039")
    again = BoundedFile(path, max_bytes=100, keep=2)
    again.write(b"after a restart\n")
    again.close()
    assert path.read_bytes().endswith(b"after a restart\n")


def test_nobody_hears_and_nothing_breaks(monkeypatch: pytest.MonkeyPatch) -> None:
    class Gone:
        def write(self, _: str) -> None:
            raise BrokenPipeError

    monkeypatch.setattr(sys, "stderr", Gone())
    log_files.say_once("to nobody")
