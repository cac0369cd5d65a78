"""What becomes of a rename when the AI provider fails: faults and odd answers, retries, the breaker."""

import atexit
import contextlib
import datetime
import json
import os
import socket
import sys
import tempfile
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import EMAIL, KEY, PATIENCE, Live, frame, layer, some_layers
from servers import wait_for

NAME_SERVERS = "127.53.53.53", "127.53.53.54", "127.53.53.55"  # a name takes 30 s with three that are silent
AS_ROOT = os.geteuid() == 0


def asking_a_name_server_of_its_own():
    """Words before a command that runs it where NAME_SERVERS are its only name servers. Root alone can have them."""
    if not AS_ROOT:
        return ()
    with tempfile.NamedTemporaryFile("w", prefix="plugfleet-resolv-", encoding="ascii", delete=False) as conf:
        conf.write("".join(f"nameserver {address}\n" for address in NAME_SERVERS))
    os.chmod(conf.name, 0o644)
    atexit.register(os.unlink, conf.name)
    return "unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/resolv.conf && exec "$@"', conf.name


live = Live(__file__, inside=asking_a_name_server_of_its_own())
tearDownModule = live.stop

FOR_EVER = "10000"  # failures before the breaker opens, where it is in the way
TRIES = 2


def answering(text):
    return {"text": text}


class FaultCase(live.Case):
    def rename(self, count):
        """The names of a frame of `count` layers called "Old 0;" and on; whatever happens to a call, it is a 200."""
        reply = live.rename(frame(*(layer(f"1:{i}", name=f"Old {i};") for i in range(count))))
        self.assertEqual(reply.status, 200, reply)
        answer = reply.json
        names = [one["newName"] for one in answer["layers"]]
        kept = sum(name == f"Old {i};" for i, name in enumerate(names))
        self.assertEqual((len(names), answer["renamed"], answer["kept"]), (count, count - kept, kept))
        self.trace, self.job, self.took_ms = reply.trace, answer["jobId"], answer["durationMs"]
        return names

    def assert_kept(self, *rules, calls):
        """Each rule alone makes a layer keep its name, after so many calls."""
        live.provider.script(*({**rule, "match": f"Old {i};"} for i, rule in enumerate(rules)))
        names = self.rename(len(rules))
        for i, (rule, name) in enumerate(zip(rules, names)):
            self.assertEqual(name, f"Old {i};", rule)
        self.assertEqual(live.provider.stats()["calls"], calls * len(rules), "calls")

    def assert_named(self, names, *rules):
        """Each rule alone makes a layer's name this one, with one call."""
        live.provider.script(*({**rule, "match": f"Old {i};"} for i, rule in enumerate(rules)))
        self.assertEqual(self.rename(len(rules)), names)
        self.assertEqual(live.provider.stats()["calls"], len(rules), "calls")

    def assert_named_in_the_end(self, first):
        """A layer whose first call has this fault is named by the second."""
        live.provider.script({**first, "times": 1}, answering("Blue Card"))
        self.assertEqual(self.rename(1), ["Blue Card"])
        self.assertEqual(live.provider.stats()["calls"], 2, "calls")


class FaultsTest(FaultCase):
    settings = {"PLUGFLEET_OPENROUTER_API_KEY": KEY, "PLUGFLEET_BREAKER_FAILURES": FOR_EVER,
                "PLUGFLEET_AI_ATTEMPTS": str(TRIES), "PLUGFLEET_AI_TIMEOUT": "1s"}

    # ---- what may help to try again ----

    def test_what_may_pass_is_tried_again(self):
        for fault in ({"status": 500}, {"status": 429}, {"fault": "error_in_200"}, {"fault": "truncate"}):
            with self.subTest(fault=fault):
                self.assert_named_in_the_end(fault)

    def test_when_the_tries_are_used_up_the_name_stays(self):
        self.assert_kept(*({"status": status} for status in (408, 409, 425, 429, 500, 502, 503, 504, 520, 522, 524, 529, 530)),
                         calls=TRIES)

    def test_an_error_inside_a_200_is_an_error(self):
        self.assert_kept({"fault": "error_in_200"}, calls=TRIES)

    def test_an_answer_without_choices_is_tried_again(self):
        self.assert_kept({"fault": "empty_choices"}, calls=TRIES)

    def test_an_empty_answer_is_tried_again(self):
        self.assert_kept(answering(""), calls=TRIES)

    def test_an_answer_that_is_cut_off_is_tried_again_and_never_used(self):
        self.assert_kept({"fault": "truncate", "text": "Half A Name"}, calls=TRIES)

    def test_a_connection_that_is_reset_is_tried_again(self):
        live.provider.script({"fault": "reset"})
        self.assertEqual(self.rename(1), ["Old 0;"])
        self.assertGreaterEqual(live.provider.stats()["calls"], TRIES)  # curl itself tries a kept connection anew

    def test_a_provider_that_never_answers_or_trickles_is_given_up_after_the_timeout(self):
        self.assert_kept({"fault": "hang"}, {"fault": "slow_body"}, calls=TRIES)
        wait_for(lambda: live.provider.stats()["aborted"] == 2 * TRIES, "the calls were not ended", PATIENCE)

    def test_a_provider_that_asks_for_time_is_given_it(self):
        self.assert_named_in_the_end({"status": 429, "headers": {"Retry-After": "2"}})
        self.assertGreaterEqual(self.took_ms, 2000)

    # ---- what no second try will mend ----

    def test_a_request_the_provider_refuses_is_not_sent_again(self):
        self.assert_kept(*({"status": status} for status in (400, 401, 402, 403, 404, 413, 422)), calls=1)

    def test_a_bill_to_pay_is_not_tried_again(self):
        error = {"message": "You exceeded your current quota", "type": "insufficient_quota",
                 "code": "insufficient_quota", "param": None}
        self.assert_kept({"status": 429, "body": json.dumps({"error": error})}, calls=1)

    def test_an_answer_that_is_too_large_or_cannot_be_read_is_not_tried_again(self):
        for fault, why in (({"fault": "huge"}, "is larger than allowed"),
                           (answering("a" * 2**20), "is larger than allowed"),
                           ({"headers": {"X-Long": "x" * 120_000}}, "has more than 64 KB of headers"),
                           ({"headers": {"Content-Encoding": "rot13"}}, "has an encoding that cannot be undone")):
            self.assert_kept(fault, calls=1)
            self.assertEqual(live.log_of(self.trace, "layer_kept")["why"], f"the AI provider's answer {why}")

    def test_an_answer_that_is_no_json_is_not_tried_again(self):
        bodies = ("<html>Bad Gateway</html>", "", "[]", '"text"', '{"choices":', "\x01\x02")
        self.assert_kept(*({"body": body} for body in bodies), calls=1)

    def test_an_answer_of_another_shape_is_no_name(self):
        bodies = ({}, {"choices": {}}, {"choices": [7]}, {"choices": [{"message": "Blue"}]},
                  {"choices": [{"message": {"content": ["Blue"]}}]}, {"choices": [{"message": {"content": None}}]})
        self.assert_kept(*({"body": json.dumps(body)} for body in bodies), calls=TRIES)

    # ---- what a model may say ----

    def test_an_answer_is_stripped_to_its_name(self):
        said = ("Blue Card", " Blue Card \n", '"Blue Card"', "'Blue Card'", "**Blue Card**", "Blue Card.",
                "```\nBlue Card\n```", "```text\nBlue Card\n```", "Name: Blue Card", '{"name": "Blue Card"}',
                '```json\n{"name": "Blue Card"}\n```', "Blue\tCard", "Blue\x07 Card", "Bl\u200bue Card",
                "\u202eBlue Card", "Blue Card\r\nbecause it is blue")
        nul = {"body": r'{"choices": [{"message": {"content": "Blue\u0000Card"}}]}'}
        self.assert_named(["Blue Card"] * (len(said) + 1), *map(answering, said), nul)

    def test_an_answer_in_any_script_is_a_name(self):
        said = ["Синяя карточка", "青いカード", "Carte bleue élégante", "🦊 Fox", "👨\u200d👩\u200d👧 Family"]
        self.assert_named(said, *map(answering, said))

    def test_an_answer_that_holds_no_name_keeps_the_layers(self):
        said = ("   ", '""', "```\n```", "\x01\x02", "\u200b", "a" * 200, '{"name": 7}', '{"title": "Blue"}',
                '<img src=x onerror="alert(1)">', "I'm sorry, but I can't help with that.", "<think>It is", "null", "\u3000")
        self.assert_kept(*map(answering, said), calls=1)

    # ---- one among many ----

    def test_a_layer_whose_call_fails_keeps_its_name_and_the_others_are_named(self):
        live.provider.script({"match": "Broken", "status": 500}, {"match": "Endless", "fault": "hang"},
                             answering("Blue Card"))
        layers = some_layers(30)
        layers[7]["currentName"], layers[23]["currentName"] = "Broken", "Endless"
        reply = live.rename(frame(*layers))
        self.assertEqual(reply.status, 200, reply)
        names = [one["newName"] for one in reply.json["layers"]]
        expected = ["Blue Card"] * 30
        expected[7], expected[23] = "Broken", "Endless"
        self.assertEqual(names, expected)
        self.assertEqual((reply.json["renamed"], reply.json["kept"]), (28, 2))
        (row,) = live.rows(f"select status, layer_count, error_message from jobs where id = '{reply.json['jobId']}'")
        self.assertEqual(row[:2], ["completed", "30"])
        self.assertRegex(row[2], r"^2 layers kept their names \((the AI provider answered 500|no answer in time)\)$")

    def test_the_log_says_why_a_layer_kept_its_name_and_what_the_provider_said(self):
        self.assert_kept({"status": 402, "text": "Out of credits: " + "x" * 400}, calls=1)
        self.assertIn("402", live.log_of(self.trace, "layer_kept")["why"])
        self.assertEqual(live.log_of(self.trace, "provider_refused")["said"], "Out of credits: xxxx...")
        self.assert_kept({"fault": "truncate"}, calls=TRIES)
        self.assertIn("transfer closed", live.log_of(self.trace, "http_call_failed")["why"])

    def test_retries_and_failures_are_counted(self):
        def counted():
            values = {}
            for line in live.get("/metrics").body.decode().splitlines():
                if line.startswith("plugfleet_ai_"):
                    name, _, value = line.rpartition(" ")
                    values[name.split("{")[0].removeprefix("plugfleet_ai_")] = float(value)
            return [values[name] for name in ("calls_total", "retries_total", "failures_total")]

        before = counted()
        self.assert_kept({"status": 500}, calls=TRIES)
        more = [now - then for now, then in zip(counted(), before)]
        self.assertEqual(more, [TRIES, TRIES - 1, 1])


class RestingProviderTest(FaultCase):
    # Other workers than the other tests': these learn that the provider rests for a minute.
    settings = {**FaultsTest.settings, "PLUGFLEET_AI_TIMEOUT": "2s"}

    def test_a_provider_that_asks_for_too_much_time_is_not_waited_for(self):
        self.assert_kept({"status": 503, "headers": {"Retry-After": "60"}}, calls=1)


class GeminiFaultsTest(FaultCase):
    settings = {**FaultsTest.settings, "PLUGFLEET_OPENROUTER_API_KEY": "", "PLUGFLEET_GEMINI_API_KEY": KEY}

    def test_an_answer_is_stripped_to_its_name(self):
        self.assert_named(["Blue Card"], answering(' "Blue Card" '))

    def test_what_may_pass_is_tried_again(self):
        self.assert_kept({"status": 429}, {"fault": "empty_choices"}, {"fault": "error_in_200"}, calls=TRIES)

    def test_a_blocked_prompt_and_an_answer_refused_for_safety_are_not_tried_again(self):
        bodies = ({"promptFeedback": {"blockReason": "SAFETY"}}, {"candidates": [{"finishReason": "SAFETY"}]})
        self.assert_kept(*({"body": json.dumps(body)} for body in bodies), calls=1)


class BreakerTest(FaultCase):
    OPEN_FOR = 3  # seconds
    settings = {"PLUGFLEET_OPENAI_API_KEY": KEY, "PLUGFLEET_AI_ATTEMPTS": "1", "PLUGFLEET_BREAKER_FAILURES": "5",
                "PLUGFLEET_BREAKER_WINDOW": "60s", "PLUGFLEET_BREAKER_OPEN_FOR": f"{OPEN_FOR}s",
                "PLUGFLEET_REQUEST_TIMEOUT": "5s"}

    def setUp(self):
        super().setUp()
        self.addCleanup(self.close)

    def open(self, fault):
        live.provider.script(fault)

        def opened():  # and again, where it was half open before every worker had said so
            self.rename(10)
            return self.all_say("open until")

        wait_for(opened, "the breaker did not open", PATIENCE)
        live.provider.script(fault)  # counts from none again

    def close(self):
        """Lets calls go well, until every worker has seen it: while it is half open, one may be tried."""
        live.provider.script(answering("Blue Card"))
        wait_for(lambda: self.rename(1) == ["Blue Card"] and self.all_say("ok"), "the breaker did not close", PATIENCE)

    def all_say(self, what):
        replies = live.by_worker(lambda headers: live.get("/health", headers=headers))
        return all(one.json["checks"]["provider"].startswith(what) for many in replies.values() for one in many)

    def test_after_enough_failures_every_layer_is_kept_at_once_without_a_call_through_either_worker(self):
        self.open({"status": 500})
        replies = live.by_worker(lambda headers: live.rename(frame(*some_layers(3)), headers=headers))
        for reply in (one for many in replies.values() for one in many):
            self.assertEqual((reply.status, reply.json["renamed"], reply.json["kept"]), (200, 0, 3), reply)
        self.assertEqual(live.provider.stats()["calls"], 0)

    def test_health_says_until_when_a_wrong_key_has_opened_it(self):
        self.open({"status": 401})
        reply = live.get("/health")
        self.assertEqual((reply.status, reply.json["status"]), (503, "degraded"))
        until = datetime.datetime.fromisoformat(reply.json["checks"]["provider"].removeprefix("open until "))
        left = (until - datetime.datetime.now(datetime.timezone.utc)).total_seconds()
        self.assertGreater(left, -1)
        self.assertLessEqual(left, self.OPEN_FOR)
        others = {name: said for name, said in reply.json["checks"].items() if name != "provider"}
        self.assertEqual(set(others.values()), {"ok"}, others)

    def test_it_closes_after_one_call_that_went_well(self):
        self.open({"fault": "reset"})
        self.close()
        self.assertEqual(live.get("/health").status, 200)
        self.assertEqual(self.rename(20), ["Blue Card"] * 20)

    def test_what_is_the_clients_or_the_models_fault_never_opens_it(self):
        # After a 429 its key rests: all ten are out by then.
        for rule in ({"status": 400}, answering(""), answering("   "), answering("a" * 2**20), {"status": 429}):
            live.provider.script(rule)
            self.rename(10)
            self.assertEqual(live.provider.stats()["calls"], 10, rule)


class DeadlineTest(FaultCase):
    settings = BreakerTest.settings

    def test_a_rename_is_answered_with_what_there_is_before_its_time_is_up(self):
        live.provider.script({"match": "Old 3;", "fault": "hang"}, answering("Blue Card"))
        self.assertEqual(self.rename(5), ["Blue Card"] * 3 + ["Old 3;"] + ["Blue Card"])
        self.assertLess(self.took_ms, 5000)
        wait_for(lambda: live.provider.stats()["inFlight"] == 0, "the call was not ended", PATIENCE)



@unittest.skipUnless(AS_ROOT, "only root can have a name server of its own")
class SilentNameServerTest(live.Case):
    """A name server takes every question and answers none."""

    settings = {"PLUGFLEET_OPENROUTER_API_KEY": KEY, "PLUGFLEET_BREAKER_FAILURES": FOR_EVER,
                "PLUGFLEET_AI_ATTEMPTS": "1", "PLUGFLEET_AI_PLAIN_HTTP": "anywhere",
                "PLUGFLEET_OPENROUTER_BASE_URL": "http://provider.plugfleet.example/api/v1"}

    def setUp(self):
        super().setUp()
        for address in reversed(NAME_SERVERS):  # the first one, which is asked first, is the last one made
            self.name_server = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.addCleanup(self.name_server.close)
            self.name_server.bind((address, 53))
        self.name_server.settimeout(PATIENCE)

    def wait_for_questions(self, count):
        for _ in range(count):
            self.name_server.recvfrom(512)

    def rename_and_leave(self):
        body = json.dumps(frame(layer("1:2"))).encode()
        with socket.create_connection(("127.0.0.1", live.fleet.port)) as client:
            client.sendall(b"POST /api/rename-layers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
                           b"x-trace-id: left-early\r\nContent-Length: %d\r\n\r\n%s" % (len(body), body))
            self.wait_for_questions(1)

    def test_every_worker_answers_while_a_rename_waits_for_a_name_and_when_its_client_leaves(self):
        with ThreadPoolExecutor(4) as pool:
            renames = [pool.submit(live.rename, frame(layer("1:1", name="Old 1;"))) for _ in range(4)]
            self.wait_for_questions(4)
            self.rename_and_leave()
            self.assertEqual(live.log_of("left-early")["status"], 499)
            live.by_worker(lambda headers: live.get("/healthz", headers=headers))
            self.assertFalse(any(rename.done() for rename in renames), "a worker answered only once a rename had ended")
            replies = [rename.result() for rename in renames]
        # They have ended, and their names are still being looked up: nothing waited for that.
        with contextlib.suppress(BlockingIOError):
            self.name_server.setblocking(False)
            while True:
                self.name_server.recvfrom(512)
        self.name_server.settimeout(PATIENCE)
        self.wait_for_questions(1)
        for reply in replies:
            self.assertEqual((reply.status, [one["newName"] for one in reply.json["layers"]]), (200, ["Old 1;"]))
            live.log_of(reply.trace, "http_call_failed")

    def failed_job(self, poll):
        job = live.get(poll).json
        return job if job["status"] == "failed" else None

    def test_a_job_keeps_its_runner_and_ends_with_the_providers_reason(self):
        reply = live.edit({"userEmail": EMAIL, "frameName": "F", "frameWidth": 100, "frameHeight": 100, "layers": [
            {"id": "1:1", "name": "A", "type": "TEXT", "x": 0, "y": 0, "width": 10, "height": 10}]},
            headers={"Prefer": "respond-async"})
        self.assertEqual(reply.status, 202, reply)
        poll = reply.json["pollUrl"]
        self.wait_for_questions(1)
        live.fleet.sql(f"update jobs set max_attempts = 1 where id = '{reply.json['jobId']}'")
        job = wait_for(lambda: self.failed_job(poll),
                       "the job did not fail", PATIENCE)
        self.assertEqual((job["attempt"], job["error"]["code"]), (1, "provider_timeout"), job)


if __name__ == "__main__":
    unittest.main()
