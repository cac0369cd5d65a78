"""scripts/fleet as its user sees it: what each verb says and does, whatever the state the fleet is in."""

import socket
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
sys.dont_write_bytecode = True

from live import Live
from servers import ROOT, Fleet, free_ports

live = Live(__file__)
live.name = "test-script with a space"
tearDownModule = live.stop


def run(fleet, *words, **settings):
    return subprocess.run([ROOT / "scripts/fleet", *words], env={**fleet.environment, **settings}, cwd="/", timeout=300,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)


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
                            ("HTTP_PORT", "http"), ("RATE_GENERAL", "30"), ("BURST_RENAME", "-1"),
                            ("HTTPS_ADDRESS", "localhost"), ("OPERATOR_ADDRESSES", "10.0.0.1")):
            with self.subTest(f"{name}={value}"):
                self.assert_refused(name, "start", **{name: value})

    def test_a_build_that_is_missing_is_named_with_how_to_make_it(self):
        self.assert_refused("plugfleet-worker is missing; build it with: make build", "start", BUILD="/nowhere")


class RunningTest(live.Case):
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

    def test_settings_a_worker_refuses_are_told_with_its_own_words(self):
        self.addCleanup(run, live.fleet, "start")
        done = run(live.fleet, "start", PLUGFLEET_AI_TIMEOUT="soon")
        self.assertEqual(done.returncode, 1, done)
        self.assertIn("AI_TIMEOUT: must be a duration", done.stderr)
        self.assertIn("worker_02 did not come up", done.stderr)  # the spare slot: nothing was stopped for it
        self.assertEqual(live.get("/healthz").status, 200, "the old workers were taken down")

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
