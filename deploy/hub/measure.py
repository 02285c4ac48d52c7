"""Measure a running hub: memory of a student, and how many can move sliders at once.

Start the hub with a token, then, on the same machine (Linux)::

    HUB_TOKEN=secret ./run
    HUB_TOKEN=secret .venv/bin/python measure.py memory 02 06 09
    HUB_TOKEN=secret .venv/bin/python measure.py moves 1 2 4 8 16

Students are made, their servers and kernels are driven through the hub's own address
as a page drives them, and all are ended. A student who moves a slider sends ten
values a second and waits for each picture; what is told is the time from the value to
the whole picture, here in Python and not yet in a browser.
"""

import argparse
import asyncio
import functools
import json
import os
import statistics
import time
import uuid
from pathlib import Path

import nbformat
import psutil
from tornado.httpclient import AsyncHTTPClient, HTTPClientError, HTTPRequest
from tornado.websocket import websocket_connect

HUB = os.environ.get("HUB", "http://127.0.0.1:8000")
TOKEN = {"Authorization": f"token {os.environ.get('HUB_TOKEN', '')}"}
NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"
MOVES_A_SECOND = 10
SECONDS = 8
# The slider that each student moves: figure, control and two values of it.
SLIDERS = {
    "02": ("table", "change", range(-10, 11)),
    "06": ("projection", "turn", range(0, 60)),
}


async def call(method, path, body=None, **options):
    """Ask the hub or a server behind it; return what it answers."""
    request = HTTPRequest(
        HUB + path,
        method=method,
        headers=TOKEN | {"Content-Type": "application/json"},
        body=json.dumps(body) if method == "POST" else None,
        allow_nonstandard_methods=True,
        request_timeout=120,
        **options,
    )
    response = await AsyncHTTPClient().fetch(request)
    return json.loads(response.body) if response.body else None


class Student:
    """One student with a server, one kernel and its channels."""

    def __init__(self, name):
        self.name = name
        self.value = 0
        self.socket, self.messages = None, asyncio.Queue()

    async def start(self):
        await call("POST", f"/hub/api/users/{self.name}")
        await call("POST", f"/hub/api/users/{self.name}/server", {})
        while True:
            user = await call("GET", f"/hub/api/users/{self.name}")
            if user["servers"].get("", {}).get("ready"):
                break
            if not user["servers"]:
                raise SystemExit(
                    f"the server of {self.name} did not start: see the hub"
                )
            await asyncio.sleep(0.5)
        session = {"path": "notebooks/x.ipynb", "name": "x", "type": "notebook"}
        session["kernel"] = {"name": "python3"}
        made = await call("POST", f"/user/{self.name}/api/sessions", session)
        base = f"/user/{self.name}/api/kernels"
        url = f"ws{HUB[4:]}{base}/{made['kernel']['id']}/channels"
        # All is taken in at once, or a socket that nobody reads answers no ping.
        self.socket = await websocket_connect(
            HTTPRequest(url, headers=TOKEN),
            max_message_size=2**28,
            on_message_callback=self.messages.put_nowait,
        )

    async def stop(self):
        if self.socket is not None:
            self.socket.close()
        await call("DELETE", f"/hub/api/users/{self.name}/server")
        while (await call("GET", f"/hub/api/users/{self.name}"))["servers"]:
            await asyncio.sleep(0.5)
        await call("DELETE", f"/hub/api/users/{self.name}")

    async def send(self, kind, content):
        header = {
            "msg_id": uuid.uuid4().hex,
            "username": self.name,
            "session": self.name,
            "msg_type": kind,
            "version": "5.3",
        }
        message = {
            "header": header,
            "parent_header": {},
            "metadata": {},
            "content": content,
            "channel": "shell",
        }
        await self.socket.write_message(json.dumps(message))
        return header["msg_id"]

    async def heard(self):
        """Return the next message: its parent's id, kind and content."""
        while True:
            raw = await self.messages.get()
            if raw is None:
                raise SystemExit(f"{self.name}: the kernel's channel was closed")
            if isinstance(raw, bytes):  # with buffers: offsets, the message, the rest
                count = int.from_bytes(raw[:4], "big")
                ends = [
                    int.from_bytes(raw[4 + 4 * k : 8 + 4 * k], "big")
                    for k in range(count)
                ]
                raw = raw[ends[0] : ends[1] if count > 1 else None].decode()
            message = json.loads(raw)
            return message["parent_header"].get("msg_id"), message

    async def run(self, code):
        """Run code, to the end; return what it printed."""
        sent = await self.send(
            "execute_request",
            {
                "code": code,
                "silent": False,
                "allow_stdin": False,
                "stop_on_error": True,
            },
        )
        printed, replied, idle = "", False, False
        while not (replied and idle):
            parent, message = await self.heard()
            if parent != sent:
                continue
            kind, content = message["msg_type"], message["content"]
            if kind == "stream":
                printed += content["text"]
            elif kind == "error":
                raise SystemExit(
                    f"{self.name}: {content['ename']}: {content['evalue']}"
                )
            replied |= kind == "execute_reply"
            idle |= kind == "status" and content["execution_state"] == "idle"
        return printed

    async def run_notebook(self, number):
        (path,) = NOTEBOOKS.glob(f"{number}_*.ipynb")
        for cell in nbformat.read(path, as_version=4).cells:
            if cell.cell_type == "code":
                await self.run(cell.source)

    async def move(self, number, seconds):
        """Move a slider for a while; return the seconds until each picture."""
        figure, control, values = SLIDERS[number]
        told = await self.run(
            f"print(lesson.open[{figure!r}].controls[{control!r}].model_id,"
            f" lesson.open[{figure!r}].picture.model_id)"
        )
        slider, picture = told.split()
        end, times = time.perf_counter() + seconds, []
        while time.perf_counter() < end:
            begin = time.perf_counter()
            # Never the value that it has: nothing would move, and no picture come.
            self.value = (self.value + 1) % len(values)
            state = {"method": "update", "state": {"value": values[self.value]}}
            sent = await self.send(
                "comm_msg", {"comm_id": slider, "data": state | {"buffer_paths": []}}
            )
            while True:
                parent, message = await self.heard()
                content = message["content"]
                data = str(content.get("data", {}).get("buffer_paths"))
                mine = parent == sent and content.get("comm_id") == picture
                if mine and "png" in data:
                    break
            times.append(time.perf_counter() - begin)
            await asyncio.sleep(max(0, 1 / MOVES_A_SECOND - times[-1]))
        return times


def pss(pid):
    """Return the MB of a process, where shared pages count by their share."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / 1024
    raise SystemExit("no Pss in smaps_rollup")


async def with_students(count, work):
    """Start students, do the work, and end them whatever happens."""
    students = [Student(f"measured{k}") for k in range(count)]
    try:
        for k in range(0, count, 4):
            await asyncio.gather(*(s.start() for s in students[k : k + 4]))
        return await work(students)
    finally:
        for student in students:
            try:
                await student.stop()
            except (OSError, HTTPClientError) as error:
                print(f"{student.name} was not ended: {error}")


async def sizes(students, number):
    """Return MB of server and kernel after a notebook, and seconds of a core."""
    for student in students:
        await student.run_notebook(number)
    rows = []
    for student in students:
        told = await student.run("import os; print(os.getpid(), os.getppid())")
        kernel, server = map(int, told.split())
        used = [psutil.Process(pid).cpu_times() for pid in (server, kernel)]
        seconds = sum(times.user + times.system for times in used)
        rows.append((pss(server), pss(kernel), seconds))
    return rows


async def memory(numbers):
    for number in numbers:
        rows = await with_students(3, functools.partial(sizes, number=number))
        server, kernel, seconds = map(statistics.mean, zip(*rows, strict=True))
        print(
            f"notebook {number}: server {server:.0f} MB, kernel {kernel:.0f} MB, "
            f"together {server + kernel:.0f} MB; {seconds:.0f} s of a core to start "
            "and run all; mean of 3 students",
            flush=True,
        )


def seconds_of_cores(hub):
    """Return what the hub, its proxy, all servers and kernels have used so far."""
    times = [p.cpu_times() for p in (hub, *hub.children(recursive=True))]
    return sum(t.user + t.system for t in times)


async def moves(counts, number):
    load = os.getloadavg()[0]
    print(f"notebook {number}, load before: {load:.1f}, cores: {os.cpu_count()}")

    async def work(students):
        await asyncio.gather(*(s.run_notebook(number) for s in students))
        first = None
        told = await students[0].run("import os; print(os.getppid())")
        hub = psutil.Process(int(told)).parent()
        for count in counts:
            before = seconds_of_cores(hub)
            some = await asyncio.gather(
                *(student.move(number, SECONDS) for student in students[:count])
            )
            used = seconds_of_cores(hub) - before
            times = sorted(t for one in some for t in one)
            middle, late = times[len(times) // 2], times[int(0.95 * len(times))]
            first = first or middle
            print(
                f"{count:3d} students: median {1000 * middle:4.0f} ms, 95 % below "
                f"{1000 * late:4.0f} ms, {middle / first:.1f} times one student; "
                f"{len(times) / SECONDS:.0f} pictures a second, "
                f"{1000 * used / len(times):.0f} ms of a core for each",
                flush=True,
            )

    await with_students(max(counts), work)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=("memory", "moves"))
    parser.add_argument("numbers", nargs="+", help="notebooks, or numbers of students")
    parser.add_argument("--notebook", default="02", choices=sorted(SLIDERS))
    options = parser.parse_args()
    if options.what == "memory":
        asyncio.run(memory(options.numbers))
    else:
        asyncio.run(moves([int(n) for n in options.numbers], options.notebook))
