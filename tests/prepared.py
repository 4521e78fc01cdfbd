"""PostgreSQL's files with this release's tables and no rows, made once a run and copied for every server that a test starts.

To make the files and to run all migrations takes seconds of CPU, a copy a tenth of that.
"""

from __future__ import annotations

import fcntl
import os
import shutil
from pathlib import Path

VARIABLE = "TESTS_PREPARED"
"""Where this run's files are, for the processes of its drills; `make drill` goes without and makes its own."""


def make(directory: Path) -> None:
    """Have the files in `directory`, and named in this process's environment. Of several processes one makes them and the others wait.

    A run that is part of another takes that one's.
    """
    if VARIABLE in os.environ:
        return
    from app import migrate
    from app.embedded import EmbeddedPostgres

    directory.mkdir(exist_ok=True)
    with (directory / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (directory / "whole").exists():
            server = EmbeddedPostgres(directory / "pg", durable=False)
            try:
                migrate.upgrade(url=server.start())
            finally:
                server.stop()
            (directory / "whole").touch()
    os.environ[VARIABLE] = str(directory / "pg")


def put_into(directory: Path) -> None:
    """Lay a copy where an EmbeddedPostgres of `directory` takes it for what its last run left; nothing where there are no files."""
    made = os.environ.get(VARIABLE)
    if made is None:
        return
    directory.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(Path(made, "password"), directory / "password")
    (directory / "password").chmod(0o600)
    shutil.copytree(Path(made, "data"), directory / "data")
