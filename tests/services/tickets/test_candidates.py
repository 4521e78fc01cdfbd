"""Who gets a ticket is a pure function of what it asks for and who there is."""

from __future__ import annotations

import random
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.tickets.candidates import Asked, Candidate, chosen, distance_km, weigh
from tests.conftest import NOON

SEREKUNDA, BRIKAMA, BASSE = (13.4382, -16.6781), (13.2714, -16.6494), (13.3099, -14.2137)
SKILLS, LANGUAGES = ("radio", "billing"), ("en", "wo", "fr")
POSITIONS = st.tuples(st.floats(13.0, 13.9), st.floats(-16.9, -13.7))
ASKED = st.builds(
    Asked,
    skill=st.none() | st.sampled_from(SKILLS),
    language=st.none() | st.sampled_from(LANGUAGES),
    place=st.none() | POSITIONS,
    is_field=st.booleans(),
)


@st.composite
def teams(draw: st.DrawFn) -> list[Candidate]:
    one = st.builds(
        Candidate,
        staff_id=st.just(0),
        name=st.just(""),
        is_active=st.booleans(),
        is_on_duty=st.booleans(),
        skills=st.frozensets(st.sampled_from(SKILLS)),
        languages=st.frozensets(st.sampled_from(LANGUAGES)),
        zone=st.none() | POSITIONS,
        capacity=st.integers(1, 5),
        load=st.integers(0, 6),
        today=st.integers(0, 5),
        last_given_at=st.none() | st.integers(0, 3).map(lambda hours: NOON - timedelta(hours=hours)),
    )
    return [replace(member, staff_id=number, name=f"P{number}") for number, member in enumerate(draw(st.lists(one, max_size=6)), start=1)]


@given(ASKED, teams(), st.integers())
def test_the_same_input_gives_the_same_person_in_whatever_order_they_come(asked: Asked, team: list[Candidate], seed: int) -> None:
    mixed = team.copy()
    random.Random(seed).shuffle(mixed)
    assert weigh(asked, team) == weigh(asked, mixed)


@given(ASKED, teams())
def test_nobody_gets_it_who_is_away_full_disabled_or_cannot_do_it(asked: Asked, team: list[Candidate]) -> None:
    people = {one.staff_id: one for one in team}
    able = {
        one.staff_id
        for one in team
        if one.is_active and one.is_on_duty and one.load < one.capacity and (asked.skill is None or asked.skill in one.skills)
    }
    weighed = weigh(asked, team)
    assert {one.staff_id for one in weighed} == set(people)
    assert {one.staff_id for one in weighed if one.fits} == able
    given_to = chosen(weighed)
    assert (given_to is not None) == bool(able)
    assert given_to is None or given_to.staff_id in able
    assert all(one.reason for one in weighed)


@given(teams())
def test_beside_the_field_whoever_has_the_least_of_those_who_speak_the_language_gets_it(team: list[Candidate]) -> None:
    given_to = chosen(weigh(Asked(language="wo"), team))
    able = [one for one in team if one.is_active and one.is_on_duty and one.load < one.capacity]
    if given_to is not None:
        person = next(one for one in able if one.staff_id == given_to.staff_id)
        assert person.speaks("wo") or not any(one.speaks("wo") for one in able)
        rivals = [one for one in able if one.speaks("wo") == person.speaks("wo")]
        assert person.load / person.capacity == min(one.load / one.capacity for one in rivals)


def test_the_nearest_technician_gets_it_unless_they_have_much_more_today() -> None:
    near = Candidate(1, "Near", zone=SEREKUNDA, today=0)
    far = Candidate(2, "Far", zone=BRIKAMA, today=0)
    asked = Asked(place=SEREKUNDA, is_field=True)
    assert [one.name for one in weigh(asked, [far, near])] == ["Near", "Far"]
    assert weigh(asked, [far])[0].km == pytest.approx(18.8, abs=0.3)
    assert chosen(weigh(asked, [far, replace(near, today=5)])).name == "Far"  # type: ignore[union-attr]
    basse = Candidate(3, "Basse", zone=BASSE)
    assert chosen(weigh(asked, [basse, replace(near, today=5)])).name == "Near"  # type: ignore[union-attr]


def test_who_has_no_zone_comes_after_those_who_have_one_and_no_place_means_no_way() -> None:
    homeless, far = Candidate(1, "No zone"), Candidate(2, "Far", zone=BASSE, today=1)
    assert chosen(weigh(Asked(place=SEREKUNDA, is_field=True), [homeless, far])).name == "Far"  # type: ignore[union-attr]
    assert chosen(weigh(Asked(is_field=True), [homeless, far])).name == "No zone"  # type: ignore[union-attr]


def test_among_equals_whoever_was_given_one_longest_ago_is_next() -> None:
    never, lately = Candidate(2, "Never"), Candidate(1, "Lately", last_given_at=NOON)
    earlier = Candidate(3, "Earlier", last_given_at=NOON - timedelta(hours=1))
    assert [one.name for one in weigh(Asked(), [lately, earlier, never])] == ["Never", "Earlier", "Lately"]


def test_of_whom_no_language_is_said_english_is_believed() -> None:
    assert Candidate(1, "Awa").speaks("en")
    assert not Candidate(1, "Awa").speaks("wo")
    assert not Candidate(1, "Awa", languages=frozenset({"wo"})).speaks("en")


@given(POSITIONS, POSITIONS)
def test_a_way_is_as_long_there_as_back(one: tuple[float, float], other: tuple[float, float]) -> None:
    assert distance_km(one, other) == pytest.approx(distance_km(other, one))
    assert 0 <= distance_km(one, other) < 400
