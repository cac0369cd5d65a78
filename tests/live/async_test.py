"""From a POST to a durable job: Prefer: respond-async and Idempotency-Key on /api/rename-layers, through nginx."""

import http.client
import json
import os
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from bodies import bearer
from live import KEY, PATIENCE, Live, at_once, frame, image_name, layer, picture, some_layers
from servers import wait_for

live = Live(__file__)
temporary = tempfile.TemporaryDirectory(prefix="plugfleet-test-")  # gone when the process ends
tearDownModule = live.stop

SECRET = "a live test's secret of more than 32 bytes"
secret_file = Path(temporary.name) / "secret"
secret_file.write_text(SECRET + "\n", encoding="utf-8")
CLAIMS = {"iss": "https://project.supabase.co/auth/v1", "aud": "authenticated"}
UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
ASYNC = {"Prefer": "respond-async"}


def some_email():
    return f"{os.urandom(6).hex()}@example.com"


def keyed(key=None, **more):
    return {"Idempotency-Key": key or os.urandom(8).hex(), **more}


def user(name):
    return {"Authorization": f"Bearer {bearer(SECRET, {'sub': name, **CLAIMS})}"}


def jobs_of(email):
    return live.fleet.sql(f"select id from jobs where user_email = '{email}'")


def bodies():
    """The payload Redis's keys: bodies and results of jobs."""
    return set(live.fleet.redis("keys", "job:*", which="payloads").splitlines())


class AsyncCase(live.Case):
    settings = {
        "PLUGFLEET_OPENROUTER_API_KEY": KEY, "PLUGFLEET_JWT_ALG": "HS256",
        "PLUGFLEET_JWT_SECRET_FILE": str(secret_file),
        "PLUGFLEET_JWT_ISSUER": CLAIMS["iss"], "PLUGFLEET_JWT_AUDIENCE": CLAIMS["aud"],
    }

    def setUp(self):
        super().setUp()
        self.addCleanup(self.wait_until_idle)

    def wait_until_idle(self):
        """What one test left running would call the next one's provider."""
        wait_for(lambda: live.fleet.sql("select count(*) from live_jobs") == [["0"]], "jobs did not end", PATIENCE)

    def accepted(self, body, headers=None):
        """The id of the job that the answer names, after checking what holds for every 202."""
        reply = live.rename(body, headers={**ASYNC, **(headers or {})})
        self.assertEqual(reply.status, 202, reply)
        job = reply.json["jobId"]
        self.assertRegex(job, f"^{UUID}$")
        self.assertEqual(reply.headers["Location"], f"/api/jobs/{job}")
        self.assertEqual(reply.headers["Preference-Applied"], "respond-async")
        self.assertEqual(list(reply.json), ["jobId", "status", "pollUrl", "streamUrl"])
        self.assertEqual(reply.json["pollUrl"], f"/api/jobs/{job}")
        self.assertEqual(reply.json["streamUrl"], f"/api/jobs/{job}/stream")
        return job

    def ended(self, job, headers=None):
        def there():
            told = live.get(f"/api/jobs/{job}", headers=headers).json
            return told if told.get("status") in ("completed", "failed", "cancelled") else None

        return wait_for(there, f"job {job} did not end", PATIENCE)

    def wait_until_taken(self):
        """By every worker again."""
        def all_taken():
            replies = at_once(16, lambda _: live.rename(frame(layer("1")), headers=keyed()))
            return all(reply.status == 200 for reply in replies)

        wait_for(all_taken, "jobs were not taken again", PATIENCE)

    def refused(self, reply, status, code):
        self.assertEqual((reply.status, reply.json["error"]), (status, code), reply)
        return reply.json


class AnswerTest(AsyncCase):
    def test_a_job_is_accepted_with_where_to_look(self):
        reply = live.rename(frame(layer("1")), headers={**ASYNC, "x-trace-id": "async-trace", "Origin": "null"})
        self.assertEqual((reply.status, reply.json["status"]), (202, "queued"), reply)
        self.assertEqual(reply.headers["Content-Type"], "application/json")
        self.assertEqual(reply.trace, "async-trace")
        self.assertIn("Location", reply.headers["Access-Control-Expose-Headers"])
        self.assertIn("RateLimit-Remaining", reply.headers)
        self.accepted(frame(layer("1")))

    def test_its_result_is_what_the_same_post_answers_at_once(self):
        body = frame(*some_layers(12))
        at_once_ = live.rename(body).json
        job = self.ended(self.accepted(body))
        self.assertEqual((job["type"], job["status"], job["progress"]), ("rename-layers", "completed", 100), job)
        self.assertEqual(job["result"], {name: at_once_[name] for name in ("layers", "renamed", "kept")})
        self.assertEqual([one["newName"] for one in job["result"]["layers"]],
                         [image_name(one["imageBase64"]) for one in body["layers"]])

    def test_a_body_means_the_same_to_its_job_however_it_is_spelt(self):
        body = frame(layer("1"), layer("2", name="Card \ud83d"))
        text = json.dumps(body).replace("=", r"\u003d").replace("/", r"\/").replace("+", r"\u002B")
        text = text.replace('"imageBase64"', r'"image\u0042ase64"').replace('"type"', '"n": 1e400, "type"')
        reply = live.rename(text.encode(), headers=ASYNC)
        self.assertEqual(reply.status, 202, reply)
        self.assertEqual([one["newName"] for one in self.ended(reply.json["jobId"])["result"]["layers"]],
                         [image_name(one["imageBase64"]) for one in body["layers"]])

    def test_both_ways_leave_the_same_row(self):
        email = some_email()
        body = frame(layer("1:1", name="Vector 7"), layer("1:2"), userEmail=email, userId="figma-7")
        ids = [live.rename(body, headers=user("ada")).json["jobId"], self.accepted(body, user("ada"))]
        self.ended(ids[1], user("ada"))
        columns = ("type, status, layer_count, user_email, user_id, owner, host(ip_address), payload, result, "
                   "progress, frame_name, error_code, "
                   "duration_ms >= 0, completed_at >= started_at, started_at >= created_at")
        one, other = (live.rows(f"select {columns} from only jobs where id = '{id_}'")[0] for id_ in ids)
        self.assertEqual(one[:9], other[:9])
        self.assertEqual(one[10:], other[10:])
        self.assertEqual(one[3:7], [email, "ada", "ada", "127.0.0.1"])
        self.assertEqual(set(json.loads(one[8])), {"layers", "renamed", "kept"})

    def test_prefer_is_a_list_in_any_case(self):
        for prefer, status in (("handling=lenient, Respond-Async; wait=10", 202), ("respond-asynchronously", 200)):
            self.assertEqual(live.rename(frame(layer("1")), headers={"Prefer": prefer}).status, status, prefer)

    def test_prefer_may_come_in_several_lines(self):
        body = json.dumps(frame(layer("1"))).encode()
        connection = http.client.HTTPConnection("127.0.0.1", live.fleet.port, timeout=PATIENCE)
        self.addCleanup(connection.close)
        connection.putrequest("POST", "/api/rename-layers")
        for name, value in (("Content-Type", "application/json"), ("Content-Length", len(body)), ("Prefer", "wait=5"),
                            ("Prefer", "respond-async")):
            connection.putheader(name, value)
        connection.endheaders(body)
        self.assertEqual(connection.getresponse().status, 202)

    def test_what_is_wrong_with_the_request_is_said_at_once(self):
        email = some_email()
        twice = frame(layer("1"), layer("1"), layer("2", "bm8gaW1hZ2U="), userEmail=email)
        said = self.refused(live.rename(twice, headers=ASYNC), 422, "unprocessable")
        self.assertEqual([one["field"] for one in said["details"]], ["layers[1].id", "layers[2].imageBase64"])
        self.refused(live.rename(b"{", headers=ASYNC), 400, "invalid_request")
        self.refused(live.rename(frame(layer("1")), headers={**ASYNC, "Content-Type": "text/plain"}), 415,
                     "unsupported_media_type")
        self.assertEqual(jobs_of(email), [])

    def test_no_image_is_in_the_row_before_nor_after(self):
        live.provider.answer_after(1000)
        image = picture()
        job = self.accepted(frame(layer("1", image)))
        body = f"job:{job}:body"
        self.assertIn(body, bodies())
        self.assertTrue(0 < int(live.fleet.redis("ttl", body, which="payloads")) <= 300)
        self.assertIn(image, live.fleet.redis("get", body, which="payloads"))
        before = live.rows(f"select j::text from live_jobs j where id = '{job}'")
        self.ended(job)
        after = live.rows(f"select j::text from only jobs j where id = '{job}'")
        self.assertNotIn(image[:40], f"{before} {after}")
        self.assertNotIn(image[:40], live.fleet.redis("--scan"))

    def test_a_layer_whose_call_fails_keeps_its_name(self):
        live.provider.script({"match": "Mine", "status": 400})
        job = self.ended(self.accepted(frame(layer("1", name="Mine"), layer("2"))))
        self.assertEqual((job["result"]["renamed"], job["result"]["kept"]), (1, 1), job)
        self.assertEqual(job["result"]["layers"][0], {"id": "1", "newName": "Mine"})

    def test_a_body_of_the_greatest_size_is_taken(self):
        body = frame(*(layer(str(i), name="x") for i in range(3)), padding="x" * (19 * 1024 * 1024))
        self.assertEqual(self.ended(self.accepted(body))["result"]["renamed"], 3)

    def test_a_job_cancelled_while_it_runs_is_cancelled(self):
        live.provider.answer_after(20_000)
        job = self.accepted(frame(*some_layers(2)))
        wait_for(lambda: live.provider.stats()["inFlight"] == 2, "no call was out", PATIENCE)
        self.assertEqual(live.ask("DELETE", f"/api/jobs/{job}").status, 202)
        self.assertEqual(self.ended(job)["status"], "cancelled")
        wait_for(lambda: live.provider.stats()["inFlight"] == 0, "its calls were not aborted", PATIENCE)


class OwnerTest(AsyncCase):
    def test_a_users_job_answers_that_user_alone_and_so_does_what_was_done_at_once(self):
        body = frame(layer("1"))
        ids = [self.accepted(body, user("ada")), live.rename(body, headers=user("ada")).json["jobId"]]
        for job in ids:
            self.ended(job, user("ada"))
            for who in (user("eve"), {}):
                self.refused(live.get(f"/api/jobs/{job}", headers=who), 403, "forbidden")
                self.refused(live.ask("DELETE", f"/api/jobs/{job}", headers=who), 403, "forbidden")

    def test_a_job_that_nobody_has_is_not_found(self):
        self.refused(live.get("/api/jobs/7d444840-9dc0-41d1-b245-5ffdce74fad2"), 404, "not_found")
        self.refused(live.get("/api/jobs/7"), 400, "invalid_request")


class KeyTest(AsyncCase):
    def test_the_same_key_and_body_are_the_same_job_running_or_ended(self):
        live.provider.answer_after(500)
        email = some_email()
        body, headers = frame(layer("1"), userEmail=email), keyed()
        job = self.accepted(body, headers)
        self.assertEqual(self.accepted(body, headers), job)
        self.ended(job)
        again = live.rename(body, headers={**headers, **ASYNC})
        self.assertEqual((again.status, again.json["jobId"], again.json["status"]), (202, job, "completed"), again)
        self.assertEqual((len(jobs_of(email)), live.provider.stats()["calls"]), (1, 1))

    def test_a_hundred_at_once_with_one_key_are_one_job(self):
        email = some_email()
        body, headers = frame(layer("1"), userEmail=email), keyed()
        jobs = at_once(100, lambda _: self.accepted(body, headers))
        self.assertEqual(len(set(jobs)), 1)
        self.assertEqual(jobs_of(email), [[jobs[0]]])
        self.ended(jobs[0])
        self.assertEqual(live.provider.stats()["calls"], 1)
        wait_for(lambda: bodies() <= {f"job:{jobs[0]}:body"} | self.before, "bodies were left behind", PATIENCE)

    def setUp(self):
        super().setUp()
        self.before = bodies()

    def test_the_same_key_with_another_body_is_refused_and_leaves_nothing(self):
        email = some_email()
        headers = keyed()
        job = self.accepted(frame(layer("1"), userEmail=email), headers)
        for how in (ASYNC, {}):
            reply = live.rename(frame(layer("2"), userEmail=email), headers={**headers, **how})
            self.refused(reply, 422, "unprocessable")
        self.assertEqual(jobs_of(email), [[job]])
        wait_for(lambda: bodies() <= {f"job:{job}:body"} | self.before, "a body was left behind", PATIENCE)

    def test_a_key_alone_is_answered_with_the_result_and_once_more_without_a_call(self):
        body, headers = frame(*some_layers(3)), keyed()
        first, second = (live.rename(body, headers=headers) for _ in range(2))
        self.assertEqual((first.status, second.status), (200, 200), first)
        self.assertEqual(first.json, second.json)
        self.assertEqual(set(first.json), {"layers", "jobId", "durationMs", "renamed", "kept"})
        self.assertEqual([one["newName"] for one in first.json["layers"]],
                         [image_name(one["imageBase64"]) for one in body["layers"]])
        self.assertIsInstance(first.json["durationMs"], int)
        self.assertEqual(live.provider.stats()["calls"], 3)
        self.assertEqual(self.ended(first.json["jobId"])["result"]["renamed"], 3)

    def test_who_waits_for_a_job_that_is_cancelled_is_told_so(self):
        live.provider.answer_after(20_000)
        email = some_email()
        with ThreadPoolExecutor() as pool:
            waiting = pool.submit(live.rename, frame(layer("1"), userEmail=email), headers=keyed())
            ((job,),) = wait_for(lambda: jobs_of(email), "there was no job", PATIENCE)
            wait_for(lambda: live.provider.stats()["inFlight"] == 1, "no call was out", PATIENCE)
            live.ask("DELETE", f"/api/jobs/{job}")
            self.refused(waiting.result(), 409, "conflict")

    def test_a_key_is_its_users(self):
        body, key = frame(layer("1")), os.urandom(8).hex()
        jobs = [self.accepted(body, keyed(key, **who)) for who in (user("ada"), user("eve"), {}, user("ada"))]
        self.assertEqual(len(set(jobs)), 3)
        self.assertEqual(jobs[0], jobs[3])

    def test_a_key_that_is_none_is_refused(self):
        for key in ("", "k" * 256, "gr\xfc\xdf", "tab\tbed"):
            for how in (ASYNC, {}):
                reply = live.rename(frame(layer("1")), headers={"Idempotency-Key": key, **how})
                self.refused(reply, 400, "invalid_request")
        self.accepted(frame(layer("1")), keyed("k" * 255))
        self.accepted(frame(layer("1")), keyed(f'"{os.urandom(8).hex()} ~"'))


class ShortDeadlineTest(AsyncCase):
    settings = {**AsyncCase.settings, "PLUGFLEET_REQUEST_TIMEOUT": "5s"}

    def test_who_waits_too_long_is_told_where_the_job_is_and_gets_it_by_the_same_key(self):
        live.provider.script({"latencyMs": 6000, "times": 1})
        body, headers = frame(layer("1")), keyed()
        late = live.rename(body, headers=headers)
        self.refused(late, 408, "request_timeout")
        self.ended(late.headers["Location"].rpartition("/")[2])
        again = live.rename(body, headers=headers)
        self.assertEqual((again.status, again.json["renamed"]), (200, 1), again)
        self.assertEqual(late.headers["Location"], f"/api/jobs/{again.json['jobId']}")
        self.assertEqual(live.provider.stats()["calls"], 1)


class ProviderDownTest(AsyncCase):
    settings = {**AsyncCase.settings, "PLUGFLEET_AI_ATTEMPTS": "1"}

    def test_a_job_whose_every_call_failed_is_tried_again(self):
        live.provider.script({"status": 503, "times": 2})
        job = self.ended(self.accepted(frame(*some_layers(2))))
        self.assertEqual((job["status"], job["attempt"], job["result"]["renamed"]), ("completed", 2, 2), job)

    def test_after_its_last_attempt_it_keeps_every_name_as_the_answer_at_once_does(self):
        live.provider.script({"status": 503})
        job = self.ended(self.accepted(frame(layer("1", name="Mine"))))
        self.assertEqual((job["status"], job["attempt"], job["result"]["kept"]), ("completed", 3, 1), job)
        self.assertEqual(job["result"]["layers"], [{"id": "1", "newName": "Mine"}])


class PayloadsDownTest(AsyncCase):
    def start(self):
        live.fleet.ctl("start", "redis-payloads")
        self.wait_until_taken()

    def test_without_the_payload_redis_nothing_is_queued(self):
        email = some_email()
        live.fleet.ctl("stop", "redis-payloads")
        self.addCleanup(self.start)
        for headers in (ASYNC, keyed()):
            reply = live.rename(frame(layer("1"), userEmail=email), headers=headers)
            said = self.refused(reply, 503, "unavailable")
            self.assertEqual(reply.headers["Retry-After"], str(said["retryAfter"]))
        self.assertEqual(jobs_of(email), [])
        self.assertEqual(live.rename(frame(layer("1"), userEmail=email)).status, 200)  # at once nothing is kept

    def test_a_full_payload_redis_refuses_and_drops_nothing(self):
        job = self.accepted(frame(layer("1")))
        before = bodies()
        (_, memory) = live.fleet.redis("config", "get", "maxmemory", which="payloads").splitlines()
        self.addCleanup(live.fleet.redis, "config", "set", "maxmemory", memory, which="payloads")
        live.fleet.redis("config", "set", "maxmemory", "1", which="payloads")
        email = some_email()
        self.refused(live.rename(frame(layer("1"), userEmail=email), headers=ASYNC), 503, "unavailable")
        self.assertEqual(jobs_of(email), [])
        self.assertLessEqual(bodies(), before)
        self.assertEqual(self.ended(job)["status"], "completed")


class DatabaseDownTest(AsyncCase):
    def start(self):
        live.fleet.ctl("start", "pgbouncer")
        self.wait_until_taken()

    def test_without_a_database_nothing_is_left_behind(self):
        before, email = bodies(), some_email()
        live.fleet.ctl("stop", "pgbouncer")
        self.addCleanup(self.start)
        reply = live.rename(frame(layer("1"), userEmail=email), headers=ASYNC)
        said = self.refused(reply, 503, "unavailable")
        self.assertEqual(reply.headers["Retry-After"], str(said["retryAfter"]))
        wait_for(lambda: bodies() <= before, "a body was left behind", PATIENCE)
        self.assertEqual(jobs_of(email), [])


if __name__ == "__main__":
    unittest.main()
