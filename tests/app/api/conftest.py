from __future__ import annotations

from tests.portal.served import served, web

__all__ = ["served", "web"]
