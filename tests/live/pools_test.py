"""Pools: a module in a pool of its own is served by that pool alone, whatever happens to it others do not notice, and a pool on
demand has no process until somebody asks."""

import json
import os
import signal
import statistics
import subprocess
import sys
import threading
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from jobs import JobsLive, some_user
from live import PATIENCE
from servers import BUILD, ROOT, wait_for
from traffic import Traffic

live = JobsLive(__file__)
tearDownModule = live.stop

THEIRS, OURS = "/probe/hold", "/api/prompts"  # of the module in a pool of its own, and of the others


def plugfleet(*words, **environment):
    return subprocess.run(
        [ROOT / "scripts/plugfleet", *words], env=live.fleet.environment | environment, cwd="/", stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300, check=False,
    )


def cells(pool):
    """{slot: what its process says of itself}, of those that are ready."""
    said = subprocess.run([BUILD / "bin/plugfleet-metrics", live.fleet.run / "metrics"], stdout=subprocess.PIPE,
                          timeout=PATIENCE, check=True)
    return {one["slot"]: one for one in json.loads(said.stdout)
            if one["pool"] == pool and one["alive"] and one["values"].get("plugfleet_ready") == 1}


def total(pool, name):
    return sum(value for cell in cells(pool).values() for key, value in cell["values"].items() if key.startswith(name))


class Patient(Traffic):
    """Sends again what met a kept connection that nginx closed as it took its file anew (RFC 9112, 9.3.1)."""

    def send(self, connection):
        failure = super().send(connection)
        return super().send(connection) if failure and "Disconnected" in failure else failure


class Timed(Traffic):
    """Notes how long each answer took."""

    def __init__(self, *words, **how):
        super().__init__(*words, **how)
        self.times = []

    def send(self, connection):
        begun = time.monotonic()
        failure = super().send(connection)
        self.times.append(1000 * (time.monotonic() - begun))
        return failure

    def p99(self):
        return sorted(self.times)[len(self.times) * 99 // 100]


class PoolsTest(live.Case):
    settings = {
        "PLUGFLEET_POOLS": None, "WORKERS_MAX": "2", "RUNNERS_MAX": "2", "PLUGFLEET_AI_PROVIDER": "offline",
        "WORKER_POOL_RENDER": "modules=probe min=1 max=1 MEMORY_LIMIT=512MiB",
        "RUNNER_POOL_PRINT": "modules=probe min=1 max=1 RUNNER_JOBS=2",
    }

    def quiet(self):
        with Timed(live.fleet, OURS, clients=2) as ours:
            ours.wait_for_more(300)
        return ours.p99()

    def test_routes_and_jobs_go_to_the_pools_that_have_their_modules(self):
        before = {pool: total(pool, "plugfleet_requests_total") for pool in ("render", "worker")}
        for _ in range(10):
            self.assertEqual(live.get(THEIRS).status, 200)
        self.assertEqual(total("render", "plugfleet_requests_total"), before["render"] + 10)
        self.assertEqual(total("worker", "plugfleet_requests_total"), before["worker"])
        self.assertEqual((live.get(OURS).status, live.get("/probe/nothing").status, live.get("/health").status), (200, 404, 200))
        refused = live.ask("DELETE", THEIRS)  # by the pool that knows the path
        self.assertEqual((refused.status, refused.headers["Allow"]), (405, "GET"))
        self.assertGreater(total("worker", "plugfleet_requests_total"), before["worker"])
        user = some_user()
        live.add("sleep", user, count=20, ms=1, steps=1)
        self.assertEqual(live.wait_for_ends(user, 20), {"completed": 20})
        self.assertGreaterEqual(total("print", "plugfleet_jobs_finished_total"), 20)
        self.assertEqual(total("runner", "plugfleet_jobs_finished_total"), 0)

    def test_status_and_routes_show_the_pool(self):
        pools = {route["path"]: route["pool"] for route in json.loads(plugfleet("routes", "--json").stdout)["routes"]}
        self.assertEqual({path: pools[path] for path in (THEIRS, OURS, "/health")},
                         {THEIRS: "render", OURS: "worker", "/health": "worker"})
        status = json.loads(plugfleet("status", "--json").stdout)
        self.assertEqual(status["wrong"], [])
        self.assertTrue({"render_00", "print_00", "worker_00", "runner_00"} <= {p["name"] for p in status["processes"]}, status)

    def test_what_makes_no_sense_is_named(self):
        for name, value, sentence in (
            ("WORKER_POOL_RENDER", "modules=prob", "WORKER_POOL_RENDER: there is no module prob; there are: "),
            ("WORKER_POOL_OTHER", "modules=probe", "WORKER_POOL_RENDER: the module probe is in WORKER_POOL_OTHER already"),
            ("WORKER_POOL_NGINX", "modules=figma", "WORKER_POOL_NGINX: a pool cannot be called nginx"),
            ("WORKER_POOL_RENDER", "modules=probe max=65", "WORKER_POOL_RENDER: max is '65', not a number from 0 to 64"),
            ("WORKER_POOL_RENDER", "modules=probe threads=8", "WORKER_POOL_RENDER: there is no 'threads'"),
            ("WORKER_POOL_RENDER", "modules=probe MEMORY_LIMIT=1", "MEMORY_LIMIT: must be a size"),
            ("WORKER_POOL_RENDER", "modules=probe MEMORY_LIMITS=1GiB", "MEMORY_LIMITS: there is no such setting"),
        ):
            with self.subTest(value):
                done = plugfleet("check", **{name: value})
                self.assertEqual(done.returncode, 1, done.stdout)
                self.assertIn(sentence, done.stdout)
                refused = subprocess.run([ROOT / "scripts/fleet", "start"], env=live.fleet.environment | {name: value}, cwd="/",
                                         capture_output=True, text=True, timeout=300, check=False)
                self.assertEqual(refused.returncode, 1, refused)
                self.assertIn(sentence, refused.stderr)

    def test_a_pool_whose_workers_are_held_leaves_the_others_as_they_are(self):
        quiet = self.quiet()
        with Timed(live.fleet, THEIRS, clients=40) as theirs, Timed(live.fleet, OURS, clients=2) as ours:
            ours.wait_for_more(300)
            theirs.wait_for_more(100)
        held = statistics.median(theirs.times)
        print(f"\n  p99 of {OURS}: {quiet:.1f} ms, {ours.p99():.1f} ms while another pool's requests take {held:.0f} ms")
        self.assertEqual(ours.failures, [], f"of {ours.answered}")
        # Forty wait for one thread for 20 ms each. In the same pool ours would wait with them.
        self.assertLess(ours.p99(), held)

    def test_a_pool_whose_workers_are_killed_leaves_the_others_as_they_are(self):
        quiet, kills, over = self.quiet(), [], threading.Event()

        def kill():
            while not over.is_set():
                for cell in cells("render").values():
                    os.kill(cell["pid"], signal.SIGKILL)
                    kills.append(cell["pid"])

        with Timed(live.fleet, THEIRS, clients=4) as theirs, Timed(live.fleet, OURS, clients=2) as ours:
            killer = threading.Thread(target=kill)
            killer.start()
            try:
                wait_for(lambda: len(kills) >= 5, "there were not five to kill", PATIENCE)
                ours.wait_for_more(300)
            finally:
                over.set()
                killer.join()
        print(f"\n  p99 of {OURS}: {quiet:.1f} ms, {ours.p99():.1f} ms while another pool lost {len(kills)} workers and failed "
              f"{len(theirs.failures)} of {theirs.answered} requests")
        self.assertEqual(ours.failures, [], f"of {ours.answered}")
        wait_for(lambda: live.get(THEIRS).status == 200, "the pool did not come back", PATIENCE)

    def test_one_pool_is_replaced_and_no_other(self):
        before = {pool: [cell["pid"] for cell in cells(pool).values()] for pool in ("render", "worker")}
        with Traffic(live.fleet, THEIRS, clients=2) as theirs:
            done = plugfleet("restart", "render")
            theirs.wait_for_more(20)
        self.assertEqual(done.returncode, 0, done.stdout)
        self.assertEqual(theirs.failures, [], f"of {theirs.answered}")
        self.assertFalse(set(before["render"]) & {cell["pid"] for cell in cells("render").values()})
        self.assertEqual({cell["pid"] for cell in cells("worker").values()}, set(before["worker"]))
        self.assertIn("the pools are: worker runner print render", plugfleet("restart", "rendering").stdout)

    def test_pools_come_and_go_and_no_request_fails(self):
        had = live.fleet.environment

        def change(**pools):
            live.fleet.change({**had, **self.settings, **pools})

        self.addCleanup(change)
        with Patient(live.fleet, THEIRS, clients=2) as theirs, Patient(live.fleet, OURS, clients=2) as ours:
            change(WORKER_POOL_RENDER=None, RUNNER_POOL_PRINT=None)
            self.assertEqual((cells("render"), cells("print")), ({}, {}))
            self.assertNotIn("render", live.fleet.ctl("status"))
            for load in (theirs, ours):
                load.wait_for_more(20)
            change()
            self.assertEqual((len(cells("render")), len(cells("print"))), (1, 1))
            for load in (theirs, ours):
                load.wait_for_more(20)
        for load in (theirs, ours):
            self.assertEqual(load.failures, [], f"of {load.answered} on {load.path}")


class OnDemandTest(live.Case):
    settings = {
        "PLUGFLEET_POOLS": None, "WORKERS_MAX": "2", "RUNNERS_MAX": "2", "PLUGFLEET_AI_PROVIDER": "offline",
        "WORKER_POOL_SOME": "modules=probe min=0 max=2 idle=2s", "RUNNER_POOL_LATE": "modules=probe min=0 max=1 idle=2s",
    }

    def setUp(self):
        super().setUp()
        self.rest("some")

    def rest(self, pool):
        wait_for(lambda: not cells(pool) and "STOPPING" not in live.fleet.ctl("status", f"{pool}:*"), f"{pool} is never at rest",
                 PATIENCE)

    def test_the_first_to_ask_is_answered_and_the_pool_goes_again(self):
        took = []
        for _ in range(3):
            begun = time.monotonic()
            self.assertEqual(live.get(THEIRS).status, 200)
            took.append(1000 * (time.monotonic() - begun) - 20)
            self.assertEqual(len(cells("some")), 1)
            self.assertEqual(json.loads(plugfleet("status", "--json").stdout)["wrong"], [])
            self.rest("some")
        print(f"\n  a cold start took {', '.join(f'{ms:.0f}' for ms in took)} ms")
        self.assertEqual(json.loads(plugfleet("status", "--json").stdout)["wrong"], [])

    def test_of_many_at_once_none_fails(self):
        with ThreadPoolExecutor(40) as clients:
            replies = list(clients.map(lambda _: live.get(THEIRS).status, range(40)))
        self.assertEqual(set(replies), {200})

    def test_a_pool_that_does_not_start_answers_503_until_it_does(self):
        environment = live.fleet.run / "conf/some.env"
        hidden = environment.with_suffix(".hidden")
        environment.rename(hidden)
        self.addCleanup(lambda: hidden.exists() and hidden.rename(environment))
        refused = live.get(THEIRS)
        self.assertEqual((refused.status, refused.json["error"]), (503, "unavailable"))
        self.assertIn("Retry-After", refused.headers)
        self.assertEqual(live.get(OURS).status, 200)
        hidden.rename(environment)
        wait_for(lambda: live.get(THEIRS).status == 200, "it did not come up", PATIENCE)

    def test_a_job_brings_a_runner_and_the_runner_goes(self):
        self.rest("late")
        user = some_user()
        live.add("sleep", user, count=3, ms=1, steps=1)
        self.assertEqual(live.wait_for_ends(user, 3), {"completed": 3})
        self.rest("late")

    def test_a_restart_at_rest_leaves_it_at_rest_and_it_starts_with_what_is_new(self):
        self.assertEqual(plugfleet("restart").returncode, 0)
        self.assertEqual(cells("some"), {})
        self.assertEqual(live.get(THEIRS).status, 200)


if __name__ == "__main__":
    unittest.main()
