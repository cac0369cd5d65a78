"""scripts/dev/new-module: what it writes builds, loads, and passes its own test, without a fleet and without a change.

It works in a checkout of its own: links to the sources and to what is built of them, beside which only the new module
is compiled."""

import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from servers import BUILD, ROOT

SANITIZER = "" if BUILD.name == "release" else BUILD.name


class NewModuleTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="plugfleet new module ")
        cls.addClassCleanup(scratch.cleanup)
        cls.checkout = Path(scratch.name) / "checkout"
        cls.build = cls.checkout / "build" / BUILD.name
        for path in (".clang-format", "Makefile", "scripts", "fcgi-app", "migrations", "tests/support"):
            cls.link(ROOT / path, cls.checkout / path)
        for path in ("fcgi-app", "lib", "bin", "tests/support"):
            cls.link(BUILD / path, cls.build / path)
        (cls.checkout / "modules").mkdir()
        (cls.checkout / "modules/taken").mkdir()
        (cls.checkout / "tests/modules/tested").mkdir(parents=True)

    @staticmethod
    def link(target, name):
        name.parent.mkdir(parents=True, exist_ok=True)
        name.symlink_to(target)

    def run_in_checkout(self, *words, **environment):
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PLUGFLEET_", "MAKE"))}
        done = subprocess.run(
            words, cwd=self.checkout, env={**inherited, **environment}, stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=600, check=False,
        )
        return done.returncode, done.stdout

    def new_module(self, *names):
        return self.run_in_checkout("scripts/dev/new-module", *names)

    def files(self):
        return sorted(
            str(path.relative_to(self.checkout))
            for folder in ("modules", "tests/modules") for path in (self.checkout / folder).rglob("*")
        )

    def test_a_new_module_passes_its_test_and_is_loaded_by_a_worker(self):
        status, said = self.new_module("notes")
        self.assertEqual(status, 0, said)
        self.assertIn("make t F=modules/notes/notes", said)
        self.assertIn("modules/notes/migrations/0001_create_counts.sql", self.files())
        written = [path for path in self.files() if path.endswith(".cc")]
        self.assertEqual(written, ["modules/notes/notes.cc", "tests/modules/notes/notes_test.cc"])
        status, said = self.run_in_checkout("clang-format-19", "--dry-run", "-Werror", *written)
        self.assertEqual(status, 0, said)
        status, said = self.run_in_checkout("make", "--no-print-directory", "t", "F=modules/notes/notes", f"SAN={SANITIZER}")
        self.assertEqual(status, 0, said)
        self.assertRegex(said, r"PASSED  \] 3 test")
        library = f"build/{BUILD.name}/modules/notes.so"
        status, said = self.run_in_checkout("make", "--no-print-directory", library, f"SAN={SANITIZER}")
        self.assertEqual(status, 0, said)
        status, said = self.run_in_checkout(
            self.build / "bin/plugfleet-worker", "--check", PLUGFLEET_MODULES_DIR=str(self.build / "modules")
        )
        self.assertEqual(status, 0, said)
        status, said = self.new_module("notes")
        self.assertEqual((status, said), (1, "modules/notes is there already.\n"))

    def test_names_that_cannot_be_are_refused_and_nothing_is_written(self):
        before = self.files()
        names = ["", "Notes", "1notes", "_notes", "my-notes", "a b", "../notes", "notes/x", "a" * 32, "n\n", "--help",
                 "probe", "plugfleet", "taken", "tested", "new", "text", "time"]
        for name in names:
            with self.subTest(name=name):
                status, said = self.new_module(name)
                self.assertEqual(status, 1, said)
                self.assertEqual(self.files(), before)
        for words in ((), ("one", "two")):
            status, said = self.new_module(*words)
            self.assertEqual((status, said), (1, "Usage: scripts/dev/new-module NAME\n"))


if __name__ == "__main__":
    unittest.main()
