"""A drill with servers of its own: PostgreSQL, Valkey and the sandbox, in a folder that goes away with it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests import prepared
from tests.answering import wait_until_it_answers

_ROOT = Path(__file__).parents[2]


@contextmanager
def own_folder() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="drill-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)  # PostgreSQL runs as another user when we are root
        yield directory


@contextmanager
def databases(directory: Path, **settings: str) -> Iterator[None]:
    """PostgreSQL with the product's tables, and Valkey. `settings` are for this process and its children."""
    from app import db, migrate, redis
    from app.embedded import EmbeddedPostgres, EmbeddedValkey
    from app.settings import get_settings
    from tests.conftest import SECRET

    prepared.put_into(directory / "pg")
    postgres, valkey = EmbeddedPostgres(directory / "pg", durable=False), EmbeddedValkey(directory / "valkey")
    os.environ.update(INET_ENV="demo", INET_DATABASE_URL=postgres.start(), INET_REDIS_URL=valkey.start(), INET_SECRET_KEY=SECRET)
    os.environ.update(INET_DATA_DIR=str(directory / "data"), INET_LOG_LEVEL="ERROR", **settings)
    get_settings.cache_clear()
    try:
        migrate.upgrade()
        yield
    finally:
        db.dispose()
        redis.forget()
        valkey.stop()
        postgres.stop()


@contextmanager
def servers(directory: Path, port: int, **settings: str) -> Iterator[str]:
    """`databases`, and the sandbox at `port`; answers its address."""
    with databases(directory, INET_SANDBOX_ROUTER_COUNT="0", **settings):
        url = f"http://127.0.0.1:{port}"
        command = [sys.executable, "-m", "app.cli", "sandbox", "--port", str(port), "--data-dir", str(directory / "sandbox")]
        sandbox = subprocess.Popen(command, cwd=_ROOT)
        try:
            wait_until_it_answers(f"{url}/_control/state", sandbox)
            yield url
        finally:
            sandbox.terminate()
            sandbox.wait(10)


def run_bounded(name: str, folder: Path, **chosen: str) -> tuple[dict[str, Any], str]:
    """Run the drill of that name in a process of its own, from `folder`; answers its row and what it printed. Fails where it did."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("INET_", "DRILL_")) and name != "PYTEST_CURRENT_TEST"}
    finished = subprocess.run(
        [sys.executable, "-m", f"tests.drill.{name}"],
        cwd=folder,
        env=ours | {"PYTHONPATH": str(_ROOT), "DRILL_SEED": "7"} | chosen,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    printed = finished.stdout + finished.stderr[-4000:]
    assert finished.returncode == 0, printed
    row: dict[str, Any] = json.loads((folder / f"drill-{name}.json").read_text())
    return row, printed
