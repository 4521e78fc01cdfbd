"""Runs, findings, what is decided about them, and reports, over JSON."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlmodel import col, select

from app.clock import utc_now
from app.db import transaction
from services.accounts.models import Role, Staff
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


def _tag(api: Api, who: dict[str, str], finding_id: int) -> dict[str, str]:
    return {"If-Match": api.http.get(f"{BASE}/findings/{finding_id}", headers=who).headers["etag"]}


def test_a_finding_is_decided_by_staff_and_once(api: Api, findings: list[int]) -> None:
    officer, first = api.staff(Role.BILLING_OFFICER), f"{BASE}/findings/{findings[0]}"
    tag = _tag(api, officer, findings[0])
    refusal(api.http.post(f"{first}/reject", json={"note": "known"}, headers=officer), 428)
    refusal(api.http.post(f"{first}/reject", json={"note": "x"}, headers=officer | tag), 422)
    done = api.http.post(f"{first}/reject", json={"note": "A test of our own"}, headers=officer | tag)
    assert (done.status_code, done.json()["state"], done.json()["note"]) == (200, "rejected", "A test of our own")
    refusal(api.http.post(f"{first}/reject", json={"note": "once more"}, headers=officer | {"If-Match": done.headers["etag"]}), 409)
    second = f"{BASE}/findings/{findings[1]}"
    accepted = api.http.post(f"{second}/accept", headers=officer | _tag(api, officer, findings[1]))
    assert (accepted.status_code, accepted.json()["state"], bool(accepted.json()["outcome"])) == (200, "accepted", True), accepted.text


def test_a_finding_is_given_to_who_may_decide_it_and_a_stale_answer_changes_nothing(api: Api, findings: list[int]) -> None:
    officer, address = api.staff(Role.BILLING_OFFICER), f"{BASE}/findings/{findings[2]}"
    tag = _tag(api, officer, findings[2])
    with transaction() as session:
        ids = dict(session.execute(select(col(Staff.role), col(Staff.id))).all())
        of_care, of_billing = ids[Role.CUSTOMER_CARE], ids[Role.BILLING_OFFICER]
    problem = refusal(api.http.post(f"{address}/assign", json={"assignee_id": of_care}, headers=officer | tag), 422)
    assert "Billing Officer" in problem["detail"]
    given = api.http.post(f"{address}/assign", json={"assignee_id": of_billing}, headers=officer | tag)
    assert (given.status_code, given.json()["assignee"] is not None) == (200, True)
    refusal(api.http.post(f"{address}/reject", json={"note": "as it was shown"}, headers=officer | {"If-Match": '"0-0"'}), 412)


def test_a_service_decides_nothing(api: Api, findings: list[int]) -> None:
    service = api.service("money:read")
    tag = _tag(api, service, findings[0])
    for act, body in (("accept", None), ("reject", {"note": "by machine"}), ("assign", {"assignee_id": None})):
        refusal(api.http.post(f"{BASE}/findings/{findings[0]}/{act}", json=body, headers=service | tag), 403)


def test_reports_come_as_csv_and_as_pdf(api: Api) -> None:
    service, day = api.service("money:read"), utc_now().date().isoformat()
    table = api.http.get(f"{BASE}/report", params={"from": day, "to": day}, headers=service)
    assert (table.status_code, "Gross" in table.text) == (200, True)
    paper = api.http.get(f"{BASE}/report", params={"from": day, "to": day, "format": "pdf"}, headers=service)
    assert (paper.headers["content-type"], paper.content[:5]) == ("application/pdf", b"%PDF-")
    refusal(api.http.get(f"{BASE}/report", params={"from": "2026-01-01", "to": "2026-12-31"}, headers=service), 422)
    assert api.http.get(f"{BASE}/report", params={"from": day, "to": day}, headers=api.staff(Role.CUSTOMER_CARE)).status_code == 403
