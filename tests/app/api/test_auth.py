"""Log-in for the JSON API: what opens, what ends it, and what never opens anything."""

from __future__ import annotations

import base64
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx
import pyotp
import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey
from sqlmodel import select

from app import redis
from app.clock import utc_now
from app.db import transaction
from app.embedded import EmbeddedValkey
from app.keys import derived_secret
from services.accounts import access_tokens, second_factor, sessions
from services.accounts.models import ApiToken, Role, Staff
from services.audit.models import AuditEntry
from tests.app.api.asking import Api, bearer, refusal
from tests.pages import builders
from tests.portal.served import web_process

ME = "/api/auth/me"
CARE = builders.email_of(Role.CUSTOMER_CARE)


def change(role: Role, what: Callable[[Staff], None]) -> None:
    with transaction() as session:
        what(session.exec(select(Staff).where(Staff.email == builders.email_of(role))).one())


def me(api: Api, token: str) -> int:
    return api.http.get(ME, headers=bearer(token)).status_code


# --- the way in


def test_a_person_logs_in_and_is_told_who_they_are(api: Api) -> None:
    tokens = api.log_in()
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 600)
    told = api.get(ME, bearer(tokens["access_token"]))
    assert (told["email"], told["role"], told["kind"]) == (CARE, "customer_care", "staff")
    assert "payments:read" in told["permissions"]
    assert "staff:edit" not in told["permissions"]


def test_tokens_are_never_kept_by_a_cache(api: Api) -> None:
    answer = api.http.post("/api/auth/login", json={"email": CARE, "password": builders.PASSWORD})
    assert answer.headers["cache-control"] == "no-store"


@pytest.mark.parametrize(
    ("email", "password"), [(CARE, "wrong-password-1"), ("nobody@inet.test", builders.PASSWORD), ("' OR 1=1 --", "x"), ("é@é.é", "é")]
)
def test_wrong_log_ins_are_all_told_the_same(api: Api, email: str, password: str) -> None:
    told = refusal(api.http.post("/api/auth/login", json={"email": email, "password": password}), 401, "bad_credentials")
    assert told["detail"] == "E-mail or password is not right."


def test_a_disabled_person_is_told_the_same_as_a_wrong_password(api: Api) -> None:
    change(Role.CUSTOMER_CARE, lambda person: setattr(person, "is_active", False))
    refusal(api.http.post("/api/auth/login", json={"email": CARE, "password": builders.PASSWORD}), 401, "bad_credentials")


def test_who_has_a_second_factor_is_asked_for_its_code_and_a_code_opens_once(api: Api) -> None:
    with transaction() as session:
        person = session.exec(select(Staff).where(Staff.email == CARE)).one()
        seed = second_factor.begin(person).split("secret=")[1].split("&")[0]
        earlier = utc_now() - timedelta(seconds=90)
        second_factor.confirm(session, person, pyotp.TOTP(seed).at(earlier), now=earlier)
    credentials = {"email": CARE, "password": builders.PASSWORD}
    refusal(api.http.post("/api/auth/login", json=credentials), 401, "second_factor_needed")
    refusal(api.http.post("/api/auth/login", json=credentials | {"code": "000000x"}), 401, "second_factor_wrong")
    code = pyotp.TOTP(seed).at(utc_now())
    assert api.http.post("/api/auth/login", json=credentials | {"code": code}).status_code == 200
    refusal(api.http.post("/api/auth/login", json=credentials | {"code": code}), 401, "second_factor_wrong")


def test_guessing_passwords_is_slowed_down_and_told_for_how_long(api: Api) -> None:
    answers = [api.http.post("/api/auth/login", json={"email": CARE, "password": f"wrong-{number}"}) for number in range(15)]
    assert {answer.status_code for answer in answers} == {401, 429}
    refusal(answers[-1], 429, "too_many_tries")
    assert int(answers[-1].headers["retry-after"]) > 0


@pytest.mark.parametrize("body", [{"role": "root"}, {"id": 1}, {"is_active": True}, {"session_epoch": 0}])
def test_a_log_in_takes_nothing_but_credentials(api: Api, body: dict[str, object]) -> None:
    refusal(api.http.post("/api/auth/login", json={"email": CARE, "password": builders.PASSWORD} | body), 422)


# --- refresh


def swap(api: Api, token: str) -> dict[str, str]:
    answer = api.http.post("/api/auth/refresh", json={"refresh_token": token})
    assert answer.status_code == 200, answer.text
    return dict(answer.json())


def test_a_refresh_token_is_swapped_for_new_tokens(api: Api) -> None:
    first = api.log_in()
    second = swap(api, first["refresh_token"])
    assert second["refresh_token"] != first["refresh_token"]
    assert me(api, second["access_token"]) == 200


def test_a_refresh_token_used_twice_ends_the_whole_session(api: Api) -> None:
    first = api.log_in()
    second = swap(api, first["refresh_token"])
    refusal(api.http.post("/api/auth/refresh", json={"refresh_token": first["refresh_token"]}), 401, "refresh_refused")
    refusal(api.http.post("/api/auth/refresh", json={"refresh_token": second["refresh_token"]}), 401, "refresh_refused")
    assert me(api, second["access_token"]) == 401
    assert me(api, first["access_token"]) == 401


def test_another_log_in_of_the_same_person_survives_the_end_of_one(api: Api) -> None:
    stolen, other = api.log_in(), api.log_in()
    assert stolen["access_token"] != other["access_token"]
    swap(api, stolen["refresh_token"])
    api.http.post("/api/auth/refresh", json={"refresh_token": stolen["refresh_token"]})
    assert me(api, other["access_token"]) == 200


@pytest.mark.parametrize("token", ["x", "a.b", "." * 50, "é" * 50, "0" * 64 + "." + "A" * 43])
def test_a_made_up_refresh_token_is_refused(api: Api, token: str) -> None:
    refusal(api.http.post("/api/auth/refresh", json={"refresh_token": token}), 401, "refresh_refused")


def test_an_access_token_is_no_refresh_token_and_the_other_way_round(api: Api) -> None:
    tokens = api.log_in()
    refusal(api.http.post("/api/auth/refresh", json={"refresh_token": tokens["access_token"][:200]}), 401)
    assert me(api, tokens["refresh_token"]) == 401


def test_a_console_session_is_no_bearer_token_and_cannot_be_refreshed(api: Api) -> None:
    with transaction() as session:
        person = session.exec(select(Staff).where(Staff.email == CARE)).one()
        token = sessions.open_session(person, now=utc_now())
    assert me(api, token) == 401
    refusal(api.http.post("/api/auth/refresh", json={"refresh_token": f"{sessions.session_id_of(token)}.x"}), 401)


# --- the way out


def test_a_log_out_ends_access_and_refresh_at_once(api: Api) -> None:
    tokens = api.log_in()
    assert api.http.post("/api/auth/logout", headers=bearer(tokens["access_token"])).status_code == 204
    assert me(api, tokens["access_token"]) == 401
    refusal(api.http.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]}), 401, "refresh_refused")
    refusal(api.http.post("/api/auth/logout", headers=bearer(tokens["access_token"])), 401)


def test_nobody_can_log_out_without_a_token(api: Api) -> None:
    refusal(api.http.post("/api/auth/logout"), 401, "unauthenticated")


def test_a_disabled_person_can_do_nothing_more_with_the_next_request(api: Api) -> None:
    tokens = api.log_in()
    assert me(api, tokens["access_token"]) == 200
    change(Role.CUSTOMER_CARE, lambda person: setattr(person, "is_active", False))
    assert me(api, tokens["access_token"]) == 401
    refusal(api.http.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]}), 401, "refresh_refused")


def test_a_changed_role_acts_on_the_next_request(api: Api) -> None:
    token = api.log_in(Role.SYSTEM_ADMIN)["access_token"]
    assert api.http.get("/api/v1/audit", headers=bearer(token)).status_code == 200
    change(Role.SYSTEM_ADMIN, lambda person: setattr(person, "role", Role.FIELD_TECHNICIAN))
    refusal(api.http.get("/api/v1/audit", headers=bearer(token)), 403)
    assert api.get(ME, bearer(token))["role"] == "field_technician"


def test_everything_forgotten_ends_every_session(api: Api) -> None:
    tokens = [api.log_in()["access_token"], api.log_in()["access_token"]]
    change(Role.CUSTOMER_CARE, sessions.forget_everything)
    assert [me(api, token) for token in tokens] == [401, 401]


# --- a fresh proof


def session_key(token: str) -> str:
    return f"staff-session:{access_tokens.read(token, now=utc_now())}"


def proven(token: str) -> int:
    return int(redis.client().hget(session_key(token), "proven") or 0)


def test_a_person_proves_once_more_who_they_are(api: Api) -> None:
    token = api.log_in()["access_token"]
    redis.client().hset(session_key(token), "proven", "1")
    refusal(api.http.post("/api/auth/prove", json={"password": "not-the-password"}, headers=bearer(token)), 422, "proof_refused")
    refusal(api.http.post("/api/auth/prove", json={"code": "123456"}, headers=bearer(token)), 422, "proof_refused")
    assert proven(token) == 1
    assert api.http.post("/api/auth/prove", json={"password": builders.PASSWORD}, headers=bearer(token)).status_code == 204
    assert proven(token) > 1


@pytest.mark.parametrize("body", [{}, {"password": "x", "code": "y"}, {"password": None}, {"password": builders.PASSWORD, "for": 1}])
def test_a_proof_is_one_thing(api: Api, body: dict[str, object]) -> None:
    refusal(api.http.post("/api/auth/prove", json=body, headers=bearer(api.log_in()["access_token"])), 422)


def test_an_api_token_has_nothing_to_prove(api: Api) -> None:
    refusal(api.http.post("/api/auth/prove", json={"password": builders.PASSWORD}, headers=api.service("payments:read")), 401)


def test_a_session_that_nobody_used_ends_and_says_so(api: Api) -> None:
    tokens = api.log_in()
    redis.client().delete(session_key(tokens["access_token"]))
    told = refusal(api.http.get(ME, headers=bearer(tokens["access_token"])), 401, "session_idle")
    assert "after 120 minutes without activity" in told["detail"]
    refusal(api.http.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]}), 401, "refresh_refused")


# --- forged


def session_of(api: Api) -> tuple[str, dict[str, object]]:
    token = api.log_in()["access_token"]
    return token, json.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def test_an_expired_token_opens_nothing(api: Api) -> None:
    _, claims = session_of(api)
    old = utc_now() - access_tokens.LIFETIME - timedelta(seconds=1)
    token = access_tokens.make(staff_id=int(str(claims["sub"])), session_id=str(claims["sid"]), now=old)
    assert me(api, token) == 401


def test_a_token_without_a_signature_opens_nothing(api: Api) -> None:
    _, claims = session_of(api)
    for algorithm in ("none", "None", "NONE", ""):
        header = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "at+jwt", "kid": "k1"}).encode()).rstrip(b"=").decode()
        payload = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
        for signature in ("", "AAAA"):
            assert me(api, f"{header}.{payload}.{signature}") == 401


def test_a_token_of_another_key_algorithm_kind_or_audience_opens_nothing(api: Api) -> None:
    good, claims = session_of(api)
    own = OctKey.import_key(derived_secret("access-token:k1"), {"kid": "k1"})
    header = {"alg": "HS256", "typ": "at+jwt", "kid": "k1"}
    assert me(api, jwt.encode(header, claims, own)) == 200, "the forgeries below differ from a good one in one thing each"
    forged = [
        jwt.encode(header, claims, OctKey.import_key("k" * 64, {"kid": "k1"})),
        jwt.encode(header | {"kid": "k2"}, claims, OctKey.import_key("k" * 64, {"kid": "k2"})),
        jwt.encode({**header, "alg": "RS256"}, claims, RSAKey.generate_key(2048, {"kid": "k1"}), algorithms=["RS256"]),
        jwt.encode({**header, "alg": "HS512"}, claims, own, algorithms=["HS512"]),
        jwt.encode(header | {"typ": "JWT"}, claims, own),
        jwt.encode(header, claims | {"aud": "another"}, own),
        jwt.encode(header, claims | {"iss": "another"}, own),
        jwt.encode(header, {name: value for name, value in claims.items() if name != "exp"}, own),
        jwt.encode(header, claims | {"sid": "0" * 64}, own),
        jwt.encode(header, claims | {"sid": ["x"]}, own),
    ]
    head, payload, signature = good.split(".")
    other = base64.urlsafe_b64encode(json.dumps(claims | {"sub": "1"}).encode()).rstrip(b"=").decode()
    forged += [f"{head}.{other}.{signature}", f"{head}.{payload}.{signature[::-1]}", f"{head}.{payload}.", f"..{signature}"]
    assert [me(api, token) for token in forged] == [401] * len(forged)


@pytest.mark.parametrize("token", ["a.b.c", "...", "é.é.é", "a" * 7000, "\x7f.x.y", "inet_" + "A" * 43, "eyJ.e30.", "null"], ids=ascii)
def test_no_text_whatever_makes_the_token_check_fall_over(api: Api, token: str) -> None:
    answer = api.http.get(ME, headers={"Authorization": b"Bearer " + token.encode()})
    assert answer.status_code in (400, 401, 431)


# --- API tokens


def test_an_api_token_is_told_its_scopes_and_has_no_session_to_log_out_of(api: Api) -> None:
    who = api.service("payments:read", "tickets:read")
    told = api.get(ME, who)
    assert (told["kind"], told["role"], told["email"], told["permissions"]) == ("token", None, None, ["payments:read", "tickets:read"])
    refusal(api.http.post("/api/auth/logout", headers=who), 401)


@pytest.mark.parametrize("column", ["revoked_at", "expires_at"])
def test_a_revoked_or_expired_api_token_is_refused_at_once(api: Api, column: str) -> None:
    who = api.service("payments:read")
    api.get("/api/v1/payments", who)
    with transaction() as session:
        setattr(session.exec(select(ApiToken)).one(), column, utc_now() - timedelta(seconds=1))
    refusal(api.http.get("/api/v1/payments", headers=who), 401)


def test_an_api_token_is_good_only_from_its_addresses_and_keeps_when_it_was_used(api: Api) -> None:
    who = api.service("payments:read")
    for allowed, status in ((["203.0.113.0/24"], 401), (["127.0.0.1"], 200), (["127.0.0.0/8", "::1"], 200)):
        with transaction() as session:
            session.exec(select(ApiToken)).one().allowed_addresses = allowed
        assert api.http.get("/api/v1/payments", headers=who).status_code == status
    with transaction() as session:
        token = session.exec(select(ApiToken)).one()
    assert token.last_used_at is not None
    assert token.last_used_address == "127.0.0.1"


def test_what_a_token_does_is_audited_under_its_name(api: Api) -> None:
    who = api.service("vouchers:issue")
    answer = api.http.post("/api/v1/vouchers", json={"package_id": "day-1"}, headers=who | {"X-Correlation-ID": "a-shop-0001"})
    assert answer.status_code == 201
    with transaction() as session:
        row = session.exec(select(AuditEntry).where(AuditEntry.action == "voucher.issue")).one()
    assert row.actor.startswith("token:test-")
    assert (row.address, row.correlation_id) == ("127.0.0.1", "a-shop-0001")


# --- Valkey away


def test_with_valkey_away_log_ins_are_closed_with_a_clear_503_and_api_tokens_go_on(api: Api, tmp_path: Path) -> None:
    service, valkey = api.service("payments:read"), EmbeddedValkey(tmp_path / "valkey")
    credentials = {"email": CARE, "password": builders.PASSWORD}
    with web_process(tmp_path, INET_REDIS_URL=valkey.start()) as process, httpx.Client(base_url=process.url, timeout=20) as http:
        try:
            tokens = http.post("/api/auth/login", json=credentials).raise_for_status().json()
            own = bearer(tokens["access_token"])
            assert http.get(ME, headers=own).status_code == 200
            valkey.stop()
            told = [
                refusal(http.post("/api/auth/login", json=credentials), 503, "unavailable"),
                refusal(http.post("/api/auth/refresh", json={"refresh_token": tokens["refresh_token"]}), 503, "unavailable"),
                refusal(http.post("/api/auth/logout", headers=own), 503, "unavailable"),
                refusal(http.get(ME, headers=own), 503, "unavailable"),
                refusal(http.get("/api/v1/payments", headers=own), 503, "unavailable"),
            ]
            assert all("Try again" in one["detail"] for one in told)
            assert http.get("/api/v1/payments", headers=service).status_code == 200
            valkey.start()
            # Sessions live in Valkey alone, so people log in again: that works without a restart.
            fresh = http.post("/api/auth/login", json=credentials).raise_for_status().json()
            assert http.get(ME, headers=bearer(fresh["access_token"])).status_code == 200
        finally:
            valkey.stop()
