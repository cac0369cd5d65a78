"""POST /api/rename-layers when all goes well: every protocol, what bodies may hold, rows, and how much runs at once."""

import base64
import json
import sys
import tempfile
import unittest
from pathlib import Path

for folder in ("support", "load"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / folder))

import naming
from live import (
    EMAIL, JPEG, KEY, WEBP, Live, at_once, frame, image_name, layer, picture, some_layers, some_trace,
)
from servers import ROOT, wait_for

live = Live(__file__)
tearDownModule = live.stop

UUID = r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"


def escaped(letters, text):
    """`text` as JSON may spell it: each of those letters (None: every one) by its number."""
    return "".join(f"\\u{ord(letter):04x}" if letters is None or letter in letters else letter for letter in text)


class RenameCase(live.Case):
    def renamed(self, body, **how):
        """The reply's layers, after checking what holds for every rename where no call fails."""
        reply = live.rename(body, **how)
        self.assertEqual(reply.status, 200, reply)
        answer = reply.json
        self.assertEqual(set(answer), {"layers", "jobId", "durationMs", "renamed", "kept"})
        self.assertEqual([one["id"] for one in answer["layers"]], [one["id"] for one in body["layers"]])
        self.assertTrue(all(set(one) == {"id", "newName"} for one in answer["layers"]), answer["layers"])
        self.assertEqual((answer["renamed"], answer["kept"]), (len(body["layers"]), 0))
        self.assertRegex(answer["jobId"], f"^{UUID}$")
        self.assertIsInstance(answer["durationMs"], int)
        self.assertGreaterEqual(answer["durationMs"], 0)
        self.job = answer["jobId"]
        return answer["layers"]

    def assert_named_by_image(self, body, images=None, **how):
        names = [one["newName"] for one in self.renamed(body, **how)]
        images = images or [one["imageBase64"] for one in body["layers"]]
        self.assertEqual(names, [image_name(image) for image in images])


class EveryProtocol:
    """What must hold whichever provider is asked; the classes below name one each."""

    def test_every_layer_comes_back_once_in_order_named_by_its_image(self):
        self.assert_named_by_image(frame(*some_layers(25)))

    def test_it_does_over_https_too(self):
        self.assert_named_by_image(frame(*some_layers(3)), secure=True)

    def test_a_layer_is_one_call_with_the_key_the_model_its_prompt_and_one_image(self):
        self.renamed(frame(layer("1:1", name="Frame 427", type_="INSTANCE")))
        self.assertEqual(live.provider.stats()["byKey"], {KEY: 1})
        (call,) = live.provider.calls()
        self.assertEqual((call["path"], call["model"], call["images"]), (self.path, self.model, 1))
        self.assertIn("name", call["prompt"])

    def test_jpeg_and_webp_are_taken_by_their_bytes(self):
        self.assert_named_by_image(frame(layer("1", JPEG), layer("2", WEBP)))

    def test_an_image_means_the_same_however_its_base64_is_spelt(self):
        plain = "data:image/png;base64," + picture()
        spellings = [plain, *(escaped(letters, image) for image in (JPEG, "data:image/jpeg;base64," + JPEG)
                              for letters in ("/", "=+", "/+=a:;", None)), JPEG.replace("/", r"\/")]
        text = json.dumps(frame(*(layer(str(i), f"<{i}>") for i in range(len(spellings)))))
        for i, spelling in enumerate(spellings):
            text = text.replace(f"<{i}>", spelling)
        reply = live.rename(text.encode())
        self.assertEqual(reply.status, 200, reply)
        names = [one["newName"] for one in reply.json["layers"]]
        self.assertEqual(names, [image_name(plain.partition(",")[2]), *[image_name(JPEG)] * 9])


class OpenrouterTest(EveryProtocol, RenameCase):
    settings = {"PLUGFLEET_OPENROUTER_API_KEY": KEY}  # "auto" takes the first that has a key
    path, model = "/api/v1/chat/completions", "openrouter-model"

    def test_ids_names_and_types_may_be_any_text(self):
        ids = ["1:2", "I5:6;7:8", "ключ", "日本語", "🦊🦊", 'a"b\\c', "a/b", " spaced ", "e\u0301", "\u00e9"]
        self.assert_named_by_image(frame(*(layer(id_, name=f"{id_} 名前", type_="NEW_TYPE") for id_ in ids)))

    def test_texts_of_the_greatest_length_are_taken(self):
        longest = layer("ü" * 255, name="名" * 1000, type_="Ü" * 64)
        self.assert_named_by_image(frame(longest, layer("1", name=""), userEmail="ü" * 253 + "@b", userId="ü" * 255))

    def test_members_nobody_knows_are_passed_over(self):
        body = frame({**layer("1"), "visible": True, "children": [{"id": 7}]}, pluginVersion="9.1")
        self.assert_named_by_image(body)

    def test_whatever_json_they_hold(self):
        odd = (r', "n": 18446744073709551616, "a\/b": -1e400, "cut \ud83d": "\udc00 \u0000", "cut \ud83e": [1.0E999],'
               r' "deep": ' + 20 * "[" + 20 * "]")
        body = frame(layer("1"), layer("2"))
        text = json.dumps(body).replace('"type": "RECTANGLE"', '"t\\u0079pe": "RECTANGLE"' + odd)
        reply = live.rename((text[:-1] + odd + "}").encode())
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual([one["newName"] for one in reply.json["layers"]],
                         [image_name(one["imageBase64"]) for one in body["layers"]])

    def test_a_name_that_is_cut_within_a_character_is_mended(self):
        live.provider.script({"match": "Card", "status": 400})
        layers = [layer("1"), layer("2", name="Card \ud83d"), layer("3", name="\ude00 Card"), layer("4")]
        reply = live.rename(frame(*layers))
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual([one["newName"] for one in reply.json["layers"]], [
            image_name(layers[0]["imageBase64"]), "Card \ufffd", "\ufffd Card", image_name(layers[3]["imageBase64"])])

    def test_the_same_image_twice_is_two_layers(self):
        image = picture()
        self.assert_named_by_image(frame(layer("1", image), layer("2", image)))
        self.assertEqual(live.provider.stats()["calls"], 2)

    def test_five_hundred_layers_are_renamed(self):
        self.assert_named_by_image(frame(*some_layers(500)))
        self.assertEqual(live.provider.stats()["calls"], 500)

    def test_a_body_that_comes_in_chunks_is_taken(self):
        body = frame(*some_layers(4))
        text = json.dumps(body).encode()
        pieces = iter([text[:10], text[10:11], text[11:500], text[500:]])
        reply = live.rename(pieces)
        self.assertEqual([one["newName"] for one in reply.json["layers"]],
                         [image_name(one["imageBase64"]) for one in body["layers"]])

    def test_a_charset_and_a_json_type_of_ones_own_are_json(self):
        for kind in ("application/json; charset=utf-8", "APPLICATION/JSON", "application/vnd.figma+json"):
            self.renamed(frame(layer("1")), headers={"Content-Type": kind})

    def test_the_path_may_end_with_a_slash(self):
        self.assertEqual(live.ask("POST", "/api/rename-layers/", frame(layer("1"))).status, 200)

    def test_a_hint_of_type_that_is_wrong_changes_nothing(self):
        image = picture()
        self.renamed(frame(layer("1", "data:image/webp;base64," + image)))

    # ---- rows ----

    def test_a_rename_leaves_one_jobs_row_without_images(self):
        body = frame(layer("1:1", name="Vector 7", type_="VECTOR"), layer("1:2", name="Frame 1"), userId="figma-77")
        names = self.renamed(body)
        columns = ("type, status, layer_count, user_email, user_id, host(ip_address), error_message, frame_name, "
                   "variant_count, duration_ms >= 0, completed_at >= started_at, payload, result")
        (row,) = live.rows(f"select {columns} from jobs where id = '{self.job}'")
        self.assertEqual(row[:9], ["rename-layers", "completed", "2", EMAIL, "figma-77", "127.0.0.1", "", "", ""])
        self.assertEqual(row[9:11], ["t", "t"])
        self.assertEqual(json.loads(row[11]), {"layers": [
            {"id": "1:1", "currentName": "Vector 7", "type": "VECTOR"},
            {"id": "1:2", "currentName": "Frame 1", "type": "RECTANGLE"},
        ]})
        self.assertEqual(json.loads(row[12]), {"layers": names, "renamed": 2, "kept": 0})

    def test_a_body_without_a_user_leaves_a_row_without_one(self):
        self.renamed(frame(layer("1")))
        (row,) = live.rows(f"select user_id is null, user_email from jobs where id = '{self.job}'")
        self.assertEqual(row, ["t", EMAIL])

    def test_every_call_leaves_an_api_calls_row_the_refused_too(self):
        for body, status in ((frame(layer("1")), 200), (frame(), 422)):
            agent = some_trace()
            self.assertEqual(live.rename(body, headers={"User-Agent": agent}).status, status)
            (row,) = live.rows("select endpoint, host(ip_address), response_status, response_time_ms > 0, "
                               f"created_at > now() - interval '5 minutes' from api_calls where user_agent = '{agent}'")
            self.assertEqual(row, ["POST /api/rename-layers", "127.0.0.1", str(status), "t", "t"])

    def test_a_hostile_user_agent_is_kept_as_text(self):
        agent = some_trace()
        self.renamed(frame(layer("1")), headers={"User-Agent": f"{agent}'); drop table jobs; -- \xff\xfe{'x' * 900}"})
        (row,) = live.rows(f"select length(user_agent) from api_calls where user_agent like '{agent}%'")
        self.assertLessEqual(int(row[0]), 256)

    # ---- how much runs at once ----

    def test_ten_layers_of_one_request_are_out_at_once_and_no_more(self):
        live.provider.answer_after(50)
        self.renamed(frame(*some_layers(50)))
        stats = live.provider.stats()
        self.assertEqual((stats["calls"], stats["maxInFlight"]), (50, 10))

    def test_two_requests_do_not_wait_for_each_other(self):
        live.provider.answer_after(1500)
        replies = at_once(3, lambda i: live.rename(frame(*some_layers(10))) if i < 2 else self.twenty_are_out())
        self.assertEqual([reply.json["renamed"] for reply in replies[:2]], [10, 10])

    def twenty_are_out(self):
        wait_for(lambda: live.provider.stats()["inFlight"] == 20, "twenty calls were not out at once", 20)


class GeminiTest(EveryProtocol, RenameCase):
    settings = {"PLUGFLEET_AI_PROVIDER": "gemini", "PLUGFLEET_GEMINI_API_KEY": KEY,
                "PLUGFLEET_OPENAI_API_KEY": "another"}
    path, model = "/v1beta/models/gemini-model:generateContent", "gemini-model"


class OpenaiWithinABoundTest(EveryProtocol, RenameCase):
    settings = {"PLUGFLEET_OPENAI_API_KEY": KEY, "PLUGFLEET_AI_IN_FLIGHT_MAX": "4"}
    path, model = "/v1/chat/completions", "openai-model"

    def test_a_process_has_so_many_calls_out_and_no_more(self):
        live.provider.answer_after(50)
        self.renamed(frame(*some_layers(20)))
        self.assertEqual(live.provider.stats()["maxInFlight"], 4)

    def test_requests_share_that_bound_and_all_get_their_turn(self):
        live.provider.answer_after(20)
        replies = at_once(8, lambda _: live.rename(frame(*some_layers(12))))
        self.assertEqual([reply.json["renamed"] for reply in replies], [12] * 8)
        self.assertLessEqual(live.provider.stats()["maxInFlight"], 2 * 4)


class OfflineTest(RenameCase):
    settings = {}  # no key, so nobody is asked

    def sample(self):
        folder = ROOT / "modules/figma/sample"
        listed = json.loads((folder / "frame.json").read_text(encoding="utf-8"))["layers"]
        images = [base64.b64encode((folder / one["file"]).read_bytes()).decode() for one in listed]
        return frame(*(layer(one["id"], image, one["name"], one["type"]) for one, image in zip(listed, images)))

    def test_the_names_are_the_same_each_time(self):
        first, second = self.renamed(self.sample()), self.renamed(self.sample())
        self.assertEqual(first, second)
        self.assertGreater(len({one["newName"] for one in first}), len(first) / 2, first)

    def test_the_names_are_words_in_title_case_and_not_the_old_ones(self):
        body = self.sample()
        for old, new in zip(body["layers"], self.renamed(body)):
            self.assertNotEqual(new["newName"], old["currentName"])
            self.assertRegex(new["newName"], r"^[A-Z][A-Za-z0-9-]*( (and|[A-Z0-9][A-Za-z0-9-]*))*$")
            self.assertLessEqual(len(new["newName"]), 60)

    def test_a_jpeg_and_a_webp_are_looked_at_too(self):
        for one in self.renamed(frame(layer("1", JPEG), layer("2", "data:image/webp;base64," + WEBP))):
            self.assertEqual(one["newName"], "Crimson Square")

    def test_a_damaged_image_keeps_the_layers_name(self):
        whole = base64.b64decode(picture())
        damaged = base64.b64encode(whole[:40]).decode()
        reply = live.rename(frame(layer("1", damaged, "Mine"), layer("2")))
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(reply.json["layers"][0], {"id": "1", "newName": "Mine"})
        self.assertEqual((reply.json["renamed"], reply.json["kept"]), (1, 1))
        (row,) = live.rows(f"select status, error_message from jobs where id = '{reply.json['jobId']}'")
        self.assertEqual(row, ["completed", "1 layers kept their names (the image can't be decoded)"])

    def test_nine_of_ten_everyday_parts_have_a_name_that_is_true_and_one_in_all_formats(self):
        with tempfile.TemporaryDirectory() as folder:
            labels = naming.pictures(folder)
            names = naming.names(folder, labels, lambda layers: self.renamed(frame(*layers)))
        for third, counts in naming.score(labels, names).items():
            named = counts["right"] + counts["fair"] + counts["wrong"]
            self.assertGreater(named, 120, third)
            self.assertLessEqual(counts["wrong"], named // 10, (third, counts))
            self.assertGreaterEqual(counts["right"], named * 3 // 4, (third, counts))
            self.assertEqual(counts["apart"], 0, (third, counts))

    def test_nothing_is_sent_anywhere(self):
        self.renamed(self.sample())
        self.assertEqual(live.provider.stats()["calls"], 0)

    def test_health_says_that_the_provider_is_offline_and_all_is_well(self):
        reply = live.get("/health")
        self.assertEqual((reply.status, reply.json["checks"]["provider"]), (200, "offline"), reply)


if __name__ == "__main__":
    unittest.main()
