"""Every recorded pair that is imitated: the same request gets the same status, the same keys and the same types.

`recorded_shapes.json` holds the pairs recorded from the real software without their values: of every answer the keys and types, of every
refusal the words. Where only a digest of the answer was recorded, `shape` is null; `any` stands for what the operator may fill as he likes.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from .conftest import CONTROLLER, TOKEN, OpenWispClient

PAIRS = json.loads(Path(__file__).with_name("recorded_shapes.json").read_text(encoding="utf-8"))
# The recorded network, oldest first: name, health, whether it stands at the recorded place.
RECORDED = (
    ("3801457c-377a-40c7-b530-7095fbb3c366", "ap-kololi-01", "ok", True),
    ("608f245f-f637-4e27-8b5a-f82fbe1b6f88", "ap-kololi-02", "problem", True),
    ("17fdde91-7ebe-4bf3-9d5e-36bcc6970ebb", "ap-brikama-01", "critical", True),
    ("5d2d84e0-acef-4847-81c7-8ae70c1225f5", "ap-farafenni-01", "unknown", False),
    ("3cdeaaa6-4c0a-4276-89e0-a22d0054dfe8", "ap-basse-01", "deactivated", False),
)
RECORDED_LOCATION = "c9558c60-8728-422f-9651-f55982f712b3"
# Documented to be null at times, though no recorded device had it so (protocols/openwisp.md §4).
NULLABLE = {"management_ip", "last_ip", "group"}
TYPES = {str: "string", bool: "boolean", int: "number", float: "number", type(None): "null"}


@pytest.fixture
def ids(openwisp: OpenWispClient) -> dict[str, str]:
    """The recorded network, made; gives our id for each recorded one."""
    openwisp.control("fleet", count=5, sites=1, odd=0)
    ours = [device["id"] for device in reversed(openwisp.read(CONTROLLER)["results"])]
    for device_id, (_, name, status, placed) in zip(ours, RECORDED, strict=True):
        openwisp.control("devices/rename", id=device_id, name=name)
        if status == "deactivated":
            openwisp.control("devices/activation", ids=[device_id], active=False)
        else:
            openwisp.control("devices", ids=[device_id], status=status)
        if not placed:
            openwisp.control("devices/move", ids=[device_id], to=None)
    mapped = {recorded[0]: device_id for recorded, device_id in zip(RECORDED, ours, strict=True)}
    return mapped | {RECORDED_LOCATION: openwisp.known()["locations"][0]["id"]}


def test_every_recorded_pair_is_answered_in_the_recorded_form(openwisp: OpenWispClient, ids: dict[str, str]) -> None:
    differences: list[str] = []
    for pair in PAIRS:
        path = pair["path"]
        for recorded, ours in ids.items():
            path = path.replace(recorded, ours)
        headers = {"Authorization": pair["authorization"].replace("<token>", TOKEN)} if pair["authorization"] else {}
        answer = openwisp.http.request(pair["method"], path, headers=headers, json=pair["body"])
        if answer.status_code != pair["status"]:
            differences.append(f"{pair['label']}: {answer.status_code} for {pair['status']}")
        for name, value in pair["headers"].items():
            if answer.headers.get(name) != value:
                differences.append(f"{pair['label']}: {name} is {answer.headers.get(name)}")
        if pair["exact"] is not None and answer.json() != pair["exact"]:
            differences.append(f"{pair['label']}: {answer.text}")
        if pair["shape"] is not None:
            differences += [f"{pair['label']}: {problem}" for problem in compare(answer.json(), pair["shape"], "$")]
    assert differences == []


def test_the_recorded_digests_are_true_of_the_imitation(openwisp: OpenWispClient, ids: dict[str, str]) -> None:
    assert [item["name"] for item in openwisp.read(CONTROLLER, name="kololi")["results"]] == ["ap-kololi-02", "ap-kololi-01"]
    names = ["ap-basse-01", "ap-farafenni-01", "ap-brikama-01", "ap-kololi-02", "ap-kololi-01"]
    assert [item["name"] for item in openwisp.read(CONTROLLER, ordering="name")["results"]] == names
    assert openwisp.read(CONTROLLER, bogus="1")["count"] == 5
    assert openwisp.read(CONTROLLER, with_geo="true")["count"] == 3
    critical = openwisp.read("/api/v1/monitoring/device/", monitoring__status="critical")
    assert [item["name"] for item in critical["results"]] == ["ap-brikama-01"]


def compare(got: Any, wanted: Any, where: str) -> list[str]:
    """What is wrong with the keys and types of a value."""
    if wanted == "any" or (isinstance(wanted, dict) and wanted.get("nullable") and got is None):
        return []
    if isinstance(wanted, list):
        nullable = got is None and where.rpartition(".")[2] in NULLABLE
        return [] if nullable or TYPES.get(type(got)) in wanted else [f"{where} is {got!r}, not {wanted}"]
    if "items" in wanted:
        if not isinstance(got, list):
            return [f"{where} is no list"]
        inner = wanted["items"]
        return [problem for item in got for problem in compare(item, inner, where)] if inner else []
    if not isinstance(got, dict):
        return [f"{where} is no object"]
    keys, optional = set(wanted["keys"]), set(wanted.get("optional", ()))
    problems = [f"{where} lacks {name}" for name in keys - optional - set(got)] + [f"{where} has {name}" for name in set(got) - keys]
    return problems + [problem for name in keys & set(got) for problem in compare(got[name], wanted["keys"][name], f"{where}.{name}")]
