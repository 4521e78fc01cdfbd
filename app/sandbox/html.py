"""Pages for people: plain HTML, phone-sized, no JavaScript needed."""

from __future__ import annotations

from pathlib import Path

from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined

_environment = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)


def page(template: str, status: int = 200, **values: object) -> HTMLResponse:
    """Render a template of `app/sandbox/templates`."""
    return HTMLResponse(_environment.get_template(template).render(**values), status_code=status)
