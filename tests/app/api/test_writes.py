"""Writes: nobody overwrites what they have not seen, and nothing is done twice because an answer was lost."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlmodel import func, select

from app.clock import utc_now
from app.db import transaction
from services.access.models import Gateway
from services.accounts.models import IdempotentAnswer, Role, Staff
from services.operations.retention.removing import clean_up
from services.operations.retention.rules import BY_NAME
from services.packages.models import PackageVersion
from services.vouchers import codes
from services.vouchers.models import Voucher, VoucherState
from tests.app.api.asking import Api, Headers, refusal

KEY = {"Idempotency-Key": "a-wish-of-a-shop-0001"}
WISH = {"package_id": "day-1", "phone": "+220833000001", "note": "Router was down"}


def issue(api: Api, who: Headers, body: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
    return api.http.post("/api/v1/vouchers", json=WISH if body is None else body, headers={**who, **headers})


def count(model: type[Any]) -> int:
    with transaction() as session:
        return session.exec(select(func.count()).select_from(model)).one()


def an_active_voucher(state: VoucherState = VoucherState.ACTIVE) -> int:
    with transaction() as session:
        found = session.exec(select(Voucher.id).where(Voucher.state == state)).first()
    assert found is not None
    return found


# --- Idempotency-Key


def test_a_repeated_wish_is_done_once_and_answered_the_very_same(api: Api) -> None:
    who = api.service("vouchers:issue")
    before = count(Voucher)
    answers = [issue(api, who, **KEY) for _ in range(3)]
    assert {answer.status_code for answer in answers} == {201}
    assert len({answer.content for answer in answers}) == 1
    for name in ("etag", "location", "content-type", "cache-control"):
        assert len({answer.headers[name] for answer in answers}) == 1
    assert count(Voucher) == before + 1


def test_without_a_key_each_wish_is_a_new_one(api: Api) -> None:
    who = api.service("vouchers:issue")
    assert issue(api, who).json()["code"] != issue(api, who).json()["code"]


@pytest.mark.parametrize("body", [WISH | {"note": "another"}, WISH | {"package_id": "week-1"}, {"package_id": "day-1"}], ids=str)
def test_the_same_key_with_another_body_is_refused(api: Api, body: dict[str, Any]) -> None:
    who = api.service("vouchers:issue")
    assert issue(api, who, **KEY).status_code == 201
    before = count(Voucher)
    refusal(issue(api, who, body, **KEY), 422, "idempotency_mismatch")
    assert count(Voucher) == before


def test_the_same_key_at_another_address_is_refused(api: Api) -> None:
    who = api.staff(Role.ROOT)
    assert issue(api, who, **KEY).status_code == 201
    answer = api.http.post("/api/v1/gateways", json={"name": "A router"}, headers=who | KEY)
    refusal(answer, 422, "idempotency_mismatch")


def test_a_key_belongs_to_whoever_sent_it(api: Api) -> None:
    one, other = api.service("vouchers:issue"), api.service("vouchers:issue")
    assert issue(api, one, **KEY).json()["code"] != issue(api, other, **KEY).json()["code"]


def test_who_may_no_longer_do_it_gets_no_old_answer(api: Api) -> None:
    who = api.staff(Role.CUSTOMER_CARE)
    assert issue(api, who, **KEY).status_code == 201
    with transaction() as session:
        session.exec(select(Staff).where(Staff.role == Role.CUSTOMER_CARE)).one().role = Role.FIELD_TECHNICIAN
    refusal(issue(api, who, **KEY), 403)


def test_the_same_wish_many_times_at_once_is_done_once(api: Api) -> None:
    who = api.service("vouchers:issue")
    before = count(Voucher)
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: issue(api, who, **KEY), range(16)))
    assert {answer.status_code for answer in answers} <= {201, 409}
    done = {answer.content for answer in answers if answer.status_code == 201}
    assert len(done) == 1
    for answer in answers:
        if answer.status_code == 409:
            refusal(answer, 409, "idempotency_in_progress")
            assert answer.headers["retry-after"] == "1"
    assert count(Voucher) == before + 1
    assert issue(api, who, **KEY).content in done


def test_a_refusal_changed_nothing_and_is_decided_anew(api: Api) -> None:
    who = api.service("vouchers:issue")
    refusal(issue(api, who, {"package_id": "not-there"}, **KEY), 404, "package_not_found")
    assert issue(api, who, **KEY).status_code == 201


def test_a_key_is_forgotten_after_a_day(api: Api) -> None:
    who = api.service("vouchers:issue")
    first = issue(api, who, **KEY).json()
    _make_older(hours=24)
    assert issue(api, who, **KEY).json()["code"] != first["code"]
    assert _forgotten() == 0
    _make_older(hours=25)
    assert _forgotten() == 1


def _forgotten() -> int:
    (removed,) = clean_up(transaction, clock=utc_now, rules=[BY_NAME["answers"]])
    return removed.rows


def _make_older(*, hours: int) -> None:
    with transaction() as session:
        session.exec(select(IdempotentAnswer)).one().created_at -= timedelta(hours=hours)


def test_what_is_kept_of_an_answer_shows_no_code_and_no_key(api: Api) -> None:
    code = issue(api, api.service("vouchers:issue"), **KEY).json()["code"]
    with transaction() as session:
        kept = session.exec(select(IdempotentAnswer)).one()
    everything = f"{kept.body_sealed}{kept.key_mac}{kept.request_digest}{kept.principal}"
    for secret in (code, code.replace("-", ""), KEY["Idempotency-Key"], "833000001"):
        assert secret not in everything


@pytest.mark.parametrize("key", ["short", "k" * 201])
def test_a_key_out_of_bounds_is_refused(api: Api, key: str) -> None:
    refusal(issue(api, api.service("vouchers:issue"), **{"Idempotency-Key": key}), 422, "invalid_input")


def test_every_post_that_creates_or_acts_takes_a_key(api: Api) -> None:
    document = api.get("/api/openapi.json", {})
    posts = {path: item["post"] for path, item in document["paths"].items() if "post" in item and path.startswith(("/api/v1", "/authmon"))}
    assert len(posts) >= 7
    for path, operation in posts.items():
        assert "idempotency-key" in {parameter["name"] for parameter in operation.get("parameters", [])}, path


# --- ETag and If-Match


def test_a_package_is_changed_by_who_read_it_and_by_nobody_who_read_an_older_one(api: Api) -> None:
    who = api.service("packages:read", "packages:edit")
    path = "/api/v1/packages/day-1"
    read = api.http.get(path, headers=who)
    tag = read.headers["etag"]
    changed = api.http.patch(path, json={"amount": 6000}, headers=who | {"If-Match": tag})
    assert changed.status_code == 200
    assert changed.json() == read.json() | {"amount": 6000, "version": read.json()["version"] + 1}
    assert changed.headers["etag"] != tag
    assert api.http.get(path, headers=who).headers["etag"] == changed.headers["etag"]
    refusal(api.http.patch(path, json={"amount": 7000}, headers=who | {"If-Match": tag}), 412, "stale")
    assert api.get(path, who)["amount"] == 6000


def test_what_was_sold_keeps_its_terms(api: Api) -> None:
    before = count(PackageVersion)
    who = api.staff(Role.ROOT)
    api.http.patch("/api/v1/packages/day-1", json={"amount": 9900}, headers=who | {"If-Match": "*"}).raise_for_status()
    assert count(PackageVersion) == before + 1
    api.http.patch("/api/v1/packages/day-1", json={"is_on_sale": False}, headers=who | {"If-Match": "*"}).raise_for_status()
    assert count(PackageVersion) == before + 1


def test_what_a_change_leaves_out_stays(api: Api) -> None:
    who = api.staff(Role.ROOT)
    path = "/api/v1/packages/day-1"
    read = api.get(path, who)
    changed = api.http.patch(path, json={"quota_bytes": None}, headers=who | {"If-Match": "*"}).json()
    assert changed == read | {"quota_bytes": None, "version": read["version"] + 1}


def _changes(api: Api) -> list[tuple[str, str, dict[str, Any]]]:
    with transaction() as session:
        slug = session.exec(select(Gateway.slug)).first()
    voucher = an_active_voucher()
    return [
        ("PATCH", "/api/v1/packages/day-1", {"name": "1 long day"}),
        ("PATCH", f"/api/v1/gateways/{slug}", {"name": "Another name"}),
        ("POST", f"/api/v1/vouchers/{voucher}/block", {}),
        ("POST", f"/api/v1/vouchers/{voucher}/unblock", {}),
    ]


def test_a_change_without_if_match_is_asked_for_it_and_one_with_another_tag_is_stale(api: Api) -> None:
    who = api.staff(Role.ROOT)
    for method, path, body in _changes(api):
        refusal(api.http.request(method, path, json=body, headers=who), 428, "precondition_missing")
        for tag in ('"0"', "0", 'W/"0"', '""', "junk", '"' + "a" * 80 + '"'):
            refusal(api.http.request(method, path, json=body, headers=who | {"If-Match": tag}), 412, "stale")


def test_a_voucher_is_blocked_and_unblocked_with_the_tag_of_each_state(api: Api) -> None:
    who = api.service("vouchers:read", "vouchers:block")
    path = f"/api/v1/vouchers/{an_active_voucher()}"
    tag = api.http.get(path, headers=who).headers["etag"]
    blocked = api.http.post(f"{path}/block", headers=who | {"If-Match": tag})
    assert (blocked.status_code, blocked.json()["state"]) == (200, "blocked")
    refusal(api.http.post(f"{path}/block", headers=who | {"If-Match": tag}), 412, "stale")
    unblocked = api.http.post(f"{path}/unblock", headers=who | {"If-Match": blocked.headers["etag"]})
    assert unblocked.json()["state"] in ("active", "pending")


def test_a_repeated_block_with_its_key_is_answered_the_same_though_its_tag_is_old_now(api: Api) -> None:
    who = api.staff(Role.BILLING_OFFICER)
    path = f"/api/v1/vouchers/{an_active_voucher()}"
    headers = who | KEY | {"If-Match": api.http.get(path, headers=who).headers["etag"]}
    first, second = (api.http.post(f"{path}/block", headers=headers) for _ in range(2))
    assert (first.status_code, first.content) == (second.status_code, second.content)
    assert first.status_code == 200


def test_a_used_voucher_cannot_be_blocked(api: Api) -> None:
    path = f"/api/v1/vouchers/{an_active_voucher(VoucherState.USED)}/block"
    refusal(api.http.post(path, headers=api.staff(Role.ROOT) | {"If-Match": "*"}), 409, "voucher_already_used")


def test_of_two_changes_at_once_one_is_told_that_it_came_second(api: Api) -> None:
    who = api.staff(Role.ROOT)
    path = "/api/v1/packages/day-1"
    tag = api.http.get(path, headers=who).headers["etag"]
    with ThreadPoolExecutor(6) as pool:
        sums = [(number + 1) * 1000 for number in range(6)]
        answers = list(pool.map(lambda sum_: api.http.patch(path, json={"amount": sum_}, headers=who | {"If-Match": tag}), sums))
    assert sorted(answer.status_code for answer in answers) == [200, 412, 412, 412, 412, 412]


def test_a_gateway_is_renamed_and_moved_and_polls_do_not_spoil_its_tag(api: Api) -> None:
    who = api.service("gateways:read", "gateways:edit")
    with transaction() as session:
        slug = session.exec(select(Gateway.slug)).first()
    path = f"/api/v1/gateways/{slug}"
    tag = api.http.get(path, headers=who).headers["etag"]
    with transaction() as session:
        session.exec(select(Gateway).where(Gateway.slug == slug)).one().last_poll_at = utc_now()
    renamed = api.http.patch(path, json={"name": "North gate", "site": "A new place"}, headers=who | {"If-Match": tag})
    assert (renamed.json()["name"], renamed.json()["site"]) == ("North gate", "A new place")
    moved = api.http.patch(path, json={"site": None}, headers=who | {"If-Match": renamed.headers["etag"]})
    assert (moved.json()["name"], moved.json()["site"]) == ("North gate", None)


# --- nothing is set by the way


MASS = [
    ("POST", "/api/v1/vouchers", WISH, {"state": "active", "payment_id": 1, "issued_by": "root", "use_before": "2099-01-01T00:00:00Z"}),
    (
        "POST",
        "/api/v1/packages",
        {"id": "new-1", "name": "New", "amount": 1000, "duration_seconds": 3600},
        {"version": 9, "currency": "EUR"},
    ),
    ("POST", "/api/v1/gateways", {"name": "New"}, {"faskey": "A" * 20, "gateway_name": "inet-mine", "id": 1, "created_at": None}),
    ("PATCH", "/api/v1/packages/day-1", {"amount": 1000}, {"id": "other", "version": 1, "public_id": "x", "amount_bututs": 1}),
    ("POST", "/api/v1/sessions/1/end", {"reason": "lost phone"}, {"state": "active", "ended_at": None}),
    ("POST", "/authmon/allow", {"gateway": "x", "mac": "02:00:00:bb:00:50", "minutes": 5}, {"actor": "root", "state": "acked"}),
]


@pytest.mark.parametrize(("method", "path", "body", "more"), MASS, ids=lambda value: value if isinstance(value, str) else "")
def test_a_field_that_is_not_the_callers_to_set_is_refused(
    api: Api, method: str, path: str, body: dict[str, Any], more: dict[str, Any]
) -> None:
    who = api.staff(Role.ROOT) | {"If-Match": "*"}
    for name, value in more.items():
        told = refusal(api.http.request(method, path, json=body | {name: value}, headers=who), 422, "invalid_input")
        assert name in {error["field"] for error in told["errors"]}


# --- what each write does


def test_an_issued_voucher_shows_its_code_once_and_never_again(api: Api) -> None:
    who = api.service("vouchers:issue", "vouchers:read")
    issued = issue(api, who).json()
    with transaction() as session:
        row = session.get_one(Voucher, issued["id"])
    assert codes.code_mac(codes.read_code(issued["code"])) == row.code_mac
    for path in (f"/api/v1/vouchers/{issued['id']}", "/api/v1/vouchers?limit=100"):
        text = api.http.get(path, headers=who).text
        assert issued["code"] not in text
        assert issued["code"].replace("-", "") not in text


def test_a_registered_gateway_shows_its_key_once_and_never_again(api: Api) -> None:
    who = api.service("gateways:edit", "gateways:read")
    made = api.http.post("/api/v1/gateways", json={"name": "North gate", "site": "Serekunda Market"}, headers=who)
    assert made.status_code == 201
    configuration = made.json()["configuration"]
    key = configuration.split("option faskey '")[1].split("'")[0]
    assert len(key) == 64
    assert made.headers["cache-control"] == "no-store"
    shown = api.http.get(made.headers["location"], headers=who)
    assert shown.json()["site"] == "Serekunda Market"
    assert key not in shown.text + api.http.get("/api/v1/gateways", headers=who).text


def test_a_package_is_put_on_the_list_once(api: Api) -> None:
    who = api.service("packages:edit", "packages:read")
    body = {"id": "new-1", "name": "New", "amount": 1000, "duration_seconds": 3600}
    made = api.http.post("/api/v1/packages", json=body, headers=who)
    assert made.status_code == 201
    assert api.get(made.headers["location"], who) == made.json()
    refusal(api.http.post("/api/v1/packages", json=body, headers=who), 409, "package_exists")


def test_a_session_is_ended_once(api: Api) -> None:
    who = api.service("sessions:read", "sessions:end")
    running = api.get("/api/v1/sessions", who)["items"][0]["id"]
    path = f"/api/v1/sessions/{running}"
    ended = api.http.post(f"{path}/end", json={"reason": "The phone was lost"}, headers=who)
    assert (ended.status_code, ended.json()["state"]) == (200, "ended")
    assert api.get(path, who)["end_reason"] == "ended_by_staff"
    refusal(api.http.post(f"{path}/end", json={"reason": "The phone was lost"}, headers=who), 409, "session_already_ended")


def test_a_waiting_payment_is_tried_at_once_and_a_served_one_has_nothing_to_try(api: Api) -> None:
    who = api.service("payments:read", "payments:retry")
    waiting = api.get("/api/v1/payments", who, status="paid")["items"][0]["reference"]
    served = api.get("/api/v1/payments", who, status="served")["items"][0]["reference"]
    retried = api.http.post(f"/api/v1/payments/{waiting}/retry", headers=who)
    assert (retried.status_code, retried.json()["reference"]) == (202, waiting)
    assert api.get(f"/api/v1/payments/{waiting}/events", who, limit=100)["items"][-1]["kind"] == "retried"
    refusal(api.http.post(f"/api/v1/payments/{served}/retry", headers=who), 409, "nothing_to_retry")
    refusal(api.http.post("/api/v1/payments/NOSUCH22/retry", headers=who), 404, "payment_not_found")
