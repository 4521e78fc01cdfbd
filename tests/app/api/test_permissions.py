"""Every route × every role, every scope, and nobody: exactly what the one table of permissions says (design.md, invariant 7)."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
from fastapi.dependencies.models import Dependant
from fastapi.routing import iter_route_contexts

from app.api.security import BearerGate
from app.main import plain_app
from app.settings import ALL_FACES
from services.accounts.models import Role
from services.accounts.permissions import API_SCOPES, ROLE_PERMISSIONS, Permission
from tests.app.api.asking import Api, Headers, refusal

# What may stand for a path's parameter: nothing of that name need exist, for the right to ask is decided first.
EXAMPLES = {
    "customer_id": "1",
    "package_id": "day-1",
    "promo_id": "1",
    "reference": "NOSUCH22",
    "refund_id": "1",
    "voucher_id": "1",
    "batch_id": "1",
    "run_id": "1",
    "finding_id": "1",
    "session_id": "1",
    "slug": "no-such-router",
    "site_id": "1",
    "access_point_id": "1",
    "number": "1",
    "policy_id": "1",
    "notification_id": "1",
    "message_id": "1",
    "operation_id": "1",
    "attachment_id": "1",
    "error_id": "1",
    "job_id": "no-such-job",
    "failure_id": "1",
}


def _gates(dependant: Dependant) -> Iterator[BearerGate]:
    for needed in dependant.dependencies:
        if isinstance(needed.call, BearerGate):
            yield needed.call
        yield from _gates(needed)


def guarded_routes() -> list[tuple[str, str, str]]:
    """Method, address and permission of every route that takes a bearer token and names a permission."""
    found = []
    for route in iter_route_contexts(plain_app(ALL_FACES).routes):
        dependant = getattr(route, "dependant", None)
        for gate in _gates(dependant) if dependant is not None else ():
            if gate.permission is not None:
                address = route.path.format(**EXAMPLES)
                found += [(method, address, gate.permission) for method in sorted(route.methods or ())]
    return found


ROUTES = guarded_routes()
CREDENTIALS_OF_NOBODY: list[Headers] = [
    {},
    {"Authorization": "Bearer"},
    {"Authorization": "Bearer made-up"},
    {"Authorization": "Bearer a.b.c"},
    {"Authorization": "Bearer \x80\xff.\xfe.é"},
    {"Authorization": "Basic aW5ldDppbmV0"},
]


def ask(api: Api, method: str, address: str, who: Headers) -> httpx.Response:
    return api.http.request(method, address, headers=who)


def assert_as_the_table_says(api: Api, who: Headers, held: frozenset[Permission]) -> None:
    for method, address, permission in ROUTES:
        if permission in held:
            assert_allowed(api, method, address, who)
        else:
            refusal(ask(api, method, address, who), 403, "forbidden")


def assert_allowed(api: Api, method: str, address: str, who: Headers) -> None:
    answer = ask(api, method, address, who)
    assert answer.status_code in (200, 202, 404, 409, 422, 428), (method, address, answer.text)


def test_the_walk_meets_every_resource() -> None:
    assert len(ROUTES) > 20
    resources = {address.split("/")[3] for _, address, _ in ROUTES if address.startswith("/api/v1/")}
    assert resources == {
        "customers",
        "packages",
        "promos",
        "payments",
        "refunds",
        "money",
        "ledger",
        "reconciliation",
        "vouchers",
        "batches",
        "sessions",
        "gateways",
        "access-points",
        "sites",
        "incidents",
        "compensations",
        "tickets",
        "teams",
        "reports",
        "sla",
        "notifications",
        "audit",
        "errors",
        "health",
        "jobs",
        "job-failures",
        "backups",
    }


@pytest.mark.parametrize("role", Role)
def test_a_role_may_do_exactly_what_the_table_says(api: Api, role: Role) -> None:
    assert_as_the_table_says(api, api.staff(role), ROLE_PERMISSIONS[role])


def test_a_token_may_do_exactly_what_its_one_scope_says(api: Api) -> None:
    """A scope alone is enough for its routes and all the others together are not: so each route asks for that one and for nothing else."""
    with_all = api.service(*API_SCOPES)
    alone = {scope: api.service(scope) for scope in API_SCOPES}
    without = {scope: api.service(*(API_SCOPES - {scope})) for scope in API_SCOPES}
    for method, address, permission in ROUTES:
        refusal(ask(api, method, address, without.get(permission, with_all)), 403, "forbidden")
        if permission in API_SCOPES:
            assert_allowed(api, method, address, alone[permission])


@pytest.mark.parametrize("who", CREDENTIALS_OF_NOBODY, ids=ascii)
def test_nobody_may_do_anything(api: Api, who: Headers) -> None:
    raw = {name: value.encode("latin-1") for name, value in who.items()}
    for method, address, _ in ROUTES:
        answer = api.http.request(method, address, headers=raw)
        refusal(answer, 401, "unauthenticated")
        assert answer.headers["www-authenticate"] == "Bearer"


def test_no_token_may_be_given_rights_over_staff_or_the_audit() -> None:
    assert {scope for scope in API_SCOPES if scope.startswith(("staff:", "tokens:", "self:", "audit:"))} == set()
    assert Permission.VOUCHERS_REVEAL not in API_SCOPES


def test_the_consoles_cookie_opens_nothing(api: Api) -> None:
    """What a browser sends by itself must not be enough to act (CSRF)."""
    token = api.staff(Role.ROOT)["Authorization"].removeprefix("Bearer ")
    for name in ("session", "staff_session", "Authorization", "access_token", "nicegui"):
        api.http.cookies.set(name, token)
    for method, address, _ in ROUTES:
        refusal(ask(api, method, address, {}), 401, "unauthenticated")


def test_a_token_in_the_address_opens_nothing(api: Api) -> None:
    token = api.staff(Role.ROOT)["Authorization"].removeprefix("Bearer ")
    for name in ("token", "access_token", "authorization", "api_key"):
        refusal(api.http.get("/api/v1/payments", params={name: token}), 401)
