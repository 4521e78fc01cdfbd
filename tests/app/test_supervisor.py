from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from app.children import DirectoryLock, StartRefused
from app.supervisor import Stack, environment
from app.supervisor.checks import require_free_port
from app.supervisor.child import Child

PROJECT = Path(__file__).parents[2]


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short path: pytest's own may be too long for a socket."""
    with tempfile.TemporaryDirectory(prefix="inet-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def free_ports(count: int) -> list[int]:
    probes = [socket.socket() for _ in range(count)]
    for probe in probes:
        probe.bind(("127.0.0.1", 0))
    ports = [int(probe.getsockname()[1]) for probe in probes]
    for probe in probes:
        probe.close()
    return ports


def until(condition: Callable[[], object], *, seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        threading.Event().wait(0.05)


def product_environment() -> dict[str, str]:
    # Told that it runs under pytest, NiceGUI would wait for its own test set-up.
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("INET_", "PYTEST_"))}
    return ours | {"PYTHONPATH": str(PROJECT)}


class Up:
    """`inet up` as a person starts it, with all it printed."""

    def __init__(self, data_dir: Path, port: int, sandbox_port: int) -> None:
        self.url, self.sandbox_url = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{sandbox_port}"
        self.lines: list[str] = []
        options = ["--port", str(port), "--sandbox-port", str(sandbox_port), "--data-dir", str(data_dir)]
        self.process = subprocess.Popen(
            [sys.executable, "-m", "app.cli", "up", *options],
            cwd=data_dir.parent,
            env=product_environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as output:
            self.lines.extend(iter(output.readline, ""))

    @property
    def text(self) -> str:
        return "".join(self.lines)

    def wait_until_ready(self) -> None:
        until(lambda: "Ctrl-C stops everything." in self.text or self.process.poll() is not None, seconds=120)
        assert "INET is ready after" in self.text, self.text

    def family(self) -> list[psutil.Process]:
        parent = psutil.Process(self.process.pid)
        return [parent, *parent.children(recursive=True)]

    def child(self, *command: str) -> psutil.Process | None:
        """The process that was started with these words, whatever follows them."""
        for process in self.family():
            with contextlib.suppress(psutil.Error):  # it may die while we look
                words = ["-m", "app.cli", *command]
                if process.cmdline()[1 : 1 + len(words)] == words and process.ppid() == self.process.pid:
                    return process
        return None

    def end(self, signal_number: int) -> int:
        self.process.send_signal(signal_number)
        status = self.process.wait(40)
        self._reader.join(10)
        return status


def assert_gone(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert [process for process in alive if process.is_running() and process.status() != psutil.STATUS_ZOMBIE] == []


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=10) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as refusal:
        return refusal.code


@pytest.mark.stack
def test_up_gets_ready_starts_dead_processes_again_and_ctrl_c_leaves_nothing_behind(directory: Path) -> None:
    data_dir = directory / "data"
    port, sandbox_port, other_port, other_sandbox_port = free_ports(4)
    up = Up(data_dir, port, sandbox_port)
    try:
        up.wait_until_ready()
        assert f"{up.sandbox_url}/hotspot" in up.text
        assert f"{up.url}/console/login" in up.text
        assert "inet-demo-2026" in up.text
        assert status_of(up.url + "/healthz/ready") == 200
        assert (data_dir / "secret.key").stat().st_mode & 0o777 == 0o600

        second = Up(data_dir, other_port, other_sandbox_port)
        assert second.process.wait(30) == 1
        until(lambda: f"in use by another INET (process {up.process.pid})" in second.text)
        assert "Traceback" not in second.text

        assert up.child("worker", "triage") is not None
        worker = up.child("worker", "urgent")
        assert worker is not None
        worker.kill()
        until(lambda: (again := up.child("worker", "urgent")) is not None and again.pid != worker.pid)
        assert "worker was killed (SIGKILL); starting it again" in up.text

        everything = up.family()
        assert up.end(signal.SIGINT) == 0
        assert_gone(everything)
        assert "Stopped; nothing is left running" in up.text
        assert not (data_dir / "running.json").exists()
    finally:
        up.process.kill()


@pytest.mark.stack
def test_a_killed_up_takes_everything_along_and_the_next_start_finds_the_data(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Neither the settings of other tests, nor pytest's own mark, of which NiceGUI would wait for its own test set-up.
    for name in [name for name in os.environ if name.startswith(("INET_", "PYTEST_"))]:
        monkeypatch.delenv(name)
    data_dir = directory / "data"
    port, sandbox_port = free_ports(2)
    first = Up(data_dir, port, sandbox_port)
    try:
        first.wait_until_ready()
        key = (data_dir / "secret.key").read_text()
        everything = first.family()
        first.end(signal.SIGKILL)
        assert_gone(everything)
    finally:
        first.process.kill()

    stack = Stack(data_dir, port, sandbox_port, triage=False)
    stack.start()
    try:
        assert stack.environment["INET_SECRET_KEY"] == key
        before = stack.pids("postgres")[0]
        stack.restart_postgres()
        assert stack.pids("postgres")[0] != before
        until(lambda: status_of(stack.url + "/healthz/ready") == 200)
        web = stack.pids("web")[0]
        stack.kill("web", signal.SIGKILL)
        until(lambda: any(pid != web for pid in stack.pids("web")))
    finally:
        stack.stop()
    assert stack.pids_left() == ()


def test_a_stack_that_cannot_reach_its_database_says_so_and_leaves_nothing_running(directory: Path) -> None:
    port, sandbox_port, nobody_listens = free_ports(3)
    wrong = {"INET_DATABASE_URL": f"postgresql+psycopg://inet@127.0.0.1:{nobody_listens}/inet"}
    stack = Stack(directory, port, sandbox_port, sandbox=False, env=wrong)
    with pytest.raises(StartRefused, match="PostgreSQL does not answer"):
        stack.start()
    assert stack.pids_left() == ()
    lock = DirectoryLock(directory)
    assert not lock.held_elsewhere


def test_a_taken_port_is_one_sentence_with_the_name_of_its_holder() -> None:
    with socket.socket() as holder:
        holder.bind(("127.0.0.1", 0))
        holder.listen()
        port = holder.getsockname()[1]
        with pytest.raises(StartRefused, match=rf"Port {port} on 127.0.0.1 is taken by .*process {os.getpid()}.*with --port\.$"):
            require_free_port("127.0.0.1", port, option="--port")


def test_an_address_of_another_machine_is_one_sentence() -> None:
    with pytest.raises(StartRefused, match=r"cannot listen on 192\.0\.2\.1"):
        require_free_port("192.0.2.1", 8080, option="--port")


def test_a_process_that_keeps_dying_is_started_again_with_growing_pauses(directory: Path) -> None:
    said: list[str] = []
    child = Child("broken", ["no-such-command"], env=product_environment(), log_dir=directory, say=said.append, max_delay_seconds=0.2)
    child.start()
    try:

        def died_three_times() -> bool:
            child.watch()
            return child.deaths == 3

        until(died_three_times)
    finally:
        child.tell_to_stop()
        child.end(time.monotonic())
    pauses = [line.split("again in ")[1].split(" s")[0] for line in said]
    assert pauses == ["0.1", "0.2", "0.2"]
    assert all("broken ended with status 2" in line for line in said)


def test_the_demo_secret_is_made_once_and_kept_private(directory: Path) -> None:
    first = environment.for_children({}, data_dir=directory, public_url="http://127.0.0.1:1", sandbox_url=None)
    second = environment.for_children({}, data_dir=directory, public_url="http://127.0.0.1:1", sandbox_url=None)
    assert first["INET_SECRET_KEY"] == second["INET_SECRET_KEY"]
    assert len(first["INET_SECRET_KEY"]) >= 32
    assert (directory / "secret.key").stat().st_mode & 0o777 == 0o600


def test_what_is_configured_wins_over_the_sandbox(directory: Path) -> None:
    settings = {"INET_WAVE_BASE_URL": "https://wave.example"}
    made = environment.for_children(settings, data_dir=directory, public_url="http://p", sandbox_url="http://127.0.0.1:8090")
    assert made["INET_WAVE_BASE_URL"] == "https://wave.example"
    assert made["INET_SMS_URL"] == "http://inet:sandbox@127.0.0.1:8090/version1/messaging"


def test_production_gets_no_made_up_secret_and_no_sandbox(directory: Path) -> None:
    settings = {"INET_ENV": "production"}
    made = environment.for_children(settings, data_dir=directory, public_url="https://p", sandbox_url="http://127.0.0.1:8090")
    assert not {"INET_SECRET_KEY", "INET_WAVE_BASE_URL"} & made.keys()


def test_another_terminal_takes_over_the_settings_of_the_running_product(directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in [name for name in os.environ if name.startswith("INET_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("INET_REDIS_URL", "unix:///mine")
    monkeypatch.chdir(directory)
    environment.announce(directory, {"INET_DATABASE_URL": "postgresql+psycopg://x", "INET_REDIS_URL": "unix:///theirs", "PATH": "/bin"})
    assert "PATH" not in json.loads((directory / "running.json").read_text())
    assert not environment.adopt_running(directory), "nobody holds the directory, so nothing runs there"
    lock = DirectoryLock(directory)
    lock.acquire()
    try:
        assert environment.adopt_running(directory)
    finally:
        lock.release()
    assert os.environ["INET_DATABASE_URL"] == "postgresql+psycopg://x"
    assert os.environ["INET_REDIS_URL"] == "unix:///mine"
    monkeypatch.delenv("INET_DATABASE_URL")
