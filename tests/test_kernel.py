"""A figure in a kernel, without a page: an interrupt reaches what it runs."""

import queue
import time

from jupyter_client.manager import start_new_kernel

SHOWN = """import threading
from normlib.live.which_numbers_share_a_mean import NormTable
in_main, for_ever = [], []
def norm(x):
    in_main.append(threading.current_thread() is threading.main_thread())
    if for_ever:
        print("begins")
    while for_ever:
        pass
    return x
figure = NormTable(norm)
print(figure.picture.comm.comm_id)"""


def told(client, code):
    """Run `code` and return what it printed."""
    lines = []

    def keep(message):
        if message["msg_type"] == "stream":
            lines.append(message["content"]["text"])

    client.execute_interactive(code, timeout=60, output_hook=keep)
    return "".join(lines).strip()


def wait_for(client, words):
    end = time.monotonic() + 60
    while time.monotonic() < end:
        try:
            message = client.get_iopub_msg(timeout=1)
        except queue.Empty:
            continue
        if message["content"].get("text", "").strip() == words:
            return
    raise AssertionError(f"the kernel never said {words!r}")


def press(client, comm, thread, number, left):
    """Press the table as JupyterLab reports it: it asks for a thread beside cells."""
    touch = dict(kind="touch", phase="press", number=number, x=left, y=0.4)
    data = {"method": "custom", "content": touch}
    message = client.session.msg("comm_msg", {"comm_id": comm, "data": data})
    message["header"]["subshell_id"] = thread
    client.shell_channel.send(message)


def test_an_interrupt_ends_a_function_that_a_figure_calls():
    manager, client = start_new_kernel()
    try:
        comm = told(client, SHOWN)
        client.control_channel.send(client.session.msg("create_subshell_request", {}))
        reply = client.control_channel.get_msg(timeout=60)
        thread = reply["content"]["subshell_id"]
        for number in (1, 2):  # the second follows an answer to that thread
            press(client, comm, thread, number, 0.1 * number)
            before = time.monotonic()
            while told(client, "print(figure.picture.handled)") != str(number):
                assert time.monotonic() - before < 60
        assert told(client, "print(all(in_main), len(in_main) > 2)") == "True True"
        told(client, "for_ever.append(1)")
        press(client, comm, thread, 3, 0.35)
        wait_for(client, "begins")
        manager.interrupt_kernel()
        sentence = told(client, "print(figure.sentence)")
        assert sentence.startswith("Not drawn: interrupted.")
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
