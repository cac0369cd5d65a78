"""scripts/dev/load: asks a running fleet and says what it did; refuses to load somebody who has to be paid."""

import json
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from servers import ROOT, Fleet


class LoadScriptTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.fleet = cls.enterClassContext(Fleet("load-script", {"PLUGFLEET_RENAME_LIMIT_PER_MINUTE": "1000000"}))

    def load(self, *words, status=0):
        done = subprocess.run([ROOT / "scripts/dev/load", "--seconds", "1", *words], env=self.fleet.environment, cwd="/",
                              capture_output=True, text=True, timeout=200, check=False)
        self.assertEqual(done.returncode, status, done.stdout + done.stderr)
        return done.stdout + done.stderr

    def test_each_kind_of_request_is_asked_and_told_of_with_its_price(self):
        figures = json.loads(self.load("--health", "1", "--rename", "1", "--jobs", "1", "--layers", "2", "--json"))
        self.assertEqual(set(figures["kinds"]), {"health", "rename", "jobs"})
        for kind in figures["kinds"].values():
            self.assertGreater(kind["answered"], 0)
            self.assertEqual(kind["failed"], 0)
            self.assertLessEqual(kind["p50Ms"], kind["p99Ms"])
        self.assertTrue(figures["jobsDone"])
        self.assertEqual(self.fleet.sql("select count(*) from live_jobs"), [["0"]])
        for program in ("nginx", "worker", "postgres"):
            self.assertGreater(figures["cpuUsPerRequest"][program], 0, program)
            self.assertGreater(figures["memory"][program]["MB"], 0, program)
        self.assertEqual(figures["memory"]["worker"]["processes"], 2)

    def test_for_people_it_is_a_line_for_each_kind_and_each_program(self):
        said = self.load("--health", "2", "--rename", "0")
        self.assertRegex(said, r"(?m)^health +2 +[\d,]+\.\d ")
        self.assertRegex(said, r"(?m)^worker +2 +\d+ MB +\d+ us$")

    def test_where_an_ai_provider_is_asked_renames_are_refused(self):
        settings = self.fleet.folder / "plugfleet.conf"
        before = settings.read_text(encoding="utf-8")
        self.addCleanup(settings.write_text, before)
        settings.write_text(before + "OPENAI_API_KEY=sk-somebody-pays\n")
        said = self.load(status=1)
        self.assertIn("OPENAI_API_KEY", said)
        self.assertNotIn("sk-somebody-pays", said)
        self.load("--health", "1", "--rename", "0")


if __name__ == "__main__":
    unittest.main()
