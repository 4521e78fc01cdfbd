"""OpenWISP (protocols dossier openwisp.md): the managed access points, their places and their health. Read only."""

from services.integrations.openwisp.client import DialectName, OpenWispClient
from services.integrations.openwisp.errors import Forbidden, MalformedAnswer, MonitoringAbsent, NotAuthorised, NotFound, Throttled
from services.integrations.openwisp.own import OwnPaths
from services.integrations.openwisp.values import Device, DeviceStatus, Place, canonical_mac
from services.integrations.openwisp.walk import Completeness, Page, Walk

__all__ = [
    "Completeness",
    "Device",
    "DeviceStatus",
    "DialectName",
    "Forbidden",
    "MalformedAnswer",
    "MonitoringAbsent",
    "NotAuthorised",
    "NotFound",
    "OpenWispClient",
    "OwnPaths",
    "Page",
    "Place",
    "Throttled",
    "Walk",
    "canonical_mac",
]
