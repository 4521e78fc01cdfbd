"""What `inet up` hands down to its children, and how a second terminal finds the running product."""

from __future__ import annotations

import json
import os
import secrets
import shutil
from collections.abc import Mapping
from pathlib import Path
from urllib.parse import urlsplit

from dotenv import dotenv_values

from app.children import DirectoryLock
from app.supervisor.checks import free_port

_PROJECT = Path(__file__).parents[2]
_RUNNING = "running.json"


def configured(overrides: Mapping[str, str]) -> dict[str, str]:
    """The settings in force, by name: `.env`, over it the environment, over it `overrides`; empty ones count as not set."""
    layers = [{k: v for k, v in dotenv_values(".env").items() if v}, os.environ, overrides]
    return {name: value for layer in layers for name, value in layer.items() if value}


def is_demo(settings: Mapping[str, str]) -> bool:
    return settings.get("INET_ENV", "demo") == "demo"


def reachable(host: str) -> str:
    """`host` as a browser on this machine must spell it when the servers listen on every address."""
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]", "": "127.0.0.1"}.get(host, f"[{host}]" if ":" in host else host)  # noqa: S104


def for_children(settings: Mapping[str, str], *, data_dir: Path, public_url: str, sandbox_url: str | None) -> dict[str, str]:
    """The children's environment; what is configured wins over every default made up here."""
    defaults = {"INET_DATA_DIR": str(data_dir), "INET_PUBLIC_URL": public_url}
    if is_demo(settings):
        defaults["INET_SECRET_KEY"] = _demo_secret(data_dir)
        if sandbox_url is not None:
            defaults |= _sandbox_defaults(sandbox_url) | _mailbox_defaults(sandbox_url)
    # Children are started as modules: from a checkout that is not installed, the path has to say where they are.
    path = os.pathsep.join(filter(None, [str(_PROJECT), settings.get("PYTHONPATH", "")]))
    return {**defaults, **settings, "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}


def _sandbox_defaults(sandbox_url: str) -> dict[str, str]:
    return {
        "INET_WAVE_BASE_URL": sandbox_url,
        "INET_WAVE_API_KEY": "sandbox-wave-key",
        "INET_WAVE_WEBHOOK_SECRET": "sandbox-wave-webhook-secret",
        "INET_PORTABILLING_URL": sandbox_url,
        "INET_PORTABILLING_USER": "inet",
        "INET_PORTABILLING_PASSWORD": "sandbox-portabilling",
        "INET_OPENWISP_BASE_URL": sandbox_url,
        "INET_OPENWISP_TOKEN": "5afe" * 10,
        "INET_SMS_URL": sandbox_url.replace("http://", "http://inet:sandbox@") + "/version1/messaging",
        "INET_EXPO_PUSH_URL": sandbox_url + "/--/api/v2/push",
        # The demo shows a text when it is sent, also at night.
        "INET_QUIET_HOURS": "",
    }


def _mailbox_defaults(sandbox_url: str) -> dict[str, str]:
    """Ports beside the sandbox's own where they are free, so that they stay the same; else any."""
    beside = urlsplit(sandbox_url).port or 0
    imap, smtp = (free_port(beside + number) for number in (1, 2))
    return {
        "INET_SANDBOX_IMAP_PORT": str(imap),
        "INET_SANDBOX_SMTP_PORT": str(smtp),
        "INET_IMAP_URL": f"imap://help%40inet.demo:sandbox-mail@127.0.0.1:{imap}/INBOX?tls=no",
        "INET_EMAIL_URL": f"smtp://127.0.0.1:{smtp}/?from=help%40inet.demo&tls=no",
    }


def _demo_secret(data_dir: Path) -> str:
    """Random and kept, so that log-ins and signed links survive a restart of the demo."""
    path = data_dir / "secret.key"
    if not path.exists():
        _write_private(path, secrets.token_urlsafe(48))
    return path.read_text(encoding="ascii").strip()


def _write_private(path: Path, text: str) -> None:
    # Written beside and renamed: never half there, never readable by others, not even for a moment.
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with open(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
        file.write(text)
    fresh.replace(path)


def forget_figures(data_dir: Path) -> None:
    """What the processes of an earlier run counted (app/metrics/shared.py): with all of them new, counting begins anew."""
    shutil.rmtree(data_dir / "metrics", ignore_errors=True)


def announce(data_dir: Path, env: Mapping[str, str]) -> None:
    """Leave word for `inet staff add` and the like in another terminal; readable by this user only."""
    _write_private(data_dir / _RUNNING, json.dumps({k: v for k, v in env.items() if k.startswith("INET_")}))


def withdraw(data_dir: Path) -> None:
    (data_dir / _RUNNING).unlink(missing_ok=True)


def adopt_running(data_dir: Path) -> bool:
    """Take over the settings of the product that `inet up` runs on `data_dir`; False when none runs or a server is configured."""
    if "INET_DATABASE_URL" in configured({}) or not DirectoryLock(data_dir).held_elsewhere:
        return False
    try:
        found = json.loads((data_dir / _RUNNING).read_text(encoding="utf-8"))
    except OSError:
        return False
    for name, value in found.items():
        os.environ.setdefault(name, value)
    return True
