"""What a fresh installation is led through before its first customer comes."""

from __future__ import annotations

from nicegui import ui

from pages.components.parts import panel, tone_chip
from services.accounts.permissions import Principal
from services.console.dashboards.first_steps import MAY_TAKE, FirstSteps, Step

_STEPS: dict[Step, tuple[str, str, str]] = {
    Step.PACKAGE: ("Put a package on sale", "What customers buy: a price, a time, perhaps an allowance of data.", "/console/packages"),
    Step.GATEWAY: ("Register a router", "It gets its own key, and the settings to paste into openNDS.", "/console/register-gateway"),
    Step.POLL: ("See the router call", "Within seconds of its settings being in place it polls.", "/console/gateways"),
    Step.STAFF: ("Let a colleague in", "Each with their own account and the role of their work.", "/console/staff"),
}


def draw_first_steps(found: FirstSteps | None, actor: Principal) -> None:
    if found is None:
        return
    left = [step for step in Step if step not in found.done]
    aside = f"{len(found.done)} of {len(Step)} done" if left else "all is ready: the first purchase appears here by itself"
    with panel("First steps", aside=aside, flush=True) as box, ui.element("div").classes("rows q-mt-sm"):
        box.mark("first-steps")
        for step in Step:
            _step(step, is_done=step in found.done, may=actor.may(MAY_TAKE[step]))


def _step(step: Step, *, is_done: bool, may: bool) -> None:
    title, text, address = _STEPS[step]
    item = ui.element("a" if may else "div").classes("item")
    if may:
        item.props["href"] = address
    with item.mark(f"step-{step}"):
        tone_chip("Done" if is_done else "To do", "good" if is_done else "wait")
        ui.label(title).classes("strong")
        ui.label(text).classes("soft small full-width")
