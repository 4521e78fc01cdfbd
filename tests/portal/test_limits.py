"""What a customer may do how often, and what an attacker behind the same address cannot take from them."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from html import unescape
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from app import redis
from portal import proof
from portal.proof import Proof, ProofNeeded, Verdict
from services.vouchers.codes import new_code, show_code
from tests.conftest import NOON
from tests.factories import PHONE, make_package
from tests.portal.served import Web, wire_problem

VOUCHER, FIND = "/api/portal/voucher", "/api/portal/find"


def work_for(token: str) -> str:
    """What portal.js does, without its help."""
    return next(str(number) for number in range(10_000_000) if proof.is_worked(Proof(token, str(number))))


def guess(web: Web, **more: Any) -> httpx.Response:
    return web.browser.post(VOUCHER, json={"code": show_code(new_code()), **more})


def heat(web: Web) -> None:
    """Somebody without any record enters wrong codes from this address until they cost something."""
    for _ in range(40):
        if guess(web).status_code == 429:
            return
    raise AssertionError("forty wrong codes cost nothing")


def forget_all_but_phones() -> None:
    """As if every try came from another place."""
    for key in redis.client().scan_iter("LIMITS:*"):
        if b"/phone/" not in key:
            redis.client().delete(key)


# --- the price of a code


def test_a_proof_is_for_one_code_for_ten_minutes_and_cannot_be_made_up() -> None:
    refusal = ProofNeeded(None, "ABCD-EFGHJ-KMNPR", now=NOON)
    token = refusal.extra["proof"]
    paid = Proof(token, work_for(token))
    assert proof.check(paid, "abcd efghj kmnpr", now=NOON) is Verdict.WORKED
    assert proof.check(paid, "ABCDEFGHJKMNPS", now=NOON) is Verdict.NOTHING
    assert proof.check(paid, "ABCDEFGHJKMNPR", now=NOON + timedelta(minutes=11)) is Verdict.NOTHING
    assert proof.check(Proof(token, "0"), "ABCDEFGHJKMNPR", now=NOON) is Verdict.EARLY
    assert proof.check(Proof(token, ""), "ABCDEFGHJKMNPR", now=NOON + proof.WAIT) is Verdict.WAITED
    for forged in ("", "x", token[:-1] + ("A" if token[-1] != "A" else "B"), "é" * 40, token[::-1]):
        assert proof.check(Proof(forged, paid.work), "ABCDEFGHJKMNPR", now=NOON) is Verdict.NOTHING
    # Work done once for an end of one's own choosing would else open every token.
    assert proof.check(Proof(token + "!" * 32, work_for("!" * 32)), "ABCDEFGHJKMNPR", now=NOON) is Verdict.NOTHING


@pytest.mark.parametrize("work", ["", "-1", "1e5", "٢", "9" * 17, " 1", "0x1"])
def test_work_that_is_no_plain_number_is_none(work: str) -> None:
    assert not proof.is_worked(Proof("A" * 40, work))


def test_an_attack_from_a_hotspots_address_does_not_lock_out_the_honest_behind_it(web: Web) -> None:
    router = web.router(3)
    honest, known = web.enter(router, router.join()), web.let_in(router, router.join(mac="02:00:00:bb:07:01"))["device_token"]
    code, second = web.voucher(), web.voucher()
    heat(web)
    # Who was here before enters a code as ever.
    assert web.spend(second, device_token=known)["access"]
    # Who is new pays with a moment's work, which the portal's script does by itself.
    told = wire_problem(web.browser.post(VOUCHER, json={"code": code, "context": honest}), 429, "proof_needed")
    paid = {"proof": told["proof"], "work": work_for(told["proof"])}
    assert told["bits"] == 16
    assert web.browser.post(VOUCHER, json={"code": code, "context": honest, **paid}).json()["access"]["state"] == "connecting"


def test_each_guess_has_to_be_worked_for_anew(web: Web) -> None:
    heat(web)
    told = wire_problem(guess(web), 429, "proof_needed")
    paid = {"proof": told["proof"], "work": work_for(told["proof"])}
    for _ in range(3):
        wire_problem(guess(web, **paid), 429, "proof_needed")
    with web.nothing_changes():
        assert wire_problem(guess(web, proof="x" * 400, work="1"), 429)["proof"] != "x" * 400


def test_one_client_that_fails_too_often_waits_and_its_neighbour_does_not(web: Web) -> None:
    router = web.router(3)
    thief, neighbour = web.enter(router, router.join()), web.enter(router, router.join(mac="02:00:00:bb:07:02"))
    for _ in range(10):
        wire_problem(guess(web, context=thief), 404, "voucher_not_found")
    refused = guess(web, context=thief)
    told = wire_problem(refused, 429, "too_many_tries")
    assert int(refused.headers["retry-after"]) == told["retry_after"] >= 1
    assert web.spend(web.voucher(), neighbour)["access"]["state"] == "connecting"


def test_mistyped_and_good_codes_are_no_failures(web: Web) -> None:
    router = web.router(3)
    context = web.enter(router, router.join())
    for _ in range(30):
        wire_problem(web.browser.post(VOUCHER, json={"code": "ABCD", "context": context}), 422, "voucher_mistyped")
    code = web.voucher()
    for _ in range(15):
        assert web.spend(code, context)["access"]


def test_guessing_receipts_for_one_number_from_many_places_costs_work_too(web: Web) -> None:
    router = web.router(3)
    for number in range(30):
        context = web.enter(router, router.join(mac=f"02:00:00:bb:08:{number:02x}"))
        forget_all_but_phones()
        answer = web.browser.post(FIND, json={"phone": PHONE, "reference": "AAAAAAAA", "context": context})
        wire_problem(answer, 404, "purchase_not_found")
    forget_all_but_phones()
    wire_problem(web.browser.post(FIND, json={"phone": "3000001", "reference": "AAAAAAAA"}), 429, "proof_needed")


# --- the pages


def form_of(page: str) -> dict[str, str]:
    return {name: unescape(value) for name, value in re.findall(r'name="(code|proof|work|c)"[^>]*? value="([^"]*)"', page)}


def test_the_voucher_page_says_the_wait_and_takes_the_code_once_it_is_over(web: Web, monkeypatch: pytest.MonkeyPatch) -> None:
    heat(web)
    code = web.voucher()
    page = web.browser.post("/portal/voucher", data={"code": code})
    assert page.status_code == 429
    assert page.headers["retry-after"] == "11"
    assert "Wait 11 seconds" in page.text
    assert 'data-bits="16"' in page.text
    form = form_of(page.text)
    early = web.browser.post("/portal/voucher", data=form)
    assert early.status_code == 429
    assert form_of(early.text)["proof"] == form["proof"], "asking too early must not begin the wait anew"
    # Ten seconds later, as sealed into the token; the code in the form is the one that was typed.
    later = proof.seal_json("proof-of-work", {"s": proof._mac(code), "a": (datetime.now(UTC) - timedelta(seconds=11)).timestamp()})
    taken = web.browser.post("/portal/voucher", data={**form, "proof": later})
    assert (taken.status_code, form["code"]) == (200, code)


def test_only_so_many_of_a_place_may_wait_instead_of_working(web: Web) -> None:
    heat(web)

    def waited() -> int:
        code = show_code(new_code())
        token = proof.seal_json("proof-of-work", {"s": proof._mac(code), "a": (datetime.now(UTC) - timedelta(seconds=30)).timestamp()})
        return web.browser.post(VOUCHER, json={"code": code, "proof": token}).status_code

    answers = [waited() for _ in range(35)]
    assert answers.count(404) == 30
    assert answers[-1] == 429


# --- how often


def test_a_phone_number_opens_so_many_checkouts_a_minute(web: Web) -> None:
    from app.db import transaction

    with transaction() as session:
        package = make_package(session).public_id
    body = {"package_id": package, "phone": PHONE}
    for _ in range(6):
        assert web.browser.post("/api/wave/checkout", json=body).status_code in (201, 503)
    # In whichever form the number comes.
    refused = web.browser.post("/api/wave/checkout", json=body | {"phone": "3000001"})
    wire_problem(refused, 429, "too_many_tries")
    assert int(refused.headers["retry-after"]) >= 1
    page = web.browser.post(f"/portal/buy/{package}", data={"phone": PHONE})
    keyed = {"Idempotency-Key": "a-phone-that-lost-the-answer"}
    assert web.browser.post("/api/wave/checkout", json=body, headers=keyed).status_code == 429
    assert page.status_code == 429
    assert "data-wait=" in page.text
    assert web.browser.post("/api/wave/checkout", json=body | {"phone": "+220833000002"}).status_code in (201, 503)


def test_a_request_repeated_under_its_key_is_free(web: Web) -> None:
    from app.db import transaction

    with transaction() as session:
        package = make_package(session).public_id
    headers = {"Idempotency-Key": "a-phone-that-lost-the-answer"}
    for _ in range(12):
        answer = web.browser.post("/api/wave/checkout", json={"package_id": package, "phone": PHONE}, headers=headers)
        assert answer.status_code in (201, 503)


def test_receipt_codes_are_texted_to_one_number_three_times_an_hour(web: Web) -> None:
    for _ in range(3):
        assert web.browser.post("/api/portal/find/send-code", json={"phone": PHONE}).status_code == 202
    wire_problem(web.browser.post("/api/portal/find/send-code", json={"phone": "3000001"}), 429, "too_many_tries")
    assert web.browser.post("/portal/find/send-code", data={"phone": PHONE}).status_code == 429


def test_one_client_reports_so_many_problems(web: Web) -> None:
    router = web.router(3)
    context = web.enter(router, router.join())
    for _ in range(5):
        assert web.browser.post("/api/portal/tickets", json={"body": "slow", "context": context}).status_code == 201
    wire_problem(web.browser.post("/api/portal/tickets", json={"body": "slow", "context": context}), 429, "too_many_tries")
    assert web.browser.post("/portal/help", data={"body": "slow", "c": context}).status_code == 429


def test_one_client_reloading_its_entry_without_end_does_not_close_it_for_others(web: Web) -> None:
    router = web.router(3)
    station, other = router.join(), router.join(mac="02:00:00:bb:09:01")
    answers = [web.browser.get(router.redirect(station)).status_code for _ in range(64)]
    assert answers.count(429) >= 3
    assert web.browser.get(router.redirect(other)).status_code == 200


def test_a_flood_of_forged_polls_keeps_no_router_from_its_grants(web: Web) -> None:
    router = web.router(3)
    station = router.join()
    web.let_in(router, station)
    offers = {router.call("view").body for _ in range(320)}
    assert all(router.rhid(station).encode() in offer for offer in offers)
    assert router.poll() == [router.rhid(station)]


def test_the_webhook_is_never_slowed_down(database: sa.Engine, web: Web) -> None:
    answers = {web.browser.post("/api/wave/webhook", content=b"{}").status_code for _ in range(50)}
    assert answers == {401} or answers == {403}
