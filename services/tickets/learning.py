"""Learning from what staff decided: retraining, which model is in use, and going back to an earlier one.

A retraining is judged on corrections that no model ever learnt from, and taken only if it is no worse. Its file lies under the data folder,
safe on the disk before a row speaks of it. Every process takes up the model in use with its next ticket.
"""

from __future__ import annotations

import base64
import threading
from collections import defaultdict
from dataclasses import asdict
from datetime import datetime
from pathlib import Path

import sqlalchemy as sa
import structlog
from sqlmodel import Session, col, select

from app import durable
from app.db import Begin
from app.errors import Conflict, NotFound
from app.queue import ring
from app.settings import Settings
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.listing import pick
from services.tickets.closure_models import TriageModel
from services.tickets.lookalikes import latest_readings
from services.tickets.models import MessageKind, Ticket, TicketLabel, TicketMessage
from services.tickets.triage import choose, engine
from services.tickets.triage.encoder import Encoder
from services.tickets.triage.engine import Triage
from services.tickets.triage.learning import Correction, Retraining, TooFewCorrections, retrain
from services.tickets.triage.model import Model, UnreadableModel, load
from services.tickets.triage.provider import ProviderTriage
from services.tickets.triage.text import ticket_text

Reader = Triage | ProviderTriage
RETRAIN_JOB = "jobs.learning.retrain"
FOLDER = "triage"
SHIPPED = "shipped"
"""How the model that comes with the release is named where one is chosen."""
ENOUGH = 100
"""Corrections, of which a fifth is held back to judge by."""
# The latest: what was decided years ago was decided about another network.
_MOST = 5000
_LOCK = 5_170_301
log = structlog.get_logger(__name__)


class NoSuchModel(NotFound):
    code, title = "triage_model_not_found", "No such model"
    message = "There is no such model, or it was not taken and nothing of it was kept."


class TooFewToLearn(Conflict):
    code, title = "too_few_corrections", "Too few corrections"

    def __init__(self, number: int) -> None:
        super().__init__(f"There are {number} corrections; from about {ENOUGH} on it can be seen whether a new model is better.")


def corrections(session: Session) -> list[Correction]:
    """What people decided, with the words that they decided about; the latest ones."""
    labels = session.execute(
        pick(TicketLabel.ticket_id, TicketLabel.category, Ticket.subject)
        .join(Ticket, col(Ticket.id) == col(TicketLabel.ticket_id))
        # In one order always: a model is named after what it learnt, in the order in which it did.
        .order_by(col(TicketLabel.at).desc(), col(TicketLabel.ticket_id).desc())
        .limit(_MOST)
    ).all()
    ids = [row.ticket_id for row in labels]
    words, readings = _words(session, ids), latest_readings(session, ids)
    found = []
    for row in labels:
        said, reading = words.get(row.ticket_id, []), readings.get(row.ticket_id, {})
        read = int(reading.get("messages") or len(said))
        # The vector is that of the words which were read; what came later is left out with it.
        vector = base64.b64decode(reading["vector"]) if reading.get("vector") else None
        found.append(Correction(ticket_text(row.subject, "\n".join(said[:read])), row.category, vector=vector))
    return found


def _words(session: Session, ids: list[int]) -> dict[int, list[str]]:
    found: dict[int, list[str]] = defaultdict(list)
    wanted = pick(TicketMessage.ticket_id, TicketMessage.body).where(
        col(TicketMessage.ticket_id).in_(ids), col(TicketMessage.kind) == MessageKind.CUSTOMER
    )
    for row in session.execute(wanted.order_by(col(TicketMessage.ticket_id), col(TicketMessage.id))).all():
        found[row.ticket_id].append(row.body)
    return found


def learn(begin: Begin, settings: Settings, encoder: Encoder | None, *, made_by: str, now: datetime) -> str:
    """Retrain, judge, and take the new model up if it is no worse; answers in words what came of it. No transaction is open meanwhile."""
    with begin() as session:
        known, in_use = corrections(session), _in_use(session)
    current = _local(settings, in_use).model
    try:
        result = retrain(known, current, encoder)
    except TooFewCorrections as few:
        return f"Nothing learnt: {few}."
    version = result.candidate.version
    with begin() as session:
        if session.exec(select(TriageModel.id).where(TriageModel.version == version)).first() is not None:
            return "Nothing new was decided since the last time."
    file = _keep(result.candidate, settings.data_dir) if result.adopt else None
    with begin() as session:
        return _take_up(session, result, file, compared_with=in_use, made_by=made_by, now=now)


def _take_up(
    session: Session, result: Retraining, file: str | None, *, compared_with: TriageModel | None, made_by: str, now: datetime
) -> str:
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    stands, version = _in_use(session), result.candidate.version
    if session.exec(select(TriageModel.id).where(TriageModel.version == version)).first() is not None:
        return "Somebody else learnt the same just now."
    is_taken = result.adopt and (stands.id if stands else None) == (compared_with.id if compared_with else None)
    why = result.verdict if is_taken or not result.adopt else "Not adopted: another model was taken up while this one was learnt."
    scores = {"was": asdict(result.current_scores), "now": asdict(result.candidate_scores), "compared_with": _name(compared_with)}
    row = TriageModel(version=version, file=file, scores=scores, examples=result.learnt_from, why=why, made_by=made_by, created_at=now)
    session.add(row)
    session.flush()
    if is_taken:
        _use(session, row)
    return why


def _keep(model: Model, data_dir: Path) -> str:
    """Whole and on the disk before anybody speaks of it."""
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    name = f"{model.version}.npz"
    model.save(folder / name)
    for path in (folder / name, folder, data_dir):
        durable.sync(path)
    return name


def _in_use(session: Session) -> TriageModel | None:
    return session.exec(select(TriageModel).where(col(TriageModel.is_in_use))).one_or_none()


def _name(row: TriageModel | None) -> str:
    return row.version if row is not None else SHIPPED


def _use(session: Session, row: TriageModel | None) -> None:
    session.execute(sa.update(TriageModel).where(col(TriageModel.is_in_use)).values(is_in_use=False))
    session.flush()
    if row is not None:
        row.is_in_use = True
        session.add(row)
        session.flush()


def ask_to_learn(session: Session, *, actor: Principal, now: datetime) -> None:
    """Have a model learnt now, in a job. Raises Forbidden or TooFewToLearn."""
    actor.require(Permission.DESK_EDIT)
    number = session.exec(select(sa.func.count()).select_from(TicketLabel)).one()
    if number < ENOUGH:
        raise TooFewToLearn(number)
    audit.record(session, actor, "triage_model.learn", target=("triage_model", "next"), now=now, after={"corrections": number})
    # Not with the workers that move money: it takes a core for a while.
    ring(session, RETRAIN_JOB, actor.label, queue="triage")


def use_model(session: Session, settings: Settings, *, actor: Principal, version: str, now: datetime) -> None:
    """Go back to an earlier model, or with SHIPPED to that of the release. Raises Forbidden or NoSuchModel."""
    actor.require(Permission.DESK_EDIT)
    session.execute(sa.select(sa.func.pg_advisory_xact_lock(_LOCK)))
    before = _in_use(session)
    row = None
    if version != SHIPPED:
        row = session.exec(select(TriageModel).where(TriageModel.version == version)).one_or_none()
        if row is None or row.file is None or not (settings.data_dir / FOLDER / row.file).is_file():
            raise NoSuchModel
    if _name(before) == version:
        return
    _use(session, row)
    audit.record(
        session,
        actor,
        "triage_model.use",
        target=("triage_model", version),
        now=now,
        before={"in_use": _name(before)},
        after={"in_use": version},
    )


def models(session: Session, *, actor: Principal) -> tuple[TriageModel, ...]:
    """What was learnt, the latest first. Raises Forbidden."""
    actor.require(Permission.REPORTS_READ)
    return tuple(session.exec(select(TriageModel).order_by(col(TriageModel.id).desc()).limit(50)).all())


_lock = threading.Lock()
_readers: dict[str, tuple[Settings, Reader]] = {}


def reader_in_use(begin: Begin, settings: Settings) -> Reader:
    """The reader with the model that is in use now: one small question, and the file only when another one came into use.

    A model whose file cannot be read here is stood in for by the shipped one.
    """
    with begin() as session:
        row = _in_use(session)
    with _lock:
        held = _readers.get(_name(row))
        if held is not None and held[0] is settings:
            return held[1]
        local = _local(settings, row)
        # Under the name of what was loaded, so that a file which comes back is found.
        name = _name(row) if local is not engine.shipped() else SHIPPED
        if name != _name(row) and (held := _readers.get(SHIPPED)) is not None and held[0] is settings:
            return held[1]
        for stale in set(_readers) - {name, SHIPPED}:
            del _readers[stale]
        _readers[name] = (settings, choose.reader(settings, local))
        return _readers[name][1]


def _local(settings: Settings, row: TriageModel | None) -> Triage:
    if row is None or row.file is None:
        return engine.shipped()
    try:
        return Triage(load(settings.data_dir / FOLDER / row.file), engine.shipped().encoder)
    except UnreadableModel:
        log.warning("triage.model_unreadable", version=row.version)
        return engine.shipped()
