"""Deny by default: every route names who may use it (design.md, invariant 7)."""

from __future__ import annotations

from collections.abc import Iterator

from fastapi.dependencies.models import Dependant
from fastapi.routing import RouteContext, iter_route_contexts

from app.access import Gate
from app.main import plain_app
from app.settings import ALL_FACES
from portal import payment_status, router_calls
from services.accounts.permissions import Permission

# FastAPI's own: the description of the public and token-guarded API, which holds no data.
DOCUMENTATION = {"/api/openapi.json"}
RAW = {router_calls.route.path: router_calls.ACCESS, payment_status.route.path: payment_status.ACCESS}


def _gates(dependant: Dependant) -> Iterator[Gate]:
    for needed in dependant.dependencies:
        if isinstance(needed.call, Gate):
            yield needed.call
        yield from _gates(needed)


def _gates_of(route: RouteContext) -> list[Gate]:
    dependant = getattr(route, "dependant", None)
    if dependant is not None:
        return list(_gates(dependant))
    return [RAW[route.path]] if route.path in RAW else []


def _routes() -> list[RouteContext]:
    return [route for route in iter_route_contexts(plain_app(ALL_FACES).routes) if route.path not in DOCUMENTATION]


def test_every_route_names_a_permission_or_why_it_is_public() -> None:
    assert len(_routes()) > 15
    assert [route.path for route in _routes() if not _gates_of(route)] == []


def test_every_gate_names_a_known_permission_or_a_reason() -> None:
    for route in _routes():
        for gate in _gates_of(route):
            assert bool(gate.reason) != bool(gate.permission)
            assert gate.permission is None or gate.permission in set(Permission)
