"""The portal's real answers are those that the OpenAPI document describes, field by field."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel
from sqlmodel import select

from portal import schemas
from services.payments.models import Payment
from tests.conftest import Sandbox
from tests.factories import PHONE
from tests.portal.served import Web


def assert_described(model: type[BaseModel], answer: dict[str, Any]) -> None:
    model.model_validate(answer)
    assert set(answer) == set(model.model_fields)


def test_a_purchase_from_the_price_list_to_the_access_it_buys(web: Web, sandbox_process: Sandbox) -> None:
    web.voucher()  # which puts a package on the list
    offered = web.browser.get("/api/portal/packages").json()
    assert_described(schemas.PriceList, offered)
    (package,) = offered["items"]
    assert_described(schemas.Offered, package)
    opened = web.browser.post("/api/wave/checkout", json={"package_id": package["id"], "phone": PHONE}).raise_for_status().json()
    assert_described(schemas.CheckoutOpened, opened)
    verify = {"payment_id": opened["payment_id"]}
    assert_described(schemas.PaymentTruth, web.browser.get("/api/wave/verify", params=verify).json())
    found = web.browser.post("/api/portal/find", json={"phone": PHONE, "reference": opened["reference"]}).raise_for_status().json()
    assert_described(schemas.PurchaseFound, found)
    sent = web.browser.post("/api/portal/find/send-code", json={"phone": PHONE}).raise_for_status().json()
    assert_described(schemas.CodeSent, sent)
    assert web.row(select(Payment)).public_id == opened["payment_id"]


def test_a_voucher_its_session_and_a_problem_report(web: Web) -> None:
    router = web.router(3)
    station = router.join()
    context = web.enter(router, station)
    entered = web.spend(web.voucher(), context)
    assert_described(schemas.VoucherEntered, entered)
    assert_described(schemas.Access, entered["access"])
    assert_described(schemas.ClientSession, web.session_of(context))
    told = web.browser.post("/api/portal/tickets", json={"body": "It is slow", "context": context}).raise_for_status().json()
    assert_described(schemas.Reported, told)
