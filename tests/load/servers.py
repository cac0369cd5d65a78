"""What the benchmarks run: a private fleet, a fake provider, and nginx with the peers. Each is a context manager that
stops what it started, whatever ends the block."""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import time
import urllib.request
from pathlib import Path

from measure import processes_under

ROOT = Path(__file__).resolve().parents[2]
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def free_ports(count):
    with contextlib.ExitStack() as held:
        sockets = [held.enter_context(socket.socket()) for _ in range(count)]
        for one in sockets:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in sockets]


def fetch(url, body=None, headers=None, timeout=60):
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json", **(headers or {})})
    with OPENER.open(request, timeout=timeout) as reply:
        return reply.read().decode()


def wait_for(condition, what, seconds=10):
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise RuntimeError(f"{what} within {seconds} s")
        time.sleep(0.05)


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


class Fleet:
    """scripts/fleet with a folder, ports and settings of its own; nginx's limits out of the way."""

    FOLDER = ROOT / ".fleet-bench"

    def __init__(self, build, settings):
        https, self.port = free_ports(2)
        self.url = f"http://127.0.0.1:{self.port}"
        self.environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("PLUGFLEET_")},
            "BUILD": str(build),
            "FLEET_DIR": str(self.FOLDER),
            "HTTPS_PORT": str(https),
            "HTTP_PORT": str(self.port),
            "WORKERS": "2",
            **{f"RATE_{zone}": "100000r/s" for zone in ("GENERAL", "RENAME")},
            **{f"BURST_{zone}": "99999" for zone in ("GENERAL", "RENAME")},
            **settings,
        }

    def script(self, verb):
        # In a session of its own, and left to end after a ctrl-C: half a start could not be stopped cleanly.
        process = subprocess.Popen(
            [ROOT / "scripts/fleet", verb], env=self.environment, cwd=ROOT, start_new_session=True,
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        try:
            said, _ = process.communicate(timeout=300)
        except KeyboardInterrupt:
            process.communicate(timeout=300)
            raise
        if process.returncode:
            raise RuntimeError(f"scripts/fleet {verb}: {said}")

    def __enter__(self):
        self.remove()  # what a killed run left behind
        try:
            self.script("start")
            self.run = (self.FOLDER / "run").resolve()
            self.supervisord = int((self.run / "supervisord.pid").read_text(encoding="utf-8"))
        except BaseException:
            self.remove()
            raise
        return self

    def __exit__(self, *failure):
        self.remove()

    def remove(self):
        """Stops the fleet and forgets its data; the database may be kept outside of the folder."""
        if not self.FOLDER.exists():
            return
        database = (self.FOLDER / "run/pgdata").resolve()
        self.script("stop")
        for folder in (self.FOLDER, database.parent):
            if folder == self.FOLDER or folder.name.startswith("plugfleet-"):
                shutil.rmtree(folder, ignore_errors=True)

    @property
    def workers(self):
        return [process.pid for process in processes_under([self.supervisord]) if process.program == "worker"]


class Provider:
    """The fake provider; it ends with this process."""

    def __init__(self, tools):
        self.process = subprocess.Popen(
            [f"{tools}/fake_provider", "--port", "0", "--until-stdin-closes"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True,
        )
        self.url = "http://" + self.process.stdout.readline().split()[-1]

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        end(self.process)

    def answer_after(self, milliseconds):
        fetch(f"{self.url}/reset", b"")
        fetch(f"{self.url}/script", json.dumps([{"latencyMs": milliseconds}]).encode())

    def stats(self):
        return json.loads(fetch(f"{self.url}/stats"))


class Peers:
    """One nginx with a location for each peer: /return, /blocking and /hello, which is our worker's /healthz."""

    CONFIGURATION = """
{user}
daemon off;
pid {folder}/nginx.pid;
error_log {folder}/error.log;
worker_processes auto;
events {{ worker_connections 4096; }}
http {{
  access_log off;
  client_body_temp_path {folder}/body;
  fastcgi_temp_path {folder}/fastcgi;
  proxy_temp_path {folder}/proxy;
  scgi_temp_path {folder}/scgi;
  uwsgi_temp_path {folder}/uwsgi;
  default_type application/json;
  fastcgi_param REQUEST_METHOD $request_method;
  fastcgi_param QUERY_STRING $query_string;
  fastcgi_param CONTENT_TYPE $content_type;
  fastcgi_param CONTENT_LENGTH $content_length;
  fastcgi_param REMOTE_ADDR $remote_addr;
  fastcgi_param REQUEST_URI /healthz;
  fastcgi_param DOCUMENT_URI /healthz;
  fastcgi_param TRACE_ID $request_id;
  upstream kept {{ server unix:{worker}; keepalive 128; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096;
    location = /return {{ return 200 '{{"status":"ok"}}'; }}
    location = /blocking {{ fastcgi_pass unix:{folder}/blocking.sock; }}
    location = /hello {{ fastcgi_pass kept; fastcgi_keep_conn on; }}
  }}
}}
"""

    def __init__(self, tools, fleet):
        self.tools = tools
        self.fleet = fleet
        (self.port,) = free_ports(1)
        self.url = f"http://127.0.0.1:{self.port}"

    def __enter__(self):
        self.stack = contextlib.ExitStack()
        with self.stack:
            folder = Path(self.stack.enter_context(tempfile.TemporaryDirectory(prefix="plugfleet-bench-")))
            folder.chmod(0o711)
            configuration = self.CONFIGURATION.format(
                folder=folder, port=self.port, worker=self.fleet.run / "worker.sock",
                user="user www-data;" if os.geteuid() == 0 else "",
            )
            (folder / "nginx.conf").write_text(configuration, encoding="utf-8")
            program, cores = f"{self.tools}/blocking_hello", str(os.cpu_count())
            self.blocking = self.start([program, "--socket", f"{folder}/blocking.sock", "--processes", cores])
            wait_for((folder / "blocking.sock").exists, "blocking_hello did not listen")
            (folder / "blocking.sock").chmod(0o777)
            self.nginx = self.start(["nginx", "-e", f"{folder}/error.log", "-c", f"{folder}/nginx.conf"])
            wait_for(lambda: accepts(self.port), "the peers' nginx did not listen")
            self.stack = self.stack.pop_all()
        return self

    def start(self, command):
        process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL)
        self.stack.callback(end, process)
        return process

    def __exit__(self, *failure):
        self.stack.close()
