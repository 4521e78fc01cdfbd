"""What one device's monitoring page holds besides its state: metrics, charts, the last data it sent (protocols/openwisp.md §5)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

from app.sandbox.openwisp.errors import OpenWispError
from app.sandbox.openwisp.models import Device

_METRICS = (
    ("Configuration Applied", "config_applied"),
    ("Disk usage", "disk"),
    ("Memory usage", "memory"),
    ("Ping", "ping"),
    ("Data Collected", "data_collected"),
)
_POINTS_PER_DAY = 144
_MAX_DAYS = 365


def metrics(device: Device) -> list[dict[str, Any]]:
    """The device's metrics; on `critical` every critical one is unhealthy, on `problem` one that is not."""
    if device.status in ("unknown", "deactivated"):
        return []
    unwell = {"problem": {"memory"}, "critical": {"ping", "data_collected"}}.get(device.status, set())
    return [{"name": name, "key": key, "is_healthy": key not in unwell} for name, key in _METRICS]


def read_time(text: str | None) -> int:
    """`time` as a number of days, 7 if left out. Raises OpenWispError (400)."""
    days = (text or "7d").removesuffix("d")
    if (text is not None and not text.endswith("d")) or not days.isdecimal() or not 1 <= int(days) <= _MAX_DAYS:
        raise OpenWispError(400, ["Time range not supported"])
    return int(days)


def read_zone(text: str | None) -> ZoneInfo:
    """`timezone`, UTC if left out. Raises OpenWispError (400), spelt as OpenWISP spells it."""
    try:
        return ZoneInfo(text or "UTC")
    except (KeyError, ValueError, OSError):
        raise OpenWispError(400, ["Unkown Time Zone"]) from None


def charts(device: Device, *, days: int, zone: ZoneInfo, now: float) -> dict[str, Any]:
    """`charts` and, if there are any, their common `x`."""
    if not metrics(device):
        return {"charts": []}
    points = _POINTS_PER_DAY + 1
    step = days * 86_400 / _POINTS_PER_DAY
    x = [datetime.fromtimestamp(now - (points - 1 - point) * step, UTC).astimezone(zone) for point in range(points)]
    clients = [0 if device.status == "critical" else (device.number + point // 6) % 9 for point in range(points)]
    memory = [42.0 + (device.number + point) % 20 for point in range(points)]
    return {
        "charts": [
            _chart("WiFi clients: wlan0", "wifi_clients", clients, "bar", "", max(clients)),
            _chart("Memory Usage", "memory_usage", memory, "scatter", "%", round(sum(memory) / points, 2)),
        ],
        "x": [at.strftime("%Y-%m-%d %H:%M") for at in x],
    }


def _chart(title: str, trace: str, values: list[Any], kind: str, unit: str, summary: float) -> dict[str, Any]:
    return {
        "traces": [[trace, values]],
        "summary": {trace: summary},
        "description": f"{title} of this access point.",
        "title": title,
        "type": kind,
        "unit": unit,
        "summary_labels": [title],
        "colors": ["#1f77b4"],
        "colorscale": None,
    }


def data(device: Device, *, now: float) -> dict[str, Any] | None:
    """The last NetJSON the device sent; None for one that never sent any."""
    if not metrics(device):
        return None
    return {
        "type": "DeviceMonitoring",
        "general": {"local_time": int(now), "uptime": int(now - device.created_at), "hostname": device.name},
        "resources": {
            "load": [0.05, 0.1, 0.15],
            "memory": {"total": 128_000_000, "free": 64_000_000, "buffered": 4_000_000, "shared": 1_000_000, "available": 70_000_000},
            "disk": [_disk(16_000_000, 8_000_000)],
        },
        "interfaces": [_wireless(device)],
    }


def _disk(size: int, used: int) -> dict[str, Any]:
    sizes = {"size_bytes": size, "used_bytes": used, "available_bytes": size - used, "used_percent": round(100 * used / size)}
    return {"filesystem": "/dev/root", "mount_point": "/", **sizes}


def _wireless(device: Device) -> dict[str, Any]:
    counters = {"rx_bytes": 1_048_576, "tx_bytes": 5_242_880, "rx_packets": 100, "tx_packets": 400, "rx_errors": 0, "tx_errors": 0}
    radio = {"mode": "access_point", "ssid": "INET", "channel": 6, "frequency": 2437, "tx_power": 20, "signal": -55, "noise": -95}
    return {
        "name": "wlan0",
        "type": "wireless",
        "up": device.status != "critical",
        "mac": device.mac_address,
        "statistics": counters,
        "wireless": {**radio, "country": "GM", "clients": []},
    }
