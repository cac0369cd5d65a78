"""The prompts: GET /api/prompts, and what a request for edits may name, in a folder that changes under a running
fleet."""

import json
import os
import shutil
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import EMAIL, KEY, Live, at_once
from servers import ROOT

live = Live(__file__)
scratch = tempfile.TemporaryDirectory(prefix="plugfleet prompts ")
FOLDER = Path(scratch.name) / "prompts"
FOLDER.mkdir()


def tearDownModule():
    try:
        live.stop()
    finally:
        scratch.cleanup()


def frame(**members):
    return {
        "userEmail": EMAIL, "frameName": "Card", "frameWidth": 320, "frameHeight": 200,
        "layers": [{"id": "1:1", "name": "Title", "type": "TEXT", "x": 16, "y": 16, "width": 200, "height": 40,
                    "text": "Hello", "fontSize": 24}],
        **members,
    }


class PromptsCase(live.Case):
    settings = {
        "PLUGFLEET_PROMPTS_DIR": str(FOLDER), "PLUGFLEET_EDIT_LIMIT_PER_MINUTE": "1000000",
        "PLUGFLEET_OPENROUTER_API_KEY": KEY,
    }

    def setUp(self):
        super().setUp()
        shutil.rmtree(FOLDER)
        FOLDER.mkdir()
        self.put("default.txt", "The default prompt.")

    def put(self, name, text):
        """As the manual says: whole, then under its name."""
        unfinished = FOLDER / "unfinished"
        unfinished.write_bytes(text if isinstance(text, bytes) else text.encode())
        unfinished.rename(FOLDER / name)

    def prompts(self):
        reply = live.get("/api/prompts")
        self.assertEqual(reply.status, 200, reply)
        return reply.json["prompts"]

    def names(self):
        return [prompt["filename"] for prompt in self.prompts()]

    def edits(self, **members):
        return live.ask("POST", "/api/generate-edits", frame(**members))

    def sent_prompt(self):
        """All that the provider was last sent."""
        return json.dumps(live.provider.calls()[-1])


class ListTest(PromptsCase):
    def test_the_default_comes_first_then_by_name(self):
        for name in ("zen.txt", "creative-director.txt", "airy_2.txt"):
            self.put(name, "A prompt.")
        self.assertEqual(self.prompts(), [
            {"id": "default", "name": "Default", "filename": "default.txt", "isDefault": True},
            {"id": "airy_2", "name": "Airy 2", "filename": "airy_2.txt", "isDefault": False},
            {"id": "creative-director", "name": "Creative Director", "filename": "creative-director.txt",
             "isDefault": False},
            {"id": "zen", "name": "Zen", "filename": "zen.txt", "isDefault": False},
        ])

    def test_files_come_and_go_while_every_worker_runs(self):
        self.put("new.txt", "A prompt.")
        replies = live.by_worker(lambda headers: live.get("/api/prompts", headers=headers))
        for reply in (one for answers in replies.values() for one in answers):
            self.assertEqual([prompt["id"] for prompt in reply.json["prompts"]], ["default", "new"])
        (FOLDER / "new.txt").unlink()
        self.assertEqual(self.names(), ["default.txt"])
        (FOLDER / "default.txt").unlink()
        self.assertEqual(self.prompts(), [])

    def test_what_is_no_prompt_is_not_listed(self):
        (FOLDER / "link.txt").symlink_to("/etc/hostname")
        (FOLDER / "folder.txt").mkdir()
        os.mkfifo(FOLDER / "fifo.txt")
        for name, text in (("empty.txt", ""), ("large.txt", "x" * 65537), ("latin.txt", b"caf\xe9"), ("nul.txt", "a\0b"),
                           ("notes.md", "text"), (".hidden.txt", "text"), ("a b.txt", "text"), ("café.txt", "text")):
            self.put(name, text)
        self.assertEqual(self.names(), ["default.txt"])

    def test_who_asks_again_is_told_that_nothing_has_changed(self):
        first = live.get("/api/prompts")
        tag = first.headers["ETag"]
        self.assertEqual(first.headers["Cache-Control"], "no-cache")
        for known in (tag, tag.removeprefix("W/"), f'"other", {tag}', "*"):
            again = live.get("/api/prompts", headers={"If-None-Match": known})
            self.assertEqual((again.status, again.body, again.headers["ETag"]), (304, b"", tag))
            self.assertIsNone(again.headers["Content-Length"])
        self.assertEqual(live.get("/api/prompts", headers={"If-None-Match": '"other"'}).status, 200)
        self.put("new.txt", "A prompt.")
        changed = live.get("/api/prompts", headers={"If-None-Match": tag})
        self.assertEqual(changed.status, 200)
        self.assertNotEqual(changed.headers["ETag"], tag)

    def test_other_methods_are_refused(self):
        reply = live.ask("POST", "/api/prompts", {})
        self.assertEqual((reply.status, reply.headers["Allow"]), (405, "GET"))


class ChoiceTest(PromptsCase):
    def test_the_chosen_prompt_is_sent_and_the_default_where_none_is_chosen(self):
        self.put("calm.txt", "Be very calm indeed.")
        self.edits(promptFile="calm.txt")
        self.assertIn("Be very calm indeed.", self.sent_prompt())
        self.put("calm.txt", "Be calmer still.")
        self.edits(promptFile="calm.txt")
        self.assertIn("Be calmer still.", self.sent_prompt())
        self.edits()
        self.assertIn("The default prompt.", self.sent_prompt())

    def test_a_name_that_is_no_prompt_is_refused_and_nobody_is_asked(self):
        (FOLDER.parent / "secret.txt").write_text("a secret", encoding="utf-8")
        (FOLDER / "link.txt").symlink_to("../secret.txt")
        (FOLDER / "inner.txt").symlink_to("default.txt")
        (FOLDER / "folder.txt").mkdir()
        os.mkfifo(FOLDER / "fifo.txt")
        self.put("large.txt", "x" * 65537)
        names = ["", "none.txt", "../secret.txt", "..", ".", "/etc/passwd", str(FOLDER / "default.txt"), "./default.txt",
                 "default.txt/", "default", "DEFAULT.TXT", "default.txt ", "link.txt", "inner.txt", "folder.txt",
                 "fifo.txt", "large.txt", "..\\secret.txt", "%2e%2e/secret.txt",
                 "x" * 5000 + ".txt", "défaut.txt", "unfinished"]
        replies = at_once(len(names), lambda i: self.edits(promptFile=names[i]))
        for name, reply in zip(names, replies):
            with self.subTest(name=name[:50]):
                self.assertEqual((reply.status, reply.json["error"]), (400, "invalid_request"), reply)
                self.assertEqual([detail["field"] for detail in reply.json["details"]], ["promptFile"])
                self.assertNotIn(b"secret", reply.body)
        for name in ("default.txt\0", "../secret.txt\0.txt"):  # no text at all may hold a NUL
            reply = self.edits(promptFile=name)
            self.assertEqual((reply.status, reply.json["error"]), (400, "invalid_request"), reply)
        self.assertEqual(live.provider.calls(), [])


class OtherDefaultTest(PromptsCase):
    settings = {**PromptsCase.settings, "PLUGFLEET_EDIT_PROMPT_FILE": "zen.txt"}

    def test_the_setting_says_which_is_the_default(self):
        self.put("zen.txt", "Nothing in excess.")
        self.assertEqual([(one["filename"], one["isDefault"]) for one in self.prompts()],
                         [("zen.txt", True), ("default.txt", False)])
        self.edits()
        self.assertIn("Nothing in excess.", self.sent_prompt())


class ShippedTest(live.Case):
    settings = {}

    def test_the_six_that_come_with_plugfleet_are_offered(self):
        self.assertEqual([prompt["filename"] for prompt in live.get("/api/prompts").json["prompts"]], [
            "default.txt", "accessibility-first.txt", "conversion-copywriter.txt", "creative-director.txt",
            "creative-director-with-images.txt", "minimal-editorial.txt",
        ])
        self.assertEqual(len(list((ROOT / "modules/figma/prompts").iterdir())), 6)


if __name__ == "__main__":
    unittest.main()
