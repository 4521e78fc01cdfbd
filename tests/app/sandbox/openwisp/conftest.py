from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ..harness import SandboxClient, make_config, running_sandbox

TOKEN = "5afe" * 10
AUTH = {"Authorization": f"Bearer {TOKEN}"}
CONTROLLER, MONITORING = "/api/v1/controller/device/", "/api/v1/monitoring/device/"


class OpenWispClient:
    """The served imitation, asked as the product and as a test asks it."""

    def __init__(self, client: SandboxClient) -> None:
        self.http = client

    def get(self, path: str, **query: Any) -> Any:
        """An answer to a call with a good token; redirects are not followed."""
        return self.http.get(path, params=query or None, headers=AUTH)

    def read(self, path: str, **query: Any) -> Any:
        """The JSON of a good answer."""
        answer = self.get(path, **query)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def control(self, path: str, **body: Any) -> Any:
        """A control call that must succeed."""
        return self.http.control(f"openwisp/{path}", body)

    def known(self) -> Any:
        """The network as `GET /_control/state` shows it."""
        return self.http.state()["openwisp"]

    def walk(self, path: str = MONITORING, page_size: int = 10) -> list[Any]:
        """Every item of a list, page by page."""
        items: list[Any] = []
        for page in range(1, 1000):
            answer = self.read(path, page=page, page_size=page_size)
            items += answer["results"]
            if answer["next"] is None:
                break
        return items


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SandboxClient]:
    config = make_config(
        tmp_path_factory.mktemp("sandbox"), openwisp_token=TOKEN, openwisp_password="adminpass", openwisp_dialect="openwisp"
    )
    with running_sandbox(config, linger=True) as client:
        yield client


@pytest.fixture
def openwisp(served: SandboxClient) -> OpenWispClient:
    """A sandbox with the demo's network, as new."""
    served.control("reset")
    return OpenWispClient(served)
