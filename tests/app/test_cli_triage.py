"""`inet triage --jsonl`, as a program beside it uses it: a pipe in, a pipe out, nothing else needed."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

INET = [sys.executable, "-m", "app.cli", "triage"]
ROOT = Path(__file__).parents[2]
KEYS = ["id", "category", "confidence", "abstain", "alternatives", "priority", "language", "entities"]


class Conversation:
    def __init__(self) -> None:
        # No settings at all, and wrong ones must not matter.
        environment = {"PATH": "/usr/bin:/bin", "INET_ROLES": "kitchen", "PYTHONPATH": str(ROOT)}
        self.process = subprocess.Popen(
            [*INET, "--jsonl"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=environment, cwd=ROOT
        )

    def send(self, line: bytes) -> dict[str, Any]:
        """Waits for the answer before anything else is written: an answer that is held back would hang here."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(line + b"\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def ask(self, **ticket: object) -> dict[str, Any]:
        return self.send(json.dumps(ticket).encode())

    def end(self) -> tuple[int, bytes]:
        rest, said = self.process.communicate(timeout=60)
        assert rest == b""
        return self.process.returncode, said


@pytest.fixture(scope="module")
def conversation() -> Iterator[Conversation]:
    opened = Conversation()
    yield opened
    assert opened.end() == (0, b"")


def test_each_line_is_answered_at_once_as_the_contract_says(conversation: Conversation) -> None:
    answer = conversation.ask(id="a1", subject="Slow", body="videos buffer, paid D50, call 301 2345")
    assert list(answer) == KEYS
    assert (answer["id"], answer["category"], answer["abstain"], answer["language"]) == ("a1", "slow-speed", False, "en")
    assert answer["entities"] == [{"type": "money", "value": "GMD 50.00"}, {"type": "phone", "value": "+220833012345"}]
    assert all(set(other) == {"category", "confidence"} for other in answer["alternatives"])


@pytest.mark.parametrize("ticket", [{"id": 7}, {"id": None, "body": ""}, {"subject": None, "body": "😀"}, {"id": ["x"], "body": "\ud800"}])
def test_a_ticket_without_words_is_left_to_a_person(conversation: Conversation, ticket: dict[str, object]) -> None:
    answer = conversation.ask(**ticket)
    assert (answer["id"], answer["abstain"]) == (ticket.get("id"), True)


@pytest.mark.parametrize(
    ("line", "known"),
    [
        (b"not json", None),
        (b'{"id": "b1", "body": "x"', "b1"),
        (b'{"id": 12, "body": }', 12),
        (b"[1]", None),
        (b"\xff\xfe\x00", None),
        (b'{"id":"b2","body":5}', "b2"),
        (b'{"id":"b3","body":"x","correct_category":"nonsense"}', "b3"),
        (b"[" * 100_000, None),
    ],
)
def test_a_line_that_cannot_be_read_is_said_and_the_next_one_answered(conversation: Conversation, line: bytes, known: object) -> None:
    answer = conversation.send(line)
    assert (answer["id"], list(answer)) == (known, ["id", "error"])
    assert conversation.ask(id="next", body="no internet since morning")["category"] == "connectivity"


def test_a_correction_teaches_this_process(conversation: Conversation) -> None:
    text = "the kora in the bantaba hums at night"
    assert conversation.ask(id=1, body=text)["category"] != "device-setup"
    assert conversation.ask(id=2, body=text, correct_category="device-setup")["category"] == "device-setup"
    answer = conversation.ask(id=3, body=text)
    assert (answer["category"], answer["abstain"]) == ("device-setup", False)


def test_another_form_is_bad_usage() -> None:
    assert subprocess.run(INET, capture_output=True, cwd=ROOT, check=False).returncode == 2
