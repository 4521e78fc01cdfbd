"""`inet up`: the stack with a terminal in front of it."""

from __future__ import annotations

import signal
import sys
import threading
import time
from pathlib import Path
from types import FrameType

from app.settings import DEMO_PASSWORD
from app.supervisor.stack import Interrupted, Stack

_STAFF = ("root", "admin", "care", "tech", "billing")
_SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


def up(data_dir: Path, *, host: str, port: int, sandbox_port: int, sandbox: bool, demo: bool) -> None:
    """Run the product until Ctrl-C or SIGTERM; a second one ends everything at once. Raises StartRefused."""
    began = time.monotonic()
    stop_asked = threading.Event()
    stack = Stack(data_dir, port, sandbox_port, host=host, sandbox=sandbox, demo=demo, say=_say)

    def on_signal(_: int, __: FrameType | None) -> None:
        if stop_asked.is_set():
            # On a thread of its own: the handler may have interrupted code that holds what killing needs.
            threading.Thread(target=stack.kill_all, daemon=True).start()
            return
        stop_asked.set()
        stack.request_stop()

    for number in _SIGNALS:
        signal.signal(number, on_signal)
    _say(f"INET starts; data in {stack.data_dir}")
    try:
        stack.start()
        _say(_welcome(stack, seconds=time.monotonic() - began, demo=demo))
        stop_asked.wait()
    except Interrupted:
        pass
    finally:
        if stop_asked.is_set():
            _say("Stopping …")
        stack.stop()
    _say("Stopped; nothing is left running. The next start finds the data.")


def _say(line: str) -> None:
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except OSError:  # the terminal is gone (SIGHUP, a closed pipe); the product goes on or stops by its signal
        return


def _welcome(stack: Stack, *, seconds: float, demo: bool) -> str:
    lines = ["", f"INET is ready after {seconds:.1f} s.", ""]
    if stack.sandbox_url is not None:
        lines.append(f"  Be a phone at a hotspot   {stack.sandbox_url}/hotspot")
    lines.append(f"  Customer portal           {stack.url}/")
    lines.append(f"  Staff console             {stack.url}/console/login")
    lines.append(f"  API documentation         {stack.url}/api/docs")
    if stack.sandbox_url is not None:
        lines.append(f"  Sandbox (Wave, SMS, ...)  {stack.sandbox_url}/    SMS: {stack.sandbox_url}/sms")
    if demo and stack.is_demo:
        staff = ", ".join(f"{name}@inet.demo" for name in _STAFF)
        lines += ["", f"  Console log-ins           {staff}", f"  Password                  {DEMO_PASSWORD}"]
        lines.append("  Customer phones           +220833000001 … +220833000020")
    lines += ["", f"  Logs                      {stack.data_dir}/log", "", "Ctrl-C stops everything."]
    return "\n".join(lines)
