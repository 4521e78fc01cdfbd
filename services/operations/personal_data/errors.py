"""Refusals around people's own data."""

from __future__ import annotations

from app.errors import Conflict, Forbidden, NotFound


class NobodyLeft(Conflict):
    code, title = "customer_erased", "This customer was erased"
    message = "Nothing of this person is kept any more."


class ErasureWaits(Conflict):
    code, title = "erasure_waits", "It was asked for already"
    message = "Somebody has asked for this already. A second person decides about it."


class ErasureNotFound(NotFound):
    code, title = "erasure_not_found", "No such request"
    message = "There is no such request."


class ErasureDecided(Conflict):
    code, title = "erasure_decided", "It is decided already"
    message = "This request was carried out or called off already."


class OwnErasure(Forbidden):
    code, title = "own_erasure", "A second person carries it out"
    message = "You asked for this, so somebody else has to look at it and carry it out. You may call it off."


class NotYet(Conflict):
    code, title = "erasure_not_yet", "Not yet"
    message = "The customer was told by text and has a day to object. Carry it out after that."
