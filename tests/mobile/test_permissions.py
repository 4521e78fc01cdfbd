"""Every route of the apps × a customer's phone, phones of staff of every role, other credentials, and nobody."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts
from sqlmodel import Session
from starlette.testclient import TestClient

from app.clock import utc_now
from app.main import plain_app
from mobile.security import AppGate, CustomerGate, TechnicianGate
from services.accounts import access_tokens, sessions
from services.accounts.models import Role
from services.accounts.permissions import ROLE_PERMISSIONS
from services.accounts.tokens import create_api_token
from tests.mobile.customers import a_phone
from tests.mobile.log_ins import line
from tests.services.apps.texting import a_person, enrolled

__all__ = ["line"]
# What may stand for a path's parameter: nothing of that name need exist, for the right to ask is decided first.
EXAMPLES = {
    "attachment_id": "1",
    "photo_id": "none",
    "ticket_id": "1",
    "access_point_id": "1",
    "public_id": "none",
    "payment_id": "none",
    "voucher_id": "1",
    "access_id": "1",
    "number": "1",
}


def _gates(dependant: Dependant) -> Iterator[AppGate]:
    for needed in dependant.dependencies:
        if isinstance(needed.call, AppGate):
            yield needed.call
        yield from _gates(needed)


def guarded() -> list[tuple[str, str, AppGate]]:
    found = []
    for route in iter_route_contexts(plain_app(["mobile"]).routes):
        dependant = getattr(route, "dependant", None)
        for gate in _gates(dependant) if dependant is not None else ():
            found += [(method, route.path.format(**EXAMPLES), gate) for method in sorted(route.methods or ())]
    return found


ROUTES = guarded()


def refused(line: TestClient, token: str | None, wanted: int, gates: tuple[type[AppGate], ...] = (AppGate,)) -> None:
    # Of another version of the protocol for photos nothing is looked at, not even who asks (tus 1.0.0).
    headers = {"Tus-Resumable": "1.0.0"} | ({"Authorization": f"Bearer {token}"} if token is not None else {})
    for method, path, gate in ROUTES:
        if isinstance(gate, gates):
            assert line.request(method, path, headers=headers).status_code == wanted, (method, path)


def test_there_are_routes_of_each_kind() -> None:
    assert {type(gate) for _, _, gate in ROUTES} == {AppGate, CustomerGate, TechnicianGate}
    assert len(ROUTES) > 40


@pytest.mark.parametrize("token", [None, "", "nonsense", "a.b.c"])
def test_nobody_gets_past_any_gate(line: TestClient, token: str | None) -> None:
    refused(line, token, 401)


def test_credentials_of_the_console_and_of_outside_services_open_nothing_here(line: TestClient, session: Session) -> None:
    person = a_person(session, role=Role.ROOT)
    opened = sessions.open_refreshable(person, now=utc_now())
    refused(line, access_tokens.make(staff_id=person.id or 0, session_id=opened.session_id, now=utc_now()), 401)
    refused(line, create_api_token(session, name="shop", scopes=["tickets:read"], now=utc_now()), 401)


def test_a_customers_phone_is_refused_where_staff_work(line: TestClient, session: Session) -> None:
    refused(line, a_phone(line, session).token, 403, (TechnicianGate,))


@pytest.mark.parametrize("role", list(Role))
def test_a_phone_of_staff_may_do_what_its_role_may_and_nothing_of_customers(line: TestClient, session: Session, role: Role) -> None:
    opened, caller = enrolled(session, a_person(session, role=role), now=utc_now())
    refused(line, opened.access_token, 403, (CustomerGate,))
    may = caller.technician().permissions
    assert may <= ROLE_PERMISSIONS[role]
    for method, path, gate in ROUTES:
        if isinstance(gate, TechnicianGate):
            answer = line.request(method, path, headers={"Authorization": f"Bearer {opened.access_token}"})
            assert (answer.status_code == 403) is (gate.permission not in may), (method, path, answer.text)
