"""Runs the Dockerfile without an engine: `python deploy/try_dockerfile.py [--work DIR]`, as root on a Debian with debootstrap.

Each stage becomes a directory, made by debootstrap from the mirror of this machine's own apt; each step is run in it by chroot, with this
machine's pip settings mounted in for the time of the build. Then the images are started as their user, on a read-only root, in a network
of their own: nginx before two web workers, those behind PgBouncer, a real PostgreSQL and Valkey. Prints what was run, what was not, sizes.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

import dockerfile_steps as dockerfile

PROJECT = Path(__file__).resolve().parents[1]
_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_CERTIFICATES = "/run/certificates-of-this-machine.pem"  # beside the image's own, which its packages write
_NOT_RUN = {
    "VOLUME": "a mount, made at the start below",
    "EXPOSE": "a note",
    "STOPSIGNAL": "a note, sent at the end below",
    "LABEL": "a note",
}
_AT_START = {"HEALTHCHECK", "ENTRYPOINT", "CMD", "USER"}


def say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


def run(*command: str | Path, env: Mapping[str, str] | None = None, cwd: Path | None = None) -> None:
    """Run to the end; its output is shown only when it fails."""
    done = subprocess.run([str(part) for part in command], env=env, cwd=cwd, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.stderr.write(done.stdout[-4000:] + done.stderr[-4000:])
        raise SystemExit(f"failed with status {done.returncode}: {' '.join(str(part) for part in command)[:300]}")


class Builder:
    """Makes one directory of each stage."""

    def __init__(self, work: Path, release: str) -> None:
        self.work = work
        self._context = dockerfile.Context(PROJECT)
        self._given = {"INET_RELEASE": release}
        self.environment: dict[str, dict[str, str]] = {}

    def root(self, stage: str) -> Path:
        return self.work / stage

    def build(self, stage: dockerfile.Stage) -> None:
        began = time.monotonic()
        root = self.root(stage.name)
        if root.exists():
            shutil.rmtree(root)
        if stage.base in self.environment:
            run("cp", "-a", self.root(stage.base), root)
            env = dict(self.environment[stage.base])
        else:
            say(f"  FROM {stage.base}: not pulled (no registry); a bare root by debootstrap stands in its place")
            bare = self.work / "debootstrap"
            if not bare.exists():
                _debootstrap(bare)
            run("cp", "-a", bare, root)
            env = {"PATH": _PATH}
        where, arguments = "/", dict(self._given)
        with _Mounts(root) as mounts:
            for step in stage.steps:
                where = self._step(root, step, env, arguments, where)
            mounts.leave()
        self.environment[stage.name] = env
        say(f"  {stage.name}: built in {time.monotonic() - began:.0f} s, {megabytes(root)} MB")

    def _step(self, root: Path, step: dockerfile.Step, env: dict[str, str], arguments: dict[str, str], where: str) -> str:
        if step.word == "RUN":
            inner = {**env, **_pip_environment()}
            run("chroot", root, "/bin/sh", "-c", f"cd {where} && {step.rest}", env=inner)
        elif step.word == "COPY":
            self._copy(root, step.rest, where)
        elif step.word == "ENV":
            env.update(dockerfile.pairs(step.rest, {**arguments, **env}))
        elif step.word == "ARG":
            name, _, value = step.rest.partition("=")
            arguments.setdefault(name, value)
        elif step.word == "WORKDIR":
            where = step.rest
            (root / where.lstrip("/")).mkdir(parents=True, exist_ok=True)
        said = _NOT_RUN.get(step.word) or ("at the start below" if step.word in _AT_START else "")
        say(f"    {step}{f'   [not run: {said}]' if said else ''}")
        return where

    def _copy(self, root: Path, rest: str, where: str) -> None:
        origin, sources, target = dockerfile.copied(rest)
        into = root / os.path.join(where, target).lstrip("/")
        for name in sources:
            source = self.root(origin) / name.lstrip("/") if origin else PROJECT / name
            if not origin and not self._context.has(source):
                raise SystemExit(f"COPY {name}: .dockerignore keeps it out of the build")
            place = into / source.name if target.endswith("/") and source.is_file() else into
            place.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, place, symlinks=True, dirs_exist_ok=True, ignore=None if origin else self._ignore)
            else:
                shutil.copy2(source, place)

    def _ignore(self, folder: str, names: list[str]) -> set[str]:
        return {name for name in names if not self._context.has(Path(folder) / name)}


class _Mounts:
    """What a step needs of the machine while it runs: /proc, /dev, its resolver, and where its pip finds packages. In our own namespace."""

    def __init__(self, root: Path) -> None:
        self._root, self._made = root, list[Path]()
        self._created = list[Path]()

    def __enter__(self) -> _Mounts:
        self._mount("-t", "proc", "proc", at="/proc")
        self._mount("--rbind", "/dev", at="/dev")
        for place in ["/etc/resolv.conf", *_pip_folders()]:
            self._mount("--bind", place, at=place, source=Path(place))
        if certificates := _pip_settings().get("cert"):
            self._mount("--bind", certificates, at=_CERTIFICATES, source=Path(certificates))
        return self

    def _mount(self, *how: str, at: str, source: Path | None = None) -> None:
        place = self._root / at.lstrip("/")
        if source is not None and not place.exists():
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch() if source.is_file() else place.mkdir()
            self._created.append(place)
        run("mount", *how, place)
        self._made.append(place)

    def leave(self) -> None:
        """Nothing of this machine stays in the image."""
        for place in reversed(self._made):
            run("umount", "-R", "-l", place)
        for place in reversed(self._created):
            place.rmdir() if place.is_dir() else place.unlink()
        self._made, self._created = [], []

    def __exit__(self, *_: object) -> None:
        with suppress(SystemExit, OSError):
            self.leave()


def _debootstrap(root: Path) -> None:
    mirrors = re.findall(r"^(?:URIs:\s*|deb\s+(?:\[[^]]*\]\s+)?)(\S+)", _sources(), re.MULTILINE)
    suite = re.search(r"^VERSION_CODENAME=(\S+)", Path("/etc/os-release").read_text(encoding="utf-8"), re.MULTILINE)
    if not mirrors or suite is None:
        raise SystemExit("this machine's apt names no mirror")
    run("debootstrap", "--variant=minbase", suite[1], root, mirrors[0])
    # Like the slim image: no manuals, no translations, nothing kept of downloads. Security updates come from where this machine has them.
    for place in ("usr/share/doc", "usr/share/man", "usr/share/locale", "var/cache/apt/archives", "var/lib/apt/lists", "var/log"):
        shutil.rmtree(root / place, ignore_errors=True)
        (root / place).mkdir(parents=True)
    (root / "etc/dpkg/dpkg.cfg.d/slim").write_text(
        "".join(f"path-exclude /usr/share/{name}/*\n" for name in ("doc", "man", "locale", "info")), encoding="ascii"
    )
    (root / "etc/apt/apt.conf.d/clean").write_text(
        'DPkg::Post-Invoke { "rm -f /var/cache/apt/archives/*.deb || true"; };\n', encoding="ascii"
    )
    (root / "usr/sbin/policy-rc.d").write_text("#!/bin/sh\nexit 101\n", encoding="ascii")
    (root / "usr/sbin/policy-rc.d").chmod(0o755)
    shutil.copytree(
        "/etc/apt/sources.list.d", root / "etc/apt/sources.list.d", dirs_exist_ok=True, ignore=shutil.ignore_patterns("*.disabled*")
    )
    if Path("/etc/apt/sources.list").exists():
        shutil.copy2("/etc/apt/sources.list", root / "etc/apt/sources.list")
    else:
        (root / "etc/apt/sources.list").unlink(missing_ok=True)


def _sources() -> str:
    places = [Path("/etc/apt/sources.list"), *sorted(Path("/etc/apt/sources.list.d").glob("*.sources"))]
    return "\n".join(place.read_text(encoding="utf-8") for place in places if place.exists())


def _pip_settings() -> dict[str, str]:
    said = subprocess.run([sys.executable, "-m", "pip", "config", "list"], capture_output=True, text=True, check=False).stdout
    found = (line.partition("=") for line in said.splitlines())
    return {name.rsplit(".", 1)[-1]: value.strip("'\"").replace("\\n", " ") for name, _, value in found}


def _pip_environment() -> dict[str, str]:
    """This machine's pip settings as variables, for the steps alone: they are in no layer and in no file."""
    settings = {name: _CERTIFICATES if name == "cert" else value for name, value in _pip_settings().items()}
    return {"PIP_" + name.upper().replace("-", "_"): value for name, value in settings.items()}


def _pip_folders() -> list[str]:
    """Folders of this machine that its pip settings name."""
    words = [word.removeprefix("file://") for word in " ".join(_pip_settings().values()).split() if word.startswith(("/", "file:///"))]
    return sorted({str(Path(*Path(word).parts[:3])) for word in words if Path(word).is_dir()})


def megabytes(root: Path) -> int:
    said = subprocess.run(["du", "-sxm", str(root)], capture_output=True, text=True, check=False).stdout
    return int(said.split()[0])


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(description="Run the Dockerfile's steps in bare Debian roots, then start its images.")
    parser.add_argument("--work", type=Path, help="where to build, and keep it; default: a place removed at the end")
    parser.add_argument("--release", default="tried", help="the build argument INET_RELEASE")
    options = parser.parse_args(arguments)
    missing = [name for name in ("debootstrap", "unshare", "chroot", "ip") if shutil.which(name) is None]
    if os.geteuid() != 0 or missing:
        raise SystemExit(f"not tried: needs root{' and ' + ', '.join(missing) if missing else ''}")
    if os.environ.get("INET_TRYING") != "1":
        # Again in a mount namespace of its own: whatever is mounted is gone with it, however this ends.
        os.environ["INET_TRYING"] = "1"
        os.execvp("unshare", ["unshare", "--mount", "--propagation", "private", sys.executable, *sys.argv])
    work = options.work or Path(tempfile.mkdtemp(prefix="inet-image-", dir="/var/tmp"))
    work.mkdir(parents=True, exist_ok=True)
    work.chmod(0o755)
    try:
        _, stages = dockerfile.read(PROJECT / "Dockerfile")
        builder = Builder(work, options.release)
        for stage in stages:
            builder.build(stage)
        sizes = {stage.name: megabytes(work / stage.name) for stage in stages}
        say("Sizes, uncompressed: " + ", ".join(f"{name} {size} MB" for name, size in sizes.items()))
        starter = Path(__file__).with_name("try_images.py")
        run_shown = ["unshare", "--net", "--pid", "--fork", "--kill-child", sys.executable, str(starter), str(work)]
        raise SystemExit(subprocess.run(run_shown, check=False).returncode)
    finally:
        if options.work is None:
            shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    main(sys.argv[1:])
