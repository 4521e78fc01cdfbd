"""Which release runs: what the image was built as, or the version of the installed package."""

from __future__ import annotations

from functools import lru_cache
from importlib import metadata

from app.settings import get_settings


@lru_cache(maxsize=1)
def release() -> str:
    """INET_RELEASE if it is set, else the package's version, `0` from a checkout that is not installed."""
    if given := get_settings().release:
        return given
    try:
        return metadata.version("inet-portal")
    except metadata.PackageNotFoundError:
        return "0"
