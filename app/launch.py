"""Becomes another program that dies with its parent: `python -I -S launch.py PARENT_PID SIGNAL IDENTITY PROGRAM [ARGUMENT…]`.

A file of its own, run with the standard library only, because what must happen between fork and exec (a parent-death signal,
another user, a user namespace) is not safe inside a process with threads. It costs about 15 ms per start.
"""

from __future__ import annotations

import ctypes
import os
import sys

_PR_SET_PDEATHSIG = 1
_CLONE_NEWUSER = 0x10000000


def die_with_parent(signal_number: int) -> None:
    """Ask the kernel to signal this process when its parent ends, however it ends. Does nothing outside Linux."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal_number, 0, 0, 0)


def take_identity(identity: str) -> None:
    """`-` stays who we are; `user:UID:GID` becomes that user; `namespace:UID:GID` only looks like it (root's file access stays)."""
    if identity == "-":
        return
    kind, uid, gid = identity.split(":")
    if kind == "namespace":
        _enter_user_namespace(uid, gid)
        return
    os.setgroups([])
    os.setgid(int(gid))
    os.setuid(int(uid))


def _enter_user_namespace(uid: str, gid: str) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    outside_uid, outside_gid = os.geteuid(), os.getegid()
    if libc.unshare(_CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "user namespaces are not allowed here")
    for name, text in (("setgroups", "deny"), ("uid_map", f"{uid} {outside_uid} 1"), ("gid_map", f"{gid} {outside_gid} 1")):
        with open(f"/proc/self/{name}", "w", encoding="ascii") as control:
            control.write(text)


def main(arguments: list[str]) -> None:
    parent, signal_number, identity, *command = arguments
    take_identity(identity)
    # After the change of user, which clears the request; before the check, so that a parent gone in between is noticed.
    die_with_parent(int(signal_number))
    if os.getppid() != int(parent):
        sys.exit(1)
    os.execvp(command[0], command)  # noqa: S606 - the command comes from our own supervisor


if __name__ == "__main__":
    main(sys.argv[1:])
