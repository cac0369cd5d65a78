"""README.md keeps its word: every curl in it is answered, the first within 30 lines and 3 commands of the top."""

import re
import shlex
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import Live
from servers import ROOT

LINES = (ROOT / "README.md").read_text(encoding="utf-8").splitlines()
live = Live(__file__)


def tearDownModule():
    live.stop()


class ReadmeTest(live.Case):
    def curl(self, line):
        command = line.split("  #")[0].strip().replace("localhost:8080", live.fleet.url.removeprefix("http://"))
        done = subprocess.run(["curl", "-sS", "--fail-with-body", *shlex.split(command)[1:]], cwd=ROOT, timeout=60,
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}")
        return done.stdout

    def test_the_first_answer_is_near_the_top(self):
        commands = [(number, line) for number, line in enumerate(LINES, 1) if re.match(r" {4}(make|curl|scripts/)", line)]
        first = next(index for index, (_, line) in enumerate(commands) if line.startswith("    curl"))
        self.assertLessEqual(first + 1, 3)
        self.assertLessEqual(commands[first][0], 30)

    def test_every_curl_is_answered(self):
        said = ""
        asked = [line for line in LINES if line.startswith("    curl")]
        self.assertGreater(len(asked), 2)
        for line in asked:
            if "/jobs/ID/" in line:  # of the job that the one before it made
                job = re.search(r'"jobId":"([0-9a-f-]+)"', said)[1]
                line = line.replace("/jobs/ID/", f"/jobs/{job}/")
            said = self.curl(line)
            self.assertTrue(said)


if __name__ == "__main__":
    unittest.main()
