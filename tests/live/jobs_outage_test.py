"""Jobs go on arriving and being done while what the fleet stands on is restarted, or loses every connection, again and
again. Whoever was told 202 has a job that ends, once."""

import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from jobs import JobsLive, Stream, some_user
from live import KEY, PATIENCE, frame, some_layers
from servers import wait_for

live = JobsLive(__file__)
tearDownModule = live.stop

OPENAI = {"PLUGFLEET_AI_PROVIDER": "openai", "PLUGFLEET_OPENAI_API_KEY": KEY}
TERMINATE = """
    select count(pg_terminate_backend(pid)) from pg_stat_activity
     where backend_type = 'client backend' and pid <> pg_backend_pid() and datname = 'plugfleet'"""


class Arrivals:
    """Clients that add jobs again and again while a `with` block runs; what they were told."""

    def __init__(self, clients=6):
        self.accepted, self.refused, self.wrong = [], 0, []
        self.user = some_user()
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.go_on, args=(index,)) for index in range(clients)]

    def go_on(self, index):
        while not self.over.wait(0.02):
            if index == 0:  # one sends images, which rest in the payload Redis
                body = frame(*some_layers(1), userEmail=self.user)
                self.took(live.add_rename(body))
            else:
                body = {"kind": "sleep", "userEmail": self.user, "ms": 20}
                self.took(live.ask("POST", "/probe/jobs", body))

    def took(self, reply):
        if reply.status == 202:
            self.accepted.append(reply.json["jobId"])
        elif reply.status == 503 and reply.headers["Retry-After"]:
            self.refused += 1
        else:
            self.wrong.append(repr(reply))

    def wait_for_more(self, count=50):
        enough = len(self.accepted) + count
        wait_for(lambda: len(self.accepted) >= enough, f"{count} more jobs were not accepted", PATIENCE)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *failure):
        self.over.set()
        for thread in self.threads:
            thread.join()


class OutageTest(live.Case):
    settings = {**OPENAI, "RUNNERS": "2"}

    def assert_all_ended(self, arrivals, allowed=("completed",)):
        self.assertEqual(arrivals.wrong, [])
        self.assertEqual(len(set(arrivals.accepted)), len(arrivals.accepted))
        mine = f"user_email = '{arrivals.user}'"
        none_left = lambda: not live.fleet.sql(f"select id from live_jobs where {mine} limit 1")
        wait_for(none_left, "jobs did not end", PATIENCE)
        live.assert_ended_once(self, mine)
        rows = dict(live.fleet.sql(f"select id, concat_ws(' ', status, error_code) from only jobs where {mine}"))
        self.assertEqual(set(arrivals.accepted) - set(rows), set(), "accepted, and lost")
        self.assertEqual({rows[job] for job in arrivals.accepted} - set(allowed), set())

    def restart_under_load(self, program, allowed=("completed",)):
        with Arrivals() as arrivals:
            arrivals.wait_for_more()
            live.fleet.ctl("restart", program)
            arrivals.wait_for_more()
            live.fleet.ctl("signal", "KILL", program)
            arrivals.wait_for_more(200)
        self.assert_all_ended(arrivals, allowed)

    def test_postgresql_restarts(self):
        self.restart_under_load("postgresql")

    def test_pgbouncer_restarts(self):
        self.restart_under_load("pgbouncer")

    def test_the_redis_for_events_restarts(self):
        self.restart_under_load("redis-state")

    def test_the_redis_for_payloads_restarts_and_forgets_what_waited(self):
        self.restart_under_load("redis-payloads", allowed=("completed", "failed payload_lost"))

    def test_every_connection_to_postgresql_ends_each_second_for_thirty_seconds(self):
        psql = ["psql", "-h", live.fleet.run / "postgresql", "-U", "postgres", "-d", "postgres", "-XAtqc", TERMINATE]
        ended = 0
        with Arrivals() as arrivals:
            for _ in range(30):
                until = time.monotonic() + 1
                done = subprocess.run(psql, capture_output=True, text=True, timeout=30, check=True)
                ended += int(done.stdout)
                time.sleep(max(0, until - time.monotonic()))
        self.assertGreater(ended, 60)
        self.assertGreater(len(arrivals.accepted), 100)
        self.assert_all_ended(arrivals)

    def each_worker_is_well(self):
        told = live.by_worker(lambda headers: live.get("/health", headers=headers))
        return all(reply.status == 200 for replies in told.values() for reply in replies)

    def test_without_postgresql_a_job_is_refused_and_leaves_nothing(self):
        live.fleet.ctl("stop", "postgresql")
        self.addCleanup(live.fleet.ctl, "start", "postgresql")
        user = some_user()
        reply = live.add_rename(frame(*some_layers(1), userEmail=user))
        self.assertEqual((reply.status, reply.json["error"]), (503, "unavailable"), reply)
        self.assertGreater(int(reply.headers["Retry-After"]), 0)
        self.assertEqual(live.fleet.redis("keys", "job:*:body", which="payloads"), "")
        live.fleet.ctl("start", "postgresql")
        wait_for(self.each_worker_is_well, "the fleet is not well again", PATIENCE)
        self.assertEqual(live.fleet.sql(f"select id from jobs where user_email = '{user}'"), [])

    def test_without_the_payload_redis_a_job_with_images_is_refused_and_others_are_not(self):
        live.fleet.ctl("stop", "redis-payloads")
        self.addCleanup(live.fleet.ctl, "start", "redis-payloads")
        user = some_user()
        reply = live.add_rename(frame(*some_layers(1), userEmail=user))
        self.assertEqual((reply.status, reply.json["error"]), (503, "unavailable"), reply)
        self.assertEqual(live.fleet.sql(f"select id from jobs where user_email = '{user}'"), [])
        self.assertEqual(live.wait_for_end(live.add("noop"))["status"], "completed")

    def test_without_the_redis_for_events_jobs_are_done_and_streams_told(self):
        live.fleet.ctl("stop", "redis-state")
        self.addCleanup(live.fleet.ctl, "start", "redis-state")
        job = live.add("sleep", ms=1000)
        with Stream(live, job) as stream:
            self.assertEqual([event.name for event in stream][-1], "completed")

    def test_killed_runners_are_replaced(self):
        slots = ["runner:runner_00", "runner:runner_01"]
        with Arrivals() as arrivals:
            for slot in slots:
                arrivals.wait_for_more()
                old = wait_for(lambda: live.fleet.pid(slot), f"{slot} does not run", PATIENCE)
                live.fleet.ctl("signal", "KILL", slot)
                wait_for(lambda: live.fleet.pid(slot) not in (None, old), f"{slot} did not come back", PATIENCE)
        self.assert_all_ended(arrivals)


if __name__ == "__main__":
    unittest.main()
