"""nginx with the peers that the fleet is measured against; a context manager that stops what it started."""

import contextlib
import os
import subprocess
import tempfile
from pathlib import Path

from servers import accepts, end, free_ports, wait_for


class Peers:
    """One nginx with a location for each peer: /return, /blocking, /hello, which is our worker's /healthz, a file that serve()
    was given, and, where start_express() was called, Express at /probe/."""

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
  upstream express {{ server unix:{folder}/express.sock; keepalive 128; }}
  upstream kept {{ server unix:{worker}; keepalive 128; }}
  server {{
    listen 127.0.0.1:{port} backlog=4096 reuseport;
    location = /return {{ return 200 '{{"status":"ok"}}'; }}
    location = /blocking {{ fastcgi_pass unix:{folder}/blocking.sock; }}
    location = /hello {{ fastcgi_pass kept; fastcgi_keep_conn on; }}
    location = /app.js {{ root {folder}; }}
    location /probe/ {{ proxy_pass http://express; proxy_http_version 1.1; proxy_set_header Connection ""; }}
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
            self.folder = folder
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

    def start_express(self, list_file, environment):
        """Express as tests/load/express/server.mjs has it, with the fleet's Redis; its process."""
        here = Path(__file__).resolve().parent / "express"
        if not (here / "node_modules/express").exists():
            subprocess.run(["npm", "ci", "--prefix", here, "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"],
                           timeout=120, check=True)
        socket = self.folder / "express.sock"
        process = self.start(["node", here / "server.mjs", socket, self.fleet.run / "redis/state.sock",
                              self.fleet.run / "pgbouncer", list_file],
                             {**os.environ, **environment})
        wait_for(socket.exists, "Express did not listen")
        socket.chmod(0o777)
        return process

    def serve(self, name, content):
        (self.folder / name).write_bytes(content)
        (self.folder / name).chmod(0o644)

    def start(self, command, environment=None):
        process = subprocess.Popen(command, start_new_session=True, stdin=subprocess.DEVNULL, env=environment)
        self.stack.callback(end, process)
        return process

    def __exit__(self, *failure):
        self.stack.close()
