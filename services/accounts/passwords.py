"""Passwords: hashing (argon2id), checking without telling who exists, and what is refused as too easily guessed.

The policy is that of NIST SP 800-63B and OWASP ASVS 5.0, 6.2: long enough, of any characters, and not one that is tried first. What
lists of leaked passwords hold of twelve characters and more is nearly all made by a few rules (a well-known word or two with a year or a
run of keys behind it, something repeated), and it is by these rules that a password is judged. The 30 000 most frequent leaked passwords,
which zxcvbn carries, are refused as they are, and count as one word inside of others.
"""

from __future__ import annotations

import re
import secrets
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher

from app.settings import DEMO_PASSWORD, get_settings
from services.accounts.errors import WeakPassword

MIN_LENGTH, MAX_LENGTH = 12, 128
# Words that lists of leaked passwords begin with, and those that belong to this place.
_WORDS = frozenset((Path(__file__).parent / "weak_words.txt").read_text(encoding="ascii").split())
_RUNS = (
    "01234567890123456789",
    "abcdefghijklmnopqrstuvwxyz",
    "qwertyuiop",
    "qwertzuiop",
    "azertyuiop",
    "asdfghjkl",
    "zxcvbnm",
    "1qaz2wsx3edc4rfv5tgb6yhn7ujm8ik9ol0p",
    "1q2w3e4r5t6y7u8i9o0p",
    "q1w2e3r4t5y6u7i8o9p0",
    "!@#$%^&*()_+",
)
_ALL_RUNS = tuple(run[::step] for run in _RUNS for step in (1, -1))
_SHORTEST_RUN, _SHORTEST_WORD = 3, 3
# Shorter ones are ordinary words and syllables, of which honest passphrases are made.
_SHORTEST_LEAKED = 6
# "P4$$w0rd" is tried as soon as "password".
_SPELLED = str.maketrans({"0": "o", "1": "i", "3": "e", "4": "a", "5": "s", "7": "t", "8": "b", "@": "a", "$": "s", "!": "i"})
# As many different pieces (words, runs, single characters) and fewer are guessed soon.
_TOO_FEW_PIECES = 3


@lru_cache(maxsize=1)
def _hasher() -> PasswordHash:
    """Argon2id with the library's rounds and lanes, which are those of RFC 9106, and the memory of the settings."""
    return PasswordHash((Argon2Hasher(memory_cost=get_settings().password_memory_kib),))


@lru_cache(maxsize=1)
def _nobody() -> str:
    """Checked against when there is no such account or it has no password yet, so that the answer takes as long as for a wrong one."""
    return _hasher().hash(secrets.token_hex(16))


def forget() -> None:
    """For tests that change the settings."""
    _hasher.cache_clear()
    _nobody.cache_clear()


def hash_password(password: str) -> str:
    return _hasher().hash(_composed(password))


def _composed(password: str) -> str:
    """Phones and computers put an accented letter together differently; it must be the same password on both."""
    return unicodedata.normalize("NFC", storable(password, longest=MAX_LENGTH + 1))


def storable(text: str, *, longest: int) -> str:
    """What somebody sent, cut, and without the halves of characters that JSON can carry and UTF-8 cannot."""
    return text[:longest].encode(errors="replace").decode()


def verify(password: str, known_hash: str | None) -> tuple[bool, str | None]:
    """Whether it is right, and a better hash when the known one is of an older make. Takes as long for no hash as for a wrong password."""
    nobody = _nobody()  # also for somebody: else the first unknown address of a process would be told by the time it takes to make this
    good, better = _hasher().verify_and_update(_composed(password), known_hash or nobody)
    return (good, better) if known_hash else (False, None)


def check_policy(password: str, *, email: str, name: str = "") -> None:
    """Raises WeakPassword, with what is wrong, for one that is too short, too long or among those that are tried first."""
    if get_settings().env == "demo" and password == DEMO_PASSWORD:
        return
    if len(password) < MIN_LENGTH:
        raise WeakPassword(f"Use at least {MIN_LENGTH} characters. A few words that have nothing to do with each other are easy to keep.")
    if len(password) > MAX_LENGTH:
        raise WeakPassword(f"Use at most {MAX_LENGTH} characters.")
    if is_easily_guessed(password, about=re.split(r"[\W_]+", f"{email} {name}".lower())):
        raise WeakPassword("This is among the passwords that are tried first. Take less usual words, or let a password manager make one.")


@lru_cache(maxsize=1)
def _leaked() -> frozenset[str]:
    """Read at the first use: most processes never set a password."""
    from zxcvbn.frequency_lists import FREQUENCY_LISTS

    return frozenset(word for word in FREQUENCY_LISTS["passwords"] if len(word) >= _SHORTEST_LEAKED)


def is_easily_guessed(password: str, *, about: list[str]) -> bool:
    """Whether it was leaked, or is made of three pieces or fewer: a known word, a word `about` its owner or a run of keys is one piece."""
    lists = _known(frozenset(word for word in about if len(word) >= _SHORTEST_WORD))
    # Each list by itself as well: the longest word that begins at a place is taken, and a leaked one may hide better cuts behind it.
    return any(len(set(_pieces(password.lower(), *known))) <= _TOO_FEW_PIECES for known in lists)


@lru_cache(maxsize=1)
def _known(about: frozenset[str]) -> tuple[tuple[frozenset[str], int], ...]:
    """The words without and with the leaked ones, and the length of each list's longest."""
    words = _WORDS | about
    return tuple((known, max(len(word) for word in known)) for known in (words, words | _leaked()))


def _pieces(text: str, words: frozenset[str], longest: int) -> Iterator[str]:
    spelled = text.translate(_SPELLED)
    place = 0
    while place < len(text):
        size = max(
            _run(text, place),
            _run(spelled, place),
            _word(text, place, words, longest),
            _word(spelled, place, words, longest),
            _number(text, place),
        )
        if size:
            yield text[place : place + size]
        elif text[place].isalnum() or not text[place].isascii():
            yield text[place]
        place += max(size, 1)


def _word(text: str, place: int, words: frozenset[str], longest: int) -> int:
    sizes = range(min(longest, len(text) - place), _SHORTEST_WORD - 1, -1)
    return next((size for size in sizes if text[place : place + size] in words), 0)


def _run(text: str, place: int) -> int:
    """How long a run of keys, of the alphabet or of one repeated character begins here."""
    repeated = len(text) - place - len(text[place:].lstrip(text[place]))
    longest = repeated if repeated >= _SHORTEST_RUN else 0
    for run in _ALL_RUNS:
        begun = run.find(text[place : place + _SHORTEST_RUN])
        if begun >= 0 and place + _SHORTEST_RUN <= len(text):
            size = _SHORTEST_RUN
            while begun + size < len(run) and text[place + size : place + size + 1] == run[begun + size]:
                size += 1
            longest = max(longest, size)
    return longest


def _number(text: str, place: int) -> int:
    """A year, a day or another short number at the end is one piece; a long one is what its digits are."""
    found = re.match(r"[0-9]{1,4}(?![0-9])", text[place:])
    return len(found[0]) if found else 0
