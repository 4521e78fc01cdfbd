"""Files that no row speaks of go after a day; those of rows stay, and a row whose file is gone is reported."""

from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlmodel import Session

from app.db import transaction
from app.settings import get_settings
from services.operations.retention import files
from services.tickets import inbound_store
from services.tickets.intake_models import Attachment, InboundSource
from services.tickets.models import Channel, MessageKind, Ticket, TicketMessage
from tests.conftest import NOON

HELD, NOBODYS, YOUNG = ("ab" * 32, "cd" * 32, "ef" * 32)


@pytest.fixture(autouse=True)
def own_folder(servers: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Other tests leave files of rows that were rolled back."""
    monkeypatch.setenv("INET_DATA_DIR", str(tmp_path))
    get_settings.cache_clear()
    yield
    monkeypatch.undo()
    get_settings.cache_clear()


def lies(folder: str, name: str, *, days: float) -> Path:
    path = get_settings().data_dir / folder / name[:2] / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"x")
    at = (NOON - timedelta(days=days)).timestamp()
    os.utime(path, (at, at))
    return path


@pytest.fixture
def held(session: Session) -> None:
    ticket = Ticket(reference="T-FILES1", channel=Channel.MOBILE, subject="", body="x", created_at=NOON, updated_at=NOON)
    session.add(ticket)
    session.flush()
    assert ticket.id is not None
    said = TicketMessage(ticket_id=ticket.id, kind=MessageKind.CUSTOMER, channel=Channel.MOBILE, author="c", body="x", created_at=NOON)
    session.add(said)
    session.flush()
    assert said.id is not None
    for number, name in enumerate((HELD, "99" * 32)):
        file = {"name": f"{number}.jpg", "media_type": "image/jpeg", "size_bytes": 1, "sha256": name, "file": f"{name[:2]}/{name}"}
        session.add(Attachment(ticket_id=ticket.id, message_id=said.id, created_at=NOON, **file))
    session.flush()


@pytest.mark.usefixtures("held")
def test_a_file_of_nobody_goes_after_a_day_and_no_other(session: Session) -> None:
    kept, gone, young = (lies("attachments", name, days=days) for name, days in ((HELD, 5), (NOBODYS, 2), (YOUNG, 0.5)))
    thumbnail = lies("attachments", f"{NOBODYS}.thumb", days=2)
    assert files.drop_orphans(transaction, NOON, NOON - timedelta(days=1)) == 1
    assert [path.exists() for path in (kept, young, gone, thumbnail)] == [True, True, False, False]
    assert files.drop_orphans(transaction, NOON, NOON - timedelta(days=1)) == 0


def test_so_do_files_of_mails_that_were_never_kept(session: Session) -> None:
    inbound_store.keep(session, source=InboundSource.IMAP, key="one", raw=b"x" * (inbound_store.IN_ROW_BYTES + 1), received_at=NOON)
    (kept,) = [path for path in (get_settings().data_dir / "inbound").glob("??/*") if path.stat().st_mtime > 0]
    os.utime(kept, (0, 0))
    gone = lies("inbound", NOBODYS, days=2)
    assert files.drop_orphans(transaction, NOON, NOON - timedelta(days=1)) == 1
    assert (kept.exists(), gone.exists()) == (True, False)


@pytest.mark.usefixtures("held")
def test_a_row_whose_file_is_gone_is_counted(session: Session) -> None:
    lies("attachments", HELD, days=5)
    assert files.missing_files(session) == (1, 2)
