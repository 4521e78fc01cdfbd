"""A router's shell with INET's script in it: a real `sh`, a `ndsctl` and an openNDS library of our own in its PATH."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from dataclasses import field as made_by
from pathlib import Path

from tests.portal.opennds_router import Router, Station, gateway_hash

# Both as `ndsctl json` of openNDS 10 prints them, one name a line.
_CLIENT = """\
    "{mac}":{{
      "gatewayname":"inet-probe",
      "gatewayaddress":"192.168.1.1:2050",
      "version":"10.3.1",
      "client_type":"cpd_can",
      "mac":"{mac}",
      "ip":"{ip}",
      "clientif":"br-lan",
      "session_start":"1795360776",
      "token":"{token}",
      "state":"{state}",
      "custom":"bmE=",
      "download_rate_limit_threshold":"null",
      "download_quota":"null",
      "download_this_session":"{down}",
      "download_session_avg":"12.50",
      "upload_this_session":"{up}",
      "upload_session_avg":"0.20"
    }}"""
_NDSCTL = """\
#!/bin/sh
[ "$1" = json ] && { [ -f "$FAKE/json" ] && cat "$FAKE/json"; exit; }
echo "$@" >> "$FAKE/ndsctl.log"
"""
# What the real library does with `send_to_fas_custom`: one request in authmon's shape, and the answer's body on its output.
_LIBRARY = """\
#!{python}
import base64, json, os, sys, urllib.parse, urllib.request
fake = os.environ["FAKE"]
router = json.load(open(fake + "/router"))
assert sys.argv[1] == "send_to_fas_custom" and len(sys.argv) == 3
with open(fake + "/sent.log", "a") as log:
    log.write(sys.argv[2] + "\\n")
if "reply" in router:
    print(router["reply"], end="")
    raise SystemExit
payload = base64.b64encode(sys.argv[2].encode()).decode()
form = "auth_get=custom&gatewayhash=" + router["hash"] + "&payload="
if router["level"] == 4:
    request = urllib.request.Request(router["url"] + "?" + form + payload)
else:
    request = urllib.request.Request(router["url"], (form + urllib.parse.quote(payload, safe="")).encode())
print(urllib.request.urlopen(request, timeout=4).read().decode(), end="")
"""


@dataclass
class Used:
    """A phone on the router's list, and what it used in kB of 1024."""

    station: Station
    down_kb: int = 0
    up_kb: int = 0
    state: str = "Authenticated"


@dataclass
class ScriptedRouter:
    """`run` runs the script once, as cron would."""

    directory: Path
    script: str
    shell: Sequence[str] = ("dash",)
    router: Router | None = None
    clients: list[Used] = made_by(default_factory=list)

    def __post_init__(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / "inet-agent.sh").write_text(self.script)
        for name, text in (("ndsctl", _NDSCTL), ("libopennds.sh", _LIBRARY.format(python=sys.executable)), ("logger", "#!/bin/sh\n")):
            path = self.directory / name
            path.write_text(text)
            path.chmod(0o755)

    def run(self, *, reply: str | None = None) -> subprocess.CompletedProcess[str]:
        """With `reply` nobody is asked: the library answers that."""
        self._write_listing()
        told: dict[str, object] = {"reply": reply} if reply is not None else {}
        if self.router is not None:
            address = f"{self.router.base_url}/fas/{self.router.slug}"
            told |= {"url": address, "hash": gateway_hash(self.router.name), "level": self.router.level}
        (self.directory / "router").write_text(json.dumps(told))
        return subprocess.run(
            [*self.shell, str(self.directory / "inet-agent.sh")],
            env={
                "PATH": f"{self.directory}:{os.environ['PATH']}",
                "FAKE": str(self.directory),
                "INET_OPENNDS_LIBRARY": str(self.directory / "libopennds.sh"),
                "INET_AGENT_COUNTER": str(self.directory / "counter"),
            },
            capture_output=True,
            text=True,
            timeout=60,
        )

    def _write_listing(self) -> None:
        listed = ",\n".join(
            _CLIENT.format(mac=one.station.mac, ip=one.station.ip, token=one.station.token, state=one.state, down=one.down_kb, up=one.up_kb)
            for one in self.clients
        )
        text = f'{{\n  "client_list_length":"{len(self.clients)}",\n  "clients":{{\n{listed}\n  }},\n  "trusted_list_length":"0"\n}}\n'
        (self.directory / "json").write_text(text)

    @property
    def sent(self) -> list[str]:
        """Every text that it reported."""
        return self._lines("sent.log")

    @property
    def put_out(self) -> list[str]:
        """What it had ndsctl do."""
        return self._lines("ndsctl.log")

    def _lines(self, name: str) -> list[str]:
        path = self.directory / name
        return path.read_text().splitlines() if path.exists() else []
