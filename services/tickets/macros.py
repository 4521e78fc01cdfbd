"""Macros: prepared answers with changes to go along. A field without a value is named, and nothing is sent."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlmodel import Session, col, select

from app.errors import Forbidden
from services.accounts.permissions import Permission, Principal
from services.audit import service as audit
from services.tickets import macro_changes, macro_fields, notes, replies
from services.tickets.errors import MacroIncomplete, MacroNotFound, MacroRefused
from services.tickets.macro_fields import FIELDS as FIELDS
from services.tickets.queries import ticket_page
from services.tickets.texts import one_line
from services.tickets.work_models import Macro

MAX_NAME, MAX_TEXT = 80, 4000
_FIELD = re.compile(r"\{([^{}]*)\}")


@dataclass(frozen=True)
class MacroTerms:
    """What a macro is to be. `changes` may name state, hold_reason, priority, category, team_id, add_tags and remove_tags."""

    name: str
    text: str = ""
    is_note: bool = False
    changes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Filled:
    """The text for one ticket. `missing` names the fields that have no value for it; they stand in the text as they were written."""

    text: str
    missing: tuple[str, ...]
    changes: dict[str, Any]
    is_note: bool


def list_macros(session: Session, *, actor: Principal) -> tuple[Macro, ...]:
    """Everybody's and the person's own that are in use, by name. Raises Forbidden."""
    actor.require(Permission.TICKETS_READ)
    wanted = select(Macro).where(col(Macro.is_active), _visible(actor)).order_by(sa.func.lower(Macro.name), col(Macro.id))
    return tuple(session.exec(wanted).all())


def save(
    session: Session, *, actor: Principal, terms: MacroTerms, macro_id: int | None = None, shared: bool = False, now: datetime
) -> Macro:
    """Keep a new macro, or change one. Those that everybody has are the desk's (desk:edit), the others the person's own.

    Raises Forbidden, MacroNotFound, or MacroRefused, which names a field that does not exist or a change that cannot be made.
    """
    _require_keeper(actor, shared=shared)
    fit = _fit(session, terms)
    macro = _of_theirs(session, actor, macro_id) if macro_id is not None else Macro(name=fit.name)
    _require_name(session, fit.name, macro.id)
    before = _told(macro) if macro.id is not None else None
    macro.name, macro.text, macro.is_note, macro.changes = fit.name, fit.text, fit.is_note, dict(fit.changes)
    macro.owner_id = None if shared else actor.id
    macro.change_number += 1
    session.add(macro)
    session.flush()
    audit.record(session, actor, "macro.save", target=("macro", macro.id), now=now, before=before, after=_told(macro))
    return macro


def delete(session: Session, *, actor: Principal, macro_id: int, now: datetime) -> None:
    """Raises Forbidden or MacroNotFound."""
    macro = _of_theirs(session, actor, macro_id)
    audit.record(session, actor, "macro.delete", target=("macro", macro.id), now=now, before=_told(macro))
    session.delete(macro)
    session.flush()


def fill(session: Session, *, actor: Principal, macro_id: int, reference: str) -> Filled:
    """The macro's words for this ticket. Raises Forbidden, MacroNotFound or TicketNotFound."""
    actor.require(Permission.TICKETS_READ)
    macro = one(session, actor=actor, macro_id=macro_id)
    return filled(macro, macro_fields.values(session, ticket_page(session, actor=actor, reference=reference), actor))


def filled(macro: Macro, values: Mapping[str, str | None]) -> Filled:
    """What is put in is not read again: braces in a customer's own words stand for nothing."""
    missing = tuple(dict.fromkeys(name for name in named_in(macro.text) if not values.get(name)))
    text = _FIELD.sub(lambda match: values.get(match[1].strip()) or match[0], macro.text)
    return Filled(text, missing, dict(macro.changes), macro.is_note)


def apply(
    session: Session,
    *,
    actor: Principal,
    macro_id: int,
    reference: str,
    expected_revision: str | None = None,
    anyway: bool = False,
    now: datetime,
) -> Filled:
    """Say the macro's words in the ticket and make its changes: all of it or nothing.

    Raises what `fill`, `replies.reply` and `notes.note` raise, and MacroIncomplete when a field has no value for this ticket.
    """
    actor.require(Permission.TICKETS_EDIT)
    said = fill(session, actor=actor, macro_id=macro_id, reference=reference)
    if said.missing:
        raise MacroIncomplete(said.missing)
    with session.begin_nested():
        _say(session, actor, said, reference, expected_revision, anyway=anyway, now=now)
        macro_changes.make(session, said.changes, actor=actor, reference=reference, now=now)
    return said


def one(session: Session, *, actor: Principal, macro_id: int) -> Macro:
    """One that the person may use. Raises MacroNotFound."""
    found = session.exec(select(Macro).where(Macro.id == macro_id, col(Macro.is_active), _visible(actor))).one_or_none()
    if found is None:
        raise MacroNotFound
    return found


def named_in(text: str) -> list[str]:
    """The fields that a text names, in their order."""
    return [match[1].strip() for match in _FIELD.finditer(text)]


def _say(
    session: Session, actor: Principal, said: Filled, reference: str, expected_revision: str | None, *, anyway: bool, now: datetime
) -> None:
    if not said.text.strip():
        return
    if said.is_note:
        notes.note(session, actor=actor, reference=reference, text=said.text, now=now)
        return
    # Unless it says otherwise the ticket then waits for the customer, as after any reply.
    then: replies.Then = "open" if said.changes.get("state") == "open" else "pending"
    replies.reply(
        session, actor=actor, reference=reference, text=said.text, expected_revision=expected_revision, anyway=anyway, then=then, now=now
    )


def _visible(actor: Principal) -> sa.ColumnElement[bool]:
    return sa.or_(col(Macro.owner_id).is_(None), col(Macro.owner_id) == (actor.id if actor.kind == "staff" else None))


def _require_keeper(actor: Principal, *, shared: bool) -> None:
    actor.require(Permission.DESK_EDIT if shared else Permission.TICKETS_EDIT)
    if not shared and actor.kind != "staff":
        raise Forbidden("Only people have macros of their own.")


def _of_theirs(session: Session, actor: Principal, macro_id: int) -> Macro:
    """One that the person may change, locked."""
    actor.require(Permission.TICKETS_EDIT)
    wanted = select(Macro).where(Macro.id == macro_id, _visible(actor)).with_for_update().execution_options(populate_existing=True)
    found = session.exec(wanted).one_or_none()
    if found is None:
        raise MacroNotFound
    _require_keeper(actor, shared=found.owner_id is None)
    return found


def _fit(session: Session, terms: MacroTerms) -> MacroTerms:
    name, text = one_line(terms.name), terms.text.replace("\x00", "").strip()
    if not name or len(name) > MAX_NAME:
        raise MacroRefused(f"Give it a name of at most {MAX_NAME} characters.", field="name")
    if len(text) > MAX_TEXT:
        raise MacroRefused(f"Keep the text under {MAX_TEXT} characters.", field="text")
    unknown = [one for one in named_in(text) if one not in FIELDS]
    if unknown:
        raise MacroRefused(f"There is no field {{{unknown[0][:40]}}}. There are: {', '.join(FIELDS)}.", field="text")
    changes = macro_changes.fit(session, terms.changes)
    if not text and not changes:
        raise MacroRefused("It neither says nor changes anything.", field="text")
    return MacroTerms(name, text, terms.is_note, changes)


def _require_name(session: Session, name: str, macro_id: int | None) -> None:
    taken = select(Macro.id).where(sa.func.lower(Macro.name) == name.lower(), col(Macro.id).is_distinct_from(macro_id))
    if session.exec(taken.limit(1)).first() is not None:
        raise MacroRefused("There is a macro of that name already. Choose another name.", field="name")


def _told(macro: Macro) -> dict[str, object]:
    owned = "everybody" if macro.owner_id is None else "one person"
    return {"name": macro.name, "text": macro.text, "is_note": macro.is_note, "changes": dict(macro.changes), "for": owned}
