"""Access tokens of the apps: which open, and that nothing forged, foreign or old does."""

from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey, RSAKey

from app.keys import derived_secret
from services.accounts import access_tokens
from services.apps import tokens
from services.apps.tokens import Claims
from tests.conftest import NOON

GOOD = {"iss": "inet-portal", "aud": "inet-portal/mobile", "sub": "d" * 32, "key": 1, "iat": 1795348800, "exp": 1795349400}


@pytest.fixture(autouse=True)
def keys(servers: None) -> None:
    tokens.forget()


def signed(claims: dict[str, object], **header: object) -> str:
    key = OctKey.import_key(derived_secret("app-token:k1"), {"kid": "k1", "alg": "HS256"})
    return jwt.encode({"alg": "HS256", "typ": "at+jwt", "kid": "k1"} | header, claims, key)


def encoded(part: dict[str, object]) -> str:
    return base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode()


def test_a_token_names_its_phone_and_key_until_it_ends() -> None:
    token = tokens.make(device="d" * 32, key_number=3, now=NOON)
    assert tokens.read(token, now=NOON) == Claims("d" * 32, 3)
    assert tokens.read(token, now=NOON + timedelta(minutes=9, seconds=59)) == Claims("d" * 32, 3)
    assert tokens.read(token, now=NOON + timedelta(minutes=10)) is None


def test_the_tokens_of_staffs_json_and_of_the_apps_do_not_open_each_other() -> None:
    access_tokens.forget()
    staffs = access_tokens.make(staff_id=1, session_id="s" * 64, now=NOON)
    assert tokens.read(staffs, now=NOON) is None
    assert access_tokens.read(tokens.make(device="d" * 32, key_number=1, now=NOON), now=NOON) is None


@pytest.mark.parametrize("alg", ["none", "None", "NONE", ""])
def test_a_token_without_a_signature_opens_nothing(alg: str) -> None:
    header, body = encoded({"alg": alg, "typ": "at+jwt", "kid": "k1"}), encoded(GOOD)
    for token in (f"{header}.{body}.", f"{header}.{body}", f"{header}.{body}.AAAA"):
        assert tokens.read(token, now=NOON) is None


def test_a_token_signed_with_another_key_or_manner_opens_nothing() -> None:
    foreign = OctKey.import_key("x" * 64, {"kid": "k1", "alg": "HS256"})
    other = RSAKey.generate_key(2048, {"kid": "k1", "alg": "RS256"})
    assert tokens.read(jwt.encode({"alg": "HS256", "typ": "at+jwt", "kid": "k1"}, GOOD, foreign), now=NOON) is None
    assert tokens.read(jwt.encode({"alg": "RS256", "typ": "at+jwt", "kid": "k1"}, GOOD, other), now=NOON) is None


@pytest.mark.parametrize(
    "changed",
    [{"aud": "inet-portal/api"}, {"iss": "another"}, {"exp": None}, {"sub": 5}, {"key": "1"}, {"key": None}, {"exp": 1795348799}],
)
def test_a_token_with_wrong_claims_opens_nothing(changed: dict[str, object]) -> None:
    assert tokens.read(signed(GOOD), now=NOON) == Claims("d" * 32, 1)
    claims = {name: value for name, value in (GOOD | changed).items() if value is not None}
    assert tokens.read(signed(claims), now=NOON) is None


def test_a_token_of_another_type_and_what_is_none_open_nothing() -> None:
    assert tokens.read(signed(GOOD, typ="JWT"), now=NOON) is None
    for text in ("", "a", "a.b.c", "é" * 40, "." * 5, signed(GOOD)[:-2]):
        assert tokens.read(text, now=NOON) is None
