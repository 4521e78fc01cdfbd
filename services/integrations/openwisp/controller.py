"""The API of the real software: openwisp-controller and, where it runs, openwisp-monitoring (openwisp.md §4 to §6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar
from urllib.parse import quote

from app.outbound import Unavailable
from services.integrations.openwisp.errors import SERVICE, MalformedAnswer, MonitoringAbsent, NotFound
from services.integrations.openwisp.exchange import OpenWispHttp
from services.integrations.openwisp.shapes import count_of, device_from, devices_of, members_of, places_of
from services.integrations.openwisp.values import Device, DeviceStatus, Place
from services.integrations.openwisp.walk import PAGE_SIZE, Numbered, NumberedWalk, Walk

T = TypeVar("T")

_MONITORING = "/api/v1/monitoring/device/"
_CONTROLLER = "/api/v1/controller/device/"
_LOCATIONS = "/api/v1/controller/location/"


class ControllerDialect:
    """Health and devices in one list where monitoring is installed, devices alone where it is not."""

    def __init__(self, http: OpenWispHttp, page_size: int = PAGE_SIZE) -> None:
        self._http, self._page_size = http, page_size

    def devices(self, status: DeviceStatus | None) -> Walk[Device]:
        return NumberedWalk("devices", _DeviceList(self._http, status).page, self._page_size)

    def count(self, status: DeviceStatus | None) -> int:
        params = {"page": "1", "page_size": "1", **_filter(status)}
        try:
            return self._http.get("count", _MONITORING, params, count_of)
        except NotFound:
            if status is not None:
                raise MonitoringAbsent("count") from None
            return self._http.get("count", _CONTROLLER, params, count_of)

    def device(self, external_id: str) -> Device | None:
        """From monitoring, whose detail, unlike the controller's, brings no configuration with its passphrases (§4)."""
        one = quote(external_id, safe="") + "/"
        try:
            detail = {"status": "true", "time": "1d"}
            return self._http.get("device", _MONITORING + one, detail, lambda data: device_from(data, with_status=True)).value
        except NotFound as missing:
            if missing.by_api:
                return None
        try:
            return self._http.get("device", _CONTROLLER + one, {}, lambda data: device_from(data, with_status=False)).value
        except NotFound as missing:
            if missing.by_api:
                return None
            raise

    def places(self) -> tuple[Place, ...]:
        return _all_of(NumberedWalk("places", self._list("places", _LOCATIONS, places_of), self._page_size), "places")

    def place_devices(self, place_id: str) -> frozenset[str]:
        path = f"{_LOCATIONS}{quote(place_id, safe='')}/device/"
        return frozenset(_all_of(NumberedWalk("place_devices", self._list("place_devices", path, members_of), self._page_size), "devices"))

    def _list(self, operation: str, path: str, read: Callable[[Any], Numbered[T]]) -> Callable[[int, int], Numbered[T] | None]:
        return lambda page, size: _page(self._http, operation, path, {}, page, size, read)


class _DeviceList:
    """Chooses its list at the first page and stays with it."""

    def __init__(self, http: OpenWispHttp, status: DeviceStatus | None) -> None:
        self._http, self._status = http, status
        self._path: str | None = None

    def page(self, page: int, size: int) -> Numbered[Device] | None:
        if self._path is None:
            return self._first(size)
        return self._of(self._path, page, size)

    def _first(self, size: int) -> Numbered[Device] | None:
        try:
            answer = self._of(_MONITORING, 1, size)
            self._path = _MONITORING
        except NotFound:
            if self._status is not None:
                # The other list ignores the filter (§3): every device would pass for one of this status.
                raise MonitoringAbsent("devices") from None
            answer = self._of(_CONTROLLER, 1, size)
            self._path = _CONTROLLER
        return answer

    def _of(self, path: str, page: int, size: int) -> Numbered[Device] | None:
        with_status = path == _MONITORING
        answer = _page(
            self._http, "devices", path, _filter(self._status), page, size, lambda data: devices_of(data, with_status=with_status)
        )
        wanted = self._status
        if answer and wanted and any(row.value.status is not wanted and not row.oddities for row in answer.rows):
            raise MalformedAnswer(SERVICE, "devices", "the filter by status was not applied")
        return answer


def _page(
    http: OpenWispHttp,
    operation: str,
    path: str,
    filters: dict[str, str],
    page: int,
    size: int,
    read: Callable[[Any], Numbered[T]],
) -> Numbered[T] | None:
    """One page, None past the end (§3). The first page always exists: where it does not, there is no such list."""
    try:
        return http.get(operation, path, {"page": str(page), "page_size": str(size), **filters}, read)
    except NotFound as missing:
        if page > 1 and missing.by_api:
            return None
        raise


def _filter(status: DeviceStatus | None) -> dict[str, str]:
    return {} if status is None else {"monitoring__status": status.value}


def _all_of(walk: Walk[T], what: str) -> tuple[T, ...]:
    """All or an error: half of such a list would look as if the rest had moved away."""
    items = tuple(walk.items())
    if not walk.completeness.is_complete:
        said = walk.completeness.count_said
        raise Unavailable(SERVICE, what, f"the list is not whole: {len(items)} of {said} {what}")
    return items
