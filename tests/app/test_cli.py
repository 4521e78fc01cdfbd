from __future__ import annotations

import os
import pwd
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import sqlalchemy as sa
import typer
from typer.testing import CliRunner

from app.cli import cli
from app.cli_admin import RoleName
from app.db import make_engine
from app.embedded import EmbeddedPostgres, EmbeddedValkey
from services.accounts.models import Role

PROJECT = Path(__file__).parents[2]
Result = subprocess.CompletedProcess[str]


def inet(*arguments: str, env: dict[str, str] | None = None, cwd: Path | None = None) -> Result:
    clean = {name: value for name, value in os.environ.items() if not name.startswith("INET_")}
    return subprocess.run(
        [sys.executable, "-m", "app.cli", *arguments],
        env=clean | {"PYTHONPATH": str(PROJECT)} | (env or {}),
        cwd=cwd,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    """Every command below `group`. Typer brings a Click of its own, so the types have no public name."""
    for name, command in group.commands.items():
        yield (*path, name), command
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))


COMMANDS = dict(commands(typer.main.get_command(cli)))


@pytest.fixture(scope="module")
def database() -> Iterator[dict[str, str]]:
    """The environment of a product whose database has its tables."""
    with tempfile.TemporaryDirectory(prefix="inet-") as name:
        directory = Path(name)
        directory.chmod(0o755)
        postgres, valkey = EmbeddedPostgres(directory / "postgres", durable=False), EmbeddedValkey(directory / "valkey")
        try:
            env = {"INET_DATABASE_URL": postgres.start(), "INET_REDIS_URL": valkey.start(), "INET_SECRET_KEY": "k" * 40}
            migrated = inet("migrate", env=env)
            assert migrated.returncode == 0, migrated.stderr
            yield env
        finally:
            valkey.stop()
            postgres.stop()


@pytest.mark.parametrize("path", sorted(COMMANDS), ids=" ".join)
def test_every_command_and_option_explains_itself(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.help
    for parameter in command.params:
        assert getattr(parameter, "help", None), f"{' '.join(path)}: {parameter.name} has no help"
    assert CliRunner().invoke(cli, [*path, "--help"]).exit_code == 0


def test_help_loads_neither_the_web_nor_the_database() -> None:
    code = "import sys, app.cli; print([m for m in ('sqlalchemy','fastapi','nicegui','rq','pydantic','httpx') if m in sys.modules])"
    answer = subprocess.run([sys.executable, "-c", code], cwd=PROJECT, capture_output=True, text=True, check=True)
    assert answer.stdout.strip() == "[]"


def test_the_roles_of_the_command_are_the_roles_of_the_product() -> None:
    assert set(get_args(RoleName)) == {role.value for role in Role}


@pytest.mark.parametrize("arguments", [["fly"], ["up", "--port", "no"], ["staff", "add"], ["worker", "no-such-queue"]])
def test_bad_usage_ends_with_status_2(arguments: list[str]) -> None:
    answer = inet(*arguments)
    assert answer.returncode == 2
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    ("env", "sentence"),
    [
        ({"INET_ENV": "staging"}, "INET_ENV is wrong"),
        ({"INET_DATABASE_URL": "mysql://x"}, "INET_DATABASE_URL must look like postgresql+psycopg://"),
        ({}, "start `inet up` in another terminal"),
    ],
)
def test_a_wrong_setting_is_one_line_and_status_1(env: dict[str, str], sentence: str, tmp_path: Path) -> None:
    answer = inet("migrate", env=env, cwd=tmp_path)
    assert answer.returncode == 1
    assert sentence in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_an_unwritable_data_dir_is_one_line_and_status_1(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    answer = inet("up", "--data-dir", str(tmp_path / "file" / "data"), cwd=tmp_path)
    assert answer.returncode == 1
    assert "cannot be written" in answer.stderr
    assert answer.stderr.count("\n") == 1


def test_a_database_that_does_not_answer_is_one_line_and_status_1(tmp_path: Path) -> None:
    env = {
        "INET_DATABASE_URL": f"postgresql+psycopg://inet@/inet?host={tmp_path}",
        "INET_REDIS_URL": "unix:///nowhere",
        "INET_SECRET_KEY": "k" * 40,
    }
    answer = inet("staff", "add", "--email", "a@b.gm", "--role", "root", env=env, cwd=tmp_path)
    assert answer.returncode == 1
    assert answer.stderr.startswith("PostgreSQL does not answer")
    assert answer.stderr.count("\n") == 1


def test_migrate_check_finds_the_database_in_step(database: dict[str, str]) -> None:
    answer = inet("migrate", "--check", env=database)
    assert answer.returncode == 0, answer.stdout + answer.stderr


def test_staff_add_prints_a_password_once_and_refuses_a_second_account(database: dict[str, str]) -> None:
    arguments = ["staff", "add", "--email", "fatou@example.gm", "--role", "billing_officer"]
    first = inet(*arguments, env=database)
    assert first.returncode == 0, first.stderr
    assert "Password (shown only now): " in first.stdout
    again = inet(*arguments, env=database)
    assert again.returncode == 1
    assert again.stderr == "There is already a staff account with that e-mail address.\n"


def test_api_token_is_the_only_thing_printed(database: dict[str, str]) -> None:
    answer = inet("api-token", "create", "--name", "router scripts", "--scope", "access:grant", "--scope", "access:read", env=database)
    assert answer.returncode == 0, answer.stderr
    assert len(answer.stdout.split()) == 1
    refused = inet("api-token", "create", "--name", "shop", "--scope", "everything", env=database)
    assert refused.returncode == 1
    assert "access:grant" in refused.stderr


def audited(database: dict[str, str]) -> list[tuple[str, str, str]]:
    """Who, did what, to what kind of record: everything in the audit."""
    engine = make_engine(database["INET_DATABASE_URL"])
    with engine.connect() as connection:
        rows = connection.execute(sa.text("SELECT actor, action, target_type FROM audit_entry ORDER BY id")).all()
    engine.dispose()
    return [(row.actor, row.action, row.target_type) for row in rows]


def test_what_is_done_at_the_command_line_is_audited_under_the_systems_account(database: dict[str, str]) -> None:
    before = len(audited(database))
    router = ["gateway", "add", "--slug", "bakau-1", "--name", "inet-bakau-1", "--level", "4", "--faskey", "b2" * 32]
    for arguments in (
        ["staff", "add", "--email", "isatou@example.gm", "--role", "field_technician"],
        ["api-token", "create", "--name", "a shop", "--scope", "payments:read"],
        router,
        ["secrets", "rotate"],
    ):
        answer = inet(*arguments, env=database)
        assert answer.returncode == 0, answer.stderr
    listed = inet("api-token", "list", env=database).stdout
    (number,) = [line.split()[0] for line in listed.splitlines() if "a shop" in line]
    assert inet("api-token", "revoke", number, "--reason", "It moved away", env=database).returncode == 0
    assert "ended" in next(line for line in inet("api-token", "list", env=database).stdout.splitlines() if "a shop" in line)
    me = f"cli:{pwd.getpwuid(os.getuid()).pw_name}"
    assert audited(database)[before:] == [
        (me, "staff.add", "staff"),
        (me, "token.create", "api_token"),
        (me, "gateway.register", "gateway"),
        (me, "secrets.rotate", "secret"),
        (me, "token.revoke", "api_token"),
    ]


def test_gateway_add_prints_the_router_snippet_and_names_a_bad_key(database: dict[str, str]) -> None:
    arguments = ["gateway", "add", "--slug", "serekunda-1", "--name", "inet-serekunda-1", "--level", "4", "--site", "Serekunda"]
    answer = inet(*arguments, "--faskey", "a1" * 32, env=database)
    assert answer.returncode == 0, answer.stderr
    assert "option fas_secure_enabled '4'" in answer.stdout
    refused = inet(*arguments, "--faskey", "short", env=database)
    assert refused.returncode == 1
    assert "faskey" in refused.stderr
    assert "short" not in refused.stderr


def test_doctor_says_what_is_well_and_what_to_do_about_the_rest(database: dict[str, str]) -> None:
    wave = {"INET_WAVE_BASE_URL": "http://127.0.0.1:1", "INET_WAVE_API_KEY": "wave_sn_prod_secret"}
    answer = inet("doctor", env=database | wave)
    assert answer.returncode == 1
    lines = {line[5:].split()[0]: line[:4].strip() for line in answer.stdout.splitlines() if not line.startswith(" ")}
    assert lines["PostgreSQL"] == lines["Redis"] == lines["Tables"] == "ok"
    assert lines["Wave"] == "BAD"
    assert "Check INET_WAVE_BASE_URL" in answer.stdout
    assert "wave_sn_prod_secret" not in answer.stdout + answer.stderr
