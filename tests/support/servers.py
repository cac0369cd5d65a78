"""What the live tests and the benchmarks run: a private fleet and a fake provider. Each is a context manager that stops
what it started, whatever ends the block. Standard library only."""

import contextlib
import http.client
import json
import os
import random
import re
import shutil
import socket
import subprocess
import time
import urllib.request
import xmlrpc.client
from pathlib import Path

from processes import processes_under

ROOT = Path(__file__).resolve().parents[2]
BUILD = (ROOT / os.environ.get("BUILD", "build/release")).resolve()
TOOLS = BUILD / "tests/tools"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


RESERVED = []  # sockets whose names tell other tests, until this process ends, which ports are taken


def free_ports(count):
    """Ports to listen on some time later: below those the kernel gives to connections, each given to one process only."""
    first_ephemeral = int(Path("/proc/sys/net/ipv4/ip_local_port_range").read_text(encoding="ascii").split()[0])
    ports = []
    while len(ports) < count:
        port = random.randrange(10_000, first_ephemeral)
        name = socket.socket(socket.AF_UNIX)
        try:
            name.bind(f"\0plugfleet-test-port-{port}")
            with socket.socket() as probe:
                probe.bind(("", port))
        except OSError:
            name.close()
            continue
        RESERVED.append(name)
        ports.append(port)
    return ports


def fetch(url, body=None, headers=None, timeout=60, method=None):
    headers = {"Content-Type": "application/json", **(headers or {})}
    request = urllib.request.Request(url, data=body, headers=headers, method=method)
    with OPENER.open(request, timeout=timeout) as reply:
        return reply.read().decode()


def wait_for(condition, what, seconds=10):
    """Waits until condition() is true and returns what it gave; raises "`what` within N s" when it never is."""
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} within {seconds} s")
        time.sleep(0.05)
    return value


def accepts(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def end(process):
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


class UnixTransport(xmlrpc.client.Transport):
    def __init__(self, path):
        super().__init__()
        self.path = str(path)

    def make_connection(self, host):
        connection = http.client.HTTPConnection(host)
        connection.sock = socket.socket(socket.AF_UNIX)
        connection.sock.connect(self.path)
        self._connection = host, connection  # for close()
        return connection


class Fleet:
    """scripts/fleet with a folder, ports and settings of its own; nginx's limits out of the way unless set.

    `name` makes the folder: .fleet-NAME. Settings are those of fleet.conf (WORKERS) and the workers' (PLUGFLEET_*).
    With `probe` it also has the module of tests/probe, migrations and all. `inside` are the words before a command that
    have it run on another host (hosts.py). `root` is the checkout it is of.
    """

    def __init__(self, name, settings, build=BUILD, probe=False, inside=(), root=ROOT):
        self.inside, self.root = inside, root
        self.folder = root / f".fleet-{name}"
        self.https_port, self.port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self.base = {
            **{key: value for key, value in os.environ.items() if not key.startswith("PLUGFLEET_")},
            "BUILD": str(build),
            "FLEET_DIR": str(self.folder),
            "HTTPS_PORT": str(self.https_port),
            "HTTP_PORT": str(self.port),
            "WORKERS": "2",
            "RUNNERS": "2",
            # The keeper leaves them so many: tests count on it. A test of pools has None there.
            "PLUGFLEET_POOLS": "",
            **dict.fromkeys(("RATE_GENERAL", "PLUGFLEET_RENAME_EDGE_RATE", "PLUGFLEET_EDIT_EDGE_RATE"), "100000r/s"),
            **dict.fromkeys(("BURST_GENERAL", "PLUGFLEET_RENAME_EDGE_BURST", "PLUGFLEET_EDIT_EDGE_BURST"), "99999"),
            "PLUGFLEET_REQUESTS_PER_MINUTE": "1000000",
        }
        self.modules = {}
        if probe:
            self.modules = {
                "MODULES_DIR": [*(build / "modules").glob("*.so"), build / "tests/modules/probe.so"],
                "MODULES_SOURCE_DIR": [*(ROOT / "modules").iterdir(), ROOT / "tests/probe"],
            }
            self.base |= {f"PLUGFLEET_{setting}": f"{self.folder}/{setting.lower()}" for setting in self.modules}
        self.environment = self.with_base(settings)

    def with_base(self, settings):
        return {name: value for name, value in {**self.base, **settings}.items() if value is not None}

    def script(self, verb):
        """Runs scripts/fleet VERB and returns what it said; raises with that when it fails."""
        # In a session of its own, and left to end after a ctrl-C: half a start could not be stopped cleanly.
        process = subprocess.Popen(
            [*self.inside, self.root / "scripts/fleet", verb], env=self.environment, cwd=self.root, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        try:
            said, _ = process.communicate(timeout=300)
        except KeyboardInterrupt:
            process.communicate(timeout=300)
            raise
        if process.returncode:
            raise RuntimeError(f"scripts/fleet {verb}: {said}")
        return said

    def change(self, settings):
        """Takes other settings than at the start, and restarts the workers where that changes theirs."""
        self.environment = self.with_base(settings)
        return self.script("start")

    def __enter__(self):
        self.remove()  # what a killed run left behind
        try:
            self.folder.mkdir(mode=0o700)
            for setting, links in self.modules.items():
                (self.folder / setting.lower()).mkdir()
                for target in links:
                    (self.folder / setting.lower() / target.name).symlink_to(target)
            self.script("start")
            self.run = (self.folder / "run").resolve()
            self.supervisord = int((self.run / "supervisord.pid").read_text(encoding="utf-8"))
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *failure):
        if reports := self.remove():
            raise RuntimeError(f"a sanitizer has something to say:\n{reports}")

    def remove(self):
        """Stops the fleet and forgets its data; the database may be kept outside of the folder. Returns what sanitizers
        said of its processes."""
        if not self.folder.exists():
            return ""
        database = (self.folder / "run/pgdata").resolve()
        self.script("stop")
        said = [file.read_text(encoding="utf-8", errors="replace") for file in self.folder.glob("log/*.out*")]
        for folder in (self.folder, database.parent):
            if folder == self.folder or folder.name.startswith("plugfleet-"):
                shutil.rmtree(folder, ignore_errors=True)
        return "\n".join(text for text in said if re.search("Sanitizer|runtime error: ", text))[:10_000]

    def ctl(self, *words):
        """What supervisorctl prints; it says by its exit status what is not an error here, such as a stopped program."""
        done = subprocess.run(
            ["supervisorctl", "-c", self.run / "conf/supervisord/supervisord.conf", *words],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=200, check=False,
        )
        return done.stdout

    def pid(self, program):
        """The pid supervisord knows for one of its programs while it is RUNNING, else None."""
        proxy = xmlrpc.client.ServerProxy("http://localhost", UnixTransport(self.run / "supervisor.sock"))
        with proxy:  # supervisorctl would take a hundred times as long
            info = proxy.supervisor.getProcessInfo(program)
        return info["pid"] if info["statename"] == "RUNNING" else None

    @property
    def workers(self):
        return [process.pid for process in processes_under([self.supervisord]) if process.program == "worker"]

    def sql(self, query, database="plugfleet"):
        """The rows of a query, each a list of strings. Asks PostgreSQL itself, not through PgBouncer."""
        done = subprocess.run(
            ["psql", "-h", self.run / "postgresql", "-U", "plugfleet", "-d", database, "-XAtq", "-F", "\x1f",
             "-v", "ON_ERROR_STOP=1", "-c", query],
            capture_output=True, text=True, timeout=30, check=False,
        )
        if done.returncode:
            raise RuntimeError(f"{query}: {done.stderr}")
        return [line.split("\x1f") for line in done.stdout.splitlines()]

    def redis(self, *command, which="state"):
        """What redis-cli prints for a command to Redis `which`: state or payloads."""
        done = subprocess.run(
            ["redis-cli", "-s", self.run / f"redis/{which}.sock", *command],
            capture_output=True, text=True, timeout=30, check=True,
        )
        return done.stdout.strip()

    def log_lines(self, name="worker.log", having=""):
        """The lines with that text of a log of JSON lines; one that is still being written is left out."""
        text = (self.folder / "log" / name).read_text(encoding="utf-8")
        return [json.loads(line) for line in text.split("\n")[:-1] if having in line]


class Provider:
    """The fake provider; it ends with this process."""

    def __init__(self, tools=TOOLS):
        self.tools, self.port = tools, 0
        self.start()

    def start(self):
        """Listens, after stop() where it did before."""
        self.process = subprocess.Popen(
            [f"{self.tools}/fake_provider", "--port", str(self.port), "--until-stdin-closes"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )
        self.url = "http://" + self.process.stdout.readline().split()[-1]
        self.port = int(self.url.rpartition(":")[2])

    def stop(self):
        end(self.process)
        self.process.stdin.close()
        self.process.stdout.close()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.stop()

    def script(self, *rules):
        """Forgets what it has seen, and answers by these rules (tests/tools/provider_script.h) from now on."""
        fetch(f"{self.url}/reset", b"")
        fetch(f"{self.url}/script", json.dumps(rules).encode())

    def answer_after(self, milliseconds):
        self.script({"latencyMs": milliseconds})

    def stats(self):
        return json.loads(fetch(f"{self.url}/stats"))

    def calls(self):
        """The calls since the last script, oldest first; the 4096 last at most."""
        return json.loads(fetch(f"{self.url}/calls?n=4096"))
