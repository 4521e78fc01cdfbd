"""`inet logs`: one story out of the files of all processes of a machine, in the order in which it happened."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from app import correlation
from app.cli_logs import gather, readable
from app.db import transaction
from tests.factories import make_payment

PROJECT = Path(__file__).parents[2]
STORY, HOOK, OTHER = "story-of-the-purchase", "request-of-the-webhook", "story-of-another"
# What the environment of the tests is not to say for the command.
_OWN = ("INET_DATABASE_URL", "INET_REDIS_URL", "INET_DATA_DIR", "INET_LOG_DIR")


def line(event: str, second: int, story: str = STORY, **facts: Any) -> str:
    record = {"event": event, "level": "info", "timestamp": f"2026-11-22T10:00:{second:02d}.5Z", "process": "web", "correlation_id": story}
    return json.dumps(record | facts) + "\n"


@pytest.fixture
def places(tmp_path: Path) -> tuple[Path, Path]:
    """What `inet up` keeps, and INET_LOG_DIR."""
    data, own = tmp_path / "data", tmp_path / "own"
    (data / "log").mkdir(parents=True)
    own.mkdir()
    (data / "log" / "web.log").write_text(line("checkout.saved", 1) + "not JSON at all\n" + line("checkout.saved", 2, OTHER) + '{"torn')
    (data / "log" / "worker.log").write_text(line("outbound.call", 9, process="worker", service="wave"))
    (data / "log" / "worker.log.1").write_text(line("outbound.call", 5, process="worker", service="portabilling"))
    (data / "log" / "postgres.log").write_text(f"LOG: {STORY}\n")
    (own / "web-host-7.log").write_text(
        line("checkout.saved", 1)
        + line("correlation.continues", 3, HOOK, continues=STORY)
        + line("webhook.taken", 4, HOOK)
        + line("request.failed", 6, exception="Traceback:\n  KeyError: 'x'\x1b[31m")
    )
    (own / "web-host-7.20261121-100000-0.log").write_text(line("of.the.day.before", 0))
    return data, own


def inet_logs(*arguments: str, data: Path, own: Path | None = None, **more: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if name not in _OWN} | {"PYTHONPATH": str(PROJECT)}
    environment |= {"INET_DATA_DIR": str(data)} | ({"INET_LOG_DIR": str(own)} if own else {}) | more
    command = [sys.executable, "-m", "app.cli", "logs", *arguments]
    return subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, timeout=60)


def events(places: tuple[Path, ...], *ids: str, since: datetime | None = None) -> list[str]:
    return [found.record["event"] for found in gather(ids, places, since=since).lines if found.record]


def test_a_story_is_gathered_from_all_files_in_order_and_each_line_once(places: tuple[Path, Path]) -> None:
    data, own = places
    told = [
        "of.the.day.before",
        "checkout.saved",
        "correlation.continues",
        "webhook.taken",
        "outbound.call",
        "request.failed",
        "outbound.call",
    ]
    assert events((data / "log", own), STORY) == told


def test_the_webhook_leads_to_the_payment_and_the_payment_to_the_webhook(places: tuple[Path, Path]) -> None:
    data, own = places
    assert events((data / "log", own), HOOK) == events((data / "log", own), STORY)
    assert gather([HOOK], [data / "log", own]).ids == (HOOK, STORY)
    assert events((data / "log", own), OTHER) == ["checkout.saved"]


def test_only_what_is_younger_is_told(places: tuple[Path, Path]) -> None:
    since = datetime(2026, 11, 22, 10, 0, 5, tzinfo=UTC)
    assert events((places[0] / "log", places[1]), STORY, since=since) == ["outbound.call", "request.failed", "outbound.call"]


def test_lines_for_people_are_found_too(tmp_path: Path) -> None:
    (tmp_path / "web.log").write_text(
        f"2026-11-22T10:00:02.000000Z [info     ] outbound.call  correlation_id={STORY} service=wave\n"
        f"2026-11-22T10:00:01.000000Z [info     ] correlation.continues  continues={STORY} correlation_id={HOOK}\n"
        f"2026-11-22T10:00:03.000000Z [info     ] other correlation_id={STORY}-longer\n"
    )
    story = gather([STORY], [tmp_path])
    assert [found.at[17:19] for found in story.lines] == ["01", "02"]


def test_a_terminal_is_told_nothing_it_would_obey(places: tuple[Path, Path]) -> None:
    story = gather([STORY], [places[1]])
    shown = "\n".join(readable(found) for found in story.lines)
    assert "\x1b" not in shown
    assert "2026-11-22 10:00:06.500  web        info      request.failed" in shown


def test_the_command_prints_it_for_people_and_for_programs(places: tuple[Path, Path]) -> None:
    data, own = places
    done = inet_logs("--correlation", STORY, data=data, own=own)
    assert done.returncode == 0, done.stderr
    assert "outbound.call  service=portabilling" in done.stdout
    assert f"7 lines of {STORY}, with {HOOK}." in done.stderr
    done = inet_logs("--correlation", HOOK, "--json", "--since", "2026-11-22T10:00:05", data=data, own=own)
    assert [json.loads(text)["event"] for text in done.stdout.splitlines()] == ["outbound.call", "request.failed", "outbound.call"]


def test_it_says_where_it_looked_when_nothing_is_found(places: tuple[Path, Path], tmp_path: Path) -> None:
    done = inet_logs("--correlation", "nothing-of-this", data=places[0], own=tmp_path / "absent")
    assert done.returncode == 1
    assert done.stderr.startswith("Nothing is logged under nothing-of-this. Looked into ")
    assert f"{tmp_path / 'absent'} (not there)" in done.stderr
    done = inet_logs("--correlation", "K7M2PX9Q", data=places[0])
    assert "PostgreSQL could not be asked for the payment of that receipt code" in done.stderr
    for wrong in (["--correlation", "x"], ["--correlation", STORY, "--since", "yesterday"]):
        assert inet_logs(*wrong, data=places[0]).returncode == 2


def test_a_receipt_code_leads_to_the_story(places: tuple[Path, Path], database: sa.Engine) -> None:
    data, own = places
    with transaction() as session, correlation.correlated(STORY):
        reference = make_payment(session).reference
    reach = {name: os.environ[name] for name in ("INET_DATABASE_URL", "INET_REDIS_URL")}
    done = inet_logs("--correlation", reference, data=data, own=own, **reach)
    assert (done.returncode, f"7 lines of {STORY}, with {HOOK}." in done.stderr) == (0, True), done.stderr
    done = inet_logs("--correlation", "ZZZZZZZZ", data=data, own=own, **reach)
    assert (done.returncode, "No payment has that receipt code." in done.stderr) == (1, True), done.stderr
