"""`inet logs`: one story, gathered from this machine's log files in the order in which it happened."""

from __future__ import annotations

import contextlib
import json
import re
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated, Any

import typer

_CORRELATION = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{7,63}")
# What people read aloud from a receipt.
_REFERENCE = re.compile(r"[0-9A-Za-z]{8}")
_SPAN = re.compile(r"(\d{1,5})([mhd])")
_SPANS = {"m": "minutes", "h": "hours", "d": "days"}
_PLAIN_TIME = re.compile(r"(\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(?:\.\d+)?)Z?")
_PLAIN_ID = re.compile(r"(?:correlation_id|continues)=([A-Za-z0-9][A-Za-z0-9._-]{7,63})")
_OF_OTHERS = ("postgres", "valkey")
_AT_THE_FRONT = ("timestamp", "level", "event", "process", "correlation_id", "exception")


@dataclass(frozen=True)
class Line:
    """One line of a log that belongs to the story. `record` is None for one that is not JSON."""

    at: str
    text: str
    record: dict[str, Any] | None
    source: str


@dataclass(frozen=True)
class Story:
    """Its lines in order, the correlation IDs that turned out to be part of it, and where was looked."""

    lines: tuple[Line, ...]
    ids: tuple[str, ...]
    looked_at: tuple[Path, ...]


def register(cli: typer.Typer) -> None:
    """Hang `inet logs` below `inet`."""
    cli.command("logs")(logs)


def logs(
    correlation: Annotated[str, typer.Option(help="The ID that an answer carried (X-Correlation-ID), or a payment's receipt code.")],
    since: Annotated[str, typer.Option(help="Nothing older: 30m, 12h, 7d, or a moment such as 2026-11-22T10:00.")] = "",
    as_json: Annotated[bool, typer.Option("--json", help="The lines as they were logged, one JSON object each.")] = False,
    directory: Annotated[list[Path] | None, typer.Option(help="Look here as well; give it once for each.")] = None,
) -> None:
    """Tell one story: what all processes of this machine logged for a request, its jobs, its outside calls and its webhooks.

    Looks into the data directory's log/ and into INET_LOG_DIR, older files included. Of a receipt code the ID is found in PostgreSQL.
    """
    from app.settings import get_settings
    from app.supervisor.environment import adopt_running

    given = correlation.strip()
    if not _CORRELATION.fullmatch(given):
        raise typer.BadParameter("that is neither a correlation ID nor a receipt code", param_hint="--correlation")
    begin = _begin(since)
    adopt_running(get_settings().data_dir)
    get_settings.cache_clear()
    settings = get_settings()
    places = [settings.data_dir / "log", *([settings.log_dir] if settings.log_dir else []), *(directory or [])]
    wanted, note = _ids_of(given)
    story = gather(wanted, places, since=begin)
    if not story.lines:
        raise typer.Exit(_say_nothing_found(given, note, places, story, since))
    for line in story.lines:
        sys.stdout.write((line.text if as_json and line.record is not None else readable(line)) + "\n")
    if not as_json:
        more = [one for one in story.ids if one not in wanted]
        sys.stderr.write(f"{len(story.lines)} lines of {', '.join(wanted)}" + (f", with {', '.join(more)}" if more else "") + ".\n")


def _begin(since: str) -> datetime | None:
    if not since:
        return None
    if found := _SPAN.fullmatch(since):
        return datetime.now(UTC) - timedelta(**{_SPANS[found[2]]: int(found[1])})
    try:
        moment = datetime.fromisoformat(since)
    except ValueError:
        raise typer.BadParameter("say 30m, 12h, 7d, or a moment such as 2026-11-22T10:00", param_hint="--since") from None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


def _ids_of(given: str) -> tuple[tuple[str, ...], str]:
    """The IDs to look for, and what is to be said when nothing is found under them."""
    if not _REFERENCE.fullmatch(given):
        return (given,), ""
    try:
        return _of_payment(given, given.upper())
    except Exception as error:
        return (given,), f"PostgreSQL could not be asked for the payment of that receipt code ({type(error).__name__})."


def _of_payment(given: str, reference: str) -> tuple[tuple[str, ...], str]:
    from sqlmodel import col, select

    from app import db
    from app.cli_admin import prepare
    from services.payments.models import Payment, WebhookEvent

    prepare("cli")
    with db.transaction() as session:
        kept = session.exec(select(Payment.correlation_id).where(Payment.reference == reference)).one_or_none()
        if kept is None:
            return (given,), "No payment has that receipt code."
        hints = session.exec(select(WebhookEvent.correlation_id).where(col(WebhookEvent.client_reference) == reference)).all()
    ids = tuple(dict.fromkeys(one for one in (kept, *hints) if one))
    return ids or (given,), "" if ids else "That payment is from before correlation IDs were kept with payments."


def _say_nothing_found(given: str, note: str, places: Iterable[Path], story: Story, since: str) -> int:
    where = ", ".join(f"{place}{'' if place.is_dir() else ' (not there)'}" for place in places)
    sys.stderr.write(
        f"Nothing is logged under {given}{f' since {since}' if since else ''}. Looked into {where}: {len(story.looked_at)} files.\n"
    )
    if note:
        sys.stderr.write(note + "\n")
    sys.stderr.write("The processes may run on another machine, or the files are older than INET_LOG_KEEP_DAYS.\n")
    return 1


def gather(ids: Iterable[str], places: Iterable[Path], *, since: datetime | None = None) -> Story:
    """All lines under these correlation IDs, and under those that a line `continues` leads to or from. Reads each file twice."""
    files = tuple(_files(places, since))
    known = _with_linked(set(ids), _links(files))
    seen: set[str] = set()
    lines = []
    for line in _lines_with(files, known):
        # `inet up` keeps what its children say, and with INET_LOG_DIR they keep it as well.
        if line.text not in seen and (since is None or not line.at or line.at >= _stamp(since)):
            seen.add(line.text)
            lines.append(line)
    lines.sort(key=lambda line: line.at)
    first = tuple(dict.fromkeys(ids))
    return Story(tuple(lines), (*first, *sorted(known - set(first))), files)


def _stamp(moment: datetime) -> str:
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")


def _files(places: Iterable[Path], since: datetime | None) -> Iterator[Path]:
    seen = set()
    for place in places:
        with contextlib.suppress(OSError):
            for path in sorted(place.iterdir()):
                is_log = re.search(r"\.log(\.\d+)?$", path.name) and not path.name.startswith(_OF_OTHERS)
                if not is_log or not path.is_file() or path.resolve() in seen:
                    continue
                if since is not None and path.stat().st_mtime < since.timestamp():
                    continue
                seen.add(path.resolve())
                yield path


def _read(path: Path) -> Iterator[str]:
    with contextlib.suppress(OSError), open(path, encoding="utf-8", errors="replace") as file:
        yield from file


def _without_end(text: str) -> str:
    return text.rstrip("\n")


def _links(files: Iterable[Path]) -> list[tuple[str, str]]:
    """Which ID is continued by which."""
    found = []
    for path in files:
        for text in _read(path):
            if "continues" not in text:
                continue
            record = _record_in(text)
            if record is not None and isinstance(earlier := record.get("continues"), str):
                found.append((str(record.get("correlation_id", "")), earlier))
            elif record is None and len(pair := _PLAIN_ID.findall(text)) == 2:
                found.append((pair[0], pair[1]))
    return found


def _with_linked(ids: set[str], links: list[tuple[str, str]]) -> set[str]:
    """A webhook or a question that led to the payment, and the payment it led to; not other payments beyond that."""
    later = {one for one, earlier in links if earlier in ids}
    earlier = {earlier for one, earlier in links if one in ids}
    return (ids | later | earlier | {one for one, before in links if before in earlier}) - {""}


def _lines_with(files: Iterable[Path], ids: set[str]) -> Iterator[Line]:
    if not ids:
        return
    any_of_them = re.compile("|".join(map(re.escape, sorted(ids))))
    for path in files:
        for text in map(_without_end, _read(path)):
            if not any_of_them.search(text):
                continue
            record = _record_in(text)
            if record is not None and (record.get("correlation_id") in ids or record.get("continues") in ids):
                yield Line(_normal(str(record.get("timestamp", ""))), text, record, path.name)
            elif record is None and ids & set(_PLAIN_ID.findall(text)):
                when = _PLAIN_TIME.search(text)
                yield Line(_normal(when[1]) if when else "", text, None, path.name)


def _normal(moment: str) -> str:
    """All moments with as many digits, so that they sort as text."""
    with contextlib.suppress(ValueError):
        parsed = datetime.fromisoformat(moment)
        return _stamp(parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC))
    return moment


def _record_in(text: str) -> dict[str, Any] | None:
    if not text.startswith("{"):
        return None
    try:
        record = json.loads(text)
    except ValueError:
        return None
    return record if isinstance(record, dict) else None


def readable(line: Line) -> str:
    """A line for a person: when, who, what, and the rest as it was said."""
    if line.record is None:
        return line.text
    record = line.record
    rest = " ".join(f"{name}={_word(value)}" for name, value in record.items() if name not in _AT_THE_FRONT)
    said = (
        f"{line.at[11:23] or '?':<12}  {record.get('process') or line.source:<9}  {record.get('level', ''):<8}  {record.get('event', '')}"
    )
    head = f"{line.at[:10]} {said}  {rest}".rstrip() + f"  [{record.get('correlation_id', '')}]"
    trace = str(record.get("exception", "")).rstrip()
    return _tame(head) + ("\n" + "\n".join("    " + _tame(part) for part in trace.splitlines()) if trace else "")


def _word(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _tame(text: str) -> str:
    """Nothing that a terminal would obey."""
    return "".join(character if character.isprintable() else "�" for character in text)
