"""What stands where a back-up would go, and whether it may go there: asked before anything is begun."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from app import migrate
from app.direct import direct_engine, direct_url
from services.operations.backup import databases
from services.operations.backup.checking import opened
from services.operations.backup.errors import RestoreRefused
from services.operations.backup.records import Kind

# Without a row in these, nobody has worked with a database: others are filled by migrations and by running.
_PRECIOUS = ("staff", "customer", "payment", "voucher", "gateway", "ticket", "package")
_TABLES = """
SELECT schemaname, tablename FROM pg_tables
WHERE schemaname NOT IN ('pg_catalog', 'information_schema') AND schemaname NOT LIKE 'pg\\_t%'
"""
_USED = "SELECT count(*) FROM pg_stat_activity WHERE datname = :name AND backend_type = 'client backend' AND pid <> pg_backend_pid()"
_OWNER = "SELECT pg_get_userbyid(datdba) AS owner, current_user AS us FROM pg_database WHERE datname = :name"


@dataclass(frozen=True)
class Target:
    """The database that stands there. `rows` are those of people, money and gateways; `foreign` tables are none of INET's."""

    name: str
    exists: bool
    rows: int
    foreign: int
    connections: int

    @property
    def is_empty(self) -> bool:
        return self.rows == 0 and self.foreign == 0

    @property
    def words(self) -> str:
        foreign = f", {self.foreign} tables that are none of INET's" if self.foreign else ""
        return (
            f"The database {self.name} holds {self.rows:,} customers, payments, vouchers and the like{foreign},"
            f" and {self.connections} connections use it."
        )


def look(url: str | None = None) -> Target:
    """What stands where a back-up would go. Raises BackupFailed when the server does not answer."""
    url = url or direct_url()
    name = databases.live_name(url)
    with databases.maintenance(url) as connection:
        if not connection.execute(sa.text("SELECT 1 FROM pg_database WHERE datname = :name"), {"name": name}).first():
            return Target(name, exists=False, rows=0, foreign=0, connections=0)
        connections = int(connection.execute(sa.text(_USED), {"name": name}).scalar_one())
    with direct_engine(url) as engine, engine.connect() as connection:
        tables = {(schema, table) for schema, table in connection.execute(sa.text(_TABLES))}
        ours = {("public", table) for table in migrate.tables()}
        counts = [sa.text(f"SELECT count(*) FROM {table}") for table in _PRECIOUS if ("public", table) in tables]  # noqa: S608 - constants
        rows = sum(int(connection.execute(count).scalar_one()) for count in counts)
    return Target(name, exists=True, rows=rows, foreign=len(tables - ours), connections=connections)


def refuse_another_owner(connection: sa.Connection, target: Target) -> None:
    """Only its owner may rename a database, and what we restore belongs to us: INET would not be let in. Raises RestoreRefused."""
    found = connection.execute(sa.text(_OWNER), {"name": target.name}).one_or_none()
    if found is not None and found.owner != found.us:
        raise RestoreRefused(
            f"The database {target.name} belongs to {found.owner} and you are {found.us}: restore as {found.owner}. Nothing was changed."
        )


def refuse_a_newer_one(path: Path) -> None:
    """A back-up of tables that this release does not know. Said by its first record, long before its end. Raises BackupFailed."""
    with opened(path) as found:
        first = next(found)
    if first.kind is Kind.MANIFEST and not migrate.knows(first.facts["content"]["migration"]):
        facts = first.facts
        raise RestoreRefused(
            f"This back-up is of a newer release ({facts['release']}, migration {facts['content']['migration']}): restore it with that one."
            " Nothing was changed."
        )
