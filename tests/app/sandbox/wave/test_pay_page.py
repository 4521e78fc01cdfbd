from __future__ import annotations

from ..harness import PortalStub, SandboxClient


def test_pay_takes_the_money_tells_the_portal_and_then_sends_the_payer_back(sandbox: SandboxClient, portal: PortalStub) -> None:
    session = sandbox.open_session()
    assert all(word in sandbox.get(f"/c/{session['id']}").text for word in ("Pay", "Refuse", "Leave", "25 GMD"))
    answer = sandbox.post(f"/c/{session['id']}/pay")
    assert (answer.status_code, answer.headers["location"]) == (303, session["success_url"])
    assert len(portal.webhooks) == 1
    assert sandbox.get_session(session["id"])["payment_status"] == "succeeded"


def test_paying_twice_shows_that_it_is_paid(sandbox: SandboxClient) -> None:
    session = sandbox.open_session()
    sandbox.post(f"/c/{session['id']}/pay")
    again = sandbox.post(f"/c/{session['id']}/pay")
    assert "Already paid" in again.text
    assert len(sandbox.state()["payments"]) == 1


def test_refuse_shows_the_reason_with_both_ways_on(sandbox: SandboxClient, portal: PortalStub) -> None:
    session = sandbox.open_session()
    answer = sandbox.post(f"/c/{session['id']}/refuse", data={"code": "insufficient-funds"})
    assert "does not have enough money" in answer.text
    assert f'href="{session["error_url"]}"' in answer.text
    assert f'href="/c/{session["id"]}"' in answer.text
    assert sandbox.get_session(session["id"])["last_payment_error"]["code"] == "insufficient-funds"
    assert len(portal.webhooks) == 1


def test_leave_changes_nothing_at_wave(sandbox: SandboxClient, portal: PortalStub) -> None:
    session = sandbox.open_session()
    assert "left without paying" in sandbox.post(f"/c/{session['id']}/leave").text
    assert sandbox.get_session(session["id"]) == session
    assert portal.webhooks == []


def test_an_expired_payment_cannot_be_paid_on_the_page(sandbox: SandboxClient) -> None:
    session = sandbox.open_session()
    sandbox.control("wave/expire", {"session_id": session["id"]})
    assert "expired" in sandbox.post(f"/c/{session['id']}/pay").text
    assert sandbox.state()["payments"] == []


def test_text_from_the_merchant_is_escaped_on_the_page(sandbox: SandboxClient) -> None:
    session = sandbox.open_session(client_reference="<script>alert(1)</script>")
    assert "<script>" not in sandbox.get(f"/c/{session['id']}").text
