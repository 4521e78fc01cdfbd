"""`/metrics`: what the processes of this machine count, and the figures of the business, as Prometheus reads them (docs/metrics.md)."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager

import anyio.to_thread
from fastapi import APIRouter, FastAPI, Request, Response
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4 as CONTENT_TYPE

from app.access import public
from app.errors import Unauthenticated
from app.metrics import loop, running
from app.metrics.families import as_text
from app.settings import get_settings
from services.operations.figure_reading import FigureReader, reader
from services.operations.figures import HELP


@asynccontextmanager
async def _life(_: FastAPI) -> AsyncIterator[None]:
    async with loop.watched():
        yield


router = APIRouter(
    tags=["operations"],
    dependencies=[public("the proxy does not hand it on, it names no person, and INET_METRICS_TOKEN closes it")],
    lifespan=_life,
)


# Prometheus' own text, no part of the JSON faces that the API's document describes.
@router.get("/metrics", include_in_schema=False)
async def all_metrics(request: Request) -> Response:
    """Text format of Prometheus. With INET_METRICS_TOKEN set it takes that as a bearer token."""
    if not running.is_allowed(request.headers.get("Authorization", ""), get_settings().metrics_token.get_secret_value()):
        raise Unauthenticated
    body = await anyio.to_thread.run_sync(_text)
    return Response(body, media_type=CONTENT_TYPE, headers={"Cache-Control": "no-store"})


def _text() -> bytes:
    return as_text([*running.together(), *of_figures(reader)])


def of_figures(asked: FigureReader) -> Iterable[Metric]:
    """The figures of the business as families, each named once."""
    families: dict[str, GaugeMetricFamily] = {}
    for figure in asked.read():
        labels = tuple(sorted(figure.labels))
        family = families.setdefault(figure.name, GaugeMetricFamily(figure.name, HELP[figure.name], labels=labels))
        family.add_metric([figure.labels[label] for label in labels], figure.value)
    yield from families.values()
    yield GaugeMetricFamily("inet_figures_up", "1 if the figures of the business could be read", value=int(asked.is_up))
