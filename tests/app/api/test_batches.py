"""Batches over HTTP: ordered once, made in the background, changed in bulk; no code in any answer."""

from __future__ import annotations

import json
from typing import Any

from app.clock import utc_now
from app.db import transaction
from services.packages.service import offers
from services.vouchers.batches import making
from tests.app.api.asking import Api, Headers, refusal
from tests.services.vouchers.batches.ordering import batch_of, codes_of


def an_order(**more: Any) -> dict[str, Any]:
    with transaction() as session:
        package_id = offers(session)[0].public_id
    return {"package_id": package_id, "size": 3, "name": "Kiosk", "seller": "Awa"} | more


def ordered(api: Api, who: Headers, **more: Any) -> int:
    answer = api.http.post("/api/v1/batches", json=an_order(**more), headers=who)
    assert answer.status_code == 201, answer.text
    return int(answer.json()["id"])


def test_a_batch_is_ordered_once_and_its_codes_are_never_told(api: Api) -> None:
    who = api.service("vouchers:batch", "vouchers:read")
    headers = who | {"Idempotency-Key": "one-order-of-many"}
    body = an_order()
    first, again = (api.http.post("/api/v1/batches", json=body, headers=headers) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.json() == again.json()
    assert first.headers["location"] == f"/api/v1/batches/{first.json()['id']}"
    refusal(api.http.post("/api/v1/batches", json=body | {"size": 4}, headers=headers), 422, "idempotency_mismatch")
    batch_id = first.json()["id"]
    listed = [batch for batch in api.get("/api/v1/batches", who)["items"] if batch["name"] == "Kiosk"]
    assert [(one["state"], one["made"], one["size"], one["used"]) for one in listed] == [("making", 0, 3, 0)]
    making.make(transaction, batch_id, clock=utc_now)
    told = [api.get(path, who) for path in ("/api/v1/batches", f"/api/v1/batches/{batch_id}", "/api/v1/vouchers")]
    assert (told[1]["state"], told[1]["vouchers"]["active"]) == ("ready", 3)
    with transaction() as session:
        codes = codes_of(session, batch_of(batch_id))
    assert not any(code in json.dumps(told) or code[-5:] in json.dumps(told) for code in codes)


def test_a_senseless_order_is_refused_at_its_field(api: Api) -> None:
    who = api.service("vouchers:batch")
    for wrong, field in (
        ({"size": 0}, "size"),
        ({"size": 10_000_000}, "size"),
        ({"size": 2.5}, "size"),
        ({"name": " "}, "name"),
        ({"site_id": 999_999}, "site_id"),
        ({"use_from": "2090-02-01T00:00:00Z", "use_before": "2090-01-01T00:00:00Z"}, "use_before"),
        ({"use_before": "2020-01-01T00:00:00Z", "use_from": "2019-01-01T00:00:00Z"}, "use_before"),
    ):
        answer = api.http.post("/api/v1/batches", json=an_order(**wrong), headers=who)
        assert field in json.dumps(refusal(answer, 422)["errors"]), answer.text
    refusal(api.http.post("/api/v1/batches", json=an_order(package_id="no-such"), headers=who), 404, "package_not_found")


def test_a_batch_is_blocked_as_it_was_shown_to_be_and_cancelled_as_long_as_nobody_saw_it(api: Api) -> None:
    who = api.service("vouchers:batch", "vouchers:read")
    batch_id = ordered(api, who)
    address = f"/api/v1/batches/{batch_id}"
    why = {"reason": "Stolen"}
    refusal(api.http.post(f"{address}/block", json=why, headers=who), 428)
    refusal(api.http.post(f"{address}/block", json=why, headers=who | {"If-Match": "*"}), 409, "batch_not_ready")
    making.make(transaction, batch_id, clock=utc_now)
    tag = {"If-Match": api.http.get(address, headers=who).headers["etag"]}
    refusal(api.http.post(f"{address}/block", json=why, headers=who | {"If-Match": '"older"'}), 412)
    shown, done, again = (
        api.http.post(f"{address}/block", json=why | dry, headers=who | tag).json() for dry in ({"dry_run": True}, {}, {})
    )
    assert shown == {"dry_run": True, "changed": {"active": 3}, "kept": {}}
    assert done == {"dry_run": False, "changed": {"active": 3}, "kept": {}}
    assert again == {"dry_run": False, "changed": {}, "kept": {"blocked": 3}}
    keyed = who | tag | {"Idempotency-Key": "one-lifting-of-it"}
    freed = [api.http.post(f"{address}/unblock", json=why, headers=keyed).json() for _ in range(2)]
    assert freed == [{"dry_run": False, "changed": {"blocked": 3}, "kept": {}}] * 2
    cancelled = api.http.post(f"{address}/cancel", headers=who | tag)
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelling")
    making.take_away(transaction, batch_id, clock=utc_now)
    assert api.get(address, who)["state"] == "cancelled"
    refusal(api.http.post(f"{address}/expire", json=why, headers=who | {"If-Match": "*"}), 409, "batch_not_ready")


def test_chosen_vouchers_are_changed_and_counted(api: Api) -> None:
    who = api.service("vouchers:batch", "vouchers:read")
    batch_id = ordered(api, who)
    making.make(transaction, batch_id, clock=utc_now)
    with transaction() as session:
        from tests.services.vouchers.batches.ordering import vouchers_of

        ids = [voucher.id for voucher in vouchers_of(session, batch_of(batch_id))]
    wish = {"action": "expire", "ids": [*ids[:2], 999_999], "reason": "Misprinted"}
    expired = {"changed": {"active": 2}, "kept": {"not_found": 1}}
    for dry_run in (True, False):
        answer = api.http.post("/api/v1/vouchers/bulk", json=wish | {"dry_run": dry_run}, headers=who)
        assert answer.json() == expired | {"dry_run": dry_run}
    refusal(api.http.post("/api/v1/vouchers/bulk", json=wish | {"ids": []}, headers=who), 422)
    refusal(api.http.post("/api/v1/vouchers/bulk", json=wish | {"reason": " "}, headers=who), 422)
    refusal(api.http.post("/api/v1/vouchers/bulk", json=wish | {"action": "sell"}, headers=who), 422)
