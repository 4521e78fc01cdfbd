from __future__ import annotations

import secrets
from itertools import product

import pytest
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app.settings import DEMO_PASSWORD, get_settings
from services.accounts import passwords
from services.accounts.errors import WeakPassword

EMAIL = "awa.sarr@bluewater.gm"
BEST_KNOWN = """
    password qwerty iloveyou monkey dragon sunshine princess football baseball welcome shadow superman michael
    jennifer jordan liverpool chelsea arsenal ronaldo computer internet samsung pokemon charlie letmein
    trustno master killer freedom whatever cookie ginger pepper summer winter hunter buster soccer batman
    andrew tiger jessica ashley daniel thomas robert matthew joshua admin administrator secret login access
    flower butterfly angel jesus hello lovely baby chocolate orange purple silver golden diamond phoenix
    warrior ninja matrix
""".split()  # noqa: SIM905
ENDINGS = ("1234", "12345", "123456", "1234567", "123456789", "2024", "2025", "2026", "!2026", "@2026", "@123", "!!!!", "111", "007", "321")


def test_known_words_with_the_usual_endings_are_refused() -> None:
    guesses = [
        f"{spelled}{ending}"
        for word, ending in product(BEST_KNOWN, ENDINGS)
        for spelled in (word, word.title(), word * 2, word[0].upper() + word[1:] + word)
    ]
    guesses += [guess.translate(str.maketrans("aeios", "4310$")) for guess in guesses]
    long_enough = [guess for guess in guesses if len(guess) >= passwords.MIN_LENGTH]
    assert len(long_enough) > 3000
    assert [guess for guess in long_enough if not passwords.is_easily_guessed(guess, about=[])] == []


@pytest.mark.parametrize(
    "weak",
    [
        "inet-portal-2026",
        "Serekunda2026!",
        "WifiGambia1234",
        "awasarr2026!",
        "Bluewater-Sarr1",
        "qwertyuiopas",
        "1qaz2wsx3edc",
        "zxcvbnm12345",
        "aaaabbbbcccc",
        "abcabcabcabc",
        "987654321098",
        "xzxzxzxzxzxz",
        "            ",
        "............",
        "JustinBieber2026",
        "fynfyfyfhbde",
        "ilovemyfamily!!",
        "4815162342lost",
    ],
)
def test_words_of_this_place_the_own_name_runs_of_keys_and_leaked_passwords_are_refused(weak: str) -> None:
    with pytest.raises(WeakPassword, match="tried first"):
        passwords.check_policy(weak, email=EMAIL)


@pytest.mark.parametrize(
    "good",
    [
        "tangerine bicycle under moon",
        "mokolo fande bula tanka",
        "739182645027",
        "ßünnöl käthçhe ñoma",
        "夜の河を渡る三匹の白い猫",
        "kx" * 3 + "Lw7#qZ",
    ],
)
def test_any_characters_will_do_in_a_password_that_is_not_guessed_first(good: str) -> None:
    passwords.check_policy(good, email=EMAIL)


def test_made_passwords_are_never_refused() -> None:
    for _ in range(500):
        passwords.check_policy(secrets.token_urlsafe(15), email=EMAIL)


@pytest.mark.parametrize(("length", "is_taken"), [(11, False), (12, True), (128, True), (129, False)])
def test_the_length_is_12_to_128_characters(length: int, is_taken: bool) -> None:
    password = ("tk9wq4mfz7xh2c" * 10)[:length]
    if is_taken:
        passwords.check_policy(password, email=EMAIL)
    else:
        with pytest.raises(WeakPassword, match=r"at least 12|at most 128"):
            passwords.check_policy(password, email=EMAIL)


def test_the_demo_password_is_refused_in_production(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(get_settings(), "env", "production")
    with pytest.raises(WeakPassword):
        passwords.check_policy(DEMO_PASSWORD, email=EMAIL)


def test_a_password_is_the_same_however_its_accents_were_typed_and_differs_in_its_last_character() -> None:
    known = passwords.hash_password("caf\u00e9 au lait touba")
    assert passwords.verify("cafe\u0301 au lait touba", known)[0]
    assert not passwords.verify("caf\u00e9 au lait toubA", known)[0]
    assert not passwords.verify("x" * 129, passwords.hash_password("x" * 128))[0]


def test_nothing_opens_an_account_without_a_password() -> None:
    for hash_of_nothing in ("", None):
        assert passwords.verify("", hash_of_nothing) == (False, None)


def test_a_password_costs_64_mib_and_three_rounds_and_a_cheaper_hash_is_made_anew(full_price: None) -> None:
    made = passwords.hash_password("tangerine bicycle under moon")
    assert made.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
    assert passwords.verify("tangerine bicycle under moon", made) == (True, None)
    cheaper = PasswordHash((Argon2Hasher(memory_cost=256),)).hash("tangerine bicycle under moon")
    good, better = passwords.verify("tangerine bicycle under moon", cheaper)
    assert good
    assert better is not None
    assert better.startswith("$argon2id$v=19$m=65536,t=3,p=4$")
