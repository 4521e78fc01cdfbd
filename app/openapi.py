"""The OpenAPI document: what the product is, its parts, readable operation ids, one model of refusals, and bare routes beside the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from fastapi import FastAPI
from fastapi.routing import APIRoute
from pydantic import BaseModel

from app.documented import Problem, refusals

_TAGS = (
    ("portal", "What a customer's phone asks, without an account"),
    ("authentication", "Log-in of staff: a short access token and a refresh token that is swapped at every use"),
    ("customers", "Who buys Wi-Fi"),
    ("packages", "What is sold"),
    ("promos", "Words that take something off a price"),
    ("payments", "Purchases by Wave and their ledgers"),
    ("refunds", "Money given back through Wave, and who decided it"),
    ("money", "Sums of days, and the ledger in double entry with what stands open on it"),
    ("reconciliation", "Wave, PortaBilling and our own books compared"),
    ("vouchers", "Codes worth a package"),
    ("batches", "Many vouchers made at once"),
    ("sessions", "Airtime running on a router"),
    ("gateways", "The openNDS routers"),
    ("access_points", "The radios that OpenWISP manages, and how they fare"),
    ("sites", "The places they stand at"),
    ("notifications", "Messages to people, and what became of each"),
    ("incidents", "Outages, what came of them, and what staff says about them"),
    ("compensations", "Paid time that outages took, given back"),
    ("tickets", "What customers ask for help with"),
    ("teams", "Who answers for tickets together, the rules by which tickets find them, and who is on duty"),
    ("reports", "How the help desk does: promises kept, times, backlog, satisfaction"),
    ("sla", "What is promised, by which hours it is counted, and why a ticket is due when it is"),
    ("audit", "Who did what"),
    ("errors", "Errors of the product itself, grouped, and what is done about them"),
    ("backups", "Which back-ups there are, and one more"),
    ("jobs", "What INET does by itself, how it fares, and runs that failed"),
    ("access", "Letting a client in without a purchase"),
    ("mobile", "What the apps ask"),
    ("operations", "Live, ready, and the health of each dependency"),
)
_ABOUT = """Wi-Fi by the package: the portal's own addresses, `/api/v1` for staff's tools and outside services, and
`/api/mobile/v1` for the phone apps (INET-Go of customers, INET-Tech of technicians).

- **Who asks**: `Authorization: Bearer` with a staff member's JWT or a scoped API token. Every operation names what it needs.
- **Refusals** are RFC 9457 problem documents; `code` is stable, `correlation_id` finds the request in our logs.
- **Lists** are paged by cursor: send `next_cursor` back as `cursor`, with the same filters.
- **Writes** take an `Idempotency-Key`: the same key and body are done once and answered the same for 24 hours.
  A change of a record needs its `ETag` back as `If-Match`.
- **Money** is an integer of bututs (100 to the dalasi); times are UTC, ISO 8601.
"""


@dataclass(frozen=True)
class Documented:
    """An address that is served by a bare route: its path item, and the models that it refers to."""

    path: str
    item: dict[str, Any]
    models: tuple[type[BaseModel], ...] = ()


def operation_id(route: APIRoute) -> str:
    """Readable and short: the part of the product, then what the function is called."""
    return f"{route.tags[0] if route.tags else 'inet'}_{route.name}"


def describe(app: FastAPI, more: Sequence[Documented] = ()) -> None:
    """Complete the document of this application. Call it when every router is included."""
    generate = app.openapi
    completed: list[dict[str, Any]] = []

    def openapi() -> dict[str, Any]:
        document = generate()
        if not any(document is done for done in completed):
            _complete(document, more)
            completed[:] = [document]
        return document

    app.openapi = openapi  # type: ignore[method-assign]


def _complete(document: dict[str, Any], more: Sequence[Documented]) -> None:
    document["info"] |= {"title": "INET Portal", "version": "1", "description": _ABOUT}
    document["paths"] |= {one.path: one.item for one in more}
    operations = [operation for item in document["paths"].values() for operation in item.values()]
    used = {tag for operation in operations for tag in operation.get("tags", ())}
    document["tags"] = [{"name": name, "description": about} for name, about in _TAGS if name in used]
    for operation in operations:
        if needed := [scope for scheme in operation.get("security", ()) for scopes in scheme.values() for scope in scopes]:
            operation["description"] = f"{operation.get('description', '')}\n\nNeeds `{needed[0]}`.".strip()
        if "requestBody" in operation:
            operation["responses"].update({str(status): response for status, response in refusals(400, 413).items()})
    schemas = document.setdefault("components", {}).setdefault("schemas", {})
    models: list[type[BaseModel]] = [Problem, *(model for one in more for model in one.models)]
    for model in models:
        schema = model.model_json_schema(ref_template="#/components/schemas/{model}", mode="serialization")
        schemas.update(schema.pop("$defs", {}))
        schemas[model.__name__] = schema
