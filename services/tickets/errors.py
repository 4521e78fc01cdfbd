"""Refusals about tickets."""

from __future__ import annotations

from app.errors import Conflict, InvalidInput, NotFound


class TicketNotFound(NotFound):
    """Also for one that exists and is not this person's to know of: a refusal of another kind would tell that it exists."""

    code, title = "ticket_not_found", "No such ticket"
    message = "There is no ticket with that reference."


class TicketAlreadyClosed(Conflict):
    code, title = "ticket_closed", "The ticket is closed"
    message = "This ticket is closed. Open it again first."


class TicketNotClosed(Conflict):
    code, title = "ticket_not_closed", "The ticket is open"
    message = "This ticket is open already."


class NotAssignable(InvalidInput):
    """One refusal for unknown and disabled people, so that numbers of staff cannot be tried out."""

    code, title = "not_assignable", "Nobody to give it to"
    message = "Choose somebody of the staff whose account is active."

    def __init__(self) -> None:
        super().__init__(field="assignee_id")
