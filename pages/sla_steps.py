"""The part of a policy's form that says who is warned, told and called in, and when."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

from nicegui import ui

from app.errors import InvalidInput
from pages.components.parts import action_button
from pages.components.why_deadline import CLOCK_NAMES
from services.accounts.models import Role
from services.tickets.models import Priority
from services.tickets.sla.terms import CLOCKS

_DEEDS = {"warn": "Warn", "breach": "Tell of the breach", "escalate": "Escalate"}
_WHEN = {"before": "% of the time before", "at": "when it is due", "after": "min of open time after"}
_TOLD = {"assignee": "Assignee", "lead": "Team lead", "team": "Team on duty", **{f"role:{role.value}": role.label for role in Role}}
_RAISE = {"": "as it is", "up": "one step up", Priority.HIGH.value: "high", Priority.URGENT.value: "urgent"}


class StepsEditor:
    """Rows that can be added and taken away. What a row keeps of a step beyond its fields (a team, single people) stays as it was."""

    def __init__(self, steps: Sequence[Mapping[str, Any]]) -> None:
        self._rows: list[_Row] = []
        self._place = ui.element("div").classes("stack").mark("steps")
        for step in steps:
            self._add(step)
        self._more = action_button(
            "Add a step", partial(self._add, {"clock": "resolution", "at": "-20%", "do": "warn", "to": {}}), icon="add"
        )
        self._more.mark("add-step")

    def _add(self, step: Mapping[str, Any]) -> None:
        with self._place:
            self._rows.append(_Row(step, self._remove))

    def _remove(self, row: _Row) -> None:
        self._rows.remove(row)
        row.box.delete()

    def read(self) -> list[dict[str, Any]]:
        """The steps as they stand in the form. Raises InvalidInput."""
        return [row.read() for row in self._rows]

    def lock(self) -> None:
        self._more.set_visibility(False)
        for row in self._rows:
            row.lock()


class _Row:
    def __init__(self, step: Mapping[str, Any], remove: Any) -> None:
        self._rest = {name: value for name, value in step.get("to", {}).items() if name in ("staff", "team_id")}
        when, number = _read_at(str(step["at"]))
        self.box = ui.element("div").classes("line full-width").props("role=group aria-label=Step")
        with self.box:
            self._do = _choice("Do", dict(_DEEDS), step["do"], "field-m")
            self._clock = _choice("Clock", {clock: CLOCK_NAMES[clock] for clock in CLOCKS}, step["clock"], "field-m")
            self._number = ui.number("How much", value=number, min=0, step=5).props("outlined dense hide-bottom-space").classes("field-xs")
            self._number.bind_visibility_from(self, "_needs_number")
            self._when = _choice("When", dict(_WHEN), when, "field-l")
            self._told = ui.select(_TOLD, label="Tell", value=_told(step.get("to", {})), multiple=True)
            self._told.props("outlined dense use-chips hide-bottom-space").classes("field-m grow")
            self._raise = _choice("Priority", dict(_RAISE), step.get("to", {}).get("priority") or "", "field-s")
            self._raise.bind_visibility_from(self._do, "value", value="escalate")
            self._off = ui.button(icon="close", color=None, on_click=lambda: remove(self)).props(
                'flat round dense aria-label="Take this step away"'
            )

    @property
    def _needs_number(self) -> bool:
        return bool(self._when.value != "at") if hasattr(self, "_when") else True

    def lock(self) -> None:
        for field in (self._do, self._clock, self._number, self._when, self._told, self._raise):
            field.disable()
        self._off.set_visibility(False)

    def read(self) -> dict[str, Any]:
        to: dict[str, Any] = dict(self._rest)
        for one in self._told.value or []:
            if one.startswith("role:"):
                to.setdefault("roles", []).append(one.removeprefix("role:"))
            else:
                to[one] = True
        if self._do.value == "escalate" and self._raise.value:
            to["priority"] = self._raise.value
        return {"clock": self._clock.value, "at": self._at(), "do": self._do.value, "to": to}

    def _at(self) -> str:
        if self._when.value == "at" or self._do.value == "breach":
            return "0"
        number = self._number.value
        if self._when.value == "before":
            if number is None or not 1 <= number <= 99:
                raise InvalidInput("A warning comes 1 to 99 % of the time before the deadline.", field="steps")
            return f"-{round(number)}%"
        if number is None or not 0 < number <= 144_000:
            raise InvalidInput("Say how many minutes after the deadline, at most 100 days.", field="steps")
        return f"+{round(number * 60)}s"


def _choice(label: str, options: dict[str, str], value: str, size: str) -> ui.select:
    return ui.select(options, label=label, value=value).props("outlined dense hide-bottom-space").classes(size)


def _read_at(at: str) -> tuple[str, float]:
    if at.endswith("%"):
        return "before", int(at[1:-1])
    if at.startswith("+"):
        return "after", int(at[1:-1]) / 60
    return "at", 0


def _told(to: Mapping[str, Any]) -> list[str]:
    return [name for name in ("assignee", "lead", "team") if to.get(name)] + [f"role:{role}" for role in to.get("roles", [])]
