"""Stop with a clear sentence where the Python that `make` found is too old."""

import sys

NEEDED = (3, 11)

if sys.version_info < NEEDED:
    sys.exit(
        "Python %d.%d or newer is needed, but %s is %d.%d.\n"
        "Name another one, for example: make lab PYTHON=python3.12"
        % (NEEDED + (sys.executable,) + tuple(sys.version_info[:2]))
    )
try:
    import ensurepip  # noqa: F401
except ImportError:
    sys.exit(
        "%s cannot make virtual environments: the module ensurepip is missing.\n"
        "On Debian and Ubuntu install it with: sudo apt install python3-venv"
        % sys.executable
    )
