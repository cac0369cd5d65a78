"""The keeper starts and stops workers and runners by what is short, under load that must not notice; a process that is
killed is back at once, whether the keeper runs or not."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from contextlib import ExitStack
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from jobs import JobsLive, Stream, some_user
from live import KEY, PATIENCE, frame, some_layers
from servers import BUILD, ROOT, wait_for
from traffic import Traffic, all_renamed

live = JobsLive(__file__)
tearDownModule = live.stop

BODY = json.dumps(frame(*some_layers(1))).encode()


def told(pool):
    """What RUN/scaling tells of a pool."""
    file = live.fleet.run / "scaling"
    text = file.read_text(encoding="utf-8") if file.exists() else ""
    found = re.search(rf"\b{pool} \d+ of .*?(?=; (?:worker|runner) \d+ of |$)", text)
    return found[0] if found else ""


def cells(pool):
    """{slot: what its process says of itself}, of those that are ready."""
    said = subprocess.run([BUILD / "bin/plugfleet-metrics", live.fleet.run / "metrics"], stdout=subprocess.PIPE,
                          timeout=PATIENCE, check=True)
    return {one["slot"]: one for one in json.loads(said.stdout)
            if one["pool"] == pool and one["alive"] and one["values"].get("plugfleet_ready") == 1}


def wait_for_slots(pool, slots):
    wait_for(lambda: set(cells(pool)) == set(slots), f"there were never just {pool}s {slots}", PATIENCE)


class ScalingCase(live.Case):
    settings = {
        "PLUGFLEET_AI_PROVIDER": "openai", "PLUGFLEET_OPENAI_API_KEY": KEY, "WORKERS_MAX": "6", "PLUGFLEET_POOLS": None,
        "RUNNERS_MAX": "4", "PLUGFLEET_SCALE_DOWN_AFTER": "2s", "PLUGFLEET_RUNNER_JOBS": "2",
        "PLUGFLEET_RUNNER_GRACE": "1s",
    }

    def setUp(self):
        super().setUp()
        wait_for_slots("worker", range(2))
        wait_for_slots("runner", range(2))
        self.before = len(self.all_steps())

    def all_steps(self):
        return [line for line in live.fleet.log_lines("keeper.log") if line["event"] == "scaled"]

    def steps(self, pool):
        """The steps of this test: each of one process, none beyond what is allowed."""
        steps = [step for step in self.all_steps()[self.before :] if step["pool"] == pool]
        self.assertTrue(all(abs(step["to"] - step["from"]) == 1 and 2 <= step["to"] <= 6 for step in steps), steps)
        return steps


class WorkersTest(ScalingCase):
    def renames(self, clients):
        return Traffic(live.fleet, "/api/rename-layers", BODY, clients=clients, good=all_renamed)

    def test_waiting_alone_brings_workers_up_to_the_maximum_and_quiet_takes_them_but_no_stream(self):
        job = live.add("sleep", ms=3_600_000, steps=1)
        self.addCleanup(live.ask, "DELETE", f"/api/jobs/{job}")
        with ExitStack() as open_streams, self.renames(clients=2) as few:
            with Traffic(live.fleet, "/probe/hold", clients=40) as many:
                wait_for_slots("worker", range(6))
                why = "worker 6 of 2-6 (accept queue waited"
                wait_for(lambda: told("worker").startswith(why), "it does not say why", PATIENCE)
                status = subprocess.run(
                    [ROOT / "scripts/plugfleet", "status", "--json"], env=live.fleet.environment, cwd="/",
                    stdout=subprocess.PIPE, text=True, timeout=PATIENCE, check=False,
                )
                self.assertIn(why, json.loads(status.stdout)["scaling"])
                ups = self.steps("worker")
                self.assertEqual([step["to"] for step in ups], [3, 4, 5, 6])
                for step in ups:
                    self.assertRegex(step["why"], r"^accept queue waited \d+ ms at p95$")
                many.wait_for_more(600)
                self.assertEqual(self.steps("worker"), ups, "a steady load was answered up and down")
                stream = open_streams.enter_context(Stream(live, job))
                while not (having := self.extra_workers_with_streams()):
                    open_streams.enter_context(Stream(live, job))
            wait_for(lambda: set(cells("worker")) == {0, 1} | having, "idle workers stayed", PATIENCE)
            wait_for(lambda: "have streams or jobs" in told("worker"), "it does not say why it keeps one", PATIENCE)
            self.assertEqual(live.ask("DELETE", f"/api/jobs/{job}").status, 202)
            self.assertEqual([event.name for event in stream][-1], "cancelled")
            open_streams.close()
            wait_for_slots("worker", range(2))
            few.wait_for_more(10)
        for load in (many, few):
            self.assertEqual(load.failures, [], f"of {load.answered}")
        print(f"2 to 6 workers and back: 0 of {many.answered + few.answered} requests failed")

    def extra_workers_with_streams(self):
        return {slot for slot, cell in cells("worker").items() if slot > 1 and cell["values"].get("plugfleet_streams")}

    def test_many_requests_at_once_bring_workers_and_as_many_all_the_time_bring_no_more_ups_and_downs(self):
        live.provider.answer_after(1000)
        with self.renames(clients=140) as many:  # more than two workers shall have at once, fewer than three
            wait_for(lambda: self.steps("worker"), "no worker was added", PATIENCE)
            many.wait_for_more(600)
            steps = self.steps("worker")
        self.assertRegex(steps[0]["why"], r"^\d+ requests in flight in 2 workers$")
        self.assertEqual([step for step in steps if step["to"] < step["from"]], [])
        self.assertEqual(many.failures, [], f"of {many.answered}")
        wait_for_slots("worker", range(2))


class RunnersTest(ScalingCase):
    def test_jobs_that_wait_bring_runners_quiet_takes_them_and_each_job_runs_once(self):
        user, count = some_user(), 0

        def four_under_load():
            nonlocal count
            if len(live.fleet.sql("select 1 from live_jobs where status = 'queued'")) < 15:
                count += live.add("once", user, count=15, ms=1500, steps=1)
            return set(cells("runner")) == set(range(4))

        wait_for(four_under_load, "there were never four runners", PATIENCE)
        self.assertEqual(live.wait_for_ends(user, count), {"completed": count})
        wait_for_slots("runner", range(2))
        steps = self.steps("runner")
        self.assertEqual([step["to"] for step in steps], [3, 4, 3, 2])
        for step in steps[:2]:
            self.assertRegex(step["why"], r"^\d+ jobs waited, the oldest for \d+ s, and [23] runners had \d+$")
        live.assert_ended_once(self, f"user_email = '{user}'")
        # A runner that was stopped with a job would have given it back after RUNNER_GRACE, to be run again.
        of_user = f"(select id from jobs where user_email = '{user}')"
        runs = live.fleet.sql(f"select count(*) from probe_effects where job_id in {of_user}")
        self.assertEqual(int(runs[0][0]), count)


class RecoveryTest(ScalingCase):
    def recovery(self, pool, slot):
        """Seconds from the kill -9 of the process there until the next one is ready."""
        cell = lambda: cells(pool).get(slot)
        old, since = wait_for(cell, f"{pool} {slot} is not ready", PATIENCE)["pid"], time.monotonic()
        os.kill(old, signal.SIGKILL)
        while not (new := cell()) or new["pid"] == old:
            self.assertLess(time.monotonic() - since, PATIENCE, f"{pool} {slot} did not come back")
        return time.monotonic() - since

    def recoveries(self, pool):
        """Of both processes, each killed twice: once at work, and its successor as soon as that is ready."""
        took = []
        for slot in (0, 1):
            wait_for(lambda: live.fleet.pid(f"{pool}:{pool}_0{slot}"), f"{pool} {slot} does not stay", PATIENCE)
            took += [self.recovery(pool, slot), self.recovery(pool, slot)]
        return took

    def test_what_is_killed_is_ready_again_within_a_second(self):
        live.fleet.ctl("stop", "keeper")  # it asks supervisord something every second, which hastens it
        self.addCleanup(live.fleet.ctl, "start", "keeper")
        for pool in ("worker", "runner"):
            took = wait_for(lambda: max(some := self.recoveries(pool)) < 1 and some, f"a {pool} takes longer", PATIENCE)
            print(f"a killed {pool} was ready again after {max(took):.2f} s at the most")


if __name__ == "__main__":
    unittest.main()
