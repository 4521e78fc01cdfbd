"""How the parts of a customer's own data are written down: which rows, which columns of them, and how each is opened."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlmodel import col

from services.access.models import Entitlement
from services.accounts.models import Customer
from services.apps.models import AppDevice
from services.packages.models import PackageVersion
from services.payments.models import Payment
from services.tickets.models import Ticket

Query = Callable[[Customer], sa.Select[Any]]


def _as_it_is(row: dict[str, Any]) -> dict[str, Any]:
    return row


@dataclass(frozen=True)
class Part:
    """`table` is what its rows are of; `query` narrows to the customer, in the order in which they came; `shown` opens what is sealed."""

    name: str
    table: str
    query: Query
    shown: Callable[[dict[str, Any]], dict[str, Any]] = _as_it_is


def part(
    name: str,
    table: Any,
    columns: list[Any],
    whose: Callable[[Customer], sa.ColumnElement[bool]],
    *,
    joined: Callable[[sa.Select[Any]], sa.Select[Any]] = lambda query: query,
    shown: Callable[[dict[str, Any]], dict[str, Any]] = _as_it_is,
) -> Part:
    order = sa.inspect(table).primary_key

    def query(customer: Customer) -> sa.Select[Any]:
        return joined(sa.select(*columns).select_from(table)).where(whose(customer)).order_by(*order)

    return Part(name, table.__tablename__, query, shown)


def columns(table: Any, *names: str) -> list[Any]:
    return [col(getattr(table, name)) for name in names]


def tickets(customer: Customer) -> sa.Select[Any]:
    return sa.select(col(Ticket.id)).where(col(Ticket.customer_id) == customer.id)


def phones(customer: Customer) -> sa.Select[Any]:
    return sa.select(col(AppDevice.id)).where(col(AppDevice.customer_id) == customer.id)


def bought(customer: Customer) -> sa.Select[Any]:
    return sa.select(col(Payment.id)).where(col(Payment.customer_id) == customer.id)


def time(customer: Customer) -> sa.Select[Any]:
    return sa.select(col(Entitlement.id)).where(col(Entitlement.customer_id) == customer.id)


def package(query: sa.Select[Any], of: Any) -> sa.Select[Any]:
    return query.join(PackageVersion, col(PackageVersion.id) == col(of.package_version_id))
