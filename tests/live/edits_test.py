"""POST /api/generate-edits through nginx, with a provider that behaves: variants, their images, jobs, what was used."""

import base64
import json
import os
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from bodies import png
from live import EMAIL, KEY, PATIENCE, Live, edit_frame, edit_layer, frame, layer, picture
from servers import ROOT, wait_for

live = Live(__file__)
tearDownModule = live.stop

ASYNC = {"Prefer": "respond-async"}
RESULT_MS = 10_000  # how long a result with images is kept
TITLE, BOX = edit_layer("1:2", "TEXT", text="Hello", fontSize=14), edit_layer("1:3")


def some_email():
    return f"{os.urandom(6).hex()}@example.com"


def answer(*instructions):
    """What a model says: five variants of these."""
    variants = [{"theme": f"T{i}", "description": "d", "instructions": list(instructions)} for i in range(5)]
    return json.dumps({"variants": variants})


def images_of(result):
    """{prompt: image} of a result's generateImage instructions, None where there is no image."""
    return {one["imagePrompt"]: one.get("generatedImageBase64")
            for variant in result["variants"] for one in variant["instructions"] if one["action"] == "generateImage"}


class EditsCase(live.Case):
    settings = {"PLUGFLEET_OPENROUTER_API_KEY": KEY, "PLUGFLEET_AI_ATTEMPTS": "2",
                "PLUGFLEET_JOB_PAYLOAD_TTL": f"{RESULT_MS}ms"}

    def edits(self, **members):
        reply = live.edit(edit_frame(TITLE, BOX, **members))
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(set(reply.json), {"variants", "dropped", "jobId", "durationMs"})
        self.assertEqual(len(reply.json["variants"]), 5)
        return reply.json

    def accepted(self, **members):
        reply = live.edit(edit_frame(TITLE, BOX, **members), headers=ASYNC)
        self.assertEqual(reply.status, 202, reply)
        return reply.json["jobId"]

    def assert_large_pictures_are_taken(self):
        """Pictures of 2K and 4K are 4.8 MB of base64."""
        large = base64.b64encode(png(1200, 1000, os.urandom(1200 * 1000 * 3))).decode()
        live.provider.script({"wants": "image", "image": large})
        pictures = images_of(self.edits(generateImages=True))
        self.assertEqual([picture == large for picture in pictures.values()], [True] * 5)
        self.assertEqual(live.provider.stats()["calls"], 6)

    def ended(self, job):
        def there():
            told = live.get(f"/api/jobs/{job}").json
            return told if told["status"] in ("completed", "failed", "cancelled") else None

        return wait_for(there, f"job {job} did not end", PATIENCE)


class ClientLimitTest(EditsCase):
    settings = {**EditsCase.settings, "PLUGFLEET_EDIT_LIMIT_PER_MINUTE": "2"}

    def test_a_client_over_its_limit_is_told_when_to_come_back(self):
        replies = [live.edit(edit_frame(BOX), address="127.0.0.77") for _ in range(3)]
        self.assertEqual([reply.status for reply in replies], [200, 200, 429])
        self.assertEqual(replies[2].headers["Retry-After"], str(replies[2].json["retryAfter"]))
        self.assertEqual([reply.headers["RateLimit-Remaining"] for reply in replies], ["1", "0", "0"])


class EditsByGeminiTest(EditsCase):
    settings = {"PLUGFLEET_GEMINI_API_KEY": KEY}
    provider = "gemini"

    def test_variants_and_images_come_by_its_protocol(self):
        pictures = images_of(self.edits(generateImages=True, frameImageBase64=picture()))
        self.assertEqual(len([one for one in pictures.values() if one]), 5)
        models = [call["model"] for call in live.provider.calls()]
        self.assertEqual(models, [f"{self.provider}-model"] + 5 * [f"{self.provider}-image-model"])


    def test_large_pictures_are_taken(self):
        self.assert_large_pictures_are_taken()


class EditsByOpenaiTest(EditsByGeminiTest):
    settings = {"PLUGFLEET_OPENAI_API_KEY": KEY}
    provider = "openai"


class VariantsTest(EditsCase):
    def test_five_variants_come_of_one_call(self):
        reply = self.edits()
        self.assertEqual(len({variant["theme"] for variant in reply["variants"]}), 5)
        for variant in reply["variants"]:
            self.assertEqual(list(variant), ["theme", "description", "instructions"])
            self.assertEqual({one["layerId"] for one in variant["instructions"]}, {"1:2", "1:3"})
        self.assertEqual(reply["dropped"], 0)
        (call,) = live.provider.calls()
        self.assertEqual((call["model"], call["wants"], call["images"]), ("openrouter-model", "edits", 0))

    def test_the_prompt_is_the_chosen_file_and_the_frame_as_data_with_its_image(self):
        for name in ("default.txt", "creative-director.txt"):
            live.provider.script()
            self.edits(promptFile=name, frameName="Card of Ada", frameImageBase64=picture())
            (call,) = live.provider.calls()
            chosen = (ROOT / "modules/figma/prompts" / name).read_text(encoding="utf-8").strip()
            self.assertTrue(call["instructions"].startswith(chosen), call)
            self.assertTrue(call["prompt"].startswith('{"frame":{"name":"Card of Ada",'), call)
            self.assertEqual(call["images"], 1)

    def test_the_frames_image_means_the_same_however_its_base64_is_spelt(self):
        body = edit_frame(BOX, frameImageBase64="data:image/png;base64," + picture(), frameName="Card \ud83d")
        text = json.dumps(body).replace("=", r"\u003d").replace("/", r"\/").replace("+", r"\u002B")
        self.assertEqual(live.edit(text.encode()).status, 200)
        reply = live.edit(text.encode(), headers=ASYNC)
        self.assertEqual(self.ended(reply.json["jobId"])["status"], "completed", reply)
        self.assertEqual([call["images"] for call in live.provider.calls()], [1, 1])
        self.assertIn('"name":"Card \ufffd"', live.provider.calls()[0]["prompt"])

    def test_a_prompt_that_is_no_file_of_the_folder_is_refused(self):
        email = some_email()
        for name in ("../conf/plugfleet.conf", "../prompts/default.txt", "./default.txt", "/etc/passwd",
                     "default.txt\0", "default.txt\0.txt", "default.txt\ud83d", "default", "DEFAULT.TXT", "..", ".", "",
                     "%2e%2e/default.txt", "..\\default.txt", "no-such.txt", "x" * 5000, "default.txt\n",
                     f"{ROOT}/modules/figma/prompts/default.txt"):
            for headers in ({}, ASYNC):
                reply = live.edit(edit_frame(BOX, userEmail=email, promptFile=name), headers=headers)
                self.assertEqual((reply.status, reply.json["error"]), (400, "invalid_request"), (name, reply))
        self.assertEqual(live.provider.stats()["calls"], 0)
        self.assertEqual(live.fleet.sql(f"select id from jobs where user_email = '{email}'"), [])

    def test_what_is_wrong_with_a_frame_is_named(self):
        wrong = edit_frame(BOX, BOX, edit_layer("1:4", x="0", opacity=2), frameWidth=-1, userEmail="nobody")
        reply = live.edit(wrong)
        self.assertEqual(reply.status, 422, reply)
        named = {one["field"] for one in reply.json["details"]}
        self.assertEqual(named, {"userEmail", "frameWidth", "layers[2].x", "layers[2].opacity"})
        twins = live.edit(edit_frame(BOX, BOX, frameImageBase64="bm8gaW1hZ2U="))
        self.assertEqual([one["field"] for one in twins.json["details"]], ["layers[1].id", "frameImageBase64"])


class ImagesTest(EditsCase):
    def test_no_image_is_made_where_none_is_wanted(self):
        self.assertEqual(set(images_of(self.edits()).values()), {None})
        self.assertEqual(live.provider.stats()["calls"], 1)

    def test_each_prompt_is_drawn_once_and_five_at_a_time(self):
        wanted = [{"action": "generateImage", "layerId": "1:3", "imagePrompt": f"picture {i}"} for i in range(12)]
        live.provider.script({"wants": "edits", "text": answer(*wanted)}, {"wants": "image", "latencyMs": 300})
        pictures = images_of(self.edits(generateImages=True))
        self.assertEqual(len(set(pictures.values())), 12)
        for image in pictures.values():
            self.assertEqual(base64.b64decode(image)[:8], b"\x89PNG\r\n\x1a\n")
        stats = live.provider.stats()
        self.assertEqual((stats["calls"], stats["maxInFlight"]), (1 + 12, 5))

    def test_an_image_that_fails_is_left_out_and_the_rest_stands(self):
        bomb = base64.b64encode(base64.b64decode(picture())[:-20]).decode()
        for fault in ({"status": 400}, {"fault": "error_in_200"}, {"fault": "empty_choices"}, {"fault": "huge"},
                      {"text": "I would rather not."}, {"image": "QUJDREVGR0hJSktMTU5PUA=="}, {"image": "!"},
                      {"image": bomb}, {"image": "A" * 5 * 2**20}):
            live.provider.script({"match": "a Cool picture", "wants": "image", **fault})
            reply = self.edits(generateImages=True)
            pictures = images_of(reply)
            self.assertIsNone(pictures.pop("a Cool picture"), fault)
            self.assertEqual(len([one for one in pictures.values() if one]), 4, fault)
            self.assertEqual(reply["dropped"], 0)

    def test_large_pictures_are_taken(self):
        self.assert_large_pictures_are_taken()

    def test_an_image_that_was_paid_for_is_not_asked_for_again(self):
        live.provider.script({"wants": "image", "image": "QUJDREVGR0hJSktMTU5PUA=="})
        self.assertEqual(set(images_of(self.edits(generateImages=True)).values()), {None})
        self.assertEqual(live.provider.stats()["calls"], 6)


class ImageBoundTest(EditsCase):
    settings = {**EditsCase.settings, "PLUGFLEET_BREAKER_FAILURES": "1", "PLUGFLEET_AI_IMAGE_REPLY_MAX": "1MiB"}

    def test_an_image_over_its_bound_is_asked_for_once_and_is_no_fault_of_the_providers_health(self):
        live.provider.script({"wants": "image", "image": "A" * 2**20})
        for calls in (6, 12):
            self.assertEqual(set(images_of(self.edits(generateImages=True)).values()), {None})
            self.assertEqual(live.provider.stats()["calls"], calls)


class ImageModelTest(EditsCase):
    # Other workers than the other tests': their key rests for images, and no breaker may open for those who come after.
    settings = {**EditsCase.settings, "PLUGFLEET_BREAKER_FAILURES": "10000"}

    def test_a_key_that_may_not_use_it_is_good_for_texts(self):
        live.provider.script({"wants": "image", "status": 403})
        self.assertEqual(set(images_of(self.edits(generateImages=True)).values()), {None})
        replies = live.by_worker(lambda headers: live.get("/health", headers=headers))
        self.assertEqual({one.json["checks"]["provider"] for many in replies.values() for one in many}, {"ok"})
        self.assertEqual(live.rename(frame(layer("1:1"))).json["renamed"], 1)


class JobTest(EditsCase):
    def test_a_job_has_its_images_while_they_are_kept_and_says_when_they_are_gone(self):
        job = self.accepted(generateImages=True)
        whole = self.ended(job)
        self.assertEqual((whole["status"], whole["type"], whole["progress"]), ("completed", "generate-edits", 100))
        pictures = images_of(whole["result"])
        self.assertEqual((len(pictures), None in pictures.values()), (5, False))
        ((row, count),) = live.rows(f"select result::text, variant_count from only jobs where id = '{job}'")
        self.assertEqual((len(json.loads(row)["variants"]), count), (5, "5"))
        for image in pictures.values():
            self.assertNotIn(image[:40], row)
        self.assertLessEqual(int(live.fleet.redis("pttl", f"job:{job}:result", which="payloads")), RESULT_MS)
        gone = wait_for(lambda: (told := live.get(f"/api/jobs/{job}").json)["result"] is None and told,
                        "the result stays", PATIENCE)
        self.assertEqual((gone["status"], gone["resultExpired"]), ("completed", True), gone)

    def test_a_job_without_images_keeps_its_result(self):
        told = self.ended(self.accepted())
        self.assertEqual(set(told["result"]), {"variants", "dropped"})
        self.assertNotIn("resultExpired", told)
        self.assertEqual(live.fleet.redis("exists", f"job:{told['id']}:result", which="payloads"), "0")

    def test_both_ways_leave_the_same_row(self):
        email = some_email()
        ids = [self.edits(userEmail=email, userId="figma-7")["jobId"], self.accepted(userEmail=email, userId="figma-7")]
        self.ended(ids[1])
        columns = "type, status, layer_count, variant_count, frame_name, user_email, user_id, payload, result"
        one, other = (live.rows(f"select {columns} from only jobs where id = '{id_}'")[0] for id_ in ids)
        self.assertEqual(one, other)
        self.assertEqual(one[:7], ["generate-edits", "completed", "2", "5", "Card", email, "figma-7"])

    def test_a_cancelled_job_takes_its_calls_with_it(self):
        live.provider.script({"wants": "image", "latencyMs": 60_000})
        job = self.accepted(generateImages=True)
        wait_for(lambda: live.provider.stats()["inFlight"] == 5, "no images were asked for", PATIENCE)
        self.assertEqual(live.ask("DELETE", f"/api/jobs/{job}").status, 202)
        self.assertEqual(self.ended(job)["status"], "cancelled")
        wait_for(lambda: live.provider.stats()["inFlight"] == 0, "its calls were not aborted", PATIENCE)


class UsageTest(EditsCase):
    def assert_recorded(self, job, calls):
        stats = live.provider.stats()
        query = f"select ai_calls, input_tokens, output_tokens, cost_usd from only jobs where id = '{job}'"
        (row,) = live.rows(query)
        self.assertEqual([int(value) for value in row[:3]], [calls, stats["inputTokens"], stats["outputTokens"]])
        self.assertAlmostEqual(float(row[3]), stats["cost"], delta=1e-6)
        self.assertGreater(float(row[3]), 0)

    def test_what_a_request_used_is_recorded_with_it(self):
        self.assert_recorded(self.edits(userEmail=EMAIL, generateImages=True)["jobId"], calls=6)

    def test_what_a_job_used_is_recorded_with_it(self):
        job = self.accepted(generateImages=True)
        self.ended(job)
        self.assert_recorded(job, calls=6)

    def test_usage_that_cannot_be_true_is_not_recorded(self):
        usage = {"prompt_tokens": 2**63 - 1, "completion_tokens": -7, "cost": 1e300}
        body = {"choices": [{"message": {"content": answer({"action": "setOpacity", "layerId": "1:3", "opacity": 1})}}],
                "usage": usage}
        live.provider.script({"body": json.dumps(body)})
        job = self.edits()["jobId"]
        (row,) = live.rows(f"select ai_calls, input_tokens, output_tokens, cost_usd = 0 from jobs where id = '{job}'")
        self.assertEqual(row, ["1", "0", "0", "t"])


if __name__ == "__main__":
    unittest.main()
