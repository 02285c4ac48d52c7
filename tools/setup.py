"""Build the environment of `make`, once, also when two `make` run side by side.

Usage: python tools/setup.py .venv   (what `make setup` runs)

The packages come from requirements.lock alone, each checked by its hash.
"""

import contextlib
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SOURCES = [ROOT / "requirements.lock", ROOT / "pyproject.toml"]


def try_lock(file):
    """Take the lock on an open file, which ends with the process, or return False."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(file.fileno(), msvcrt.LK_NBLCK, 1)
        else:
            import fcntl

            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextlib.contextmanager
def alone(path, seconds=1200):
    """Hold the lock `path`; wait for another process that holds it."""
    end = time.monotonic() + seconds
    with open(path, "a") as file:
        told = False
        while not try_lock(file):
            if time.monotonic() > end:
                sys.exit(f"another process has held {path} for {seconds} s")
            if not told:
                print("waiting for another make to build the environment", flush=True)
                told = True
            time.sleep(0.2)
        yield


def is_ready(ready, sources):
    """Return whether `ready` is there and not older than what it was built from."""
    return ready.exists() and all(
        ready.stat().st_mtime >= source.stat().st_mtime for source in sources
    )


def build(folder):
    """Create the environment, if there is none, and install all packages."""
    scripts = folder / ("Scripts" if os.name == "nt" else "bin")
    python = scripts / ("python.exe" if os.name == "nt" else "python")
    if not python.exists():
        venv.create(folder, with_pip=True)
    pip = [str(python), "-m", "pip", "install", "--quiet", "--no-deps"]
    pip += ["--disable-pip-version-check"]
    lock = ["--only-binary", ":all:", "--require-hashes", "-r", "requirements.lock"]
    subprocess.run([*pip, *lock], cwd=ROOT, check=True)
    subprocess.run([*pip, "--no-build-isolation", "-e", "."], cwd=ROOT, check=True)


def set_up(folder, sources=SOURCES, build=build):
    """Build the environment in `folder` unless it is ready."""
    folder.mkdir(parents=True, exist_ok=True)
    ready = folder / "ready"
    with alone(folder / "lock"):
        if not is_ready(ready, sources):
            build(folder)
            ready.touch()


if __name__ == "__main__":
    try:
        set_up(Path(sys.argv[1]).resolve())
    except subprocess.CalledProcessError as error:
        sys.exit(error.returncode)
