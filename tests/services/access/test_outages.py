"""A clock that stands while the network is down: what is lost, what is given, and never twice."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.exc import IntegrityError
from sqlmodel import Session, select

from services.access import outages, sweeps
from services.access.entitlements import view_access
from services.access.models import AccessSession, EntitlementState, Gateway
from services.access.outage_models import Compensation, CompensationRule, OutagePause
from services.access.outages import Down, settle
from services.network.incident_models import Incident
from tests.conftest import NOON
from tests.factories import make_gateway
from tests.services.access.online import incident_at, online

MINUTE = timedelta(minutes=1)
RULE = CompensationRule(valid_from=NOON, minimum_seconds=60, cap_seconds=3600)


def down(gateway: Gateway, incident: Incident, since: datetime) -> list[Down]:
    assert gateway.id is not None
    assert incident.id is not None
    return [Down(gateway.id, incident.id, since)]


def back(session: Session, gateway: Gateway, at: datetime) -> int:
    assert gateway.id is not None
    return outages.resume_gateways(session, {gateway.id: at}, reason="network_back", now=at)


class TestSettle:
    """The arithmetic alone."""

    def test_the_whole_stretch_is_given_back(self) -> None:
        settled = settle(paused_at=NOON, ends_at=NOON + 50 * MINUTE, back_at=NOON + 20 * MINUTE, rule=RULE)
        assert settled.given == 20 * MINUTE
        assert settled.ends_at == NOON + 70 * MINUTE

    def test_no_more_is_lost_than_was_left(self) -> None:
        settled = settle(paused_at=NOON, ends_at=NOON + 10 * MINUTE, back_at=NOON + 50 * MINUTE, rule=RULE)
        assert settled.lost == settled.given == 10 * MINUTE
        assert settled.ends_at == NOON + 60 * MINUTE

    def test_an_outage_under_the_minimum_costs_what_it_lasted(self) -> None:
        settled = settle(paused_at=NOON, ends_at=NOON + 10 * MINUTE, back_at=NOON + timedelta(seconds=59), rule=RULE)
        assert settled.given == timedelta()
        assert settled.ends_at == NOON + 10 * MINUTE

    def test_the_cap_cuts_what_is_given(self) -> None:
        settled = settle(paused_at=NOON, ends_at=NOON + timedelta(hours=5), back_at=NOON + timedelta(hours=3), rule=RULE)
        assert settled.given == timedelta(hours=1)
        assert settled.ends_at == NOON + timedelta(hours=6)

    @given(left=st.integers(1, 300), away=st.integers(0, 400), minimum=st.integers(0, 120), cap=st.integers(1, 200), is_given=st.booleans())
    def test_it_equals_a_clock_that_ticks_second_by_second(self, left: int, away: int, minimum: int, cap: int, is_given: bool) -> None:
        rule = CompensationRule(valid_from=NOON, minimum_seconds=minimum, cap_seconds=cap)
        used = 0
        for _ in range(away):
            if used < left:
                used += 1
        given_back = min(used, cap) if is_given and used >= minimum else 0
        remaining = left - used + given_back
        settled = settle(
            paused_at=NOON,
            ends_at=NOON + timedelta(seconds=left),
            back_at=NOON + timedelta(seconds=away),
            rule=rule,
            give=is_given,
        )
        assert settled.given == timedelta(seconds=given_back)
        assert settled.ends_at == NOON + timedelta(seconds=away + remaining)


class TestPause:
    """Whose clock stands."""

    def test_time_stands_still_for_those_behind_the_gateway(self, session: Session) -> None:
        gateway, entitlement = online(session, minutes=60)
        incident = incident_at(session, NOON + 10 * MINUTE)
        assert outages.pause(session, down(gateway, incident, NOON + 10 * MINUTE), now=NOON + 12 * MINUTE) == 1
        assert entitlement.seconds_left(now=NOON + 40 * MINUTE) == 50 * 60
        assert view_access(session, entitlement, now=NOON + 300 * MINUTE).seconds_left == 50 * 60

    def test_a_clock_that_stands_does_not_run_out(self, session: Session) -> None:
        gateway, entitlement = online(session, minutes=60)
        outages.pause(session, down(gateway, incident_at(session, NOON), NOON + 10 * MINUTE), now=NOON + 11 * MINUTE)
        sweeps.expire_entitlements(session, now=NOON + 600 * MINUTE)
        assert entitlement.state is EntitlementState.RUNNING

    def test_who_ran_out_before_the_outage_was_confirmed_gets_the_time_back(self, session: Session) -> None:
        gateway, entitlement = online(session, minutes=60)
        sweeps.expire_entitlements(session, now=NOON + 61 * MINUTE)
        assert entitlement.state is EntitlementState.ENDED
        outages.pause(session, down(gateway, incident_at(session, NOON), NOON + 59 * MINUTE), now=NOON + 62 * MINUTE)
        assert entitlement.state is EntitlementState.RUNNING
        assert entitlement.seconds_left(now=NOON + 70 * MINUTE) == 60

    def test_who_ran_out_before_the_outage_began_gets_nothing(self, session: Session) -> None:
        gateway, _ = online(session, minutes=60)
        sweeps.expire_entitlements(session, now=NOON + 61 * MINUTE)
        assert outages.pause(session, down(gateway, incident_at(session, NOON), NOON + 61 * MINUTE), now=NOON + 62 * MINUTE) == 0

    def test_who_was_ended_by_staff_stays_ended(self, session: Session) -> None:
        gateway, entitlement = online(session, minutes=60)
        row = session.exec(select(AccessSession).where(AccessSession.entitlement_id == entitlement.id)).one()
        row.state, row.ended_at, row.end_reason = row.state.ENDED, NOON + 59 * MINUTE, "ended_by_staff"
        entitlement.state = EntitlementState.ENDED
        session.flush()
        assert outages.pause(session, down(gateway, incident_at(session, NOON), NOON + 58 * MINUTE), now=NOON + 61 * MINUTE) == 0

    def test_who_is_online_elsewhere_is_not_cut_off(self, session: Session) -> None:
        gateway, entitlement = online(session, minutes=60)
        other = make_gateway(session)
        online(session, gateway=other, entitlement=entitlement, at=NOON + 5 * MINUTE)
        assert outages.pause(session, down(gateway, incident_at(session, NOON), NOON + 10 * MINUTE), now=NOON + 12 * MINUTE) == 0

    def test_who_left_long_before_is_not_cut_off(self, session: Session) -> None:
        gateway, entitlement = online(session, minutes=60)
        row = session.exec(select(AccessSession).where(AccessSession.entitlement_id == entitlement.id)).one()
        row.state, row.ended_at, row.end_reason = row.state.ENDED, NOON + 10 * MINUTE, "client_deauth"
        session.flush()
        assert outages.pause(session, down(gateway, incident_at(session, NOON), NOON + 20 * MINUTE), now=NOON + 22 * MINUTE) == 0

    def test_telling_it_twice_changes_nothing(self, session: Session) -> None:
        gateway, entitlement = online(session, minutes=60)
        incident = incident_at(session, NOON)
        outages.pause(session, down(gateway, incident, NOON + 10 * MINUTE), now=NOON + 12 * MINUTE)
        assert outages.pause(session, down(gateway, incident, NOON + 5 * MINUTE), now=NOON + 13 * MINUTE) == 0
        assert entitlement.paused_at == NOON + 10 * MINUTE

    def test_a_second_incident_over_the_first_gives_nothing_twice(self, session: Session) -> None:
        gateway, entitlement = online(session, minutes=60)
        outages.pause(session, down(gateway, incident_at(session, NOON), NOON + 10 * MINUTE), now=NOON + 11 * MINUTE)
        back(session, gateway, NOON + 20 * MINUTE)
        # Confirmed late, it claims to have begun while the first still was.
        outages.pause(session, down(gateway, incident_at(session, NOON), NOON + 15 * MINUTE), now=NOON + 26 * MINUTE)
        back(session, gateway, NOON + 30 * MINUTE)
        given_back = session.exec(select(Compensation.seconds).where(Compensation.entitlement_id == entitlement.id)).all()
        assert sorted(given_back) == [600, 600]
        assert entitlement.ends_at == NOON + 80 * MINUTE


class TestResume:
    """How a clock goes on."""

    def test_the_network_is_back_and_the_time_is_given_once(self, session: Session) -> None:
        gateway, entitlement = online(session, minutes=60, amount_bututs=6000)
        outages.pause(session, down(gateway, incident_at(session, NOON), NOON + 10 * MINUTE), now=NOON + 12 * MINUTE)
        assert back(session, gateway, NOON + 40 * MINUTE) == 1
        assert back(session, gateway, NOON + 41 * MINUTE) == 0
        row = session.exec(select(Compensation)).one()
        assert (row.seconds, row.worth_bututs) == (1800, 3000)
        assert entitlement.paused_at is None
        assert entitlement.seconds_left(now=NOON + 40 * MINUTE) == 50 * 60

    def test_the_database_forbids_a_second_compensation_for_the_same_second(self, session: Session) -> None:
        gateway, _ = online(session, minutes=60)
        outages.pause(session, down(gateway, incident_at(session, NOON), NOON + 10 * MINUTE), now=NOON + 12 * MINUTE)
        back(session, gateway, NOON + 40 * MINUTE)
        first = session.exec(select(Compensation)).one()
        again = Compensation(**first.model_dump(exclude={"id"}) | {"lost_from": first.lost_until - timedelta(seconds=1)})
        again.lost_until = first.lost_until + MINUTE
        session.add(again)
        with pytest.raises(IntegrityError, match="ex_compensation_once"):
            session.flush()

    def test_who_gets_online_elsewhere_goes_on_from_then(self, session: Session) -> None:
        gateway, entitlement = online(session, minutes=60)
        outages.pause(session, down(gateway, incident_at(session, NOON), NOON + 10 * MINUTE), now=NOON + 12 * MINUTE)
        other = make_gateway(session)
        online(session, gateway=other, entitlement=entitlement, at=NOON + 25 * MINUTE)
        assert entitlement.paused_at is None
        assert entitlement.ends_at == NOON + 75 * MINUTE
        assert session.exec(select(OutagePause)).one().end_reason == "online_again"
        assert back(session, gateway, NOON + 50 * MINUTE) == 0
        assert entitlement.ends_at == NOON + 75 * MINUTE

    def test_a_false_alarm_gives_nothing_and_takes_nothing(self, session: Session) -> None:
        gateway, entitlement = online(session, minutes=60)
        incident = incident_at(session, NOON)
        outages.pause(session, down(gateway, incident, NOON + 10 * MINUTE), now=NOON + 12 * MINUTE)
        assert incident.id is not None
        outages.resume_incident(session, incident.id, at=NOON + 30 * MINUTE, reason="false_alarm", give=False, now=NOON + 30 * MINUTE)
        assert entitlement.ends_at == NOON + 60 * MINUTE
        assert session.exec(select(Compensation)).all() == []

    def test_a_refunded_purchase_is_given_nothing(self, session: Session) -> None:
        gateway, entitlement = online(session, minutes=60)
        outages.pause(session, down(gateway, incident_at(session, NOON), NOON + 10 * MINUTE), now=NOON + 12 * MINUTE)
        entitlement.state = EntitlementState.VOID
        session.flush()
        back(session, gateway, NOON + 40 * MINUTE)
        assert session.exec(select(Compensation)).all() == []
        assert session.exec(select(OutagePause)).one().end_reason == "entitlement_void"

    def test_the_rule_of_the_outages_beginning_decides(self, session: Session) -> None:
        gateway, _ = online(session, minutes=60)
        session.add(CompensationRule(valid_from=NOON + 20 * MINUTE, minimum_seconds=3600, cap_seconds=3600))
        outages.pause(session, down(gateway, incident_at(session, NOON), NOON + 10 * MINUTE), now=NOON + 12 * MINUTE)
        back(session, gateway, NOON + 40 * MINUTE)
        assert session.exec(select(Compensation)).one().seconds == 1800


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_what_is_given_equals_a_second_by_second_count_of_any_outages(session: Session, data: st.DataObject) -> None:
    """Outages of one gateway in any order, overlapping too, with returns elsewhere between: the clock is the simulated one's."""
    minutes = data.draw(st.integers(2, 20), label="package minutes")
    with session.begin_nested() as savepoint:
        gateway, entitlement = online(session, minutes=minutes)
        incident = incident_at(session, NOON)
        rule = CompensationRule(
            valid_from=NOON - MINUTE, minimum_seconds=data.draw(st.integers(0, 90)), cap_seconds=data.draw(st.integers(60, 400))
        )
        session.add(rule)
        session.flush()
        left, clock, paused, lost, given_back, rows = minutes * 60, 0, False, 0, 0, 0
        for gap in data.draw(st.lists(st.integers(0, 200), max_size=8), label="seconds between events"):
            for _ in range(gap):
                clock += 1
                if not paused and left > 0:
                    left -= 1
                elif paused and lost < left:
                    lost += 1
            at = NOON + timedelta(seconds=clock)
            if paused:
                back(session, gateway, at)
                worth = min(lost, rule.cap_seconds) if lost >= rule.minimum_seconds else 0
                left, given_back, rows, paused, lost = left - lost + worth, given_back + worth, rows + (worth > 0), False, 0
            else:
                paused = outages.pause(session, down(gateway, incident, at), now=at) == 1
                assert paused == (left > 0)
                # An incident that overlaps the first is told of while the clock stands already.
                assert outages.pause(session, down(gateway, incident, at), now=at) == 0
        at = NOON + timedelta(seconds=clock)
        assert entitlement.seconds_left(now=at) == left
        given_rows = session.exec(select(Compensation.seconds).where(Compensation.entitlement_id == entitlement.id)).all()
        assert (sum(given_rows), len(given_rows)) == (given_back, rows)
        savepoint.rollback()
    session.expire_all()
