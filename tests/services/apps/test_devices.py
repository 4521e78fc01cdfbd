"""Phones that are logged in: what their keys open, whom a copy throws out, and that a lost answer harms nobody."""

from __future__ import annotations

from datetime import timedelta

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, precondition, rule, run_state_machine_as_test
from sqlmodel import Session, select

from app.errors import InvalidInput, NotFound, Unauthenticated
from services.accounts import sessions
from services.accounts.models import Role
from services.apps import devices
from services.apps.callers import Caller
from services.apps.devices import KeyRefused, Opened, Phone
from services.apps.models import AppDevice
from services.notifications import pushes
from services.notifications.models import PushToken
from tests.conftest import NOON
from tests.services.apps.texting import a_person, enrolled, logged_in, new_number


def swap(session: Session, opened: Opened) -> Opened:
    found = devices.refresh(session, device_key=opened.device_key, now=NOON)
    assert found is not None
    return found


def use(session: Session, opened: Opened) -> Caller:
    return devices.caller_of(session, opened.access_token, now=NOON)


# --- keys


def test_a_key_is_swapped_and_a_lost_answer_is_asked_for_again_with_the_old_one(session: Session) -> None:
    first, _ = logged_in(session)
    lost = swap(session, first)
    again = swap(session, first)
    use(session, again)
    use(session, swap(session, again))
    # What never arrived at the phone can only come from somebody who read it on the way.
    assert devices.refresh(session, device_key=lost.device_key, now=NOON) is None


def test_a_key_shown_again_after_its_successor_was_used_logs_the_phone_out(session: Session) -> None:
    first, _ = logged_in(session)
    second = swap(session, first)
    use(session, second)
    assert devices.refresh(session, device_key=first.device_key, now=NOON) is None
    for key in (first, second):
        with pytest.raises(KeyRefused):
            devices.refresh(session, device_key=key.device_key, now=NOON)
    with pytest.raises(Unauthenticated):
        use(session, second)


def test_a_copy_is_noticed_however_often_the_key_was_swapped_since(session: Session) -> None:
    first, _ = logged_in(session)
    thiefs = first
    for _ in range(3):
        thiefs = swap(session, thiefs)
        use(session, thiefs)
    assert devices.refresh(session, device_key=first.device_key, now=NOON) is None
    with pytest.raises(Unauthenticated):
        use(session, thiefs)
    with pytest.raises(KeyRefused):
        swap(session, thiefs)


def test_a_key_that_we_did_not_make_logs_nobody_out(session: Session) -> None:
    opened, _ = logged_in(session)
    whose, secret, tag = opened.device_key.split(".")
    other, _ = logged_in(session)
    for forged in (f"{whose}.{secret[::-1]}.{tag}", f"{other.device.public_id}.{secret}.{tag}", f"{whose}..", whose, "", "..é", "\x00"):
        with pytest.raises(KeyRefused):
            devices.refresh(session, device_key=forged, now=NOON)
    for phone in (opened, other):
        use(session, phone)


def test_a_refresh_notes_what_changed_of_the_phone_but_keeps_the_name_that_its_owner_gave(session: Session) -> None:
    opened, caller = logged_in(session)
    devices.name_device(session, caller=caller, name="  My\n old  phone ")
    devices.refresh(session, device_key=opened.device_key, phone=Phone("SM-A045F", "android", "1.5.0"), now=NOON)
    assert (opened.device.name, opened.device.app_version) == ("My old phone", "1.5.0")


@pytest.mark.parametrize("name", ["", " \n", "\x00", "x" * 81])
def test_a_name_has_words_and_an_end(session: Session, name: str) -> None:
    with pytest.raises(InvalidInput):
        devices.name_device(session, caller=logged_in(session)[1], name=name)


class Keys(RuleBasedStateMachine):
    """An honest phone whose answers get lost, and a thief who may copy what it holds: a refresh each, in any order."""

    session: Session

    def __init__(self) -> None:
        super().__init__()
        self.honest, _ = logged_in(self.session, new_number())
        self.stolen: list[Opened] = []
        self.is_out = False

    @rule(is_lost=st.booleans(), is_used=st.booleans())
    def the_phone_refreshes(self, is_lost: bool, is_used: bool) -> None:
        try:
            fresh = devices.refresh(self.session, device_key=self.honest.device_key, now=NOON)
        except KeyRefused:
            fresh = None
        if fresh is None:
            assert self.stolen, "nobody stole anything, and the honest phone was logged out"
            self.is_out = True
        elif not is_lost:
            self.honest = fresh
            if is_used:
                self.the_phone_acts()

    @precondition(lambda self: not self.is_out)
    @rule()
    def the_phone_acts(self) -> None:
        try:
            use(self.session, self.honest)
        except Unauthenticated:
            assert self.stolen, "nobody stole anything, and the honest phone was refused"
            self.is_out = True

    @rule()
    def a_thief_copies_what_the_phone_holds(self) -> None:
        self.stolen.append(self.honest)

    @precondition(lambda self: self.stolen)
    @rule(is_used=st.booleans())
    def the_thief_refreshes(self, is_used: bool) -> None:
        try:
            fresh = devices.refresh(self.session, device_key=self.stolen[-1].device_key, now=NOON)
        except KeyRefused:
            return
        if fresh is None:
            self.is_out = True
            return
        self.stolen.append(fresh)
        if is_used:
            use(self.session, fresh)

    def teardown(self) -> None:
        """Both go on: whatever was stolen opens nothing in the end, and without a theft the honest phone is in."""
        honest = self._goes_on([self.honest])
        self.honest = honest or self.honest
        if not self.stolen:
            assert honest is not None
            return
        for _ in range(2):
            thief = self._goes_on(self.stolen)
            self.stolen += [thief] if thief is not None else []
            honest = self._goes_on([self.honest])
            self.honest = honest or self.honest
        assert thief is None

    def _goes_on(self, held: list[Opened]) -> Opened | None:
        for opened in reversed(held):
            try:
                fresh = devices.refresh(self.session, device_key=opened.device_key, now=NOON)
                if fresh is not None:
                    use(self.session, fresh)
                    return fresh
            except Unauthenticated:
                continue
        return None


def test_lost_answers_log_no_honest_phone_out_and_a_thief_never_stays_in_beside_it(session: Session) -> None:
    class OnThisDatabase(Keys):
        pass

    OnThisDatabase.session = session
    run_state_machine_as_test(OnThisDatabase, settings=settings(max_examples=25, stateful_step_count=10, deadline=None))


# --- logging out


def test_a_phone_logs_itself_out_and_its_pushes_stop(session: Session) -> None:
    opened, caller = logged_in(session)
    _, other = logged_in(session)
    tokens = []
    for of in (caller, other):
        token = pushes.register(session, token=f"ExponentPushToken[{of.app_device_id:022d}]", customer_id=of.customer_id, now=NOON)
        token.app_device_id = of.app_device_id
        tokens.append(token)
    session.flush()
    for _ in range(2):
        devices.log_out(session, caller=caller, now=NOON)
    with pytest.raises(Unauthenticated):
        use(session, opened)
    with pytest.raises(KeyRefused):
        swap(session, opened)
    session.expire_all()
    assert [(token.dropped_at, token.why) for token in tokens] == [(NOON, "logged out"), (None, None)]
    assert len(session.exec(select(PushToken)).all()) == 2


def test_another_of_ones_phones_is_logged_out_at_once_and_another_persons_is_not_found(session: Session) -> None:
    number = new_number()
    mine, caller = logged_in(session, number)
    lost, _ = logged_in(session, number)
    foreign, _ = logged_in(session)
    technicians, _ = enrolled(session, a_person(session))
    for _ in range(2):
        devices.revoke(session, caller=caller, public_id=lost.device.public_id, now=NOON)
    with pytest.raises(Unauthenticated):
        use(session, lost)
    for other in (foreign, technicians):
        with pytest.raises(NotFound):
            devices.revoke(session, caller=caller, public_id=other.device.public_id, now=NOON)
        use(session, other)
    assert [one.public_id for one in devices.devices_of(session, caller=caller)] == [mine.device.public_id]


def test_the_phones_of_one_person_are_listed_the_one_used_last_first(session: Session) -> None:
    number = new_number()
    first, caller = logged_in(session, number)
    second, _ = logged_in(session, number)
    first.device.last_seen_at = NOON + timedelta(minutes=1)
    logged_in(session)
    session.flush()
    assert devices.devices_of(session, caller=caller) == [first.device, second.device]


# --- staff


def test_a_technicians_phone_ends_with_the_persons_sessions(session: Session) -> None:
    person = a_person(session)
    old, _ = enrolled(session, person)
    assert use(session, old).staff == sessions.principal_of(person)
    sessions.forget_everything(person)
    session.flush()
    for refused in (use, swap):
        with pytest.raises(Unauthenticated):
            refused(session, old)
    _, caller = enrolled(session, person)
    # The dead one is listed no more, though its row stands.
    assert [one.id for one in devices.devices_of(session, caller=caller)] == [caller.app_device_id]


def test_a_disabled_person_and_another_role_are_there_with_the_next_request(session: Session) -> None:
    person = a_person(session)
    opened, caller = enrolled(session, person)
    assert caller.staff is not None
    person.role = Role.BILLING_OFFICER
    session.flush()
    changed = use(session, opened).staff
    assert changed is not None
    assert changed.permissions != caller.staff.permissions
    person.is_active = False
    session.flush()
    for refused in (use, swap):
        with pytest.raises(Unauthenticated):
            refused(session, opened)


def test_a_phone_without_a_name_is_called_by_what_it_is() -> None:
    assert [devices.title_of(one) for one in (AppDevice(name="Mine"), AppDevice(platform="ios"), AppDevice())] == ["Mine", "ios", "phone"]
