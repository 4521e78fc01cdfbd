"""Pushes of a phone: where they go to, and when its person wants them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, time

from sqlmodel import Session

from app.errors import InvalidInput
from services.apps.callers import Caller
from services.notifications import preferences, pushes
from services.notifications.models import ContactPreference, Medium

# Staff is told by the bell and by mail whatever they want, because it is their work.
_OF_CUSTOMERS = (Medium.PUSH, Medium.SMS, Medium.EMAIL)
_OF_STAFF = (Medium.PUSH,)
_BY = "app"


@dataclass(frozen=True)
class Wish:
    """What a person wants of one medium. Quiet hours are Banjul's; None: there are none but the night, which holds only news."""

    on: bool
    quiet_from: time | None = None
    quiet_until: time | None = None


def register(session: Session, caller: Caller, *, token: str, now: datetime) -> None:
    """Pushes for the person come to this phone from now on, and to nobody else by this token. Again is fine. Raises BadPushToken."""
    staff_id = caller.staff.id if caller.staff is not None else None
    pushes.register(session, token=token, customer_id=caller.customer_id, staff_id=staff_id, app_device_id=caller.app_device_id, now=now)


def give_back(session: Session, caller: Caller, *, token: str, now: datetime) -> None:
    """No pushes by this token any more. One that is not the person's, or that nobody knows, stays as it is and is answered alike."""
    staff_id = caller.staff.id if caller.staff is not None else None
    pushes.drop(session, token=token, customer_id=caller.customer_id, staff_id=staff_id, now=now)


def wishes(session: Session, caller: Caller) -> dict[Medium, Wish]:
    """What the person wants, by medium; who never said anything wants all."""
    if caller.customer_id is not None:
        return _wishes(_OF_CUSTOMERS, preferences.of_customer(session, caller.customer_id))
    return _wishes(_OF_STAFF, preferences.of_staff(session, caller.technician().id))


def _wishes(media: tuple[Medium, ...], said: Mapping[Medium, ContactPreference]) -> dict[Medium, Wish]:
    def wish(one: ContactPreference | None) -> Wish:
        return Wish(True) if one is None else Wish(one.opted_out_at is None, one.quiet_from, one.quiet_until)

    return {medium: wish(said.get(medium)) for medium in media}


def set_wishes(session: Session, caller: Caller, wanted: Mapping[Medium, Wish], *, now: datetime) -> dict[Medium, Wish]:
    """Change what is named and leave the rest. Answers how all stand. Raises BadQuietHours, or InvalidInput for a medium not theirs."""
    open_to_them = _OF_CUSTOMERS if caller.customer_id is not None else _OF_STAFF
    staff_id = caller.staff.id if caller.staff is not None else None
    for medium, wish in sorted(wanted.items()):
        if medium not in open_to_them:
            raise InvalidInput("Only pushes can be chosen here.", field=medium.value)
        if wish.on:
            preferences.opt_in(session, customer_id=caller.customer_id, staff_id=staff_id, medium=medium)
        else:
            preferences.opt_out(session, customer_id=caller.customer_id, staff_id=staff_id, medium=medium, by=_BY, now=now)
        begin, end = wish.quiet_from, wish.quiet_until
        preferences.set_quiet_hours(session, customer_id=caller.customer_id, staff_id=staff_id, medium=medium, begin=begin, end=end)
    return wishes(session, caller)
