"""Let the room follow on phones: the address of a notebook's page, with a QR code.

Usage, from the top of the repository::

    make site                 # writes the pages that phones will read
    make room NB=02           # serves them to this network
    python lecture/room.py 02 [--port 8090] [--ip 127.0.0.1]

The pages are plain files: a listener costs no kernel, and can do nothing here but
read them. Where they stand on a web server, ``make lecture ROOM=<its address>`` prints
the same.
"""

import argparse
import contextlib
import functools
import io
import socket
import sys
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import urlsplit

HERE = Path(__file__).resolve().parent
SITE = HERE.parent / "_site"


def page_of(address, notebook):
    """Return the address of a notebook's page on the site at `address`.

    An address of a page stays; for a folder of notebooks it is that of the site.
    """
    address = address.strip()
    if "://" not in address:
        address = f"http://{address}"
    if urlsplit(address).path.endswith(".html"):
        return address
    notebook = Path(notebook)
    page = f"{notebook.stem}.html" if notebook.suffix == ".ipynb" else ""
    return f"{address.rstrip('/')}/{page}"


def announcement(page):
    """Return what the terminal shows: the address, and its QR code if it can be."""
    try:
        import segno
    except ImportError:
        return f"For the room: {page}\n(for a QR code: pip install segno)\n"
    drawn = io.StringIO()
    segno.make(page, micro=False).terminal(drawn, border=2, compact=True)
    lines = drawn.getvalue().splitlines()
    if sys.stdout.isatty():  # white on black, whatever the terminal's own colours
        lines = [f"\x1b[97;40m{line}\x1b[0m" for line in lines]
    return "\n".join([f"For the room: {page}", "", *lines, ""])


def address_here():
    """Return this machine's address in its network; nothing is sent to find it."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect(("192.0.2.1", 9))  # an address kept for documentation
            return probe.getsockname()[0]
        except OSError:
            return socket.gethostname()


class Pages(SimpleHTTPRequestHandler):
    """The files of a folder, without a line in the terminal for each of them."""

    def log_message(self, format, *args):
        pass


def server(folder, ip, port):
    """Return a server of the files in `folder`."""
    return ThreadingHTTPServer((ip, port), functools.partial(Pages, directory=folder))


def main(argv=None):
    """Serve the site and say where; Ctrl-C ends it."""
    from present import find_notebook, free_port, port_number

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("notebook", nargs="?", default="02", help="default 02")
    parser.add_argument("--port", type=port_number, default=8090, help="default 8090")
    parser.add_argument("--ip", default="", help="address to listen at (default: all)")
    options = parser.parse_args(argv)
    notebook = find_notebook(options.notebook)
    if not (SITE / f"{notebook.stem}.html").is_file():
        raise SystemExit(
            f"There is no page of {notebook.name} yet: run make site first."
        )
    port = free_port(options.port, options.ip)
    with server(SITE, options.ip, port) as pages:
        print(announcement(page_of(f"{options.ip or address_here()}:{port}", notebook)))
        print("Phones must be in this network.  (Ctrl-C ends)", flush=True)
        with contextlib.suppress(KeyboardInterrupt):
            pages.serve_forever()


if __name__ == "__main__":
    main()
