"""Runners that die, stand still, are told to stop, have a wrong clock or a job that kills them. Each scenario has
runners of its own (a lane of tests/probe); they run side by side, for most of it is waiting for leases to end."""

import contextlib
import signal
import subprocess
import sys
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from jobs import JobsLive, Runner, some_user, together
from live import PATIENCE, at_once
from servers import wait_for

live = JobsLive(__file__)
tearDownModule = live.stop

FAKETIME = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1"
REAPED_S = 15  # from a runner's death until somebody else may have its job


class Scenarios(unittest.TestCase):
    """What the tests below wait for. Each scenario asserts by itself, and its failure is its test's."""

    def killed(self):
        """kill -9 in the middle of a job: another runner has done it 15 s and its own time later."""
        work_s = 2
        with Runner(live.fleet, "killed") as first:
            job = live.add("once@killed", ms=work_s * 1000)
            live.wait_for_status(job, "processing")
            with Runner(live.fleet, "killed"):
                first.kill()
                told = live.wait_for_end(job, seconds=REAPED_S + work_s)
        self.assertEqual((told["status"], told["result"]), ("completed", {"attempt": 2}))
        ran = live.fleet.sql(f"select attempt, ended is not null from probe_effects where job_id = '{job}' order by 1")
        self.assertEqual(ran, [["1", "f"], ["2", "t"]])

    def stopped(self):
        """SIGSTOP past the lease while others take its jobs, then SIGCONT: what the late one writes changes nothing."""
        with contextlib.ExitStack() as runners:
            late = runners.enter_context(Runner(live.fleet, "stopped", JOB_LEASE="5s"))
            # In one step: when it goes on, some of them have slept enough, and it believes that it has done them.
            jobs = at_once(8, lambda i: live.add("sleep@stopped", ms=4000 + 100 * i, steps=1))
            wait_for(lambda: self.processing("stopped", 1) == 8, "they did not begin", PATIENCE)
            late.signal(signal.SIGSTOP)
            for _ in jobs:
                runners.enter_context(Runner(live.fleet, "stopped"))
            wait_for(lambda: self.processing("stopped", 2) > 0, "nobody took its jobs", PATIENCE)
            late.signal(signal.SIGCONT)
            for job in jobs:
                told = live.wait_for_end(job)
                self.assertEqual((told["status"], told["result"]), ("completed", {"attempt": 2}))
            rows = [live.row(job) for job in jobs]
            lost = lambda: live.fleet.log_lines("runner.log", '"outcome":"lost"')
            wait_for(lambda: sum(line["pid"] == late.pid for line in lost()) == 8, "it did not notice", PATIENCE)
            self.assertEqual([live.row(job) for job in jobs], rows)

    def processing(self, lane, attempt):
        where = f"type like '%@{lane}' and attempt = {attempt} and status = 'processing'"
        return int(live.fleet.sql(f"select count(*) from live_jobs where {where}")[0][0])

    def terminated(self):
        """SIGTERM while busy: what can end within the grace ends, the rest is given back with its attempt."""
        with Runner(live.fleet, "terminated", RUNNER_GRACE="2s") as first:
            short = [live.add("once@terminated", ms=1000) for _ in range(10)]
            long = [live.add("once@terminated", ms=6000) for _ in range(10)]
            for job in short + long:
                live.wait_for_status(job, "processing", "completed")
            first.signal(signal.SIGQUIT)  # scripts/lib/slots.sh says both, and either may come first
            first.process.terminate()
            late = live.add("noop@terminated")
            self.assertEqual(first.process.wait(PATIENCE), 0)
            self.assertEqual({live.job(job)["status"] for job in short}, {"completed"})
            self.assertEqual({live.job(job)["status"] for job in [*long, late]}, {"queued"})
        with Runner(live.fleet, "terminated"):
            for job in [*short, *long, late]:
                told = live.wait_for_end(job)
                self.assertEqual((told["status"], told["attempt"]), ("completed", 1))

    def skewed(self):
        """A clock an hour off, either way, changes nothing: leases and times are the database's."""
        with contextlib.ExitStack() as runners:
            for skew in ("+1h", "-1h"):
                clock = {"LD_PRELOAD": FAKETIME, "FAKETIME": skew, "DONT_FAKE_MONOTONIC": "1"}
                clock["ASAN_OPTIONS"] = "verify_asan_link_order=0"
                runners.enter_context(Runner(live.fleet, "skewed", clock, JOB_LEASE="5s", RUNNER_JOBS="4"))
            jobs = [live.add("once@skewed", ms=8000) for _ in range(8)]  # longer than a lease that nobody renews
            jobs.append(live.add("noop@skewed", delayMs=1000))
            for job in jobs:
                told = live.wait_for_end(job)
                self.assertEqual((told["status"], told["attempt"]), ("completed", 1))
        ids = ",".join(f"'{job}'" for job in jobs)
        off = live.fleet.sql(f"""
            select id from only jobs where id in ({ids}) and (created_at < now() - interval '10 minutes'
               or started_at < created_at or completed_at < started_at or completed_at > now())""")
        self.assertEqual(off, [])

    def poisoned(self):
        """A job that kills its runner fails after its attempts; others complete, and lose one attempt at most."""
        supervised = []
        over = False

        def keep_one_running():  # as supervisord does
            while not over:
                with Runner(live.fleet, "poisoned", JOB_LEASE="5s") as runner:
                    supervised.append(runner)
                    wait_for(lambda: over or runner.process.poll() is not None, "", 600)

        slots = together({"first": keep_one_running, "second": keep_one_running})
        try:
            wait_for(lambda: len(supervised) >= 2, "no runners", PATIENCE)
            innocent = [live.add("once@poisoned", ms=500) for _ in range(20)]
            poison = live.add("crash@poisoned")
            innocent += [live.add("once@poisoned", ms=500) for _ in range(20)]
            told = live.wait_for_end(poison, seconds=120)
            self.assertEqual((told["status"], told["attempt"]), ("failed", 3))
            self.assertEqual(sum(runner.process.poll() == -signal.SIGKILL for runner in supervised), 3)
            for job in innocent:
                told = live.wait_for_end(job)
                self.assertEqual(told["status"], "completed")
                self.assertLessEqual(told["attempt"], 2)
        finally:
            over = True
            for slot in slots.values():
                slot.result()

    def held(self):
        """A transaction that stays open for more than a minute pins every dead row; claims cost no more for that."""
        held_s, batch, pace_s, user = 62, 50, 0.125, some_user()  # as many jobs on a fast machine as on a slow one
        psql = ["psql", "-h", live.fleet.run / "postgresql", "-U", "postgres", "-d", "plugfleet", "-XAtq"]
        with subprocess.Popen(psql, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as session:
            with Runner(live.fleet, "held"):
                session.stdin.write(
                    "set idle_in_transaction_session_timeout = 0; begin isolation level repeatable read;"
                    " select count(*) >= 0 from live_jobs;\n"
                )
                session.stdin.flush()
                session.stdout.readline()
                begun, done, before = time.monotonic(), 0, self.rows_visited()
                while time.monotonic() < begun + held_s:
                    live.add("noop@held", user, count=batch)
                    done += batch
                    self.assertEqual(live.wait_for_ends(user, done), {"completed": done})
                    time.sleep(max(0, begun + done / batch * pace_s - time.monotonic()))
                # A look at all of them once a second is as designed; one by every claim would be many times as much.
                self.assertLess(self.rows_visited() - before, 2 * held_s * done)
            session.stdin.write("rollback;\n")
            session.communicate(timeout=PATIENCE)

    def rows_visited(self):
        rows = live.fleet.sql("select idx_tup_read from pg_stat_user_indexes where indexrelname = 'live_jobs_ready'")
        return int(rows[0][0])


class KillTest(live.Case):
    settings = {"RUNNERS": "1"}

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        scenarios = Scenarios()
        cls.running = together({name: getattr(scenarios, name) for name in (
            "killed", "stopped", "terminated", "skewed", "poisoned", "held"
        )})

    def shown_by(self, scenario):
        self.running[scenario].result()
        live.assert_ended_once(self, f"type like '%@{scenario}'")

    def test_a_killed_runners_job_is_done_by_another_within_seconds(self):
        self.shown_by("killed")

    def test_what_a_runner_writes_after_it_lost_its_leases_changes_nothing(self):
        self.shown_by("stopped")

    def test_a_runner_that_is_told_to_stop_ends_or_gives_back_what_it_has(self):
        self.shown_by("terminated")

    def test_a_runners_clock_may_be_an_hour_off(self):
        self.shown_by("skewed")

    def test_a_job_that_kills_its_runner_fails_and_holds_nobody_up(self):
        self.shown_by("poisoned")

    def test_a_snapshot_held_open_makes_no_claim_dearer(self):
        self.shown_by("held")


if __name__ == "__main__":
    unittest.main()
