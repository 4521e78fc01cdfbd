"""The console's looks come from one place: its colours can be read, and no page draws by hand what a component draws."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path

import pytest

from pages.style_tokens import tokens

_PAGES = Path(__file__).parents[2] / "pages"
_STATIC = _PAGES / "static"
_STYLES = sorted(_STATIC.glob("*.css"))
_TEXTS = ("ink", "soft", "faint", "link", "good", "busy", "wait", "bad", "off")
_GROUNDS = ("bg", "surface", "raised", "hover", "code")
# What Quasar, NiceGUI and Leaflet put on what they draw.
_FOREIGN = re.compile(r"^(q-|leaflet-|body--|nicegui-|text-|bg-|hidden$|items-start$)")
# A width that is reckoned, and the guide's samples of tokens.
_RECKONED = re.compile(r"\.style\(f\"(width: \{|background: var\(--\{|font-size: var\(--\{)")


def _light(colour: str) -> float:
    parts = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    """WCAG 2.2's ratio of two colours as `#rrggbb`."""
    high, low = sorted((_light(one), _light(other)), reverse=True)
    return (high + 0.05) / (low + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_can_be_read_on_every_ground_it_stands_on(scheme: str) -> None:
    said = tokens()[scheme]
    pairs = [(text, ground) for text in _TEXTS for ground in _GROUNDS]
    pairs += [(tone, f"{tone}-wash") for tone in ("good", "busy", "wait", "bad", "off")]
    pairs += [(text, f"{wash}-wash") for text in ("ink", "soft", "link") for wash in ("accent", "wait", "bad", "busy", "good")]
    pairs += [("accent-ink", "accent")]
    weak = {f"{text} on {ground}": contrast(said[text], said[ground]) for text, ground in pairs}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_edges_of_fields_and_the_lines_of_charts_can_be_seen(scheme: str) -> None:
    said = tokens()[scheme]
    names = ("edge", "chart-1", "chart-2", "chart-3", "chart-4")
    weak = {name: contrast(said[name], said[ground]) for name in names for ground in ("bg", "surface", "raised")}
    assert {name: ratio for name, ratio in weak.items() if ratio < 3} == {}


@cache
def _written() -> str:
    return "\n".join(path.read_text(encoding="utf-8") for path in [*_PAGES.rglob("*.py"), *_STATIC.glob("*.js")])


def test_no_page_has_looks_of_its_own() -> None:
    found = [
        f"{path.relative_to(_PAGES)}: {line.strip()}"
        for path in sorted(_PAGES.rglob("*.py"))
        for line in path.read_text(encoding="utf-8").splitlines()
        if ".style(" in line and not _RECKONED.search(line)
    ]
    assert found == []


@pytest.mark.parametrize("path", _STYLES, ids=lambda path: path.name)
def test_no_style_is_left_that_nothing_wears(path: Path) -> None:
    plain = re.sub(r"/\*.*?\*/|\{[^{}]*\}|\"[^\"]*\"", " ", path.read_text(encoding="utf-8"), flags=re.DOTALL)
    named = {name for name in re.findall(r"\.([a-z][\w-]*)", plain) if not _FOREIGN.match(name)}
    worn = set(re.findall(r"[\w-]+", _written()))
    # These are put together from the kinds of columns, tones and schemes.
    assert {name for name in named - worn if not name.startswith(("cell-", "phone-", "tone-", "in-"))} == set()


@pytest.mark.parametrize("path", _STYLES, ids=lambda path: path.name)
def test_every_token_that_is_used_is_there(path: Path) -> None:
    used = set(re.findall(r"var\(--([\w-]+)", path.read_text(encoding="utf-8")))
    assert {name for name in used if not name.startswith(("q-", "nicegui-"))} <= set(tokens()["light"])


@pytest.mark.parametrize("path", [path for path in _STYLES if path.name in ("console.css", "desk.css")], ids=lambda path: path.name)
def test_type_is_of_the_scale(path: Path) -> None:
    """Icons are no type: their sizes are their own."""
    rules = re.findall(r"([^{}]+)\{([^{}]*)\}", path.read_text(encoding="utf-8"))
    odd = [selector.strip() for selector, body in rules if re.search(r"font-size: [\d.]+px", body) and "q-icon" not in selector]
    assert odd == []
