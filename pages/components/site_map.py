"""The map of sites: NiceGUI's own Leaflet with a base map of ours, so that nothing is fetched from elsewhere unless tiles are set up."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass
from html import escape

from nicegui import ui

from app.settings import get_settings
from pages.components.words import Tone
from pages.frame import asset

_MIDDLE, _WHOLE_COUNTRY = (13.45, -15.35), [[13.02, -16.88], [13.86, -13.76]]
# NiceGUI tells scripts from styles by the address's ending, and names the element by what follows the last slash.
_SCRIPT_ENDING = "/map.js"


@dataclass(frozen=True)
class Dot:
    """One site. `size` is how many access points it has; `words` are shown beside it, `href` is where a click leads."""

    id: int
    latitude: float
    longitude: float
    tone: Tone
    size: int
    words: str
    href: str


class SiteMap:
    """Only what differs from the last time is sent to the browser, so that thousands of sites cost nothing while nothing changes."""

    def __init__(self, label: str, *, at: tuple[float, float] | None = None, zoom: int = 8) -> None:
        """Of the whole country, or around `at`."""
        self._dots: dict[int, Dot] = {}
        self._sent: dict[int, Dot] = {}
        self._is_ready = False
        self._around = at
        options = {"preferCanvas": True, "minZoom": 6, "maxZoom": 18, "zoomSnap": 0.25, "attributionControl": False, "worldCopyJump": False}
        self._map = ui.leaflet(
            center=at or _MIDDLE, zoom=zoom, options=options, additional_resources=[asset("network_map.js") + _SCRIPT_ENDING]
        )
        self._map.classes("site-map" + (" small" if at else "")).props(f'role=region aria-label="{escape(label)}"').mark("site-map")
        # NiceGUI puts a foreign tile server in by default; nothing was sent yet.
        self._map.clear_layers()
        self._draw_tiles()
        self._map.on("init", self._begin)

    def _draw_tiles(self) -> None:
        settings = get_settings()
        if settings.map_tile_url:
            self._map.tile_layer(url_template=settings.map_tile_url, options={"maxZoom": 19})
            if settings.map_tile_attribution:
                ui.label(settings.map_tile_attribution).classes("faint small")

    def _begin(self) -> None:
        """Of a browser that just made its map, also after it lost the connection and made it anew."""
        self._is_ready = True
        self._sent = {}
        self._map.run_map_method("inetPrepare")
        if not get_settings().map_tile_url:
            self._map.run_map_method("inetBase", asset("gambia.json"))
        if self._around is None:
            self._map.run_map_method("fitBounds", _WHOLE_COUNTRY)
        self._send()

    def show(self, dots: Iterable[Dot]) -> None:
        """These sites, and no others."""
        self._dots = {dot.id: dot for dot in dots}
        self._send()

    def _send(self) -> None:
        if not self._is_ready:
            return
        changed = [astuple(dot) for dot in self._dots.values() if self._sent.get(dot.id) != dot]
        gone = sorted(self._sent.keys() - self._dots.keys())
        if changed or gone:
            self._map.run_map_method("inetPlaces", changed, gone)
        self._sent = dict(self._dots)

    @property
    def shown(self) -> dict[int, Dot]:
        return dict(self._dots)
