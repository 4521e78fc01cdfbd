from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import psutil
import psycopg
import pytest
import redis

from app.children import end_orphan, family, spawn
from app.embedded import EmbeddedPostgres, EmbeddedValkey, StartRefused

_OWNER = """
import sys, time
from pathlib import Path
from app.embedded import EmbeddedPostgres, EmbeddedValkey
directory = Path(sys.argv[1])
servers = EmbeddedPostgres(directory / "postgres", durable=False), EmbeddedValkey(directory / "valkey")
for server in servers:
    server.start()
print(*(server.pid for server in servers), flush=True)
time.sleep(300)
"""


def _may_make_user_namespaces() -> bool:
    probe = spawn(["true"], parent_death_signal=signal.SIGKILL, identity="namespace:65534:65534") if os.geteuid() == 0 else None
    return probe is not None and probe.wait() == 0


@pytest.fixture
def directory() -> Iterator[Path]:
    """A short path: pytest's own may be too long for a socket."""
    with tempfile.TemporaryDirectory(prefix="inet-") as name:
        path = Path(name)
        path.chmod(0o755)
        yield path


def query(url: str, statement: str) -> object:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        row = connection.execute(statement).fetchone()
        return row[0] if row else None


def execute(url: str, statement: str) -> None:
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        connection.execute(statement)


def wait_until_gone(*pids: int) -> None:
    processes = [psutil.Process(pid) for pid in pids if psutil.pid_exists(pid)]
    _, alive = psutil.wait_procs(processes, timeout=20)
    assert [process for process in alive if process.status() != psutil.STATUS_ZOMBIE] == []


def test_postgres_has_the_settings_that_the_product_counts_on(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    url = server.start()
    try:
        shown = {
            name: query(url, f"SHOW {name}")
            for name in ("timezone", "fsync", "synchronous_commit", "max_connections", "jit", "server_encoding", "listen_addresses")
        }
        assert shown == {
            "timezone": "UTC",
            "fsync": "on",
            "synchronous_commit": "on",
            "max_connections": "200",
            "jit": "off",
            "server_encoding": "UTF8",
            "listen_addresses": "",
        }
        assert query(url, "SELECT current_user || '@' || current_database() || upper(' é')") == "inet@inet É"
    finally:
        server.stop()


def test_postgres_keeps_committed_rows_through_stop_kill_and_restart(directory: Path) -> None:
    server = EmbeddedPostgres(directory)
    url = server.start()
    try:
        execute(url, "CREATE TABLE kept (i int)")
        execute(url, "INSERT INTO kept VALUES (1)")
        server.stop()
        assert server.pid is None
        assert server.start() == url
        execute(url, "INSERT INTO kept VALUES (2)")
        server.kill()
        assert server.restart() == url
        execute(url, "INSERT INTO kept VALUES (3)")
        server.restart()
        assert query(url, "SELECT sum(i) FROM kept") == 6
    finally:
        server.stop()


def test_valkey_keeps_its_data_and_never_evicts(directory: Path) -> None:
    server = EmbeddedValkey(directory)
    url = server.start()
    try:
        with redis.Redis.from_url(url) as client:
            assert client.config_get("maxmemory-policy") == {"maxmemory-policy": "noeviction"}
            client.set("kept", "yes")
        server.restart()
        with redis.Redis.from_url(url) as client:
            assert client.get("kept") == b"yes"
    finally:
        server.stop()


def test_a_path_too_long_for_a_socket_gets_a_loopback_port_with_a_password(directory: Path) -> None:
    deep = directory / ("d" * 100)
    postgres, valkey = EmbeddedPostgres(deep / "postgres", durable=False), EmbeddedValkey(deep / "valkey")
    try:
        url = postgres.start()
        assert "@127.0.0.1:" in url
        assert query(url, "SELECT 1") == 1
        with pytest.raises(psycopg.OperationalError, match="password"):
            query(url.replace(url.split(":")[2].split("@")[0], "wrong"), "SELECT 1")
        assert valkey.start().startswith("redis://:")
        with redis.Redis.from_url(valkey.url) as client:
            assert client.ping()
        with redis.Redis(port=int(valkey.url.rsplit(":", 1)[1].split("/")[0])) as stranger, pytest.raises(redis.AuthenticationError):
            stranger.ping()
    finally:
        postgres.stop()
        valkey.stop()


def test_a_directory_in_use_is_refused_in_one_sentence_that_names_the_process(directory: Path) -> None:
    server = EmbeddedValkey(directory)
    server.start()
    try:
        with pytest.raises(StartRefused, match=rf"in use by another INET \(process {os.getpid()}\)"):
            EmbeddedValkey(directory).start()
    finally:
        server.stop()


def test_a_directory_that_cannot_be_made_is_refused_in_one_sentence(directory: Path) -> None:
    (directory / "file").write_text("in the way")
    with pytest.raises(StartRefused, match=r"cannot be written \(Not a directory\)"):
        EmbeddedPostgres(directory / "file" / "postgres").start()


def test_a_pid_file_whose_number_belongs_to_another_program_is_swept_away(directory: Path) -> None:
    server = EmbeddedPostgres(directory, durable=False)
    server.start()
    server.kill()
    pid_file = directory / "data" / "postmaster.pid"
    lines = pid_file.read_text().splitlines()
    pid_file.write_text("\n".join([str(os.getpid()), *lines[1:]]) + "\n")
    try:
        assert query(server.start(), "SELECT 1") == 1
    finally:
        server.stop()


def test_an_orphan_of_a_killed_owner_is_ended_before_the_next_start(directory: Path) -> None:
    mark = str(directory / "data")
    orphan = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)", mark])
    pid_file = directory / "server.pid"
    pid_file.write_text(f"{orphan.pid}\n")
    end_orphan(pid_file, program=psutil.Process(orphan.pid).name(), mark=mark, stop_signal=signal.SIGTERM)
    wait_until_gone(orphan.pid)
    orphan.wait()


def test_servers_end_with_an_owner_that_is_killed_and_start_again_in_its_place(directory: Path) -> None:
    owner = subprocess.Popen([sys.executable, "-c", _OWNER, str(directory)], stdout=subprocess.PIPE, env=with_project())
    assert owner.stdout is not None
    pids = [int(pid) for pid in owner.stdout.readline().split()]
    owner.kill()
    owner.wait()
    owner.stdout.close()
    wait_until_gone(*pids)
    postgres, valkey = EmbeddedPostgres(directory / "postgres", durable=False), EmbeddedValkey(directory / "valkey")
    try:
        assert query(postgres.start(), "SELECT 1") == 1
        valkey.start()
    finally:
        postgres.stop()
        valkey.stop()


def test_nothing_is_left_after_stop(directory: Path) -> None:
    server = EmbeddedPostgres(directory, durable=False)
    server.start()
    assert server.pid is not None
    everything = family(server.pid)
    assert len(everything) > 3
    server.stop()
    wait_until_gone(*everything)


@pytest.mark.skipif(not _may_make_user_namespaces(), reason="only root has to step down, and here it may make no user namespace")
def test_root_runs_postgres_even_where_nobody_else_may_enter(directory: Path) -> None:
    directory.chmod(0o700)
    server = EmbeddedPostgres(directory / "postgres", durable=False)
    try:
        assert query(server.start(), "SELECT 1") == 1
        assert directory.stat().st_mode & 0o777 == 0o700
    finally:
        server.stop()


def test_the_socket_is_closed_to_other_users(directory: Path) -> None:
    server = EmbeddedValkey(directory)
    server.start()
    try:
        assert (directory / "valkey.sock").stat().st_mode & 0o077 == 0
        with socket.socket(socket.AF_UNIX) as plain:
            plain.connect(str(directory / "valkey.sock"))
    finally:
        server.stop()


def with_project() -> dict[str, str]:
    return os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
