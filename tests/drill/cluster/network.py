"""Namespaces on one bridge, all inside a network of our own that the kernel takes away with us.

The drill runs as process 1 of its own network, mount and process namespaces (`enter`). So the bridge, the namespaces' names and every
process are gone the moment it ends, however it ends: nothing is left over that a later run would have to sweep up, two runs at once
cannot meet, and the machine's own network is never touched.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

_INSIDE = "INET_CLUSTER_INSIDE"
_UNSHARE = ("unshare", "--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")
_TOOLS = {"unshare": "util-linux", "ip": "iproute2", "bridge": "iproute2", "nginx": "nginx", "pgbouncer": "pgbouncer"}
_NAMES = Path("/run/netns")
_BRIDGE, _NET = "br-drill", "10.77.0"
_BLOCKED, _FORWARDING = "0", "3"  # states of a bridge's port: 0 drops what comes and goes without a word
_ALL_PATHS = "/usr/local/sbin:/usr/sbin:/sbin"

GATEWAY = f"{_NET}.1"
SUBNET = f"{_NET}.0/24"


def missing() -> str | None:
    """Why no cluster can be drilled on this machine, in one line; None when it can."""
    os.environ["PATH"] += os.pathsep + _ALL_PATHS  # an ordinary shell of Debian does not look there
    if sys.platform != "linux":
        return "network namespaces need Linux"
    if os.geteuid() != 0:
        return "network namespaces need root"
    absent = sorted({package for tool, package in _TOOLS.items() if shutil.which(tool) is None})
    if absent:
        return f"not installed: {', '.join(absent)} (Debian: apt-get install {' '.join(absent)})"
    tried = subprocess.run([*_UNSHARE, "sh", "-c", f"{_MAKE_NAMES} && ip link add {_BRIDGE} type bridge"], capture_output=True, text=True)
    if tried.returncode:
        said = tried.stderr.strip().splitlines() or ["no reason given"]
        return f"network namespaces are not allowed here: {said[-1]}"
    return None


_MAKE_NAMES = f"mkdir -p {_NAMES} && mount -t tmpfs tmpfs {_NAMES}"


def is_inside() -> bool:
    return _INSIDE in os.environ


def enter(module: str, arguments: Sequence[str]) -> int:
    """Run this command again inside namespaces of its own; answers its exit status."""
    command = [*_UNSHARE, sys.executable, "-m", module, *arguments]
    inside = subprocess.Popen(command, env={**os.environ, _INSIDE: "1"})
    while True:
        try:
            return inside.wait()
        except KeyboardInterrupt:
            # The terminal told the inside as well: it tears down and ends by itself.
            continue


@dataclass(frozen=True)
class Host:
    """One namespace and its cable to the bridge."""

    name: str
    number: int

    @property
    def address(self) -> str:
        return f"{_NET}.{self.number}"

    @property
    def hardware(self) -> str:
        return f"02:00:00:00:00:{self.number:02x}"

    @property
    def cable(self) -> str:
        return f"cable{self.number}"

    def command(self, *command: str) -> list[str]:
        """`command`, to be run in this namespace; it keeps its process id."""
        return ["ip", "netns", "exec", self.name, *command]

    def cut(self) -> None:
        """From now on every packet to and from here vanishes: no reset, no word from the neighbours' kernels."""
        _run("bridge", "link", "set", "dev", self.cable, "state", _BLOCKED)

    def mend(self) -> None:
        _run("bridge", "link", "set", "dev", self.cable, "state", _FORWARDING)


def lay(hosts: Sequence[Host]) -> None:
    """The bridge, where the drill itself stands, and a namespace for each host."""
    subprocess.run(["sh", "-c", _MAKE_NAMES], check=True)
    _run("ip", "link", "set", "lo", "up")
    _run("ip", "link", "add", _BRIDGE, "address", "02:00:00:00:00:01", "type", "bridge")
    _run("ip", "addr", "add", f"{GATEWAY}/24", "dev", _BRIDGE)
    _run("ip", "link", "set", _BRIDGE, "up")
    for host in hosts:
        _run("ip", "netns", "add", host.name)
        _run("ip", "link", "add", host.cable, "type", "veth", "peer", "name", "eth0", "address", host.hardware, "netns", host.name)
        _run("ip", "link", "set", host.cable, "master", _BRIDGE, "up")
        _batch(host.name, [f"addr add {host.address}/24 dev eth0", "link set lo up", "link set eth0 up"])
    # Who is where is known for good: with a neighbour that must be asked for, a cut would soon be an error and no silence.
    known = [(host.address, host.hardware) for host in hosts]
    for host in hosts:
        around = [*((address, hardware) for address, hardware in known if address != host.address), (GATEWAY, "02:00:00:00:00:01")]
        _batch(host.name, [f"neigh replace {address} lladdr {hardware} dev eth0 nud permanent" for address, hardware in around])
    _batch(None, [f"neigh replace {address} lladdr {hardware} dev {_BRIDGE} nud permanent" for address, hardware in known])


def side_door(host: Host) -> str:
    """A cable from the drill straight to `host`, which no cut touches; answers the host's address there."""
    _run("ip", "link", "add", "door", "type", "veth", "peer", "name", "eth1", "netns", host.name)
    _run("ip", "addr", "add", "10.78.0.1/24", "dev", "door")
    _run("ip", "link", "set", "door", "up")
    _batch(host.name, [f"addr add 10.78.0.{host.number}/24 dev eth1", "link set eth1 up"])
    return f"10.78.0.{host.number}"


def remove(directory: Path) -> None:
    """The drill's files. What a process that is dying still writes is tried again once."""
    for _ in range(2):
        shutil.rmtree(directory, ignore_errors=True)


def _batch(namespace: str | None, lines: Sequence[str]) -> None:
    command = ["ip", *(["-n", namespace] if namespace else []), "-batch", "-"]
    subprocess.run(command, input="\n".join(lines) + "\n", check=True, text=True, capture_output=True)


def _run(*command: str) -> None:
    subprocess.run(command, check=True, capture_output=True)
