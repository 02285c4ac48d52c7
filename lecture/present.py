"""Show a notebook as slides with live sliders, in the browser.

Usage, from the top of the repository::

    make lecture NB=02
    python lecture/present.py 02 [--port 8866] [--ip 0.0.0.0] [--no-browser]

Keys: PageDown, PageUp and Space turn the slide, also from a slider; the arrow keys,
Home and End move the slider in focus and turn the slide otherwise. ``s`` opens the
speaker notes, ``o`` shows all slides, ``f`` fills the screen, ``b`` blanks it. For a
handout, open the slides with ``?print-pdf`` after the address and print to a file.
"""

import argparse
import os
import socket
import sys
from pathlib import Path

import room

HERE = Path(__file__).resolve().parent
NOTEBOOKS = HERE.parent / "notebooks"

# Voilà serves the files in voila/templates/<name>/static under this address.
REVEAL = {
    "url_prefix": "/voila/templates/lecture/static",
    "theme": "lecture",
    "width": "1600",
    "height": "900",
    "transition": "none",
    "number": "c",  # the margin holds no more
}


CULL_AFTER = 60  # seconds after which the kernel of a closed page is ended

ROOM = """
Anyone in this network who knows the address can now open the slides, move the
figures, and so use this computer: no password is asked. End it after the lecture.
"""


def find_notebook(name, folder=NOTEBOOKS):
    """Return the path of the notebook that `name` means: a number or a path."""
    if name.endswith(".ipynb"):
        found = [Path(name)] if Path(name).is_file() else []
    else:
        found = sorted(folder.glob(f"{name.zfill(2)}_*.ipynb"))
    if len(found) != 1:
        have = ", ".join(p.name[:2] for p in sorted(folder.glob("*.ipynb"))) or "none"
        raise SystemExit(
            f"No notebook goes by {name!r}; name one of {have}, or a path to an "
            "existing .ipynb file."
        )
    return found[0].resolve()


def port_number(text):
    """Return the port that an argument names."""
    if not text.isdecimal() or int(text) > 65535:
        raise argparse.ArgumentTypeError(f"a port is a number to 65535, got {text!r}")
    return int(text)


def free_port(wanted, address="127.0.0.1"):
    """Return `wanted` if nothing listens there, else a free port."""
    for port in (wanted, 0):
        with socket.socket() as probe:
            try:
                probe.bind((address, port))
            except OSError:
                continue
            return probe.getsockname()[1]
    raise SystemExit(
        f"No port is free at {address!r}, or it is no address of this computer; "
        "127.0.0.1 is one, for this computer alone, 0.0.0.0 stands for all."
    )


def voila_settings(port, browser, ip="127.0.0.1"):
    """Return the settings with which Voilà shows a notebook by our template."""
    return {
        # Each view of the slides has a kernel of its own, of some 150 MB.
        "MappingKernelManager": {
            "cull_idle_timeout": CULL_AFTER,
            "cull_interval": CULL_AFTER // 2,
            "cull_connected": False,  # only those whose page was closed
        },
        "Voila": {
            "ip": ip,
            "port": port,
            "port_retries": 0,
            "open_browser": browser,
            "log_level": "ERROR",
            "kernel_websocket_connection_class": "prompt.PromptConnection",
        },
        "VoilaExporter": {"markdown_renderer_class": "inline_images.InlineImages"},
        "VoilaConfiguration": {
            "template": "lecture",
            "resources": {"reveal": REVEAL},
            # The template decides, cell by cell, whether code is shown.
            "strip_sources": False,
            "show_tracebacks": True,
            # The other list of a folder's notebooks asks for a kernel it has not.
            "classic_tree": True,
            # Other extensions of JupyterLab only slow the page down, or break it.
            "extension_allowlist": [
                "@jupyter-widgets/jupyterlab-manager",
                "@voila-dashboards/widgets-manager8",
                "anywidget",  # shows the figures
                "normlib-restored",  # in voila/labextensions
            ],
        },
    }


def main(argv=None):
    """Start the server and open the slides; Ctrl-C ends it."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "notebook",
        nargs="?",
        default="02",
        help="number or path of a notebook, or a folder to choose from (default 02)",
    )
    parser.add_argument("--port", type=port_number, default=8866, help="default 8866")
    parser.add_argument(
        "--ip",
        default="127.0.0.1",
        help="address to listen at, for others in the room (default: only this one)",
    )
    parser.add_argument(
        "--room",
        metavar="URL",
        help="address of the site, or of a page of it, that the room opens on phones",
    )
    parser.add_argument("--no-browser", action="store_true", help="open no browser")
    options = parser.parse_args(argv)

    folder = Path(options.notebook)
    target = folder.resolve() if folder.is_dir() else find_notebook(options.notebook)
    port = free_port(options.port, options.ip)

    # Figures read the first and draw large type; Voilà finds our template by the
    # second. Both must be set before Voilà is imported.
    os.environ["NORMLIB_LECTURE"] = "1"
    paths = [str(HERE), *filter(None, [os.environ.get("JUPYTER_PATH")])]
    os.environ["JUPYTER_PATH"] = os.pathsep.join(paths)

    print(f"Slides of {target.name} at http://{options.ip}:{port}/  (Ctrl-C ends)")
    if options.ip not in ("127.0.0.1", "localhost"):
        print(ROOM)
    if options.room:
        print(room.announcement(room.page_of(options.room, target)))
    print(__doc__.split("\n\n")[-1].replace("``", ""), flush=True)

    sys.path.append(str(HERE.parent / "deploy"))  # where prompt.py is
    from traitlets.config import Config
    from voila.app import Voila

    settings = voila_settings(port, not options.no_browser, options.ip)
    Voila.launch_instance(argv=[str(target)], config=Config(settings))


if __name__ == "__main__":
    main()
