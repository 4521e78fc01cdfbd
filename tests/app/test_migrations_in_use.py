"""Migrations run while people pay: what each new one says to PostgreSQL is read here, and refused if it is in the way.

A migration that must break a rule, because every running release has stopped using what it takes away, says so in itself:

    WAIVERS = {"drop column": "no release since 1.4 reads it"}
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import lru_cache

import pytest
from alembic import command
from alembic.script import Script, ScriptDirectory

from app import migrate

# Shipped before the rules: made when nothing was running.
BEFORE_THE_RULES = {f"{number:04d}" for number in range(1, 12)}

_RULES: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("drop table", re.compile(r"^DROP TABLE")),
    ("drop column", re.compile(r"^ALTER TABLE .*\bDROP COLUMN")),
    ("rename", re.compile(r"^ALTER (TABLE|INDEX|SEQUENCE) .*\bRENAME")),
    ("alter type", re.compile(r"^ALTER TABLE .*\bALTER COLUMN \S+ (SET DATA )?TYPE")),
    ("rewrite in one go", re.compile(r"^(UPDATE|DELETE FROM) (?!ALEMBIC_VERSION)")),
    ("lock table", re.compile(r"^(LOCK TABLE|TRUNCATE|CLUSTER|VACUUM FULL|REINDEX (?!.*CONCURRENTLY))")),
)
_TABLE = re.compile(r"^(?:ALTER TABLE(?: ONLY)?|CREATE (?:UNIQUE )?INDEX .*? ON) \"?(\w+)\"?")
_MADE = re.compile(r"^CREATE TABLE \"?(\w+)\"?")
_NOT_NULL = re.compile(r"^ALTER TABLE \S+ ALTER COLUMN (\S+) SET NOT NULL")
_ADD_COLUMN = re.compile(r"^ALTER TABLE \S+ ADD COLUMN .*\bNOT NULL")
_ADD_CONSTRAINT = re.compile(
    r"^ALTER TABLE \S+ (?:DROP CONSTRAINT IF EXISTS \S+, )?ADD (?:CONSTRAINT \S+ )?(CHECK|FOREIGN KEY|UNIQUE|PRIMARY KEY)"
)
_DROP_INDEX = re.compile(r"^DROP INDEX (?!CONCURRENTLY)")
_REFERENCES = re.compile(r"REFERENCES \"?(\w+)\"?")


def broken_rules(statements: list[str]) -> Iterator[str]:
    """What a migration's statements, in their order, do that they must not. A transaction is what lies between BEGIN and COMMIT."""
    made: set[str] = set()
    touched: set[str] = set()
    checked: set[str] = set()
    has_timeout = False
    for statement in statements:
        upper = statement.upper()
        if upper in ("BEGIN", "COMMIT"):
            touched = set()
            continue
        has_timeout = has_timeout or "LOCK_TIMEOUT" in upper
        if found := _MADE.match(upper):
            made.add(found[1])
            touched |= {other for other in _REFERENCES.findall(upper) if other not in made}
            continue
        if upper.startswith("DO $$"):  # written by app/expanding.py, in steps of its own
            continue
        yield from (name for name, pattern in _RULES if pattern.match(upper))
        found = _TABLE.match(upper)
        table = found[1] if found else None
        if _DROP_INDEX.match(upper):
            yield "index without CONCURRENTLY"
        if table is None or table in made:
            continue
        if re.match(r"CREATE (UNIQUE )?INDEX", upper):
            if "CONCURRENTLY" not in upper:
                yield "index without CONCURRENTLY"
            continue
        if not has_timeout:
            yield "no lock_timeout"
        touched.add(table)
        if len(touched) > 1:
            yield "two tables in use within one transaction"
        if _ADD_COLUMN.match(upper) and "DEFAULT" not in upper:
            yield "NOT NULL without default"
        if (not_null := _NOT_NULL.match(upper)) and f"{table}.{not_null[1]}" not in checked:
            yield "NOT NULL without a valid check"
        if valid := re.match(r"ALTER TABLE \S+ VALIDATE CONSTRAINT CK_(\w+)_REQUIRED", upper):
            checked.add(f"{table}.{valid[1].removeprefix(f'{table}_')}")
        if constraint := _ADD_CONSTRAINT.match(upper):
            if constraint[1] in ("CHECK", "FOREIGN KEY") and "NOT VALID" not in upper:
                yield "constraint without NOT VALID"
            if constraint[1] in ("UNIQUE", "PRIMARY KEY") and "USING INDEX" not in upper:
                yield "constraint that builds an index"


def split(sql: str) -> list[str]:
    """The statements, in one line each, without comments; bodies in `$$` stay whole."""
    plain = re.sub(r"--.*", "", sql)
    parts = re.split(r"(\$\$.*?\$\$)", plain, flags=re.DOTALL)
    marked = "".join(part.replace(";", "\0") if number % 2 else part for number, part in enumerate(parts))
    return [" ".join(statement.replace("\0", ";").split()) for statement in marked.split(";") if statement.strip()]


@lru_cache(maxsize=1)
def scripts() -> tuple[Script, ...]:
    return tuple(reversed(list(ScriptDirectory.from_config(migrate.config()).walk_revisions())))


NEW = [script.revision for script in scripts() if script.revision not in BEFORE_THE_RULES]


def statements_of(revision: str) -> list[str]:
    script = ScriptDirectory.from_config(migrate.config()).get_revision(revision)
    config = migrate.config()
    config.output_buffer = io.StringIO()
    command.upgrade(config, f"{script.down_revision}:{revision}", sql=True)
    return split(config.output_buffer.getvalue())


def test_the_list_of_shipped_ones_does_not_grow() -> None:
    assert NEW[0] == "0012"


@pytest.mark.parametrize("revision", NEW)
def test_a_new_migration_can_run_while_people_pay(revision: str) -> None:
    module = next(script.module for script in scripts() if script.revision == revision)
    waived: dict[str, str] = getattr(module, "WAIVERS", {})
    assert all(len(reason) > 10 for reason in waived.values())
    broken = set(broken_rules(statements_of(revision)))
    assert broken - set(waived) == set()
    assert set(waived) - broken == set(), "waivers that nothing needs"


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("DROP TABLE payment;", "drop table"),
        ("SET lock_timeout = '5s'; ALTER TABLE payment DROP COLUMN phone;", "drop column"),
        ("SET lock_timeout = '5s'; ALTER TABLE payment RENAME COLUMN phone TO number;", "rename"),
        ("SET lock_timeout = '5s'; ALTER TABLE payment RENAME TO purchase;", "rename"),
        ("SET lock_timeout = '5s'; ALTER TABLE payment ALTER COLUMN id TYPE BIGINT;", "alter type"),
        ("SET lock_timeout = '5s'; ALTER TABLE payment ALTER COLUMN phone SET NOT NULL;", "NOT NULL without a valid check"),
        ("SET lock_timeout = '5s'; ALTER TABLE payment ADD COLUMN note TEXT NOT NULL;", "NOT NULL without default"),
        ("ALTER TABLE payment ADD COLUMN note TEXT;", "no lock_timeout"),
        ("CREATE INDEX ix ON payment (phone);", "index without CONCURRENTLY"),
        ("CREATE UNIQUE INDEX ix ON payment (phone);", "index without CONCURRENTLY"),
        ("SET lock_timeout = '5s'; ALTER TABLE payment ADD CONSTRAINT ck CHECK (x > 0);", "constraint without NOT VALID"),
        ("SET lock_timeout = '5s'; ALTER TABLE a ADD CONSTRAINT fk FOREIGN KEY(b) REFERENCES b (id);", "constraint without NOT VALID"),
        ("SET lock_timeout = '5s'; ALTER TABLE a ADD CONSTRAINT uq UNIQUE (b);", "constraint that builds an index"),
        ("UPDATE payment SET note = '';", "rewrite in one go"),
        ("LOCK TABLE payment IN ACCESS EXCLUSIVE MODE;", "lock table"),
        (
            "BEGIN; SET LOCAL lock_timeout = '5s'; ALTER TABLE a ADD COLUMN x INT; ALTER TABLE b ADD COLUMN x INT; COMMIT;",
            "two tables in use within one transaction",
        ),
    ],
)
def test_what_would_hold_up_or_break_a_running_release_is_found(sql: str, rule: str) -> None:
    assert set(broken_rules(split(sql))) == {rule}


def test_new_tables_may_have_what_they_like() -> None:
    sql = "CREATE TABLE a (id INT); CREATE INDEX ix ON a (id); ALTER TABLE a ADD CONSTRAINT uq UNIQUE (id);"
    assert list(broken_rules(split(sql))) == []
