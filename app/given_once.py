"""A parameter of the query that has one value is given once: of two the later one would count, and nobody be told."""

from __future__ import annotations

from collections import Counter
from typing import Any, get_args, get_origin

from fastapi import Request
from fastapi.dependencies.utils import get_flat_params
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute


def given_once(request: Request) -> None:
    """A dependency of routers. Raises RequestValidationError, which names each parameter that is repeated and takes no list."""
    numbers = Counter(name for name, _ in request.query_params.multi_items())
    repeated = {name for name, number in numbers.items() if number > 1}
    route = request.scope["route"]
    if not repeated or not isinstance(route, APIRoute):
        return
    lists = {field.alias for field in get_flat_params(route.dependant) if _takes_several(field.field_info.annotation)}
    if wrong := sorted(repeated - lists):
        raise RequestValidationError([{"type": "given_twice", "loc": ("query", name), "msg": "Give this once"} for name in wrong])


def _takes_several(annotation: Any) -> bool:
    return get_origin(annotation) in (list, set, tuple) or any(_takes_several(part) for part in get_args(annotation))
