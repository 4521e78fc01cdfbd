"""What customers say of themselves: their name, and the language that we write to them in."""

from __future__ import annotations

from sqlmodel import Session, select

from app.errors import InvalidInput
from services.accounts.models import Customer
from services.apps.callers import Caller
from services.notifications.wording import LANGUAGES
from services.tickets.intake import line_of

MAX_NAME = 120


def set_profile(session: Session, caller: Caller, *, name: str | None = None, language: str | None = None) -> Customer:
    """Change what is given; an empty name takes it away. Raises InvalidInput."""
    customer = locked(session, caller)
    if language is not None and language not in LANGUAGES:
        known = ", ".join(f"{code} ({words})" for code, words in LANGUAGES.items())
        raise InvalidInput(f"We do not write in that language. Choose one of {known}.", field="language")
    if name is not None:
        line = line_of(name)
        if len(name) > MAX_NAME:
            raise InvalidInput(f"Keep the name under {MAX_NAME} characters.", field="name")
        customer.name = line or None
    if language is not None:
        customer.language = language
    session.flush()
    return customer


def locked(session: Session, caller: Caller) -> Customer:
    """The caller's own row, locked until the transaction ends."""
    wanted = select(Customer).where(Customer.id == caller.customer())
    return session.exec(wanted.with_for_update().execution_options(populate_existing=True)).one()
