"""`inet triage --jsonl`: the triage engine on standard input and output, without database, settings or network (contract.md)."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from services.tickets.triage.learning import Learner
    from services.tickets.triage.reading import Reading

_MAX_LINE_BYTES = 64 * 1024 * 1024
_MAX_ID = 200
_READABLE_ID = re.compile(rb'"id"\s*:\s*("(?:[^"\\]|\\.){0,200}"|-?\d{1,18})')


def register(cli: typer.Typer) -> None:
    """Hang `inet triage` below `inet`."""
    cli.command()(triage)


def triage(
    jsonl: Annotated[bool, typer.Option("--jsonl", help="Read JSON lines on standard input and answer each with one line.")] = False,
) -> None:
    """Read tickets, {"id", "subject", "body"} a line, and answer each at once with category, confidence and entities.

    A line with "correct_category" teaches this process first. A line that cannot be read is answered with {"id", "error"}.
    Needs no database and no settings.
    """
    if not jsonl:
        raise typer.BadParameter("say how to read: --jsonl is the only form there is", param_hint="--jsonl")
    from services.tickets.triage.learning import fresh_learner

    learner: Learner | None = None
    for line in _lines(sys.stdin.buffer):
        # The model is loaded at the first line, so that a process that is asked nothing costs nothing.
        learner = learner or fresh_learner()
        sys.stdout.write(json.dumps(answer(learner, line)) + "\n")
        sys.stdout.flush()


def answer(learner: Learner, line: bytes) -> dict[str, Any]:
    """What the contract says for one line: a reading, or an error with the id where it can be made out."""
    from services.tickets.triage.engine import category_of

    try:
        given = json.loads(line.decode("utf-8", errors="replace"))
        if not isinstance(given, dict):
            raise TypeError("a line must be a JSON object")
        subject, body = _text(given, "subject"), _text(given, "body")
        correct = _text(given, "correct_category")
    except RecursionError:
        return {"id": _id_in(line), "error": "nested too deeply"}
    except (ValueError, TypeError) as error:
        return {"id": _id_in(line), "error": f"not a ticket: {error}"}
    if correct:
        category = category_of(correct)
        if category is None:
            return {"id": given.get("id"), "error": "correct_category is not one of the categories"}
        learner.learn(subject, body, category)
    return {"id": given.get("id"), **_answer(learner.triage(fitted=not correct).read(subject, body))}


def _answer(reading: Reading) -> dict[str, Any]:
    return {
        "category": reading.category,
        "confidence": reading.confidence,
        "abstain": reading.abstain,
        "alternatives": [{"category": other.category, "confidence": other.confidence} for other in reading.alternatives],
        "priority": reading.priority,
        "language": reading.language.code,
        "entities": [{"type": entity.kind, "value": entity.value} for entity in reading.entities],
    }


def _text(given: dict[str, Any], name: str) -> str:
    value = given.get(name)
    if value is not None and not isinstance(value, str):
        raise TypeError(f"{name} must be a text")
    return value or ""


def _id_in(line: bytes) -> str | int | None:
    match = _READABLE_ID.search(line[:100_000])
    if match is None:
        return None
    try:
        found = json.loads(match[1].decode("utf-8", errors="replace"))
    except ValueError:
        return None
    return found if isinstance(found, int) else str(found)[:_MAX_ID]


def _lines(source: IO[bytes]) -> Iterator[bytes]:
    """The lines that are not empty. Of an endless one the beginning counts, and the rest is read past."""
    while line := source.readline(_MAX_LINE_BYTES):
        rest = line
        while not rest.endswith(b"\n") and len(rest) == _MAX_LINE_BYTES:
            rest = source.readline(_MAX_LINE_BYTES)
        if line.strip():
            yield line
