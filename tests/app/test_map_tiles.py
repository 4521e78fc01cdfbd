"""The console's map fetches nothing from elsewhere, unless a tile server is set up: then from there, and only pictures."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from app.headers import headers_for
from app.settings import Settings


def policy(path: str, tiles: str) -> dict[str, str]:
    found = dict(headers_for(path, is_html=True, is_production=True, tiles=tiles))[b"content-security-policy"].decode()
    rules = [rule.strip().partition(" ") for rule in found.split(";")]
    return {name: sources for name, _, sources in rules}


@pytest.mark.parametrize(
    ("template", "origin"),
    [
        ("", ""),
        ("https://tile.example.org/{z}/{x}/{y}.png", "https://tile.example.org"),
        ("https://{s}.tile.example.org/{z}/{x}/{y}.png?key=abc", "https://*.tile.example.org"),
        ("http://127.0.0.1:8099/{z}/{x}/{y}.png", "http://127.0.0.1:8099"),
    ],
)
def test_pictures_may_come_from_the_tile_server_and_nothing_else_may(template: str, origin: str) -> None:
    settings = Settings(map_tile_url=template)
    assert settings.map_tile_origin == origin
    rules = policy("/console/network", settings.map_tile_origin)
    assert rules["img-src"] == f"'self' data: blob: {origin}".strip()
    assert [name for name, sources in rules.items() if origin and origin in sources] == ["img-src"] * bool(origin)
    assert rules["connect-src"] == "'self'"


def test_the_portal_knows_nothing_of_tiles() -> None:
    assert "example" not in policy("/portal/", "https://tile.example.org")["img-src"]


@pytest.mark.parametrize(
    "wrong",
    [
        "tile.example.org/{z}/{x}/{y}.png",
        "https://tile.example.org/{z}/{x}.png",
        "https://tile.example.org; script-src *//{z}/{x}/{y}",
        "https://*/{z}/{x}/{y}.png",
        "javascript:alert(1)//{z}{x}{y}",
        "https://tile.example.org/{z}/{x}/{y}.png 'unsafe-inline'",
    ],
)
def test_what_is_no_tile_server_is_refused_at_the_start(wrong: str) -> None:
    with pytest.raises(ValidationError):
        Settings(map_tile_url=wrong)
