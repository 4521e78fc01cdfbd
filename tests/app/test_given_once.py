"""Of a parameter that is given twice no value is quietly dropped."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from fastapi import Depends, FastAPI, Query
from starlette.testclient import TestClient

from app import problems
from app.given_once import given_once


@pytest.fixture
def asked() -> TestClient:
    app = FastAPI(dependencies=[Depends(given_once)])
    problems.install(app)

    @app.get("/list/{kind}")
    def answer(
        kind: str,
        day: str | None = None,
        state: Annotated[list[str] | None, Query(max_length=3)] = None,
        of_site: Annotated[int, Query(alias="site")] = 0,
    ) -> dict[str, Any]:
        return {"kind": kind, "day": day, "state": state, "site": of_site}

    return TestClient(app)


def test_what_is_given_once_and_a_list_given_twice_are_taken(asked: TestClient) -> None:
    answer = asked.get("/list/refunds?day=monday&state=paid&state=asked&site=4")
    assert answer.json() == {"kind": "refunds", "day": "monday", "state": ["paid", "asked"], "site": 4}


def test_each_parameter_that_is_given_twice_is_named(asked: TestClient) -> None:
    answer = asked.get("/list/refunds?site=4&day=monday&day=tuesday&site=5&state=paid&state=paid")
    assert answer.status_code == 422
    assert answer.json()["errors"] == [{"field": name, "message": "Give this once"} for name in ("day", "site")]


def test_a_parameter_that_nobody_knows_is_refused_twice_as_well(asked: TestClient) -> None:
    assert asked.get("/list/refunds?x=1").status_code == 200
    assert asked.get("/list/refunds?x=1&x=2").status_code == 422
