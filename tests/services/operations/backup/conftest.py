"""A database and a data directory worth a back-up, small: made, sealed and proven within a second or two."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.clock import utc_now
from app.db import transaction
from app.settings import get_settings
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.audit.verify import HEADS_FILE, record_head
from services.operations.backup.making import Made, make
from services.tickets.intake_models import Attachment
from services.tickets.models import TicketMessage
from tests.pages import builders

ACTOR = Principal(kind="cli", id=1, name="tester", permissions=frozenset(Permission))
PICTURE = bytes(range(256)) * 2000


@pytest.fixture
def data_dir() -> Iterator[Path]:
    """This process's own, empty before and after."""
    directory = get_settings().data_dir
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    yield directory.resolve()
    shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
def business(database: sa.Engine, data_dir: Path) -> Path:
    """People, payments, a ticket with a picture, an audit of two rows whose head is recorded. Answers the picture's path."""
    now = utc_now()
    with transaction() as session:
        builders.a_whole_shop(session, now=now, payments_of_each=1)
        audit.record(session, ACTOR, "package.create", target=("package", "day-1"), now=now)
        audit.record(session, ACTOR, "package.change", target=("package", "day-1"), now=now)
        return attach(session, data_dir, PICTURE, now=now)


def attach(session: Session, data_dir: Path, content: bytes, *, now: datetime) -> Path:
    """A file of the first message, on the disk and in its row; and what is recorded outside of the audit."""
    message = session.exec(select(TicketMessage).order_by(col(TicketMessage.id))).first()
    assert message is not None
    digest = hashlib.sha256(content).hexdigest()
    file = f"{digest[:2]}/{digest}"
    session.add(
        Attachment(
            ticket_id=message.ticket_id,
            message_id=message.id,
            name="meter.jpg",
            media_type="image/jpeg",
            size_bytes=len(content),
            sha256=digest,
            file=file,
            created_at=now,
        )
    )
    path = data_dir / "attachments" / file
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)
    path.with_name(path.name + ".thumb").write_bytes(b"small")
    record_head(session, file=data_dir / HEADS_FILE, now=now)
    return path


@pytest.fixture
def made(business: Path, tmp_path: Path) -> Made:
    """A back-up of the business that was not proven yet."""
    return make(transaction, clock=utc_now, to=tmp_path / "there", verify=False)


def databases_of(engine: sa.Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.scalars(sa.text("SELECT datname FROM pg_database WHERE NOT datistemplate")))
