"""Builds .venv from a hash-pinned lock: `python3 .ci/build_venv.py run|test`. Instant when nothing has changed; safe to run twice at once.

Kept readable for old Pythons, because telling an old one that it is too old is its first duty.
"""

import hashlib
import os
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
LOCKS = {"run": "requirements.lock", "test": "requirements-test.lock"}


def say(text):
    sys.stderr.write(text + "\n")
    sys.stderr.flush()


def stop(sentence):
    say(sentence)
    sys.exit(1)


def version():
    return ".".join(str(part) for part in sys.version_info[:2])


def check_python():
    if sys.version_info < (3, 11):  # noqa: UP036 - `make` may find an older one
        stop(f"INET needs Python 3.11 or newer, and this is Python {version()}; install python3.11 and run make again.")
    try:
        import ensurepip  # noqa: F401 - Debian leaves it out of python3 and puts it into python3-venv
        import venv  # noqa: F401
    except ImportError:
        stop("This Python cannot make virtual environments; install them (Debian: apt-get install python3-venv) and run make again.")


def fingerprint(kind):
    """What the environment is made of; a stamp with another fingerprint is out of date."""
    digest = hashlib.sha256(f"{sys.version} {ROOT} {kind}".encode())
    for name in (LOCKS[kind], "pyproject.toml"):
        with open(os.path.join(ROOT, name), "rb") as file:
            digest.update(file.read())
    return digest.hexdigest()


def is_ready(kind):
    stamp = os.path.join(VENV, f"inet-{kind}.stamp")
    try:
        with open(stamp) as file:
            return file.read() == fingerprint(kind)
    except OSError:
        return False


def run(*command):
    result = subprocess.run(command, cwd=ROOT, check=False)  # noqa: S603
    if result.returncode != 0:
        stop("Building .venv failed at: " + " ".join(command[1:5]))


def pip(*arguments):
    run(PYTHON, "-m", "pip", "--disable-pip-version-check", "-qq", *arguments)


def locked_version(lock, name):
    """The lock's lines for one package, as pip wants them."""
    wanted = []
    with open(os.path.join(ROOT, lock)) as file:
        for line in file:
            if not line.startswith(" "):
                inside = line.startswith(name + "==")
            if inside:
                wanted.append(line)
    return "".join(wanted)


def build(kind):
    import venv

    started = time.time()
    lock = LOCKS[kind]
    intact = os.path.exists(PYTHON) and subprocess.run([PYTHON, "-c", "import pip"], check=False).returncode == 0  # noqa: S603
    if not intact:
        say(f"Making .venv with Python {version()} ...")
        venv.EnvBuilder(with_pip=True, clear=True, symlinks=True).create(VENV)
    for other in LOCKS:  # the test lock is a superset: whichever is installed now, the other's stamp is checked anew
        stamp = os.path.join(VENV, f"inet-{other}.stamp")
        if os.path.exists(stamp) and not is_ready(other):
            os.remove(stamp)
    say(f"Installing what {lock} names (hashes checked; a minute or two the first time) ...")
    # setuptools first: packages that come only as source are built with this pinned one, so nothing unpinned is fetched.
    pinned = os.path.join(VENV, "setuptools.lock")
    with open(pinned, "w") as file:
        file.write(locked_version(lock, "setuptools"))
    pip("install", "--require-hashes", "-r", pinned)
    pip("install", "--require-hashes", "--no-build-isolation", "-r", lock)
    say("Installing the inet command ...")
    pip("install", "--no-deps", "--no-index", "--no-build-isolation", "--editable", ".")
    for done in LOCKS if kind == "test" else (kind,):
        with open(os.path.join(VENV, f"inet-{done}.stamp"), "w") as file:
            file.write(fingerprint(done))
    say(f"Ready after {time.time() - started:.0f} s.")


def main():
    kind = sys.argv[1]
    check_python()
    if is_ready(kind):
        return
    import fcntl

    # Two makes at once: the second waits here, then finds the work done.
    try:
        lock = open(os.path.join(ROOT, ".venv.lock"), "w")  # noqa: SIM115 - closed by the with below
    except OSError as error:
        stop(f"The checkout {ROOT} cannot be written ({error.strerror}); make it writable, or clone it elsewhere.")
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not is_ready(kind):
            build(kind)


if __name__ == "__main__":
    main()
