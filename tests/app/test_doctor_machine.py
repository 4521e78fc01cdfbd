"""What `inet doctor` says of this machine: folders, secrets, the public address, a pooler, the sandbox in production."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import psycopg
import pytest
import sqlalchemy as sa
from pydantic import SecretStr
from typer.testing import CliRunner

from app.cli import cli
from app.doctor import examine, machine
from app.doctor.pooler import pooler, stands_between
from app.settings import Settings, get_settings
from tests.conftest import Sandbox, free_port
from tests.portal.served import web_process
from tests.services.operations.health.black_hole import Passage

STRONG = "nQ2vTfL9xYw4RbK7sHd1Zc8PjM6gUeA3o5iW0tXq"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"secret_key": STRONG}, "long and mixed enough"),
        ({"secret_key": "abcabcabc" * 5}, "INET_SECRET_KEY is easy to guess"),
        (
            {"secret_key": STRONG, "backup_key": "x" * 40, "metrics_token": "1111"},
            "INET_BACKUP_KEY and INET_METRICS_TOKEN are easy to guess",
        ),
        ({"secret_key": STRONG, "backup_key": STRONG}, "one value stands for two of them"),
        ({"secret_key": STRONG, "env": "production"}, "INET_BACKUP_KEY is not set, so back-ups cannot be sealed"),
    ],
)
def test_secrets_are_judged_and_never_told(values: dict[str, str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = machine.secrets(Settings.model_validate(values))
    assert found.said == said
    assert not any(value in found.said + found.advice for name, value in values.items() if name != "env")


def test_a_file_of_settings_that_everybody_may_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("")
    settings = Settings(secret_key=SecretStr(STRONG))
    (tmp_path / ".env").chmod(0o644)
    assert machine.secrets(settings).advice == "Run `chmod 600 .env`."
    (tmp_path / ".env").chmod(0o600)
    assert machine.secrets(settings).ok


def test_a_folder_that_cannot_be_made_comes_with_advice(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = machine.logs(Settings(log_dir=tmp_path / "file" / "logs"))
    assert not found.ok
    assert "INET_LOG_DIR" in found.advice
    assert machine.logs(Settings(log_dir=tmp_path / "logs")).said.startswith(str(tmp_path / "logs"))
    assert "Set INET_METRICS_TOKEN" in machine.metrics(Settings(metrics_dir=tmp_path, env="production")).advice


def test_the_public_address_must_be_ours(servers: None, sandbox_process: Sandbox, tmp_path: Path) -> None:
    with web_process(tmp_path) as served:
        assert machine.public_address(Settings(public_url=served.url)).said == f"{served.url} answers"
    gone = machine.public_address(Settings(public_url=served.url))
    assert "cannot be reached" in gone.said
    assert "answered by something else" in machine.public_address(Settings(public_url=sandbox_process.url)).said


def test_in_production_nothing_leads_to_the_sandbox(sandbox_process: Sandbox) -> None:
    found = machine.sandbox(Settings(wave_base_url=sandbox_process.url, portabilling_url=f"http://127.0.0.1:{free_port()}"))
    assert (found.ok, found.said) == (False, "INET_WAVE_BASE_URL leads to the sandbox")
    assert machine.sandbox(Settings(wave_base_url=f"http://127.0.0.1:{free_port()}")).ok


@pytest.fixture
def behind_pooler(database: sa.Engine) -> Iterator[str]:
    """The address of a PgBouncer in transaction mode before the tests' PostgreSQL."""
    program = shutil.which("pgbouncer") or "/usr/sbin/pgbouncer"
    if not Path(program).exists():
        pytest.skip("Debian's package pgbouncer is not installed")
    port, query = free_port(), database.url.query
    passage = Passage(f"{query['host']}/.s.PGSQL.{query.get('port', '5432')}")
    with tempfile.TemporaryDirectory() as name:
        # PgBouncer never runs as root, and reads these as somebody else.
        folder = Path(name)
        folder.chmod(0o755)
        (folder / "users").write_text(f'"{database.url.username}" ""\n')
        (folder / "ini").write_text(
            f"[databases]\n* = host=127.0.0.1 port={passage.port}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n"
            f"listen_port = {port}\nunix_socket_dir =\nauth_type = trust\nauth_file = {folder}/users\npool_mode = transaction\n"
        )
        as_whom = ["-u", "nobody"] if os.getuid() == 0 else []
        process = subprocess.Popen([program, "-q", *as_whom, str(folder / "ini")], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            url = database.url.set(host="127.0.0.1", port=port, query={}).render_as_string(hide_password=False)
            _wait_for(url, process)
            yield url
        finally:
            process.terminate()
            process.wait(10)
            passage.close()


def _wait_for(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and process.poll() is None:
        try:
            psycopg.connect(url.replace("+psycopg", ""), connect_timeout=2).close()
            return
        except psycopg.OperationalError:
            time.sleep(0.05)
    raise RuntimeError("PgBouncer does not answer")


def test_a_pooler_of_which_the_settings_do_not_know_is_found(behind_pooler: str, database: sa.Engine) -> None:
    direct = database.url.render_as_string(hide_password=False)
    assert stands_between(behind_pooler)
    assert not stands_between(direct)
    said = {
        (pooled, other): pooler(Settings(database_url=behind_pooler, database_is_pooled=pooled, database_direct_url=other)).said
        for pooled in (False, True)
        for other in ("", direct, behind_pooler)
    }
    assert {value for (pooled, _), value in said.items() if not pooled} == {"one stands before PostgreSQL, and the settings do not say so"}
    assert said[True, ""] == "one stands before PostgreSQL, and migrations and back-ups have no other way"
    assert said[True, direct] == "one stands before PostgreSQL, as the settings say"
    assert said[True, behind_pooler] == "INET_DATABASE_DIRECT_URL leads to a pooler as well"
    assert pooler(Settings(database_url=direct)).said == "none"


def test_the_whole_examination_as_json(database: sa.Engine, sandbox: Sandbox) -> None:
    findings = {finding.subject: finding for finding in examine()}
    assert {
        name for name in ("PostgreSQL", "Tables", "Pooler", "Redis", "Clock", "Wave", "PortaBilling", "SMS") if not findings[name].ok
    } == set()
    assert (findings["Workers"].said, findings["Scheduler"].said) == ("none runs", "none runs")
    assert all(finding.ok or finding.advice for finding in findings.values())
    assert get_settings().secret_key.get_secret_value() not in repr(findings)
    answer = CliRunner().invoke(cli, ["doctor", "--json"])
    assert answer.exit_code == 1
    told = json.loads(answer.stdout)
    assert {one["subject"] for one in told} == set(findings)
    assert set(told[0]) == {"subject", "ok", "said", "advice", "took_ms"}
