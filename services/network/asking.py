"""Questions to OpenWISP about health whose cost follows what is wrong, and what may be made of the answers. No database here."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from typing import TypeVar

from services.integrations.openwisp import Completeness, Device, DeviceStatus, OpenWispClient, Walk
from services.network.alarm_models import AlarmKind, CheckOutcome
from services.network.checks import KEPT, Failure, NetworkUntold
from services.network.models import Health

HEALTH_OF = {
    DeviceStatus.OK: Health.ONLINE,
    DeviceStatus.PROBLEM: Health.DEGRADED,
    DeviceStatus.CRITICAL: Health.OFFLINE,
    DeviceStatus.UNKNOWN: Health.UNKNOWN,
    DeviceStatus.DEACTIVATED: Health.RETIRED,
}
_NOT_OK = (DeviceStatus.PROBLEM, DeviceStatus.CRITICAL, DeviceStatus.UNKNOWN, DeviceStatus.DEACTIVATED)
# Asked one by one up to this many, or where that is still less than reading the list of all that are well.
_ASK_EACH = 100
_PAGES_WORTH_OF_ONE = 200
_AT_ONCE = 4
# While access points change state a list moves under the reader; what lacks more than this part was not whole to begin with.
_TOLERATED_LOSS = 0.1
Q = TypeVar("Q")
A = TypeVar("A")


@dataclass(frozen=True)
class Told:
    """`total` is how many devices OpenWISP has; `health` what it said of single ones: who is not named is well, or was not spoken of."""

    total: int
    health: dict[str, Health]
    is_whole: bool = False
    """Everything was listed, so that whoever is not named was not there."""


def ask(client: OpenWispClient, troubled: Collection[str], *, can_filter: bool) -> Told:
    """How the network fares. `troubled` are those that were not well: of each it is made sure that it is.

    Without `can_filter` (the second dialect) the whole list is read. Raises OutboundError or NetworkUntold.
    """
    if not can_filter:
        return _ask_all(client)
    total = client.count()
    health: dict[str, Health] = {}
    for status in _NOT_OK:
        health |= _heard(_read(client.devices(status)))
    quiet = sorted(set(troubled) - health.keys())
    if len(quiet) <= max(_ASK_EACH, total // _PAGES_WORTH_OF_ONE):
        found = together(client.device, quiet)
        health |= _heard(device for device in found if device is not None)
    else:
        wanted = set(quiet)
        health |= _heard(device for device in _read(client.devices(DeviceStatus.OK)) if device.external_id in wanted)
    return Told(total, health)


def together(ask_one: Callable[[Q], A], questions: Collection[Q]) -> list[A]:
    """The answers in the order of the questions, a few asked at once. Raises what the first failing one raised."""
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="openwisp") as pool:
        asked = [pool.submit(copy_context().run, ask_one, question) for question in questions]
        try:
            return [future.result() for future in asked]
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def not_whole(seen: Completeness) -> NetworkUntold:
    """The refusal to believe a list that lacks a part."""
    message = f"OpenWISP speaks of {seen.count_said} access points, but gave {seen.count_got}: half a list tells nothing. {KEPT}"
    return NetworkUntold(Failure(CheckOutcome.INCOMPLETE, message, AlarmKind.OPENWISP_UNREACHABLE))


def _ask_all(client: OpenWispClient) -> Told:
    walk = client.devices()
    devices = list(walk.items())
    if not walk.completeness.is_complete:
        raise not_whole(walk.completeness)
    return Told(len(devices), _heard(devices), is_whole=True)


def _read(walk: Walk[Device]) -> list[Device]:
    devices = list(walk.items())
    seen = walk.completeness
    if seen.count_said and seen.count_said - seen.count_got > seen.count_said * _TOLERATED_LOSS:
        raise not_whole(seen)
    return devices


def _heard(devices: Iterable[Device]) -> dict[str, Health]:
    return {device.external_id: HEALTH_OF[device.status] for device in devices if device.status is not None}
