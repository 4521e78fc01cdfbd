"""Refusals of acting on many rows at once."""

from __future__ import annotations

from app.errors import Conflict, Forbidden, InvalidInput, NotFound


class ActionNotFound(NotFound):
    code, title = "bulk_action_not_found", "No such action"
    message = "There is no such action for this list."


class OperationNotFound(NotFound):
    code, title = "bulk_operation_not_found", "No such step"
    message = "There is no such step any more."


class TooManyRows(InvalidInput):
    code, title = "too_many_rows", "Too many rows at once"


class WishedDifferently(Conflict):
    code, title = "bulk_wished_differently", "That was another step"
    message = "A step with this key was asked for already, with other rows or other answers. Begin anew."


class NotAsked(Conflict):
    code, title = "bulk_not_asked", "Nobody waits for this"
    message = "Somebody has agreed to this step or declined it already."


class OwnStep(Forbidden):
    code, title = "bulk_own_step", "A second person has to agree"
    message = "You asked for this step yourself: somebody else has to agree to it. You can call it off."


class CannotUndo(Conflict):
    code, title = "bulk_cannot_undo", "It cannot be taken back"


class ChangedSince(Conflict):
    """Of one row: it is not as the step left it."""

    code, title = "changed_since", "It was changed since"
    message = "It was changed since, so it stays as it is now."
