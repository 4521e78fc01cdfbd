"""Refusals about tickets."""

from __future__ import annotations

from app.errors import Conflict, InvalidInput, NotFound, Stale


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


class TicketMerged(Conflict):
    """`into` is the reference of the ticket that took it in."""

    code, title = "ticket_merged", "The ticket was merged"

    def __init__(self, reference: str, into: str) -> None:
        super().__init__(f"{reference} was merged into {into}. Work on it there.", into=into)
        self.into = into


class CannotMove(Conflict):
    code, title = "cannot_move", "It cannot go there"
    message = "A ticket is new only until somebody looks at it. Choose another state."


class AnsweredMeanwhile(Stale):
    """Somebody said something that the writer has not seen. `what` tells it, a line each; `revision` is the one to answer to now."""

    code, title = "answered_meanwhile", "Something was said meanwhile"

    def __init__(self, what: str, *, revision: str) -> None:
        super().__init__(f"Look first, or send it anyway. Since you read it: {what}", what=what, revision=revision)
        self.what = what
        self.revision = revision


class NobodyToAnswer(Conflict):
    code, title = "nobody_to_answer", "Nobody to answer"
    message = "Nobody outside wrote this ticket, so there is nobody to answer. Write a note instead."


class ReplyNotFound(NotFound):
    code, title = "reply_not_found", "No such reply"
    message = "There is no reply with that number."


class ReplyNotResent(Conflict):
    code, title = "reply_not_resent", "It cannot be sent again"
    message = "Only a reply that did not arrive, or perhaps not, can be sent again. Look at it once more."


class CannotMerge(Conflict):
    code, title = "cannot_merge", "They cannot be merged"


class MergeNotConfirmed(CannotMerge):
    code, title = "merge_not_confirmed", "Two customers"
    message = (
        "These tickets are of different customers. After the merge, what one of them wrote stands beside the words of the other, "
        "and answers go to the customer of the ticket that stays. Confirm it if that is what you want."
    )


class CannotSplit(InvalidInput):
    code, title = "cannot_split", "It cannot be split like this"


class OperationNotFound(NotFound):
    code, title = "operation_not_found", "No such step"
    message = "There is no step with that number."


class CannotUndo(Conflict):
    code, title = "cannot_undo", "It cannot be undone"


class MacroNotFound(NotFound):
    code, title = "macro_not_found", "No such macro"
    message = "There is no macro with that number."


class MacroRefused(InvalidInput):
    code, title = "macro_refused", "The macro cannot be kept like this"


class MacroIncomplete(Conflict):
    """`missing` names the fields that have no value for this ticket."""

    code, title = "macro_incomplete", "The macro lacks a value"

    def __init__(self, missing: tuple[str, ...]) -> None:
        named = ", ".join(f"{{{name}}}" for name in missing)
        super().__init__(
            f"Nothing was sent: for this ticket there is no {named}. Write it yourself, or choose another macro.", missing=missing
        )
        self.missing = missing
