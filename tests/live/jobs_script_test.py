"""scripts/jobs as operators use it: what each verb prints and does, for people and for scripts, servers down included."""

import json
import os
import subprocess
import sys
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from jobs import JobsLive, Stream
from live import PATIENCE
from servers import ROOT, wait_for

live = JobsLive(__file__)
tearDownModule = live.stop

HOUR_MS = 3_600_000


def run(*words, environment=None):
    done = subprocess.run([ROOT / "scripts/jobs", *words], env=environment or live.fleet.environment, cwd="/", timeout=120,
                          stdin=subprocess.DEVNULL, capture_output=True, text=True, check=False)
    wide = [line for line in done.stdout.splitlines() if len(line) > 120]
    if wide and "--json" not in words:
        raise AssertionError(f"wider than a terminal: {wide}")
    return done


class JobsScriptCase(live.Case):
    def said(self, *words, status=0):
        """What it prints on stdout; on stderr where it is refused."""
        done = run(*words)
        self.assertEqual(done.returncode, status, done)
        return done.stderr if status else done.stdout

    def told(self, *words, status=0):
        done = run(*words, "--json")
        self.assertEqual(done.returncode, status, done)
        return json.loads(done.stdout)

    def depth(self, kind):
        return next(depth for depth in self.told("depths") if depth["kind"] == kind)

    def paused(self, kind):
        self.said("pause", kind)
        self.addCleanup(self.said, "resume", kind)

    def failed_job(self):
        job = live.add("retry", times=99)
        self.assertEqual(live.wait_for_end(job)["status"], "failed")
        return job


class LookingTest(JobsScriptCase):
    def test_without_a_verb_it_tells_how_much_of_each_kind_there_is(self):
        self.paused("probe.limited")
        for delay in (0, 0, HOUR_MS):
            live.add("limited", delayMs=delay)
        self.addCleanup(self.said, "drain", "probe.limited", "--cancel")
        depth = self.depth("probe.limited")
        self.assertGreaterEqual(depth.pop("oldestMs"), 0)
        self.assertEqual(depth, {"kind": "probe.limited", "ready": 2, "toCome": 1, "processing": 0, "paused": True,
                                 "atOnce": 2})
        head, *lines = self.said().splitlines()
        self.assertEqual(head.split(), ["KIND", "READY", "TO", "COME", "PROCESSING", "AT", "MOST", "OLDEST", "STATE"])
        line = next(line for line in lines if line.startswith("probe.limited ")).split()
        self.assertEqual((line[1:5], line[-1]), (["2", "1", "0", "2"], "paused"))

    def test_a_failed_job_is_shown_with_the_error_of_every_attempt(self):
        job = self.failed_job()
        shown = self.told("show", job)
        self.assertEqual((shown["status"], shown["attempt"], shown["type"]), ("failed", 3, "probe.retry"))
        self.assertEqual([(e["attempt"], e["message"]) for e in shown["attemptErrors"]],
                         [(attempt, "as it was asked to") for attempt in (1, 2, 3)])
        text = self.said("show", job)
        self.assertIn("tries      3/3\n", text)
        self.assertEqual(text.count("as it was asked to"), 4)

    def test_jobs_are_listed_by_kind_and_status_the_newest_first(self):
        jobs = [self.failed_job() for _ in range(2)]
        newest = self.told("list", "--kind", "probe.retry", "--status", "failed", "--limit", "2")
        self.assertEqual([job["id"] for job in newest], jobs[::-1])
        lines = self.said("list", "--kind", "probe.retry", "--limit", "1").splitlines()
        self.assertEqual(lines[0].split(), ["ID", "KIND", "STATUS", "TRIES", "AGE", "USER", "WHAT"])
        self.assertEqual(lines[1].split()[:4], [jobs[1], "probe.retry", "failed", "3/3"])
        self.assertEqual(self.told("list", "--kind", "none.such"), [])

    def test_what_clients_say_does_not_reach_the_terminal_as_commands(self):
        job = live.add("noop", user="\x1b[2J\u009b2J\n\x07" + "é" * 200)
        live.wait_for_end(job)
        for words in (("list", "--limit", "5"), ("show", job)):
            text = self.said(*words)
            self.assertIn("é", text)
            self.assertFalse({"\x1b", "\u009b", "\x07"} & set(text))

    def test_what_is_not_there_is_refused_and_a_wrong_usage_explained(self):
        none = str(uuid.uuid4())
        for words, status, saying in (
            (("show", none), 1, f"There is no job {none}."),
            (("retry", none), 1, ""),
            (("pause", "none.such"), 1, "There is no kind none.such. There are: "),
            (("drain", "none.such"), 1, "There is no kind none.such."),
            (("show",), 2, "usage: jobs show ID"),
            (("show", "12"), 2, '"12" is not a job\'s id'),
            (("begin",), 2, "there is no verb begin"),
            (("list", "--status", "done"), 2, "--status: must be one of any|queued|processing|"),
            (("list", "--cancel"), 2, "list has no --cancel"),
            (("list", "--limit"), 2, "--limit needs a value"),
            (("drain", "probe.noop", "--timeout", "soon"), 2, "--timeout: must be a duration such as 10m"),
        ):
            with self.subTest(words):
                self.assertIn(saying, self.said(*words, status=status))
        self.assertEqual(self.said("--help").count("\n"), 9)

    def test_without_a_fleet_it_says_how_to_start_one(self):
        done = run(environment={**os.environ, "FLEET_DIR": str(ROOT / ".fleet-test-never")})
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertEqual(done.stderr, "Plugfleet is not running; start it with: make run\n")


class ChangingTest(JobsScriptCase):
    def test_failed_jobs_start_anew_and_others_are_refused(self):
        job = self.failed_job()
        self.paused("probe.retry")
        self.assertEqual(self.told("retry", job), [{"id": job, "what": "queued again", "ok": True}])
        self.assertEqual(live.job(job)["status"], "queued")
        self.assertEqual(self.told("retry", job, status=1),
                         [{"id": job, "what": "refused: it is queued, neither failed nor cancelled", "ok": False}])

    def test_a_queued_job_is_cancelled_at_once_and_its_stream_told(self):
        job = live.add("noop", delayMs=HOUR_MS)
        with Stream(live, job) as stream:
            events = iter(stream)
            self.assertEqual(next(events).name, "snapshot")
            self.assertRegex(self.said("cancel", job), rf"\n{job}  cancelled\n$")
            self.assertEqual([event.name for event in events], ["cancelled"])
        done = run("cancel", job, str(uuid.uuid4()))
        self.assertEqual(done.returncode, 1)
        self.assertRegex(done.stdout, r"refused: it has ended\n.*  not there\n$")

    def test_a_processing_job_is_told_to_stop(self):
        job = live.add("sleep", ms=HOUR_MS)
        live.wait_for_status(job, "processing")
        self.assertEqual(self.told("cancel", job)[0]["what"], "to be cancelled by its runner")
        self.assertEqual(live.wait_for_end(job)["status"], "cancelled")

    def test_a_paused_kind_is_begun_when_it_is_resumed(self):
        self.assertRegex(self.said("pause", "probe.noop"), r"^probe.noop is paused; 0 ready, ")
        job = live.add("noop")
        self.assertIn("is paused: resume it, or drain with --cancel.", self.said("drain", "probe.noop", status=1))
        self.assertEqual(live.job(job)["status"], "queued")
        self.assertRegex(self.said("resume", "probe.noop"), r"^probe.noop is open; 1 ready, ")
        self.assertEqual(live.wait_for_end(job)["status"], "completed")


class DrainingTest(JobsScriptCase):
    def test_it_waits_until_nothing_is_left(self):
        jobs = [live.add("sleep", ms=1500) for _ in range(3)]
        self.assertTrue(self.said("drain", "probe.sleep").endswith("0 ready, 0 to come, 0 processing\n"))
        self.assertEqual({live.job(job)["status"] for job in jobs}, {"completed"})

    def test_what_is_queued_can_be_cancelled_first(self):
        self.paused("probe.once")
        for delay in (0, 0, HOUR_MS):
            live.add("once", delayMs=delay)
        self.assertEqual(self.told("drain", "probe.once", "--cancel"),
                         {"kind": "probe.once", "drained": True, "cancelled": 3})

    def test_it_gives_up_after_its_timeout(self):
        job = live.add("sleep", ms=HOUR_MS)
        live.wait_for_status(job, "processing")
        self.assertIn("probe.sleep is not empty yet: 0 ready, 0 to come, 1 processing.",
                      self.said("drain", "probe.sleep", "--timeout", "1s", status=1))
        self.said("cancel", job)
        live.wait_for_end(job)


class DownTest(JobsScriptCase):
    def stopped(self, program):
        live.fleet.ctl("stop", program)
        self.addCleanup(wait_for, lambda: live.get("/health").json["status"] == "ok", "the fleet is not well", PATIENCE)
        self.addCleanup(live.fleet.ctl, "start", program)

    def test_without_redis_everything_works_and_says_what_does_not(self):
        job = live.add("noop", delayMs=HOUR_MS)
        self.stopped("redis-state")
        done = run("cancel", job)
        self.assertEqual(done.returncode, 0, done)
        self.assertIn("Redis does not answer", done.stderr)
        self.assertEqual(self.told("show", job)["status"], "cancelled")

    def test_without_the_database_it_says_so(self):
        for program in ("pgbouncer", "postgresql"):
            with self.subTest(program):
                self.stopped(program)
                said = self.said("list", status=1)
                self.assertRegex(said, r"^PostgreSQL does not answer: .*\n$")
                self.assertEqual(said.count("\n"), 1)
                self.doCleanups()
