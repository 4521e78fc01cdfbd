"""How root runs a server that refuses to run as root."""

from __future__ import annotations

import os
import pwd
import signal
import stat
from pathlib import Path

from app.children import StartRefused, spawn


def step_down(directory: Path, program: Path) -> tuple[str, tuple[int, int]]:
    """The launcher's identity for a server that refuses to run as root, and who must own its files.

    Root's PostgreSQL runs as `nobody` where that user can reach the paths. Where it cannot (a checkout in /root), it runs in
    a user namespace in which root has another number: files keep their owner and no directory has to be opened up.
    """
    if os.geteuid() != 0:
        return "-", (os.geteuid(), os.getegid())
    nobody = pwd.getpwnam("nobody")
    if _everybody_reaches(directory) and _everybody_reaches(program):
        return f"user:{nobody.pw_uid}:{nobody.pw_gid}", (nobody.pw_uid, nobody.pw_gid)
    identity = f"namespace:{nobody.pw_uid}:{nobody.pw_gid}"
    if spawn(["true"], parent_death_signal=signal.SIGKILL, identity=identity).wait() == 0:
        return identity, (0, 0)
    raise StartRefused(
        "PostgreSQL does not run as root, and the user nobody cannot reach this directory; run as an ordinary user, or move"
        " the checkout to a directory that everybody may enter."
    )


def _everybody_reaches(path: Path) -> bool:
    return all(place.stat().st_mode & stat.S_IXOTH for place in (path, *path.parents))


def give(path: Path, owner: tuple[int, int]) -> None:
    """Hand `path` and all in it to `owner` (uid, gid); only root ever needs to."""
    if os.geteuid() != 0 or (path.stat().st_uid, path.stat().st_gid) == owner:
        return
    members: list[str | Path] = [path]
    if path.is_dir():
        members += [os.path.join(root, name) for root, folders, files in os.walk(path) for name in (*folders, *files)]
    # The top comes last: while it has its old owner, an interrupted change is taken up again at the next start.
    for member in reversed(members):
        os.lchown(member, *owner)
