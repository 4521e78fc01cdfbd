"""A real PgBouncer in transaction mode before a test's PostgreSQL, configured by what production uses (deploy/pgbouncer)."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType

from app.children import spawn
from app.unprivileged import give, step_down

PROJECT = Path(__file__).parents[1]
PROGRAM = shutil.which("pgbouncer", path=os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin"]))
WHERE_FROM = "needs PgBouncer: sudo make servers"


class Pooler:
    """Runs while the `with` lasts; `url` is where the product connects to."""

    def __init__(self, directory: Path, database_url: str, *, port: int, pool: int) -> None:
        self._directory, self._port = directory, port
        command = [sys.executable, PROJECT / "deploy/pgbouncer/render.py", directory, "--database-url", database_url]
        subprocess.run([*map(str, command), "--port", str(port), "--pool", str(pool)], check=True, capture_output=True)
        credentials, _, rest = database_url.removeprefix("postgresql+psycopg://").partition("@")
        self.url = f"postgresql+psycopg://{credentials}@127.0.0.1:{port}/{rest.partition('/')[2].partition('?')[0]}"

    def __enter__(self) -> Pooler:
        assert PROGRAM is not None
        # It refuses to be root, as PostgreSQL does, whose socket it must reach.
        identity, owner = step_down(self._directory, Path(PROGRAM))
        for path in (self._directory, *self._directory.iterdir()):
            give(path, owner)
        self._log = (self._directory / "log").open("wb")
        command = [PROGRAM, "-q", str(self._directory / "pgbouncer.ini")]
        self._process = spawn(command, parent_death_signal=signal.SIGKILL, identity=identity, stdout=self._log)
        until = time.monotonic() + 30
        while True:
            try:
                socket.create_connection(("127.0.0.1", self._port), 1).close()
                return self
            except OSError:
                assert self._process.poll() is None, (self._directory / "log").read_text()
                assert time.monotonic() < until
                time.sleep(0.05)

    def said(self) -> str:
        return (self._directory / "log").read_text()

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        self._process.terminate()
        self._process.wait(10)
        self._log.close()
