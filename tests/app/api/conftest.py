from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest
import sqlalchemy as sa

from tests.app.api.asking import Api
from tests.portal.served import Served, served, web, web_process
from tests.shop import Shop

__all__ = ["served", "web"]


@pytest.fixture(scope="session")
def api_process(servers: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """A web process of its own, as in production; nothing outside answers it."""
    with web_process(tmp_path_factory.mktemp("api")) as process:
        yield process


@pytest.fixture
def api(api_process: Served, database: sa.Engine, shop_builder: Shop) -> Iterator[Api]:
    """The JSON API on a database with one of everything, whose transactions really commit."""
    shop_builder.open(database)
    with httpx.Client(base_url=api_process.url, timeout=20) as http:
        yield Api(http)
