"""The parts of the product and how they work together, drawn as SVG in the console's own colours: once wide, once for a phone."""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import Literal

Kind = Literal["person", "door", "process", "store", "outside"]
Side = Literal["top", "bottom", "left", "right"]


@dataclass(frozen=True)
class Box:
    """A part; the numbers are the drawing's own units."""

    key: str
    x: int
    y: int
    w: int
    h: int
    kind: Kind
    title: str
    lines: tuple[str, ...] = ()

    def at(self, side: Side, share: float) -> tuple[float, float]:
        """A point on the edge, `share` of the way along it."""
        if side in ("top", "bottom"):
            return self.x + self.w * share, self.y + (self.h if side == "bottom" else 0)
        return self.x + (self.w if side == "right" else 0), self.y + self.h * share


@dataclass(frozen=True)
class Arrow:
    """From the edge of one part to the edge of another, by way of some corners, with a word beside its middle."""

    start: str
    start_side: Side
    start_share: float
    end: str
    end_side: Side
    end_share: float
    label: str = ""
    label_dx: int = 8
    label_dy: int = 0
    via: tuple[tuple[int, int], ...] = ()


@dataclass(frozen=True)
class Drawing:
    width: int
    height: int
    boxes: tuple[Box, ...]
    arrows: tuple[Arrow, ...]
    bands: tuple[tuple[int, str], ...]


_WEB = ("portal, apps, API", "as many as needed")
_CONSOLE = ("this console", "one worker each")
_WORKER = ("urgent · default", "triage · bulk")
_SCHEDULER = ("rings on time", "two, one acts")
WIDE = Drawing(
    1000,
    600,
    (
        Box("phone", 20, 34, 170, 60, "person", "Customer's phone", ("the portal's pages",)),
        Box("router", 215, 34, 170, 60, "person", "Gateways", ("openNDS, every few seconds",)),
        Box("apps", 410, 34, 170, 60, "person", "Apps", ("INET-Go, INET-Tech",)),
        Box("others", 605, 34, 170, 60, "person", "Other programs", ("API with a key",)),
        Box("staff", 800, 34, 180, 60, "person", "Staff", ("a browser",)),
        Box("nginx", 20, 150, 960, 44, "door", "nginx: one address, TLS, sends each browser back to its own console"),
        Box("web", 20, 250, 220, 78, "process", "web", _WEB),
        Box("worker", 290, 250, 200, 78, "process", "worker", _WORKER),
        Box("scheduler", 540, 250, 180, 78, "process", "scheduler", _SCHEDULER),
        Box("console", 770, 250, 210, 78, "process", "console", _CONSOLE),
        Box("postgres", 20, 396, 415, 66, "store", "PostgreSQL", ("the truth: every payment, ticket and entry is a row here",)),
        Box("redis", 565, 396, 415, 66, "store", "Redis or Valkey", ("doorbells, news between processes, log-ins; may be emptied",)),
        Box("wave", 20, 524, 220, 60, "outside", "Wave", ("takes and returns money",)),
        Box("porta", 265, 524, 225, 60, "outside", "PortaBilling", ("vouchers and charges",)),
        Box("openwisp", 540, 524, 205, 60, "outside", "OpenWISP", ("access points",)),
        Box("messages", 770, 524, 210, 60, "outside", "SMS, mail, push", ("words to people",)),
    ),
    (
        Arrow("phone", "bottom", 0.5, "nginx", "top", 0.0885),
        Arrow("router", "bottom", 0.5, "nginx", "top", 0.2917),
        Arrow("apps", "bottom", 0.5, "nginx", "top", 0.4948),
        Arrow("others", "bottom", 0.5, "nginx", "top", 0.698),
        Arrow("staff", "bottom", 0.5, "nginx", "top", 0.9063),
        Arrow("nginx", "bottom", 0.1146, "web", "top", 0.5),
        Arrow("nginx", "bottom", 0.8906, "console", "top", 0.5),
        Arrow("web", "bottom", 0.5, "postgres", "top", 0.2651, "rows"),
        Arrow("worker", "bottom", 0.35, "postgres", "top", 0.8193, "rows"),
        Arrow("redis", "left", 0.5, "worker", "right", 0.5, "rings", 26, 24, ((515, 429), (515, 289))),
        Arrow("scheduler", "bottom", 0.5, "redis", "top", 0.1566, "rings"),
        Arrow("console", "bottom", 0.5, "redis", "top", 0.747, "news"),
        Arrow("worker", "bottom", 0.875, "wave", "top", 0.5, "asks and acts", 175, 62, ((465, 494), (130, 494))),
        Arrow("worker", "bottom", 0.875, "porta", "top", 0.5, via=((465, 494), (378, 494))),
        Arrow("worker", "bottom", 0.875, "openwisp", "top", 0.5, via=((465, 494), (642, 494))),
        Arrow("worker", "bottom", 0.875, "messages", "top", 0.5, via=((465, 494), (875, 494))),
    ),
    ((22, "Who asks"), (238, "Processes"), (384, "What is kept"), (512, "Outside")),
)
TALL = Drawing(
    390,
    860,
    (
        Box("phone", 10, 34, 180, 56, "person", "Customer's phone", ("the portal's pages",)),
        Box("router", 200, 34, 180, 56, "person", "Gateways", ("every few seconds",)),
        Box("apps", 10, 100, 180, 56, "person", "Apps, other programs", ("JSON",)),
        Box("staff", 200, 100, 180, 56, "person", "Staff", ("a browser",)),
        Box("nginx", 10, 196, 370, 44, "door", "nginx: one address, TLS"),
        Box("web", 10, 300, 180, 74, "process", "web", _WEB),
        Box("console", 200, 300, 180, 74, "process", "console", _CONSOLE),
        Box("postgres", 10, 446, 180, 74, "store", "PostgreSQL", ("the truth:", "every row is here")),
        Box("redis", 200, 446, 180, 74, "store", "Redis or Valkey", ("doorbells and news;", "may be emptied")),
        Box("worker", 10, 592, 180, 74, "process", "worker", _WORKER),
        Box("scheduler", 200, 592, 180, 74, "process", "scheduler", _SCHEDULER),
        Box("wave", 10, 726, 180, 54, "outside", "Wave", ("money",)),
        Box("porta", 200, 726, 180, 54, "outside", "PortaBilling", ("vouchers, charges",)),
        Box("openwisp", 10, 790, 180, 54, "outside", "OpenWISP", ("access points",)),
        Box("messages", 200, 790, 180, 54, "outside", "SMS, mail, push", ("words to people",)),
    ),
    (
        Arrow("apps", "bottom", 0.6, "nginx", "top", 0.2919),
        Arrow("staff", "bottom", 0.6, "nginx", "top", 0.8054),
        Arrow("nginx", "bottom", 0.2919, "web", "top", 0.6),
        Arrow("nginx", "bottom", 0.8054, "console", "top", 0.6),
        Arrow("web", "bottom", 0.6, "postgres", "top", 0.6, "rows"),
        Arrow("console", "bottom", 0.6, "redis", "top", 0.6, "news"),
        Arrow("worker", "top", 0.5, "postgres", "bottom", 0.5, "rows", -36),
        Arrow("scheduler", "top", 0.6, "redis", "bottom", 0.6, "rings"),
        Arrow("redis", "bottom", 0.15, "worker", "top", 0.85, "rings", 12, 22, ((227, 546), (163, 546))),
        Arrow("worker", "bottom", 0.6, "wave", "top", 0.6, "asks and acts", -60, -14),
        Arrow("worker", "bottom", 0.6, "porta", "top", 0.4, via=((118, 700), (272, 700))),
    ),
    ((22, "Who asks"), (288, "Processes"), (434, "What is kept"), (580, "Behind"), (714, "Outside")),
)
_ABOUT = (
    "Phones, gateways, apps and staff reach one address. Behind it web processes serve the portal, the apps and the API, and console"
    " processes serve this console. Workers do what nobody waits for, and the scheduler rings for it on time. PostgreSQL holds every row;"
    " Redis carries doorbells and news. Only workers and the steps of a payment speak to Wave, PortaBilling, OpenWISP and the senders of"
    " messages."
)


def as_svg(drawing: Drawing, name: str) -> str:
    """The drawing for a page; its colours come from the page's style, so that light and dark are one drawing."""
    by_key = {box.key: box for box in drawing.boxes}
    parts = [
        f'<svg class="drawing {name}" viewBox="0 0 {drawing.width} {drawing.height}" role="img" aria-labelledby="{name}-t {name}-d">',
        f'<title id="{name}-t">The parts of INET</title><desc id="{name}-d">{escape(_ABOUT)}</desc>',
        f'<defs><marker id="{name}-tip" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="auto">'
        '<path d="M0 0 8 4 0 8z" class="tip"/></marker></defs>',
        *(f'<text class="band" x="{20 if drawing is WIDE else 10}" y="{y}">{escape(text)}</text>' for y, text in drawing.bands),
        *(_arrow(arrow, by_key, name) for arrow in drawing.arrows),
        *(_box(box) for box in drawing.boxes),
        "</svg>",
    ]
    return "".join(parts)


def _box(box: Box) -> str:
    middle, lines = box.x + box.w / 2, 1 + len(box.lines)
    first = box.y + box.h / 2 - (lines - 1) * 9 + 5
    words = [f'<text class="name" x="{middle:g}" y="{first:g}">{escape(box.title)}</text>']
    words += [f'<text x="{middle:g}" y="{first + 18 * number:g}">{escape(line)}</text>' for number, line in enumerate(box.lines, 1)]
    radius = 22 if box.kind == "store" else 10
    shape = f'<rect x="{box.x}" y="{box.y}" width="{box.w}" height="{box.h}" rx="{radius}"/>'
    return f'<g class="part {box.kind}">{shape}{"".join(words)}</g>'


def _arrow(arrow: Arrow, by_key: dict[str, Box], name: str) -> str:
    (x1, y1), (x2, y2) = (
        by_key[arrow.start].at(arrow.start_side, arrow.start_share),
        by_key[arrow.end].at(arrow.end_side, arrow.end_share),
    )
    points = " L".join(f"{x:g} {y:g}" for x, y in ((x1, y1), *arrow.via, (x2, y2)))
    line = f'<path class="way" d="M{points}" marker-end="url(#{name}-tip)"/>'
    if not arrow.label:
        return line
    x, y = (x1 + x2) / 2 + arrow.label_dx, (y1 + y2) / 2 + 4 + arrow.label_dy
    return f'{line}<text class="label" x="{x:g}" y="{y:g}">{escape(arrow.label)}</text>'
