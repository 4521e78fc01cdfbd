"""One part and one process of the product, as the system-health page draws them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from html import escape

from nicegui import ui

from pages.components import words
from pages.components.charts import spark
from pages.components.parts import chip, moment, notice, panel, tone_chip
from pages.components.states import empty_state
from pages.components.words import Tone
from services.operations.health.history import Bucket, Fared, History
from services.operations.health.parts import BY_NAME
from services.operations.health.standing import Look, Standing
from services.operations.models import HealthState, ProcessKind, RunningProcess

_WIDTH, _STRIP = 1000.0, 16
_KINDS = {
    ProcessKind.WEB: "Web",
    ProcessKind.CONSOLE: "Console",
    ProcessKind.WORKER: "Worker",
    ProcessKind.SCHEDULER: "Scheduler",
}


def headline(standing: Standing) -> tuple[Tone, str, str]:
    """Tone, a short sentence for all of it, and what is not well."""
    bad = [look.title for look in standing.looks if look.is_bad]
    if standing.state is HealthState.OK:
        return "good", "Everything answers.", ""
    named = _listed(bad) if bad else "Not everything has been looked at yet"
    if standing.state is HealthState.DOWN:
        worst = [look for look in standing.looks if look.state is HealthState.DOWN and look.importance == "essential"]
        return "bad", "INET is down.", f"Not well: {named}. " + " ".join(BY_NAME[look.name].means for look in worst if look.name in BY_NAME)
    return "wait", "INET works, but not all of it.", f"Not well: {named}." if bad else f"{named}."


def _listed(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"


def draw_part(look: Look, shown: History) -> None:
    """Its state, what that means and what to do; then how it fared."""
    fared = shown.of(look.name)
    part = BY_NAME.get(look.name)
    with ui.element("div").classes("item").mark(f"part-{look.name}"):
        if look.state is None:
            tone_chip("Not known yet", "off")
        else:
            chip(look.state)
        ui.label(look.title).classes("strong")
        if look.is_bad and look.since is not None:
            with ui.element("div").classes("soft small"):
                ui.label("since ").classes("flow")
                moment(look.since)
        with ui.element("div").classes("end soft small"):
            ui.label(_figures(look, fared))
        if look.said:
            ui.label(look.said[:1].upper() + look.said[1:]).classes("full-width" + ("" if look.is_bad else " soft small"))
        if look.is_bad:
            _explain(look, part.meaning(look.state) if part else "", part.remedy if part else "")
        _strip(look, fared, shown)


def _figures(look: Look, fared: Fared) -> str:
    figures = [] if fared.uptime is None or look.state is HealthState.OFF else [f"{share(fared.uptime)} up"]
    if look.latency_ms is not None and look.state is not HealthState.OFF:
        figures.append(f"{look.latency_ms:,} ms" + (f", {fared.latency_ms:,} ms on average" if fared.latency_ms is not None else ""))
    return " · ".join(figures)


def share(value: float) -> str:
    """Never rounded up to 100 %: what was down for a minute was down."""
    return "100 %" if value == 1 else f"{math.floor(value * 10_000) / 100:.2f} %"


def _explain(look: Look, means: str, remedy: str) -> None:
    if means:
        ui.label(means).classes("soft small full-width")
    if advice := look.advice or remedy:
        with ui.element("div").classes("small full-width"):
            ui.label("What to do: ").classes("strong flow")
            ui.label(advice).classes("flow")


def _strip(look: Look, fared: Fared, shown: History) -> None:
    """The states from left to right; what nobody looked at is empty. Below it the latency, where something is asked."""
    if not fared.buckets or look.state is HealthState.OFF:
        return
    whole = (shown.end - shown.start).total_seconds()
    drawn = "".join(_rectangle(bucket, shown, whole) for bucket in fared.buckets)
    told = f"{look.title}, the last {shown.range.title}: {share(fared.uptime or 0.0)} up"
    strip = ui.html(drawn, tag="svg", sanitize=False).classes("strip slim").mark("health-strip")
    strip.props(f'viewBox="0 0 {_WIDTH:.0f} {_STRIP}" preserveAspectRatio="none" role="img" aria-label="{escape(told)}"')
    if look.latency_ms is not None:
        _spark(look, fared.buckets, shown, whole)


def _rectangle(bucket: Bucket, shown: History, whole: float) -> str:
    left = (bucket.start - shown.start).total_seconds() / whole * _WIDTH
    width = min(shown.range.width.total_seconds() / whole * _WIDTH, _WIDTH - left)
    said = words.words_of(bucket.state)
    bad = f"{bucket.down + bucket.degraded} of {bucket.samples} looks" if bucket.down or bucket.degraded else f"{bucket.samples} looks"
    speed = f", {bucket.latency_ms} ms (at most {bucket.worst_latency_ms} ms)" if bucket.latency_ms is not None else ""
    title = escape(f"{said.text}: {bad}{speed}, from {words.exact(bucket.start)}")
    return f'<rect class="{said.tone}" x="{left:.2f}" y="0" width="{width:.2f}" height="{_STRIP}"><title>{title}</title></rect>'


def _spark(look: Look, buckets: Sequence[Bucket], shown: History, whole: float) -> None:
    points = [(bucket.start, bucket.latency_ms) for bucket in buckets if bucket.latency_ms is not None]
    highest = max((latency for _, latency in points), default=0)
    half = shown.range.width.total_seconds() / 2
    spark(
        [latency for _, latency in points],
        at=[((start - shown.start).total_seconds() + half) / whole for start, _ in points],
        said=f"Latency of {look.title}, at most {highest} ms in the mean of a while",
        note=f"{highest:,} ms",
    )


def draw_processes(standing: Standing) -> None:
    """Who beats, of which release, and since when."""
    living = [process for process in standing.processes if standing.is_alive(process)]
    with panel("Processes", aside=f"{len(living)} alive", flush=True):
        if len(standing.releases) > 1:
            with ui.element("div").classes("q-pa-md"):
                notice(
                    "wait",
                    f"{_listed(standing.releases)} run side by side. During an upgrade that is as it should be; if it stays, "
                    "restart those of the older release.",
                    title="Processes of several releases",
                ).mark("mixed-releases")
        if not standing.processes:
            empty_state("No process beats", "Processes show up here ten seconds after they start.", icon="memory")
        with ui.element("div").classes("rows q-mt-sm").mark("processes"):
            for process in standing.processes:
                _process(process, standing)


def _process(process: RunningProcess, standing: Standing) -> None:
    alive = standing.is_alive(process)
    with ui.element("div").classes("item"):
        tone_chip("Alive" if alive else "Silent", "good" if alive else "bad")
        ui.label(_KINDS[process.kind]).classes("strong")
        if process.serves:
            ui.label(process.serves.replace(",", ", ")).classes("soft small")
        with ui.element("div").classes("end soft small"):
            ui.label("last beat ").classes("flow")
            moment(process.beat_at)
        with ui.element("div").classes("soft small full-width about"):
            ui.label(f"{process.host}, process {process.pid}").classes("mono")
            ui.label(f"release {process.release or '?'}")
            ui.label(words.size(process.memory_bytes))
            with ui.element("div"):
                ui.label("started ").classes("flow")
                moment(process.started_at)
