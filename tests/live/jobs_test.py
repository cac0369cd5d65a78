"""Jobs as clients know them: made by requests, looked at, streamed, cancelled, given twice, lost with their payload."""

import sys
import time
import unittest
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from jobs import TERMINAL, JobsLive, Runner, Stream, some_user
from live import KEY, PATIENCE, at_once, frame, some_layers
from servers import BUILD, wait_for

live = JobsLive(__file__)
tearDownModule = live.stop

SETTINGS = {
    "PLUGFLEET_AI_PROVIDER": "openai", "PLUGFLEET_OPENAI_API_KEY": KEY,
    "PLUGFLEET_JOB_PAYLOAD_TTL": "10s", "PLUGFLEET_JOB_PAYLOAD_BOUND": "10s",
}
RENAMES = "rename-layers"
CANCEL_S = 2 if BUILD.name == "release" else 20  # from DELETE to a running job's end


def pause(kind, paused=True):
    live.fleet.sql(
        f"insert into job_kinds (kind, paused) values ('{kind}', {paused})"
        " on conflict (kind) do update set paused = excluded.paused"
    )


class JobsCase(live.Case):
    settings = SETTINGS

    def setUp(self):
        super().setUp()
        ((self.begun,),) = live.fleet.sql("select now()")

    def tearDown(self):
        live.assert_ended_once(self, f"created_at > '{self.begun}'")

    def paused(self, kind):
        pause(kind)
        self.addCleanup(pause, kind, False)


class RenameTest(JobsCase):
    def test_a_rename_that_need_not_be_waited_for_is_done_by_a_runner(self):
        body = frame(*some_layers(3))
        reply = live.add_rename(body)
        self.assertEqual(reply.status, 202, reply)
        job = reply.json["jobId"]
        self.assertEqual(
            reply.json,
            {"jobId": job, "status": "queued", "pollUrl": f"/api/jobs/{job}", "streamUrl": f"/api/jobs/{job}/stream"},
        )
        self.assertEqual(reply.headers["Preference-Applied"], "respond-async")
        self.assertEqual(reply.headers["Location"], f"/api/jobs/{job}")
        told = live.wait_for_end(job)
        self.assertEqual((told["type"], told["status"]), (RENAMES, "completed"))
        self.assertEqual((told["progress"], told["attempt"]), (100, 1))
        at_once_ = live.rename(body).json
        self.assertEqual(told["result"]["layers"], at_once_["layers"])
        image = body["layers"][0]["imageBase64"][:60]
        rested = live.fleet.sql(f"select count(*) from jobs j where id = '{job}' and j::text like '%{image}%'")
        self.assertEqual(rested, [["0"]])
        self.assertEqual(live.fleet.redis("exists", f"job:{job}:body", which="payloads"), "0")

    def test_a_hundred_posts_with_one_key_make_one_job(self):
        key = str(uuid.uuid4())
        body = frame(*some_layers(1), userEmail=some_user())
        replies = at_once(100, lambda _: live.add_rename(body, **{"Idempotency-Key": key}))
        self.assertEqual({reply.status for reply in replies}, {202}, replies)
        (job,) = {reply.json["jobId"] for reply in replies}
        other = live.add_rename({**body, "layers": some_layers(1)}, **{"Idempotency-Key": key})
        self.assertEqual((other.status, other.json["error"]), (422, "unprocessable"))
        live.wait_for_end(job)
        again = live.add_rename(body, **{"Idempotency-Key": key})
        self.assertEqual((again.status, again.json["jobId"]), (202, job))
        made = live.fleet.sql(f"select count(*) from jobs where user_email = '{body['userEmail']}'")
        self.assertEqual(made, [["1"]])
        self.assertEqual(live.provider.stats()["calls"], 1)
        bodies = live.fleet.redis("keys", "job:*:body", which="payloads")
        self.assertEqual(bodies, "", "the bodies of jobs that were not made stay")

    def test_a_job_whose_payload_is_lost_says_so(self):
        self.paused(RENAMES)
        job = live.add_rename(frame(*some_layers(1))).json["jobId"]
        self.assertEqual(live.fleet.redis("del", f"job:{job}:body", which="payloads"), "1")
        pause(RENAMES, False)
        told = live.wait_for_end(job)
        self.assertEqual((told["status"], told["error"]["code"]), ("failed", "payload_lost"))

    def test_a_job_that_waited_longer_than_its_payload_may_says_so(self):
        self.paused(RENAMES)
        job = live.add_rename(frame(*some_layers(1))).json["jobId"]
        body = ("exists", f"job:{job}:body")
        self.assertEqual(live.fleet.redis(*body, which="payloads"), "1")
        wait_for(lambda: live.fleet.redis(*body, which="payloads") == "0", "the body did not expire", PATIENCE)
        pause(RENAMES, False)
        told = live.wait_for_end(job)
        self.assertEqual((told["status"], told["error"]["code"]), ("failed", "payload_expired"))


class OutcomeTest(JobsCase):
    def test_a_job_ends_as_its_handler_says(self):
        user = some_user()
        jobs = {kind: live.add(kind, user, times=2) for kind in ("noop", "retry", "fail")}
        ended = {kind: live.wait_for_end(job) for kind, job in jobs.items()}
        self.assertEqual((ended["noop"]["status"], ended["noop"]["attempt"]), ("completed", 1))
        self.assertEqual((ended["retry"]["status"], ended["retry"]["result"]), ("completed", {"attempt": 3}))
        self.assertEqual((ended["fail"]["status"], ended["fail"]["attempt"]), ("failed", 1))
        self.assertEqual(ended["fail"]["error"], {"code": "unprocessable", "message": "as it was asked to"})

    def test_a_job_of_a_transaction_is_run_and_one_of_a_transaction_that_was_rolled_back_never_was(self):
        user = some_user()
        rolled_back = live.ask("POST", "/probe/effects", {"kind": "once", "userEmail": user, "rolledBack": True})
        self.assertEqual((rolled_back.status, rolled_back.json["message"]), (409, "as it was asked to"), rolled_back)
        kept = live.ask("POST", "/probe/effects", {"kind": "once", "userEmail": user})
        self.assertEqual(kept.status, 202, kept)
        job = kept.json["jobId"]
        self.assertEqual(live.wait_for_end(job)["status"], "completed")
        self.assertEqual(live.fleet.sql(f"select id, trace_id from jobs where user_email = '{user}'"), [[job, kept.trace]])
        effects = live.fleet.sql(f"select kind from probe_effects where job_id = '{job}' order by attempt")
        self.assertEqual(effects, [["request"], ["probe.once"]])
        requests = live.fleet.sql("select job_id from probe_effects where kind = 'request'")
        self.assertEqual(requests, [[job]], "a rolled back transaction left its row")

    def test_a_job_that_wants_to_be_tried_too_often_fails_with_every_error_kept(self):
        told = live.wait_for_end(job := live.add("retry", times=10))
        self.assertEqual((told["status"], told["attempt"]), ("failed", 3))
        errors = live.fleet.sql(f"select jsonb_array_length(attempt_errors) from only jobs where id = '{job}'")
        self.assertEqual(errors, [["3"]])

    def test_never_more_of_a_kind_are_processing_than_its_limit(self):
        user = some_user()
        live.add("limited", user, count=12, ms=150)
        self.assertEqual(live.wait_for_ends(user, 12), {"completed": 12})
        most = live.fleet.sql("""
            select max((select count(*) from probe_effects b where b.kind = a.kind and b.began <= a.began
                                                               and b.ended > a.began))
              from probe_effects a where a.kind = 'probe.limited'""")
        self.assertEqual(most, [["2"]])

    def test_many_jobs_of_one_user_do_not_hold_up_anothers(self):
        crowd, one = some_user(), some_user()
        live.add("limited", crowd, count=300, ms=20)
        live.wait_for_end(live.add("limited", one))
        left = live.fleet.sql(f"select count(*) from live_jobs where user_email = '{crowd}'")
        self.assertGreater(int(left[0][0]), 150)
        self.assertEqual(live.wait_for_ends(crowd, 300), {"completed": 300})

    def test_ten_thousand_jobs_over_eight_runners_run_once_each(self):
        user, lane = some_user(), "crowd"
        runners = [Runner(live.fleet, lane) for _ in range(8)]
        try:
            for _ in range(4):
                live.add(f"once@{lane}", user, count=2500, steps=1)
            self.assertEqual(live.wait_for_ends(user, 10_000, 120), {"completed": 10_000})
        finally:
            for runner in runners:
                runner.__exit__()
        again = live.fleet.sql(f"select attempt_errors from jobs where user_email = '{user}' and attempt > 1 limit 3")
        self.assertEqual(again, [])
        mine = f"from probe_effects where kind = 'probe.once@{lane}'"
        ran = live.fleet.sql(f"select count(*), count(distinct job_id), max(attempt) {mine}")
        self.assertEqual(ran, [["10000", "10000", "1"]])
        ran_by = live.fleet.sql(f"select count(distinct runner) from only jobs where user_email = '{user}'")
        self.assertEqual(ran_by, [["8"]])


class CancelTest(JobsCase):
    def cancel(self, job):
        return live.ask("DELETE", f"/api/jobs/{job}").status

    def test_a_queued_job_that_is_cancelled_never_runs(self):
        job = live.add("once", delayMs=500)
        self.assertEqual(self.cancel(job), 200)
        self.assertEqual(live.job(job)["status"], "cancelled")
        live.wait_for_end(live.add("once", delayMs=600))  # one that was due after it
        self.assertEqual(live.fleet.sql(f"select attempt from probe_effects where job_id = '{job}'"), [])
        self.assertEqual(live.job(job)["status"], "cancelled")

    def test_a_running_job_that_is_cancelled_ends_soon(self):
        job = live.add("sleep", ms=60_000)
        live.wait_for_status(job, "processing")
        begun = time.monotonic()
        self.assertEqual(self.cancel(job), 202)
        live.wait_for_status(job, "cancelled", seconds=CANCEL_S)
        self.assertLess(time.monotonic() - begun, CANCEL_S)

    def test_cancelling_ends_the_call_to_the_provider(self):
        live.provider.answer_after(60_000)
        job = live.add("ask")
        wait_for(lambda: live.provider.stats()["inFlight"] == 1, "the provider was not asked", PATIENCE)
        self.assertEqual(self.cancel(job), 202)
        live.wait_for_status(job, "cancelled", seconds=CANCEL_S)
        wait_for(lambda: live.provider.stats()["aborted"] == 1, "the call goes on", PATIENCE)
        self.assertEqual(live.provider.stats()["calls"], 1)

    def test_a_job_that_has_ended_can_not_be_cancelled(self):
        job = live.add("noop")
        live.wait_for_end(job)
        row = live.row(job)
        reply = live.ask("DELETE", f"/api/jobs/{job}")
        self.assertEqual((reply.status, reply.json["error"]), (409, "conflict"))
        self.assertEqual(live.row(job), row)

    def test_a_cancel_that_was_granted_holds_whenever_it_comes(self):
        user = some_user()

        def one(index):
            job = live.add("sleep", user, ms=100)
            time.sleep(index * 0.01)
            return self.cancel(job), live.wait_for_end(job)["status"]

        for status, became in at_once(40, one):
            self.assertEqual(became, "completed" if status == 409 else "cancelled", status)


class StreamTest(JobsCase):
    def check(self, events):
        """They are numbered upwards and end with the only terminal one, which is returned."""
        numbers = [event.number for event in events]
        self.assertEqual(numbers, sorted(numbers), events)
        self.assertEqual([event.name in TERMINAL for event in events], [False] * (len(events) - 1) + [True], events)
        return events[-1]

    def test_a_stream_tells_a_job_from_its_snapshot_to_its_end(self):
        job = live.add("sleep", ms=2000, delayMs=300)
        with Stream(live, job) as stream:
            self.assertEqual((stream.status, stream.headers["Content-Type"]), (200, "text/event-stream"))
            events = list(stream)
        self.assertGreater(stream.retry_ms, 0)
        end = self.check(events)
        self.assertEqual((events[0].name, events[0].data["status"]), ("snapshot", "queued"))
        names = {event.name for event in events}
        self.assertEqual(names, {"snapshot", "processing", "progress", "completed"})
        self.assertEqual(end.data, live.job(job))

    def test_a_late_subscriber_gets_the_snapshot_and_the_end_at_once(self):
        job = live.add("noop")
        live.wait_for_end(job)
        with Stream(live, job) as stream:
            events = list(stream)
        self.assertEqual([event.name for event in events], ["snapshot", "completed"])
        with Stream(live, job, last_seen=self.check(events).number) as stream:
            self.assertEqual(stream.status, 204)  # so that an EventSource stops asking

    def test_a_stream_that_was_cut_goes_on_where_it_was(self):
        job = live.add("sleep", ms=3000)
        seen = []
        with Stream(live, job) as stream:
            for event in stream:
                seen.append(event)
                if len(seen) == 4:
                    break
        with Stream(live, job, last_seen=seen[-1].number) as stream:
            seen += stream
        self.assertEqual(self.check(seen).name, "completed")

    def test_streams_outlive_a_restart_of_redis(self):
        jobs = [live.add("sleep", ms=4000) for _ in range(5)]
        streams = [Stream(live, job) for job in jobs]
        readers = [iter(stream) for stream in streams]
        first = [next(reader) for reader in readers]
        live.fleet.ctl("restart", "redis-state")
        for event, reader in zip(first, readers):
            self.assertEqual(self.check([event, *reader]).name, "completed")
        for stream in streams:
            stream.close()

    def test_a_failed_attempt_ends_no_stream(self):
        job = live.add("retry", times=2)
        with Stream(live, job) as stream:
            self.assertEqual(self.check(list(stream)).data["attempt"], 3)

    def test_a_cancel_ends_the_stream(self):
        job = live.add("sleep", ms=60_000)
        with Stream(live, job) as stream:
            reader = iter(stream)
            first = next(reader)
            self.assertIn(live.ask("DELETE", f"/api/jobs/{job}").status, (200, 202))
            self.assertEqual(self.check([first, *reader]).name, "cancelled")


if __name__ == "__main__":
    unittest.main()
