"""Runs, findings and reports over JSON; decisions are not offered here."""

from __future__ import annotations

from datetime import timedelta

import pytest

from app.clock import utc_now
from app.db import transaction
from services.accounts.models import Role
from services.payments.reconciliation.models import FindingKind, Fix, ReconciliationFinding, ReconciliationRun
from tests.app.api.asking import Api, refusal

BASE = "/api/v1/reconciliation"


@pytest.fixture
def findings(api: Api) -> list[int]:
    now = utc_now()
    with transaction() as session:
        run = ReconciliationRun(from_day=now.date(), to_day=now.date(), created_at=now)
        session.add(run)
        session.flush()
        rows = [
            ReconciliationFinding(
                run_id=run.id or 0,
                key=f"{kind}:1",
                kind=kind,
                day=now.date() - timedelta(days=number),
                wave_bututs=2500,
                fix=Fix.LOOK,
                created_at=now,
                seen_at=now,
            )
            for number, kind in enumerate((FindingKind.FOREIGN_PAYMENT, FindingKind.WRONG_AMOUNT, FindingKind.LOST_ROW))
        ]
        session.add_all(rows)
        session.flush()
        return [row.id or 0 for row in rows]


def test_a_run_is_ordered_once_under_a_key_and_listed(api: Api) -> None:
    service = api.service("money:read")
    day = (utc_now().date() - timedelta(days=1)).isoformat()
    order = {"from_day": day, "to_day": day}
    headers = {**service, "Idempotency-Key": "reconcile-1"}
    first = api.http.post(f"{BASE}/runs", json=order, headers=headers)
    again = api.http.post(f"{BASE}/runs", json=order, headers=headers)
    assert (first.status_code, first.json()["state"], again.json()) == (201, "queued", first.json())
    assert [run["id"] for run in api.get(f"{BASE}/runs", service)["items"]] == [first.json()["id"]]
    assert api.get(f"{BASE}/runs/{first.json()['id']}", service)["from_day"] == day
    refusal(api.http.get(f"{BASE}/runs/99999", headers=service), 404, "run_not_found")


def test_days_that_cannot_be_compared_are_refused_at_their_field(api: Api) -> None:
    service = api.service("money:read")
    tomorrow = (utc_now().date() + timedelta(days=2)).isoformat()
    for order in ({"from_day": "2026-02-02", "to_day": "2026-02-01"}, {"from_day": tomorrow, "to_day": tomorrow}):
        refusal(api.http.post(f"{BASE}/runs", json=order, headers=service), 422)
    for wrong in ("2026-02-30", 5, None, "yesterday"):
        assert api.http.post(f"{BASE}/runs", json={"from_day": wrong, "to_day": wrong}, headers=service).status_code == 422


def test_findings_are_paged_and_filtered_and_one_is_read_with_its_etag(api: Api, findings: list[int]) -> None:
    service = api.service("money:read")
    assert [one["id"] for one in api.every(f"{BASE}/findings", service, limit=2)] == findings[::-1]
    assert [one["id"] for one in api.get(f"{BASE}/findings", service, kind="wrong_amount", state="open")["items"]] == [findings[1]]
    answer = api.http.get(f"{BASE}/findings/{findings[0]}", headers=service)
    assert (answer.json()["wave_bututs"], bool(answer.headers["etag"])) == (2500, True)
    assert api.http.patch(f"{BASE}/findings/{findings[0]}", json={"state": "accepted"}, headers=service).status_code == 405


def test_reports_come_as_csv_and_as_pdf(api: Api) -> None:
    service, day = api.service("money:read"), utc_now().date().isoformat()
    table = api.http.get(f"{BASE}/report", params={"from": day, "to": day}, headers=service)
    assert (table.status_code, "Gross" in table.text) == (200, True)
    paper = api.http.get(f"{BASE}/report", params={"from": day, "to": day, "format": "pdf"}, headers=service)
    assert (paper.headers["content-type"], paper.content[:5]) == ("application/pdf", b"%PDF-")
    refusal(api.http.get(f"{BASE}/report", params={"from": "2026-01-01", "to": "2026-12-31"}, headers=service), 422)
    assert api.http.get(f"{BASE}/report", params={"from": day, "to": day}, headers=api.staff(Role.CUSTOMER_CARE)).status_code == 403
