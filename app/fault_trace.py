"""What an exception was and where it passed, without a word of what it carried: frames, fingerprint, and an example fit to be kept.

Of a frame only module, function and line are read, never a local variable.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType, TracebackType
from typing import Any

from app.masking import mask_message, readable

OURS = frozenset({"app", "services", "jobs", "pages", "portal", "mobile"})
# Enough to follow a recursion in and out.
_FIRST_FRAMES, _LAST_FRAMES, _MOST_CAUSES, _MOST_WALKED = 15, 45, 4, 2000
_MESSAGE_LENGTH, _NAME_LENGTH, _PLACE_LENGTH = 500, 120, 200


@dataclass(frozen=True)
class Site:
    """A function through which an exception passed."""

    module: str
    function: str
    is_ours: bool

    def __str__(self) -> str:
        return f"{self.module}:{self.function}"


def site_of(frame: FrameType) -> Site:
    """Where a frame is: its module by its own name, or by how it was started (`python -m`)."""
    return _site(frame.f_code, _module_of(frame))


def _module_of(frame: FrameType) -> str:
    name = frame.f_globals.get("__name__", "?")
    if name == "__main__" and (spec := frame.f_globals.get("__spec__")) is not None:
        name = spec.name
    return name if isinstance(name, str) else "?"


@lru_cache(maxsize=4096)
def _site(code: CodeType, module: str) -> Site:
    return Site(readable(module)[:100], readable(code.co_qualname)[:100], module.partition(".")[0] in OURS)


def _steps(trace: TracebackType | None) -> Iterator[TracebackType]:
    walked = 0
    while trace is not None and walked < _MOST_WALKED:
        yield trace
        trace, walked = trace.tb_next, walked + 1


def kind_of(error: BaseException) -> str:
    """The name of an exception's type, with its module unless Python itself brings it."""
    made = type(error)
    name = made.__qualname__ if made.__module__ in ("builtins", "__main__") else f"{made.__module__}.{made.__qualname__}"
    return readable(name)[:_NAME_LENGTH]


def way_of(error: BaseException) -> tuple[object, ...]:
    """The identity of the way that an exception took, for a quick look whether it was seen before. Costs a microsecond or two."""
    return (type(error), *(step.tb_frame.f_code for step in _steps(error.__traceback__)))


def fingerprint(error: BaseException, *, otherwise: str = "") -> tuple[str, str]:
    """The same text for the same fault, and the place that people call it by, `module:function`.

    It stands on the kind of exception and the functions of ours that it passed: not on lines, which move with every release, nor on
    messages, which name ids. Functions count once, so a recursion is one fault however deep it went. Where none of ours was passed the
    library's stand for them, and without any frame `otherwise` (the name of the log line).
    """
    sites = list(dict.fromkeys(site_of(step.tb_frame) for step in _steps(error.__traceback__)))
    own = [site for site in sites if site.is_ours]
    way = [str(site) for site in own or sites] or [otherwise]
    digest = hashlib.sha256("\n".join([kind_of(error), *way]).encode("utf-8", "replace")).hexdigest()
    return digest[:32], readable(way[-1])[:_PLACE_LENGTH]


def message_of(error: BaseException) -> str:
    """An exception's own words, masked, of at most 500 characters. Of a refused statement only what PostgreSQL said, not the row."""
    inner = getattr(error, "orig", None)
    try:
        said = str(inner if isinstance(inner, BaseException) else error)
    except Exception:
        return "(it cannot be put into words)"
    text = mask_message(said)
    return text if len(text) <= _MESSAGE_LENGTH else text[: _MESSAGE_LENGTH - 1] + "…"


def trace_of(error: BaseException) -> list[dict[str, Any]]:
    """The exception and what caused it, the one that was raised last first: kind, masked message, frames from the outermost in."""
    told: list[dict[str, Any]] = []
    seen: set[int] = set()
    current: BaseException | None = error
    while current is not None and id(current) not in seen and len(told) < _MOST_CAUSES:
        seen.add(id(current))
        told.append({"kind": kind_of(current), "message": message_of(current), "frames": _frames(current.__traceback__)})
        current = current.__cause__ or (None if current.__suppress_context__ else current.__context__)
    return told


def _frames(trace: TracebackType | None) -> list[dict[str, Any]]:
    steps = list(_steps(trace))
    if len(steps) > _FIRST_FRAMES + _LAST_FRAMES:
        steps = [*steps[:_FIRST_FRAMES], *steps[-_LAST_FRAMES:]]
    frames = []
    for step in steps:
        site = site_of(step.tb_frame)
        frames.append({"module": site.module, "function": site.function, "line": step.tb_lineno, "ours": site.is_ours})
    return frames


def innermost(error: BaseException) -> BaseException:
    """The one exception that a group holds, however often it is wrapped; a group of several stays one."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error
