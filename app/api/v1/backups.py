"""`/api/v1/backups`: which back-ups there are, and one more. The files themselves are not handed out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field
from sqlmodel import Session

from app.api.security import requires
from app.api.v1.paging import Page
from app.api.v1.paging import Wanted as WantedPage
from app.api.v1.writes import IdempotencyKey, Wish
from app.clock import utc_now
from app.db import transaction
from app.documented import refusals
from services.accounts.permissions import Permission, Principal
from services.operations.backup.keeping import ask_for_one, list_backups
from services.operations.backup_models import Backup, BackupState

router = APIRouter(prefix="/backups", tags=["backups"])
Reader = Annotated[Principal, requires(Permission.BACKUPS_READ)]
Editor = Annotated[Principal, requires(Permission.BACKUPS_EDIT)]


class BackupItem(BaseModel):
    """One file that `inet backup` made."""

    id: int
    state: BackupState = Field(description="`verified`: it was restored elsewhere and held what the database held")
    file_name: str = Field(examples=["inet-20261123-010000.inetbackup"])
    started_at: datetime
    snapshot_at: datetime | None = Field(description="Of which moment it is; null before that")
    ended_at: datetime | None
    verified_at: datetime | None
    removed_at: datetime | None = Field(description="When its file was removed because newer ones are kept")
    size_bytes: int = Field(examples=[48210944])
    sha256: str = Field(description="Of the whole file; empty before its end")
    release: str = Field(examples=["1.4.0"])
    asked_by: str = Field(examples=["scheduler"])
    payments: int | None = Field(description="How many payments are in it")
    files: int | None = Field(description="How many files are in it")
    files_missing: int | None = Field(description="How many files rows speak of that were not there")
    error: str = Field(description="Why it failed; else empty")


class BackupAsked(BaseModel):
    """A worker makes it; it stands in the list a moment later."""

    asked: bool = True


def _shown(row: Backup) -> BackupItem:
    names = ("id", "state", "file_name", "started_at", "snapshot_at", "ended_at", "verified_at", "removed_at")
    more = ("size_bytes", "sha256", "release", "asked_by", "error")
    files = row.content.get("files", {})
    counted = {
        "payments": row.content.get("rows", {}).get("payment"),
        "files": files.get("files"),
        "files_missing": files.get("missing"),
    }
    return BackupItem.model_validate({name: getattr(row, name) for name in names + more} | counted)


@router.get("", summary="List back-ups")
def list_all(actor: Reader, paging: WantedPage) -> Page[BackupItem]:
    """Newest first."""
    with transaction() as session:
        found = list_backups(session, actor=actor, part=paging.part())
    return paging.page(found.rows, _shown, lambda row: (row.started_at, row.id or 0))


@router.post("", summary="Make a back-up now", status_code=202, response_model=BackupAsked, responses=refusals(409))
def make(actor: Editor, request: Request, idempotency_key: IdempotencyKey = None) -> Response:
    """Refused while one is under way."""

    def work(session: Session) -> tuple[BaseModel, dict[str, str]]:
        ask_for_one(session, actor=actor, now=utc_now())
        return BackupAsked(), {}

    return Wish(actor, request, idempotency_key).answer(work, status=202)
