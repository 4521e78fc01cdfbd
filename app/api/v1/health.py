"""`/api/v1/health`: every part of the product with what was found and what to do, its processes, and how the parts fared."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, Field

from app.api.security import requires
from app.clock import utc_now
from app.db import transaction
from services.accounts.permissions import Permission, Principal
from services.operations.health.history import RANGES, History
from services.operations.health.history import history as read_history
from services.operations.health.parts import BY_NAME
from services.operations.health.reading import Importance
from services.operations.health.standing import Look, Standing
from services.operations.health.standing import standing as read_standing
from services.operations.models import HealthState, ProcessKind

router = APIRouter(prefix="/health", tags=["operations"])
Reader = Annotated[Principal, requires(Permission.HEALTH_READ)]


class PartHealth(BaseModel):
    """One thing that the product stands on, by its newest probe."""

    name: str = Field(examples=["wave"])
    title: str = Field(examples=["Wave"])
    importance: Importance = Field(description="Without an `essential` part nothing is sold; `optional` ones are extras")
    state: HealthState | None = Field(description="Null before the first probe; `off` is not set up, with which nothing is wrong")
    said: str = Field(description="What was found", examples=["answers and takes the key"])
    means: str = Field(description="What customers and staff notice while it is not well")
    advice: str | None = Field(description="What to do, when it is not well", examples=[None])
    latency_ms: int | None = Field(description="Null where nothing is asked that answers", examples=[210])
    at: datetime | None = Field(description="When it was looked at")
    since: datetime | None = Field(description="Since when it is not well; at most seven days are looked back", examples=[None])


class ProcessHealth(BaseModel):
    """A process that beats, or fell silent within the last minutes without having been stopped."""

    id: str
    kind: ProcessKind
    host: str = Field(examples=["web-1"])
    pid: int
    release: str = Field(examples=["1.4.0"])
    serves: str = Field(description="A worker's queues, a web process's faces", examples=["portal,api"])
    memory_bytes: int
    started_at: datetime
    beat_at: datetime
    is_alive: bool


class SystemHealth(BaseModel):
    """`down` when an essential part is, `degraded` when anything is not well."""

    status: HealthState
    parts: list[PartHealth]
    processes: list[ProcessHealth]
    releases: list[str] = Field(description="Of the processes that live; more than one during an upgrade", examples=[["1.4.0"]])


class HealthBucket(BaseModel):
    """What the looks of a while said."""

    start: datetime
    state: HealthState = Field(description="The worst that was seen")
    samples: int
    degraded: int
    down: int
    latency_ms: int | None = Field(description="The mean", examples=[190])
    worst_latency_ms: int | None = Field(examples=[460])


class PartHistory(BaseModel):
    """One part over the range. Times in which nobody looked are absent."""

    part: str = Field(examples=["wave"])
    uptime: float | None = Field(description="The share of looks at which it was not down, 0 to 1", examples=[0.9986])
    latency_ms: int | None = Field(description="The mean", examples=[190])
    bad_at: datetime | None = Field(description="When it was last seen not to be well")
    buckets: list[HealthBucket]


class HealthHistory(BaseModel):
    start: datetime
    end: datetime
    bucket_seconds: int = Field(examples=[900])
    parts: list[PartHistory]


@router.get("", summary="How everything stands")
def standing(actor: Reader) -> SystemHealth:
    """Workers and scheduler by their beats of this minute, all else by its newest probe."""
    with transaction() as session:
        return _standing(read_standing(session, actor=actor, now=utc_now()))


@router.get("/history", summary="How the parts fared")
def history(
    actor: Reader,
    range: Annotated[
        Literal["day", "week"], Query(description="The last 24 hours in quarters of an hour, or 7 days in two hours each")
    ] = "day",
    part: Annotated[str | None, Query(max_length=40, description="Only this one", examples=["wave"])] = None,
) -> HealthHistory:
    """Counted from the samples; half a minute old at most, a week three minutes."""
    with transaction() as session:
        return _history(read_history(session, actor=actor, wanted=RANGES[range], now=utc_now()), part)


def _standing(found: Standing) -> SystemHealth:
    processes = [process.model_dump(exclude={"stopped_at"}) | {"is_alive": found.is_alive(process)} for process in found.processes]
    return SystemHealth(
        status=found.state,
        parts=[_part(look) for look in found.looks],
        processes=[ProcessHealth.model_validate(process) for process in processes],
        releases=list(found.releases),
    )


def _part(look: Look) -> PartHealth:
    known = BY_NAME.get(look.name)
    advice = (look.advice or (known.remedy if known else "")) if look.is_bad else None
    names = ("name", "title", "importance", "state", "said", "latency_ms", "at")
    values: dict[str, Any] = {name: getattr(look, name) for name in names}
    return PartHealth.model_validate(
        values | {"means": known.meaning(look.state) if known else "", "advice": advice, "since": look.since if look.is_bad else None}
    )


def _history(found: History, part: str | None) -> HealthHistory:
    wanted = found.parts if part is None else {part: found.of(part)}
    return HealthHistory(
        start=found.start,
        end=found.end,
        bucket_seconds=int(found.range.width.total_seconds()),
        parts=[
            PartHistory(
                part=name,
                uptime=fared.uptime,
                latency_ms=fared.latency_ms,
                bad_at=fared.bad_at,
                buckets=[HealthBucket.model_validate(vars(bucket) | {"state": bucket.state}) for bucket in fared.buckets],
            )
            for name, fared in wanted.items()
        ],
    )
