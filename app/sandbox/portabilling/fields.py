"""Reading parameters that came as XML texts or JSON values alike."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from app.sandbox.portabilling.models import Fault, five_decimals

Params = dict[str, Any]


class Fields:
    """The parameters of one method; a wrong one faults as that method's invalid value."""

    def __init__(self, method: str, params: Params) -> None:
        self._method, self._params = method, params

    def has(self, name: str) -> bool:
        """Whether the parameter was given with a value."""
        return self._params.get(name) not in (None, "")

    def text(self, name: str, *, longest: int = 255) -> str | None:
        """A text, or None if absent."""
        if not self.has(name):
            return None
        value = self._params[name]
        if isinstance(value, dict | list) or len(str(value)) > longest:
            raise self.invalid(name)
        return str(value)

    def number(self, name: str, default: int | None = None) -> int:
        """A whole number; required if there is no default."""
        value = self.text(name)
        if value is None and default is not None:
            return default
        try:
            return int(value or "")
        except ValueError:
            raise self.invalid(name) from None

    def amount(self, name: str, default: str | None = None) -> str:
        """An amount >= 0 with five decimals; required if there is no default."""
        try:
            value = Decimal(self.text(name) or default or "")
        except InvalidOperation:
            raise self.invalid(name) from None
        if not value.is_finite() or value < 0 or value >= 10**12:
            raise self.invalid(name)
        return five_decimals(value)

    def time(self, name: str) -> str | None:
        """A UTC instant as `YYYY-MM-DD HH:MM:SS`; a `T` in the middle or a bare date will do. None if absent."""
        value = self.text(name)
        if value is None:
            return None
        try:
            return datetime.fromisoformat(value).replace(tzinfo=None).strftime("%Y-%m-%d %H:%M:%S")
        except ValueError:
            raise self.invalid(name) from None

    def flag(self, name: str, default: str) -> str:
        """`Y` or `N`."""
        value = self.text(name) or default
        if value not in ("Y", "N"):
            raise self.invalid(name)
        return value

    def part(self, name: str) -> Fields:
        """A structure."""
        value = self._params.get(name)
        if not isinstance(value, dict):
            raise self.invalid(name)
        return Fields(self._method, value)

    def invalid(self, name: str) -> Fault:
        """The (placeholder) fault for a wrong value."""
        return Fault(f"Client.{self._method}.invalid_value", f"Invalid value of '{name}'")
