from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from services.network.debounce import Standing, hear
from services.network.models import Health
from tests.conftest import NOON

MINUTE = timedelta(minutes=1)
_said = st.lists(st.sampled_from(Health), max_size=30)
_ONLINE = Standing(Health.ONLINE, Health.ONLINE, NOON)


@dataclass
class Watched:
    """An access point that is polled once a minute, and the states that counted with the minute they began in."""

    standing: Standing = _ONLINE
    polls: int = 0
    states: list[tuple[Health, int]] = field(default_factory=list)

    def hears(self, *said: Health) -> Watched:
        for one in said:
            self.polls += 1
            before, self.standing = self.standing, hear(self.standing, one, at=NOON + self.polls * MINUTE)
            if self.standing.health is not before.health:
                self.states.append((self.standing.health, (self.standing.health_since - NOON) // MINUTE))
        return self


def test_a_state_that_two_polls_agree_on_counts_from_the_first_of_them() -> None:
    assert Watched().hears(Health.ONLINE, Health.OFFLINE, Health.OFFLINE).states == [(Health.OFFLINE, 2)]


def test_a_state_seen_once_and_gone_leaves_no_trace_but_the_report() -> None:
    watched = Watched().hears(Health.OFFLINE, Health.ONLINE)
    assert watched.states == []
    assert watched.standing == _ONLINE


def test_two_different_bad_states_in_turn_do_not_confirm_each_other() -> None:
    watched = Watched().hears(Health.OFFLINE, Health.DEGRADED, Health.OFFLINE, Health.DEGRADED)
    assert watched.states == []
    assert watched.hears(Health.DEGRADED).states == [(Health.DEGRADED, 4)]


def test_being_taken_out_of_service_counts_at_once_and_coming_back_needs_two_polls() -> None:
    watched = Watched().hears(Health.RETIRED, Health.ONLINE)
    assert watched.states == [(Health.RETIRED, 1)]
    assert watched.hears(Health.ONLINE).states[1:] == [(Health.ONLINE, 2)]


def test_the_same_poll_heard_twice_confirms_nothing() -> None:
    once = hear(Watched().standing, Health.OFFLINE, at=NOON + MINUTE)
    assert hear(once, Health.OFFLINE, at=NOON + MINUTE) == once


def test_a_clock_that_runs_behind_makes_no_state_begin_before_the_one_it_follows() -> None:
    first = hear(_ONLINE, Health.OFFLINE, at=NOON - MINUTE)
    assert hear(first, Health.OFFLINE, at=NOON + MINUTE).health_since == NOON


def test_what_a_person_called_a_false_alarm_counts_again_only_when_the_report_changes() -> None:
    overruled = Standing(Health.OFFLINE, Health.ONLINE, NOON)
    for minute in range(1, 4):
        assert hear(overruled, Health.OFFLINE, at=NOON + minute * MINUTE) == overruled
    well = hear(overruled, Health.ONLINE, at=NOON + 5 * MINUTE)
    again = hear(hear(well, Health.OFFLINE, at=NOON + 6 * MINUTE), Health.OFFLINE, at=NOON + 7 * MINUTE)
    assert (again.health, again.health_since) == (Health.OFFLINE, NOON + 6 * MINUTE)


def _by_the_rule(said: list[Health]) -> list[tuple[Health, int]]:
    """The same rule written as a search: the state that counts changes where two neighbours agree on another, or one says retired."""
    counts, states = Health.ONLINE, list[tuple[Health, int]]()
    for poll, one in enumerate(said, 1):
        agree = poll > 1 and said[poll - 2] is one
        if one is not counts and (agree or one is Health.RETIRED):
            counts = one
            states.append((one, poll if one is Health.RETIRED else poll - 1))
    return states


@given(_said)
def test_any_row_of_reports_gives_the_states_of_the_rule(said: list[Health]) -> None:
    assert Watched().hears(*said).states == _by_the_rule(said)


@given(_said)
def test_states_follow_each_other_without_overlap_and_only_real_changes_are_told(said: list[Health]) -> None:
    watched = Watched().hears(*said)
    begins: list[datetime] = [NOON, *(NOON + minute * MINUTE for _, minute in watched.states)]
    assert all(a < b for a, b in pairwise(begins))
    names = [Health.ONLINE, *(state for state, _ in watched.states)]
    assert all(a is not b for a, b in pairwise(names))
    standing = watched.standing
    assert (standing.candidate is None) == (standing.candidate_since is None) == (standing.reported is standing.health)
