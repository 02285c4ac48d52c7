"""JupyterHub on one machine: started by `run`, explained in ../README.md.

For a trial, or a class that trusts one another: everyone picks a name and knows one
password, and all servers run as the user who started the hub.
"""

import os
import resource
import shutil
import sys
from pathlib import Path

from jupyterhub.spawner import SimpleLocalProcessSpawner

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
STATE = HERE / "state"

MB = 2**20
#: Memory of a student with one notebook open on a sharp screen, see ../README.md.
STUDENT_MB = 400
#: Data that each process of a student may hold; then it gets a MemoryError.
LIMIT_MB = 1000
#: Memory that is left to the hub, the proxy and the machine.
RESERVE_MB = 1000
IDLE_SECONDS = 1800


class Student(SimpleLocalProcessSpawner):
    """A server in a folder of its own, with a limit on memory."""

    def make_preexec_fn(self, name):
        """Return what runs in the new process before the server."""
        go_home = super().make_preexec_fn(name)

        def prepare():
            go_home()
            if sys.platform == "linux":  # elsewhere the limit is not kept
                resource.setrlimit(resource.RLIMIT_DATA, (LIMIT_MB * MB,) * 2)

        return prepare


def lay_out(spawner):
    """Give a student the notebooks, and leave alone those that they have."""
    home = STATE / "homes" / spawner.user.name
    for folder in ("notebooks", "images"):
        for source in sorted((ROOT / folder).rglob("*")):
            target = home / source.relative_to(ROOT)
            if source.is_file() and not target.exists():
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(source, target)


def students_that_fit():
    """Return how many students this machine's memory holds."""
    total = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / MB
    return max(1, int((total - RESERVE_MB) / STUDENT_MB))


c = get_config()  # noqa: F821

c.JupyterHub.bind_url = (
    f"http://{os.environ.get('HUB_IP', '127.0.0.1')}:{os.environ.get('HUB_PORT', 8000)}"
)
c.JupyterHub.cookie_secret_file = str(STATE / "cookie_secret")
c.JupyterHub.db_url = f"sqlite:///{STATE / 'hub.sqlite'}"
c.ConfigurableHTTPProxy.pid_file = str(STATE / "proxy.pid")
c.ConfigurableHTTPProxy.command = ["configurable-http-proxy"]

# Everyone with the password may come in, under any name.
c.JupyterHub.authenticator_class = "shared-password"
c.SharedPasswordAuthenticator.user_password = os.environ["HUB_PASSWORD"]
c.Authenticator.allow_all = True

c.JupyterHub.spawner_class = Student
c.Student.home_dir_template = str(STATE / "homes" / "{username}")
c.Spawner.pre_spawn_hook = lay_out
c.Spawner.default_url = "/lab/tree/notebooks/00_start_here.ipynb"
c.Spawner.http_timeout = c.Spawner.start_timeout = 120
# Small arrays are faster with one thread, and a class shares the cores.
c.Spawner.environment = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    # A large array goes back to the machine when it is done with (glibc): 50 MB less
    # after notebook 06.
    "MALLOC_MMAP_THRESHOLD_": "2000000",
    "MALLOC_TRIM_THRESHOLD_": "2000000",
}
c.Spawner.environment["PYTHONPATH"] = str(HERE.parent)  # where prompt.py is
c.Spawner.args = [f"--config={HERE / 'student_config.py'}"]
if os.getuid() == 0:  # in a container, say
    c.Spawner.args.append("--allow-root")

# A class starts at once; a machine with few cores cannot.
c.JupyterHub.concurrent_spawn_limit = 4 * (os.cpu_count() or 1)
c.JupyterHub.active_server_limit = int(
    os.environ.get("HUB_STUDENTS", students_that_fit())
)

# End servers that nobody has used for a while; notebooks are saved files.
c.JupyterHub.services = [
    {
        "name": "cull",
        "command": [
            sys.executable,
            "-m",
            "jupyterhub_idle_culler",
            f"--timeout={IDLE_SECONDS}",
        ],
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "cull",
        "scopes": [
            "list:users",
            "read:users:activity",
            "read:servers",
            "delete:servers",
        ],
        "services": ["cull"],
    }
]
# A token for measure.py and for scripts of your own, if you ask for one.
if token := os.environ.get("HUB_TOKEN"):
    c.JupyterHub.services.append({"name": "script", "api_token": token})
    c.JupyterHub.load_roles.append(
        {
            "name": "script",
            "scopes": ["admin:users", "admin:servers", "access:servers"],
            "services": ["script"],
        }
    )
