"""Why a mutation did not count, beside what the services say that it goes through."""

from __future__ import annotations

from app.errors import Conflict, InvalidInput, NotFound


class EntityNotFound(NotFound):
    message = "There is none, or it is no longer yours to work on."


class UnknownType(InvalidInput):
    code, title = "unknown_type", "Nothing is known of this"
    message = "The server does not know this kind of action. The app may be newer than the server: it is not tried again."


class IdReused(Conflict):
    code, title = "id_reused", "The name was used for something else"
    message = "Something else was sent under this name before, and that stands. Give it a name of its own."


class ChangedMeanwhile(Conflict):
    code, title = "changed_meanwhile", "It was changed meanwhile"
    message = "Somebody changed it after the phone saw it last. Look at what stands now, and do it again if it is still right."
