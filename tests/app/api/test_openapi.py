"""The OpenAPI document is complete: what a stranger needs to write a client stands in it, and stands in it for every operation."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi.routing import iter_route_contexts

from app.main import plain_app
from app.settings import ALL_FACES
from tests.app.api.test_permissions import ROUTES
from tests.portal.served import web_process


@pytest.fixture(scope="module")
def document(servers: None) -> dict[str, Any]:
    return plain_app(ALL_FACES).openapi()


def operations(document: dict[str, Any]) -> Iterator[tuple[str, str, dict[str, Any]]]:
    for path, item in document["paths"].items():
        for method, operation in item.items():
            yield method, path, operation


def test_every_json_route_is_in_it(document: dict[str, Any]) -> None:
    answers_json = ("/api/", "/authmon", "/health", "/portal/captive")
    served = {route.path for route in iter_route_contexts(plain_app(ALL_FACES).routes) if route.path.startswith(answers_json)}
    # What only one outside service may call, at an address that is told to nobody else, is no part of the API.
    undocumented = {"/api/docs", "/api/docs/{name}", "/api/openapi.json", "/api/sms/reports/{secret}", "/api/inbound/sms/{secret}"}
    assert served - undocumented == set(document["paths"])


def test_every_operation_says_what_it_is(document: dict[str, Any]) -> None:
    names = {tag["name"] for tag in document["tags"]}
    for method, path, operation in operations(document):
        for wanted in ("summary", "description", "operationId", "tags", "responses"):
            assert operation.get(wanted), (method, path, wanted)
        assert set(operation["tags"]) <= names
        assert re.fullmatch(r"[a-z][a-z0-9_]{2,40}", operation["operationId"])
    ids = [operation["operationId"] for _, _, operation in operations(document)]
    assert len(ids) == len(set(ids))


def test_every_answer_has_a_schema_and_every_refusal_is_a_problem(document: dict[str, Any]) -> None:
    for method, path, operation in operations(document):
        for status, response in operation["responses"].items():
            if path.startswith("/health") or status in ("204", "304") or (path == "/api/wave/webhook" and status == "200"):
                continue
            content = response["content"]
            good = "application/captive+json" if path == "/portal/captive" else "application/json"
            good = "application/octet-stream" if path.endswith("/attachments/{attachment_id}") else good
            media_type = "application/problem+json" if int(status) >= 400 else good
            if path.endswith("/reconciliation/report") and status == "200":
                assert list(content) == ["text/csv", "application/pdf"]
                continue
            assert list(content) == [media_type], (method, path, status)
            assert content[media_type]["schema"], (method, path, status)
            if int(status) >= 400:
                assert content[media_type]["schema"] == {"$ref": "#/components/schemas/Problem"}
                assert content[media_type]["example"]["status"] == int(status)


def test_every_reference_leads_somewhere(document: dict[str, Any]) -> None:
    found = set(re.findall(r"'#/components/schemas/([^']+)'", str(document)))
    assert found <= set(document["components"]["schemas"])
    assert "Problem" in found
    assert "PaymentTruth" in found


def test_every_guarded_operation_names_the_scheme_and_its_permission(document: dict[str, Any]) -> None:
    assert document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"
    guarded = {(method, permission) for method, _, permission in ROUTES}
    told = set()
    for method, _, operation in operations(document):
        for scheme in operation.get("security", []):
            for name, permissions in scheme.items():
                for permission in permissions:
                    assert f"`{permission}`" in operation["description"]
                    assert {"401", "403", "429", "503"} <= set(operation["responses"])
                    # The apps' own routes are walked in tests/mobile/test_permissions.py.
                    told |= {(method.upper(), permission)} if name == "bearer" else set()
    assert told == guarded


def test_bodies_have_examples_and_refuse_what_they_do_not_know(document: dict[str, Any]) -> None:
    for _, path, operation in operations(document):
        if "requestBody" not in operation or not path.startswith(("/api/v1", "/authmon", "/api/auth/login")):
            continue
        reference = operation["requestBody"]["content"]["application/json"]["schema"]["$ref"]
        schema = document["components"]["schemas"][reference.rsplit("/", 1)[1]]
        assert schema["examples"], path
        assert schema["additionalProperties"] is False, path


@pytest.mark.parametrize("faces", ["console,portal,mobile,api", "api"])
def test_both_compositions_serve_it(servers: None, tmp_path: Path, faces: str) -> None:
    with web_process(tmp_path, INET_ROLES=faces) as process:
        answer = httpx.get(f"{process.url}/api/openapi.json")
        assert answer.status_code == 200
        assert "/api/v1/payments" in answer.json()["paths"]
        assert ("/api/portal/packages" in answer.json()["paths"]) is ("portal" in faces)
        assert httpx.get(f"{process.url}/api/docs").status_code == 200
        assert httpx.get(f"{process.url}/api/v1/payments").status_code == 401
