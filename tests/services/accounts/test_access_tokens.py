from __future__ import annotations

import base64
import json
from datetime import timedelta

import pytest
from joserfc import jwt
from joserfc.jwk import OctKey

from app.settings import get_settings
from services.accounts import access_tokens
from tests.conftest import NOON


@pytest.fixture
def token(servers: None) -> str:
    return access_tokens.make(staff_id=7, session_id="a-session", now=NOON)


def test_a_token_names_its_session_until_it_expires(token: str) -> None:
    assert access_tokens.read(token, now=NOON + timedelta(minutes=9)) == "a-session"
    assert access_tokens.read(token, now=NOON + timedelta(minutes=11)) is None


def test_an_altered_token_opens_nothing(token: str) -> None:
    head, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["sid"] = "another-session"
    forged = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    assert access_tokens.read(f"{head}.{forged}.{signature}", now=NOON) is None


def _signed(header: dict[str, str], claims: dict[str, object], secret: str = "a-key-that-is-not-ours-at-all-0000") -> str:
    return jwt.encode(header, claims, OctKey.import_key(secret))


CLAIMS: dict[str, object] = {"iss": "inet-portal", "aud": "inet-portal/api", "sub": "7", "sid": "a-session", "exp": 4_000_000_000}


def test_a_token_of_a_wrong_key_opens_nothing(servers: None) -> None:
    assert access_tokens.read(_signed({"alg": "HS256", "typ": "at+jwt", "kid": "k1"}, CLAIMS), now=NOON) is None


@pytest.mark.parametrize("algorithm", ["none", "None", "nOnE", "RS256", "HS512"])
def test_a_token_that_chooses_its_own_algorithm_opens_nothing(token: str, algorithm: str) -> None:
    _, body, signature = token.split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": algorithm, "typ": "at+jwt", "kid": "k1"}).encode()).rstrip(b"=").decode()
    assert access_tokens.read(f"{head}.{body}.", now=NOON) is None
    assert access_tokens.read(f"{head}.{body}.{signature}", now=NOON) is None


@pytest.mark.parametrize("text", ["", ".", "..", "a.b.c", "é.é.é", "x" * 5000])
def test_what_is_no_token_opens_nothing(servers: None, text: str) -> None:
    assert access_tokens.read(text, now=NOON) is None


def test_a_key_is_rotated_by_naming_a_new_one_in_front(token: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INET_TOKEN_KEY_IDS", "k2,k1")
    get_settings.cache_clear()
    access_tokens.forget()
    try:
        assert access_tokens.read(token, now=NOON) == "a-session"
        assert access_tokens.read(access_tokens.make(staff_id=7, session_id="newer", now=NOON), now=NOON) == "newer"
        monkeypatch.setenv("INET_TOKEN_KEY_IDS", "k2")
        get_settings.cache_clear()
        access_tokens.forget()
        assert access_tokens.read(token, now=NOON) is None
    finally:
        monkeypatch.undo()
        get_settings.cache_clear()
        access_tokens.forget()
