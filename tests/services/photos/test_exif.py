"""When and where a photo was taken is read if it makes sense; nonsense harms nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from PIL.TiffImagePlugin import IFDRational

from services.photos.exif import NOTHING_KNOWN, taken
from tests.conftest import NOON
from tests.services.photos.pictures import tagged
from tests.services.tickets.files import jpeg, png

_TAKEN, _ZONE = 0x9003, 0x9011
SERREKUNDA = {1: "N", 2: (13.0, 27.0, 11.0), 3: "W", 4: (16.0, 34.0, 39.0)}


def test_time_and_place_are_read() -> None:
    found = taken(tagged({_TAKEN: "2026:11:20 09:30:00", _ZONE: "+01:00"}, SERREKUNDA), now=NOON)
    assert found.at == datetime(2026, 11, 20, 8, 30, tzinfo=UTC)
    assert found.latitude == pytest.approx(13.453, abs=0.001)
    assert found.longitude == pytest.approx(-16.5775, abs=0.001)


def test_a_time_without_zone_is_the_gambias() -> None:
    assert taken(tagged({_TAKEN: "2026:11:20 09:30:00"}), now=NOON).at == datetime(2026, 11, 20, 9, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    ("exif", "gps"),
    [
        ({_TAKEN: "0000:00:00 00:00:00"}, {}),
        ({_TAKEN: "2099:01:01 00:00:00"}, {}),
        ({_TAKEN: "yesterday", _ZONE: "noon"}, {}),
        ({_TAKEN: "9999:12:31 23:59:59", _ZONE: "-23:59"}, {}),
        ({_TAKEN: b"\xff\xfe\x00"}, {}),
        ({}, {1: "N", 2: (IFDRational(13, 0), 0.0, 0.0), 3: "W", 4: (16.0, 34.0, 39.0)}),
        ({}, {1: "N", 2: (913.0, 27.0, 11.0), 3: "W", 4: (16.0, 34.0, 39.0)}),
        ({}, {1: "N", 2: (13.0,), 3: "W", 4: (16.0, 34.0, 39.0)}),
        ({}, {1: "N", 2: (13.0, 27.0, 11.0)}),
    ],
)
def test_nonsense_is_nothing(exif: dict[int, Any], gps: dict[int, Any]) -> None:
    assert taken(tagged(exif, gps), now=NOON) == NOTHING_KNOWN


def test_a_segment_that_is_rubbish_is_nothing() -> None:
    rubbish = jpeg(place=True).replace(b"MM\x00*", b"MM\x00\xff").replace(b"II*\x00", b"II\xff\x00")
    assert taken(rubbish, now=NOON) == NOTHING_KNOWN
    assert taken(jpeg(place=True)[:200], now=NOON) == NOTHING_KNOWN
    assert taken(png(), now=NOON) == NOTHING_KNOWN
