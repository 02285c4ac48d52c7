"""What figures ask of the kernel: that an interrupt reaches all that they run."""

import signal
import threading
from contextlib import contextmanager


def in_main_thread(widget):
    """Return `widget`, whose messages the kernel now handles between the cells.

    JupyterLab asks for a thread beside the cells. No interrupt reaches that one, so
    a function of the reader that never returns would hold every figure for good.
    """
    if widget.comm is not None:
        widget.comm._reply_subshell_for = lambda data, asked: None
    return widget


@contextmanager
def interruptible():
    """Let an interrupt end what runs between two messages, where kernels ignore it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, before)
