"""nginx and PgBouncer, each with the configuration of deploy/, rendered as an operator would."""

from __future__ import annotations

import contextlib
import datetime
import ipaddress
import pwd
import shutil
import ssl
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import psycopg
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from app.unprivileged import give
from tests.drill.cluster.network import Host
from tests.drill.cluster.parts import Part, http_answers
from tests.drill.cluster.servers import DATABASE, USER, Postgres

_DEPLOY = Path(__file__).parents[3] / "deploy"
_POOLER_PORT, WEB_PORT = 6432, 8000
_NOBODY = "nobody"


class PgBouncer(Part):
    """In transaction mode, as deploy/pgbouncer has it."""

    def __init__(self, host: Host, postgres: Postgres, directory: Path, *, log_dir: Path) -> None:
        self._password = postgres.password
        _render("pgbouncer", str(directory), "--database-url", postgres.url, "--listen", host.address, "--port", str(_POOLER_PORT))
        nobody = pwd.getpwnam(_NOBODY)
        give(directory, (nobody.pw_uid, nobody.pw_gid))
        super().__init__(
            host,
            [shutil.which("pgbouncer") or "pgbouncer", str(directory / "pgbouncer.ini")],
            log_dir=log_dir,
            identity=f"user:{nobody.pw_uid}:{nobody.pw_gid}",
            answers=self._serves,
            # Debian's 1.18 ends with 1 when it is told to.
            clean_ends=(0, 1),
        )

    @property
    def url(self) -> str:
        return f"postgresql+psycopg://{USER}:{self._password}@{self.host.address}:{_POOLER_PORT}/{DATABASE}"

    def _serves(self) -> bool:
        with (
            contextlib.suppress(psycopg.Error),
            psycopg.connect(self.url.replace("+psycopg", ""), connect_timeout=3) as connection,
        ):
            return connection.execute("SELECT 1").fetchone() == (1,)
        return False


class Certificate:
    """Of the portal's address, signed by itself; `trust` makes clients believe it."""

    def __init__(self, address: str, directory: Path) -> None:
        directory.mkdir()
        self.chain, self.key = directory / "chain.pem", directory / "key.pem"
        key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "INET drill")])
        now = datetime.datetime.now(datetime.UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(name)
            .issuer_name(name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(hours=1))
            .not_valid_after(now + datetime.timedelta(days=90))
            .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address(address))]), critical=False)
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .sign(key, hashes.SHA256())
        )
        self.chain.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        self.key.touch(0o600)
        pem, pkcs8 = serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8
        self.key.write_bytes(key.private_bytes(pem, pkcs8, serialization.NoEncryption()))

    @property
    def trust(self) -> ssl.SSLContext:
        return ssl.create_default_context(cafile=str(self.chain))


class Nginx(Part):
    """As deploy/nginx has it: TLS, HTTP/2, limits, a pool of web processes, sticky consoles."""

    def __init__(self, hosts: Mapping[str, Host], directory: Path, certificate: Certificate, *, log_dir: Path) -> None:
        host, run = hosts["nginx"], directory / "run"
        run.mkdir(parents=True)
        nobody = pwd.getpwnam(_NOBODY)
        give(run, (nobody.pw_uid, nobody.pw_gid))
        webs = [f"{hosts[name].address}:{WEB_PORT}" for name in sorted(hosts) if name.startswith("web")]
        consoles = [f"{hosts[name].address}:{WEB_PORT}" for name in sorted(hosts) if name.startswith("console")]
        options = ["--name", host.address, "--web", *webs, "--console", *consoles, "--run", str(run)]
        options += ["--certificate", str(certificate.chain), "--key", str(certificate.key), "--log", str(log_dir / "access.log")]
        options += ["--http", f"{host.address}:80", "--https", f"{host.address}:443", "--main", f"daemon off; user {_NOBODY} nogroup;"]
        _render("nginx", str(directory), *options)
        command = [shutil.which("nginx") or "nginx", "-c", str(directory / "nginx.conf")]
        # What nginx itself says of the configuration that the drill runs.
        subprocess.run(host.command(*command, "-t", "-q"), check=True)
        super().__init__(host, command, log_dir=log_dir, answers=http_answers(f"https://{host.address}/healthz/live"))


def _render(what: str, *arguments: str) -> None:
    subprocess.run([sys.executable, str(_DEPLOY / what / "render.py"), *arguments], check=True, capture_output=True)
