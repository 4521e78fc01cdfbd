"""What a soak makes of its series."""

from __future__ import annotations

from tests.drill.soak import _BOUNDS, Order, Outcome, bound_of, lines_of


def outcome_with(**series: list[float]) -> Outcome:
    outcome = Outcome(Order(seed=1, minutes=5), lasted=300.0)
    outcome.seconds = [2.0 * number for number in range(150)]
    for name, values in series.items():
        outcome.series[name.replace("_", " ")] = values
    return outcome


def test_a_soak_in_which_a_process_leaks_is_not_good() -> None:
    steady, leaking = [150.0] * 150, [150.0 + 0.5 * number for number in range(150)]
    outcome = outcome_with(worker_MB=steady, web_MB=leaking)
    assert outcome.growing == ["web MB"]
    assert not outcome.is_good
    assert outcome.row()["growing"] == ["web MB"]
    assert any("grows:   web MB" in line for line in lines_of(outcome))


def test_connections_that_are_not_given_back_are_found() -> None:
    outcome = outcome_with(PostgreSQL_connections=[10.0 + number // 3 for number in range(150)])
    assert outcome.growing == ["PostgreSQL connections"]


def test_a_soak_in_which_everything_settles_is_good() -> None:
    outcome = outcome_with(web_MB=[150.0] * 150, urgent_jobs=[float(number % 3) for number in range(150)])
    assert outcome.is_good
    assert outcome.row()["ok"] is True


def test_what_is_under_way_at_rest_is_not_good() -> None:
    outcome = outcome_with(web_MB=[150.0] * 150)
    outcome.restless.append("3 things are still under way")
    assert not outcome.is_good


def test_every_unit_has_a_bound() -> None:
    assert bound_of("web-2 waits ms") is _BOUNDS["ms"]
    assert bound_of("Valkey MB") is _BOUNDS["MB"]
