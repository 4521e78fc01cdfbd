"""Schemathesis asks every operation of the OpenAPI document what it allows, and much that it does not: no server error, no status and no
answer that the document does not promise, and what it forbids is refused.

Bounded by `_EXAMPLES`; `make test` runs the operations side by side.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from app.main import plain_app
from app.settings import ALL_FACES
from services.accounts.models import Role
from services.accounts.permissions import API_SCOPES
from tests.app.api.asking import Api, service_token, staff_token

_EXAMPLES = 8
_PRINCIPALS = 8
# No token of a service opens these.
_OF_STAFF = {
    "/api/v1/audit",
    "/api/v1/incidents/{reference}",
    "/api/v1/incidents/{reference}/false-alarm",
    "/api/v1/refunds/{refund_id}/approve",
    "/api/v1/refunds/{refund_id}/decline",
    "/api/v1/refunds/{refund_id}/retry",
}
# 503 is what they are for: nothing but the web runs here.
_OF_HEALTH = {"/health", "/healthz/ready"}
_CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    ignored_auth,
    negative_data_rejection,
]
# The apps have a contract test of their own.
schema = schemathesis.openapi.from_dict(plain_app([face for face in ALL_FACES if face != "mobile"]).openapi())


@pytest.fixture
def tokens(api: Api) -> list[str]:
    """Of several services, so that none of them runs into the limit of one; the audit is for staff."""
    return [service_token(*API_SCOPES) for _ in range(_PRINCIPALS)]


@pytest.fixture
def client() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.fixture
def root(api: Api) -> str:
    return staff_token(Role.ROOT)


@schema.parametrize()
@settings(max_examples=_EXAMPLES, deadline=None, suppress_health_check=list(HealthCheck))
def test_every_operation_keeps_what_its_document_promises(
    case: Any, api: Api, tokens: list[str], root: str, client: requests.Session
) -> None:
    turn = next(_turns)
    token = root if case.operation.path in _OF_STAFF else tokens[turn % _PRINCIPALS]
    headers = {"Authorization": f"Bearer {token}"}
    checks = _CHECKS[1:] if case.operation.path in _OF_HEALTH else _CHECKS
    case.call_and_validate(base_url=str(api.http.base_url), session=client, headers=headers, checks=checks)


_turns = count()
