"""The certificate of the public address, as a browser sees it on the wire: how long it lasts, and whether it is believed."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from threading import Thread

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import NameOID

from app.clock import utc_now
from app.settings import Settings
from services.operations.health.certificate import certificate
from services.operations.health.reading import Ground, Reading
from services.operations.models import HealthState
from tests.conftest import free_port


def _written(folder: Path, *, ends: datetime) -> Path:
    """A key and a certificate of its own for localhost, in one file."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(ends - timedelta(days=400))
        .not_valid_after(ends)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    file.write_bytes(private + made.public_bytes(Encoding.PEM))
    return file


@contextmanager
def _shown(file: Path) -> Iterator[int]:
    """The port on which one visitor after the other is shown the certificate."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    with socket.create_server(("localhost", 0)) as door:

        def greet() -> None:
            while True:
                try:
                    visitor, _ = door.accept()
                except OSError:
                    return
                try:
                    context.wrap_socket(visitor, server_side=True).close()
                except OSError:
                    visitor.close()

        thread = Thread(target=greet, daemon=True)
        thread.start()
        yield door.getsockname()[1]
        door.shutdown(socket.SHUT_RDWR)
        thread.join()


def look(public_url: str, now: datetime) -> Reading:
    return certificate(Ground(Settings(public_url=public_url), now))


@pytest.mark.parametrize(
    ("days", "trusted", "state", "said"),
    [
        (90, True, HealthState.OK, "it lasts 89 days"),
        (10, True, HealthState.DEGRADED, "it ends in 9 days"),
        (2, True, HealthState.DOWN, "it ends in 1 days"),
        (-1, True, HealthState.DOWN, "it is not good: certificate has expired"),
        (90, False, HealthState.DOWN, "it is not good: self-signed certificate"),
    ],
)
def test_one_that_ends_soon_or_is_not_believed_is_told(
    days: int, trusted: bool, state: HealthState, said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = utc_now()
    file = _written(tmp_path, ends=now + timedelta(days=days))
    if trusted:
        monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with _shown(file) as port:
        found = look(f"https://localhost:{port}", now)
    assert (found.state, found.said) == (state, said)
    assert bool(found.advice) is (state is not HealthState.OK)


def test_where_there_is_none_or_none_can_be_seen_from_here_nothing_is_wrong() -> None:
    assert look("http://portal.example.gm", utc_now()).state is HealthState.OFF
    found = look(f"https://localhost:{free_port()}", utc_now())
    assert found.state is HealthState.OFF
    assert "cannot be reached from here" in found.said
