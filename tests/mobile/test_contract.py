"""Schemathesis asks every operation of the apps what its document allows, and much that it does not: it answers what it promised."""

from __future__ import annotations

from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis.checks import not_a_server_error
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    ignored_auth,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from sqlmodel import Session
from starlette.testclient import TestClient

from tests.mobile.customers import a_phone, technicians_phone
from tests.mobile.log_ins import line, served_app

__all__ = ["line"]
_CHECKS: list[Any] = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
    ignored_auth,
    negative_data_rejection,
]
# Photos come by the tus protocol, of which OpenAPI tells the least; tests/mobile/test_photos.py walks it by hand.
schema = schemathesis.openapi.from_asgi("/api/openapi.json", served_app()).include(path_regex="^/api/mobile/").exclude(path_regex="/photos")


@pytest.fixture
def tokens(line: TestClient, session: Session) -> tuple[str, str]:
    return a_phone(line, session).token, technicians_phone(line, session).token


@schema.parametrize()
@settings(max_examples=6, deadline=None, phases=(Phase.explicit, Phase.generate), suppress_health_check=list(HealthCheck))
def test_every_operation_keeps_what_its_document_promises(case: Any, line: TestClient, tokens: tuple[str, str]) -> None:
    is_of_staff = case.operation.path in ("/api/mobile/v1/work", "/api/mobile/v1/duty") or "/access-points/" in case.operation.path
    headers = {"Authorization": f"Bearer {tokens[is_of_staff]}"}
    case.call_and_validate(headers=headers, checks=_CHECKS)
