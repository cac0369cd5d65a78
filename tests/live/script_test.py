"""scripts/fleet as its user sees it: what each verb says and does, whatever the state the fleet is in."""

import contextlib
import os
import re
import signal
import socket
import ssl
import subprocess
import sys
import unittest
import urllib.error
import urllib.request
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True

from live import Live, frame, layer
from servers import ROOT, Fleet, fetch, free_ports, wait_for

live = Live(__file__)
live.name = "test-script with a space"
tearDownModule = live.stop


def run(fleet, *words, **settings):
    return subprocess.run([ROOT / "scripts/fleet", *words], env={**fleet.environment, **settings}, cwd="/", timeout=300,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


def processes():
    return {program: live.fleet.pid(program) for program in ("keeper", "worker:worker_00", "worker:worker_01",
                                                              "runner:runner_00", "runner:runner_01", "nginx")}


def configuration():
    return {file: file.read_bytes() for file in (live.fleet.run / "conf").rglob("*") if file.is_file()}


class NotRunningTest(unittest.TestCase):
    def setUp(self):
        self.fleet = Fleet("test-never", {})
        self.addCleanup(self.fleet.remove)

    def assert_refused(self, saying, *words, **settings):
        """One sentence on stderr, and nothing was started."""
        done = run(self.fleet, *words, **settings)
        self.assertEqual((done.returncode, done.stdout), (1, ""), done)
        self.assertIn(saying, done.stderr)
        self.assertEqual(done.stderr.count("\n"), 1, done.stderr)
        self.assertIn("not running", run(self.fleet, "status").stdout)

    def test_status_and_stop_say_that_it_is_not_running_and_how_to_start_it(self):
        for verb, status in (("status", 3), ("stop", 0)):
            done = run(self.fleet, verb)
            self.assertEqual((done.returncode, done.stderr), (status, ""), done)
            self.assertEqual(done.stdout, "Plugfleet is not running; start it with: make run\n")

    def test_an_unknown_verb_or_none_prints_the_usage(self):
        for words in ((), ("begin",), ("--help",)):
            self.assert_refused("Usage: scripts/fleet start|stop|restart|status", *words)

    def test_a_port_that_is_taken_is_named_with_its_holder_and_how_to_choose_another(self):
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            for name in ("HTTPS_PORT", "HTTP_PORT"):
                done = run(self.fleet, "start", **{name: port})
                self.assertEqual(done.returncode, 1, done)
                self.assertRegex(done.stderr, rf"^Port {port} is taken by python3?[0-9.]* \(pid \d+\); choose others: "
                                              r"make run HTTPS_PORT=9443 HTTP_PORT=9080\n$")

    def test_a_port_that_a_connection_of_another_program_has_is_named_with_what_nginx_says(self):
        with socket.create_server(("127.0.0.1", 0)) as server, socket.create_connection(server.getsockname()) as taken:
            port = taken.getsockname()[1]
            done = run(self.fleet, "start", HTTP_PORT=str(port))
        self.assertEqual(done.returncode, 1, done)
        self.assertTrue(done.stderr.startswith(f"nginx cannot listen on port {self.fleet.https_port} or {port}.\n"), done)
        self.assertIn(f"bind() to 127.0.0.1:{port} failed (98: Address already in use)", done.stderr)

    def test_a_setting_that_makes_no_sense_is_named(self):
        for name, value in (("WORKERS", "0"), ("WORKERS", "65"), ("WORKERS", "two"), ("RUNNERS", "65"),
                            ("HTTP_PORT", "http"), ("HTTP_PORT", "65536"), ("HTTPS_PORT", str(self.fleet.port)),
                            ("POOL_JOBS", "1001"), ("POSTGRES_MEMORY", "lots"), ("REDIS_STATE_MEMORY", "1 GB"),
                            ("RATE_GENERAL", "30"), ("BURST_GENERAL", "-1"), ("CLIENT_PREFIX", "60"), ("BACKUP_KEEP_DAYS", "ever"),
                            ("HTTPS_ADDRESS", "localhost"), ("OPERATOR_ADDRESSES", "10.0.0.1")):
            with self.subTest(f"{name}={value}"):
                self.assert_refused(name, "start", **{name: value})

    def test_settings_that_a_program_or_nginx_refuses_start_nothing(self):
        for name, value in (("PLUGFLEET_AI_ATTEMPTS", "many"), ("TRUSTED_PROXIES", "not-an-address")):
            done = run(self.fleet, "start", **{name: value})
            self.assertEqual((done.returncode, done.stdout), (1, ""), done)
            self.assertIn(value, done.stderr)
            self.assertTrue(done.stderr.endswith("\nNothing was started.\n"), done.stderr)
            self.assertIn("not running", run(self.fleet, "status").stdout)

    def test_a_build_that_is_missing_is_named_with_how_to_make_it(self):
        self.assert_refused("plugfleet-worker is missing; build it with: make build", "start", BUILD="/nowhere")


def own_mounts(size):
    """A process that sees a /dev/shm of its own of that size; None where this machine does not let us."""
    holder = subprocess.Popen(["unshare", "--mount", "--propagation", "private", "sh", "-c",
                               f"mount -t tmpfs -o size={size} tmpfs /dev/shm && echo ready && exec sleep infinity"],
                              stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    if holder.stdout.readline():
        return holder
    holder.wait()
    return None


def look(health):
    """The status and body of /health, which is 503 where something is unwell."""
    try:
        return f"200 {fetch(health)}"
    except urllib.error.HTTPError as unwell:
        return f"{unwell.code} {unwell.read().decode()}"


class LittleRoomTest(unittest.TestCase):
    def test_a_dev_shm_of_64_mb_is_told_at_start_and_want_of_room_is_503_and_not_health(self):
        holder = own_mounts("64m")
        if not holder:
            self.skipTest("no mounts of our own here")
        self.addCleanup(holder.wait)
        self.addCleanup(holder.kill)
        fleet = Fleet("test-little-room", {}, inside=("nsenter", "-t", str(holder.pid), "-m", "--"))
        self.addCleanup(fleet.remove)
        self.addCleanup(fleet.script, "stop")
        said = fleet.script("start")
        self.assertRegex(said, r"/dev/shm has only \d+ MB left for request bodies")
        fleet.run = os.readlink(fleet.folder / "run")
        health = f"{fleet.url}/health"
        fetch(health)
        inside = f"/proc/{holder.pid}/root/dev/shm"
        with open(f"{inside}/full", "wb", buffering=0) as file, contextlib.suppress(OSError):
            while True:
                file.write(bytes(1 << 16))
        with self.assertRaises(urllib.error.HTTPError) as refused:
            fetch(f"{fleet.url}/api/rename-layers", bytes(8 << 20))
        self.assertEqual((refused.exception.code, refused.exception.headers["Retry-After"]), (503, "5"))
        self.assertIn('"error":"unavailable"', refused.exception.read().decode())
        # What was seen up to 200 ms ago may be told again.
        full = r'^503 .*"server": ?"the disk of /dev/shm/[^"]* is full"'
        wait_for(lambda: re.search(full, look(health)), "unwell")
        os.unlink(f"{inside}/full")
        wait_for(lambda: look(health).startswith("200"), "well again")


class RunningTest(live.Case):
    # As many as there are: only the spare ones are left. One rename a minute.
    settings = {"WORKERS_MAX": "2", "RUNNERS_MAX": "2", "PLUGFLEET_RENAME_LIMIT_PER_MINUTE": "1"}

    def test_the_proof_of_make_run_counts_against_nobodys_limit(self):
        for _ in range(3):
            done = subprocess.run([ROOT / "scripts/demo"], env=live.fleet.environment, cwd="/", timeout=100,
                                  stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 0, done)
            self.assertIn("12 of 12 layers renamed", done.stdout)
        self.assertEqual(live.rename(frame(layer("1"))).headers["RateLimit-Remaining"], "0", "its own first")

    @unittest.skipUnless(Path("/proc/net/if_inet6").exists(), "this kernel has no IPv6")
    def test_a_fleet_for_everybody_listens_on_ipv6_too(self):
        def listens(family, address):
            with socket.socket(family) as probe:
                return probe.connect_ex((address, live.fleet.https_port)) == 0

        self.assertEqual([listens(socket.AF_INET, "127.0.0.1"), listens(socket.AF_INET6, "::1")], [True, False])
        self.addCleanup(run, live.fleet, "start")
        done = run(live.fleet, "start", HTTPS_ADDRESS="0.0.0.0")
        self.assertEqual(done.returncode, 0, done)
        with urllib.request.urlopen(f"https://[::1]:{live.fleet.https_port}/healthz",
                                    context=ssl._create_unverified_context()) as reply:  # noqa: SLF001
            self.assertEqual(reply.status, 200)

    def test_what_a_loss_of_power_leaves_is_mended_by_the_next_start(self):
        live.fleet.script("stop")
        self.addCleanup(live.fleet.script, "start")
        (log,) = (live.fleet.folder / "redis-state/appendonlydir").glob("*.incr.aof")
        with log.open("ab") as file:
            file.write(bytes(4096))
        (live.fleet.folder / "postgresql/postmaster.pid").write_text(f"{os.getpid()}\n", encoding="ascii")
        said = live.fleet.script("start")
        self.assertIn("The log of Redis could not be read to its end, which was cut off; a copy", said)
        self.assertIn(f"named process {os.getpid()}, which is not PostgreSQL's", said)
        self.assertEqual(live.get("/health").status, 200)

    def test_a_second_start_changes_nothing_and_says_where_it_is(self):
        before = live.fleet.workers
        done = run(live.fleet, "start")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertEqual(done.stdout, f"Plugfleet is already up: https://localhost:{live.fleet.https_port}  "
                                      f"http://localhost:{live.fleet.port}\n")
        self.assertEqual(live.fleet.workers, before)

    def test_a_start_that_names_no_ports_keeps_those_it_has(self):
        done = run(live.fleet, "start", HTTPS_PORT="", HTTP_PORT="")
        self.assertIn(f"https://localhost:{live.fleet.https_port} ", done.stdout)
        self.assertEqual(live.get("/healthz").status, 200)

    def test_a_start_with_another_port_moves_there(self):
        (other,) = free_ports(1)
        old = live.fleet.port
        self.addCleanup(run, live.fleet, "start")
        done = run(live.fleet, "start", HTTP_PORT=str(other))
        self.assertEqual(done.returncode, 0, done)
        live.fleet.port = other
        self.assertEqual(live.get("/healthz").status, 200)
        live.fleet.port = old
        self.assertRaises(ConnectionRefusedError, live.get, "/healthz")

    def test_status_shows_every_process_and_that_nothing_is_wrong(self):
        done = run(live.fleet, "status")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertTrue(done.stdout.startswith(f"Plugfleet in {live.fleet.folder}: https://localhost:"), done.stdout)
        self.assertNotIn("WRONG", done.stdout)
        for program in ("postgresql", "redis-state", "redis-payloads", "pgbouncer", "worker_00", "worker_01",
                        "runner_00", "runner_01", "keeper", "nginx"):
            self.assertRegex(done.stdout, rf"(?m)^{program} +RUNNING +\d+ ")
        self.assertLessEqual(done.stdout.count("\n"), 24, "more than a screen")

    def test_changed_settings_restart_the_workers_and_nothing_else(self):
        before, workers, postgresql = live.fleet.supervisord, live.fleet.workers, live.fleet.pid("postgresql")
        (live.fleet.folder / "plugfleet.conf").write_text("LOG_LEVEL=debug\n", encoding="utf-8")
        done = run(live.fleet, "start")
        self.assertEqual(done.returncode, 0, done)
        for worker in ("worker_00", "worker_01"):
            self.assertIn(f"{worker} is new\n", done.stdout)
        self.assertEqual(set(live.fleet.workers) & set(workers), set())
        self.assertEqual((live.fleet.supervisord, live.fleet.pid("postgresql")), (before, postgresql))

    def assert_nothing_touched(self, saying, *commands, **settings):
        """Each command is refused, saying so; every process and every file of the configuration is the one of before."""
        before = processes(), configuration()
        for words in commands:
            done = subprocess.run([ROOT / words[0], *words[1:]], env={**live.fleet.environment, **settings}, cwd="/",
                                  timeout=300, stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
            self.assertEqual(done.returncode, 1, done)
            self.assertIn(saying, done.stderr)
            self.assertEqual((processes(), configuration()), before, words)
        self.assertEqual(live.get("/healthz").status, 200)

    def test_a_wrong_setting_is_refused_before_anything_is_touched(self):
        settings = live.fleet.folder / "plugfleet.conf"
        self.addCleanup(settings.write_text, settings.read_text(encoding="utf-8"), encoding="utf-8")
        everything = ("scripts/fleet", "start"), ("scripts/plugfleet", "restart"), ("scripts/plugfleet", "reload")
        for lines, saying in (("AI_ATTEMPTS=many", "AI_ATTEMPTS: must be a whole number"),
                              ("NO_SUCH_SETTING=1", "NO_SUCH_SETTING: there is no such setting"),
                              ("JWT_ALG=HS256\nJWT_SECRET=short\nJWT_ISSUER=a\nJWT_AUDIENCE=b", "under 32 bytes")):
            settings.write_text(f"{lines}\n", encoding="utf-8")
            self.assert_nothing_touched(saying, *everything)
        settings.write_text("", encoding="utf-8")
        for name, value in (("TRUSTED_PROXIES", "not-an-address"), ("REDIS_STATE_MEMORY", "lots"), ("WORKERS", "65")):
            self.assert_nothing_touched(value, *everything, **{name: value})

    def test_nothing_old_is_stopped_where_its_successor_does_not_come_up(self):
        # No check sees it: each program refuses a database that lacks a migration.
        (number,) = live.fleet.sql("select max(version) from schema_migrations where component = 'core'")[0]
        row = f"component = 'core' and version = '{number}'"
        live.fleet.sql(f"create table aside as select * from schema_migrations where {row}")
        live.fleet.sql(f"delete from schema_migrations where {row}")
        self.addCleanup(live.fleet.sql, "insert into schema_migrations select * from aside; drop table aside")
        for pool in ("workers", "runners", "keeper"):
            self.assert_nothing_touched("did not come up", ("scripts/plugfleet", "restart", pool))

    def test_the_fleet_conf_of_a_checkout_is_read_and_its_lines_are_checked(self):
        own = live.fleet.folder / "fleet.conf"
        self.addCleanup(run, live.fleet, "start")
        self.addCleanup(own.unlink)
        own.write_text("# mine\nOPERATOR_ADDRESSES=127.0.0.1 ::1 192.0.2.77\n", encoding="utf-8")
        done = run(live.fleet, "start")
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("allow 192.0.2.77;", (live.fleet.run / "conf/nginx/operators.conf").read_text(encoding="utf-8"))
        own.write_text("WORKRES=3\nand this\n", encoding="utf-8")
        self.assert_nothing_touched(f"{own} line 1: there is no setting WORKRES\n{own} line 2: expected NAME=value",
                                    ("scripts/fleet", "start"), ("scripts/plugfleet", "check"))

    def test_what_the_environment_tells_other_programs_changes_nothing(self):
        strange = {"CDPATH": "/tmp:/usr", "PGOPTIONS": "-c no.such=1", "PGSERVICE": "other", "PGHOSTADDR": "192.0.2.1",
                   "PYTHONHOME": "/nonexistent", "POSIXLY_CORRECT": "1", "LC_ALL": "no_SUCH", "GREP_OPTIONS": "-v",
                   "REDISCLI_AUTH": "other", "NGINX": "7;", "BASH_FUNC_jq%%": "() { false; }", "root": "/", "wrong": "1"}
        done = run(live.fleet, "start", **strange)
        self.assertEqual(done.returncode, 0, done)
        done = run(live.fleet, "status", **strange)
        self.assertEqual(done.returncode, 0, done)
        self.assertNotIn("WRONG", done.stdout)

    def test_a_stop_ends_workers_of_nginx_that_outlived_it(self):
        self.addCleanup(live.fleet.script, "start")
        for name in ("supervisord.pid", "nginx.pid"):
            os.kill(int((live.fleet.run / name).read_text(encoding="ascii")), signal.SIGKILL)
        self.assertEqual(live.get("/static/figma/none").status, 404)  # they serve on
        self.assertEqual(run(live.fleet, "stop").returncode, 0)
        self.assertRaises(ConnectionRefusedError, live.get, "/healthz")

    def test_a_stop_ends_all_and_keeps_the_data_and_a_start_finds_it_again(self):
        live.fleet.sql("create table kept as select 7 as number")
        self.addCleanup(live.fleet.script, "start")
        done = run(live.fleet, "stop")
        self.assertEqual((done.returncode, done.stderr), (0, ""), done)
        self.assertTrue(done.stdout.endswith("Plugfleet is stopped.\n"), done.stdout)
        self.assertRaises(ConnectionRefusedError, live.get, "/healthz")
        self.assertFalse(live.fleet.run.exists())
        left = subprocess.run(["pgrep", "-f", f"{live.fleet.run}/"], capture_output=True, check=False)
        self.assertEqual(left.stdout, b"")
        live.fleet.script("start")
        self.assertEqual(live.fleet.sql("select number from kept"), [["7"]])
        self.assertEqual(live.get("/healthz", secure=True).status, 200)


if __name__ == "__main__":
    unittest.main()
