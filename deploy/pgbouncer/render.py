"""Render PgBouncer's configuration from the URL of the database: `python deploy/pgbouncer/render.py OUTPUT --database-url URL`.

Only the standard library. The URL holds the password, so it may also come from the environment (INET_DATABASE_DIRECT_URL).
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from urllib.parse import parse_qs, unquote, urlsplit

TEMPLATE = Path(__file__).parent / "pgbouncer.ini"
_VARIABLE = re.compile(r"\$\{(INET_PGBOUNCER_[A-Z_]+)\}")


def values_of(url: str, *, users: Path, listen: str, port: int, pool: int) -> dict[str, str]:
    parts = urlsplit(url)
    asked = {name: values[0] for name, values in parse_qs(parts.query).items()}
    return {
        "INET_PGBOUNCER_HOST": parts.hostname or asked.get("host", "127.0.0.1"),
        "INET_PGBOUNCER_PORT": str(parts.port or asked.get("port", 5432)),
        # A server that asks its own clients for no password (a socket on the same machine) needs none here.
        "INET_PGBOUNCER_AUTH": "scram-sha-256" if parts.password else "trust",
        "INET_PGBOUNCER_DATABASE": parts.path.strip("/"),
        "INET_PGBOUNCER_USER": unquote(parts.username or ""),
        "INET_PGBOUNCER_USERS": str(users),
        "INET_PGBOUNCER_LISTEN": listen,
        "INET_PGBOUNCER_LISTEN_PORT": str(port),
        "INET_PGBOUNCER_POOL": str(pool),
    }


def fill(template: str, values: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: values[match[1]], template)


def render(output: Path, url: str, *, listen: str = "127.0.0.1", port: int = 6432, pool: int = 20) -> Path:
    """Write `pgbouncer.ini` and its list of users below `output`; answer the first. The list is readable by its owner alone."""
    output.mkdir(parents=True, exist_ok=True)
    users, main = output / "users.txt", output / "pgbouncer.ini"
    user, password = (unquote(part or "").replace('"', '""') for part in (urlsplit(url).username, urlsplit(url).password))
    for path, text in (
        (users, f'"{user}" "{password}"\n'),
        (main, fill(TEMPLATE.read_text(encoding="utf-8"), values_of(url, users=users, listen=listen, port=port, pool=pool))),
    ):
        path.unlink(missing_ok=True)
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(text)
    return main


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Render PgBouncer's configuration for INET Portal.")
    parser.add_argument("output", type=Path, help="directory to write to; start with: pgbouncer OUTPUT/pgbouncer.ini")
    parser.add_argument("--database-url", default=os.environ.get("INET_DATABASE_DIRECT_URL", ""), help="PostgreSQL itself")
    parser.add_argument("--listen", default="127.0.0.1", help="addresses to listen on, separated by commas; * is every one")
    parser.add_argument("--port", type=int, default=6432)
    parser.add_argument("--pool", type=int, default=20, help="connections to PostgreSQL")
    options = parser.parse_args(arguments)
    if not options.database_url:
        parser.error("--database-url (or INET_DATABASE_DIRECT_URL) is missing")
    made = render(options.output, options.database_url, listen=options.listen, port=options.port, pool=options.pool)
    sys.stdout.write(f"{made}\n")


if __name__ == "__main__":
    main(sys.argv[1:])
