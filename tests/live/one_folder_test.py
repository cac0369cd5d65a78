"""A product is one folder: dropped into a checkout whose fleet runs, it is built, migrated, found, served, limited, cached
and listed, its page too, by what `make run` does; and no request of the others fails."""

import json
import os
import subprocess
import sys
import tempfile
import unittest
import urllib.error
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from contract import Contract
from live import frame, some_layers
from servers import BUILD, OPENER, ROOT, Fleet, fetch
from traffic import Traffic, all_renamed

BODY = json.dumps(frame(*some_layers(1))).encode()


def notes(*titles):
    return [{"title": title, "crc32": zlib.crc32(title.encode())} for title in titles]


class OneFolderTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        scratch = tempfile.TemporaryDirectory(prefix="plugfleet-one-folder-")
        cls.addClassCleanup(scratch.cleanup)
        os.chmod(scratch.name, 0o755)  # the servers' own users pass through
        cls.checkout = Path(scratch.name) / "checkout"
        cls.build = cls.checkout / "build" / BUILD.name
        for path in ("Makefile", "VERSION", "scripts", "conf", "migrations", "fcgi-app", "modules/figma"):
            cls.link(ROOT / path, cls.checkout / path)
        for path in ("fcgi-app", "lib", "bin", "modules/figma", "modules/figma.so"):
            cls.link(BUILD / path, cls.build / path)
        limits = {"PLUGFLEET_RENAME_LIMIT_PER_MINUTE": "1000000"}
        cls.fleet = cls.enterClassContext(Fleet("one-folder", limits, build=cls.build, root=cls.checkout))

    @staticmethod
    def link(target, name):
        name.parent.mkdir(parents=True, exist_ok=True)
        name.symlink_to(target)

    def run_here(self, *words):
        done = subprocess.run(
            words, cwd=self.checkout, env=self.fleet.environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT, text=True, timeout=600, check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def status(self, path, body=None):
        """The status, headers and text of an answer."""
        try:
            with OPENER.open(self.fleet.url + path, data=body, timeout=30) as reply:
                return reply.status, reply.headers, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.headers, error.read().decode()

    def add(self, title):
        return fetch(f"{self.fleet.url}/api/notes", json.dumps({"title": title}).encode())

    def test_a_product_moves_in_while_others_are_served(self):
        self.assertEqual(self.status("/api/notes")[0], 404)
        # nginx's reload closes kept connections between two requests: each of these has one of its own.
        alone = {"Connection": "close"}
        with Traffic(self.fleet, "/api/rename-layers", BODY, clients=3, good=all_renamed, headers=alone) as load:
            self.link(ROOT / "tests/notes", self.checkout / "modules/notes")
            self.run_here("make", "--no-print-directory", "build", f"SAN={'' if BUILD.name == 'release' else BUILD.name}")
            self.fleet.script("start")
            load.wait_for_more(20)
        self.assertEqual(load.failures, [], f"of {load.answered}")

        self.assertIn("POST /api/notes", self.run_here("scripts/plugfleet", "routes"))
        routes = json.loads(self.run_here("scripts/plugfleet", "routes", "--json"))["routes"]
        self.assertEqual({route["method"]: (route["summary"], route["module"], route.get("nginx"), route["bodyMax"])
                          for route in routes if route["path"] == "/api/notes"},
                         {"POST": ("Adds a note", "notes", {"rate": "1r/m", "burst": 5}, 1024),
                          "GET": ("The first notes", "notes", None, 20 * 1024 * 1024)})

        self.assertEqual({route["method"]: (route.get("query"), route.get("body"), route["answers"])
                          for route in routes if route["path"] == "/api/notes"},
                         {"POST": (None, "notes.NewNote", [{"status": 201, "type": "notes.NewNote"}]),
                          "GET": ("notes.ListQuery", None, [{"status": 200, "type": "notes.Notes"}])})

        # The API's description has them, and what they answer is so.
        contract = Contract(fetch(f"{self.fleet.url}/openapi.json"))
        self.assertEqual(set(contract.document["paths"]["/api/notes"]), {"get", "post"})
        for path in ("/api/notes?limit=1", "/api/notes?limit=0", "/api/notes?limit=x"):
            status, headers, said = self.status(path)
            contract.check("GET", path, status, headers, said)
            if status != 200:
                self.assertEqual((status, json.loads(said)["details"]),
                                 (400, [{"field": "limit", "message": "must be a whole number from 1 to 100"}]))

        # Its table, and its cache, which whoever adds to the table passes by.
        self.assertEqual(json.loads(self.add("one")), {"title": "one"})
        first = fetch(f"{self.fleet.url}/api/notes")
        self.assertEqual(json.loads(first)["notes"], notes("one"))
        for _ in range(6):  # of either worker
            self.assertEqual(fetch(f"{self.fleet.url}/api/notes"), first)
        self.add("two")
        self.assertEqual(json.loads(fetch(f"{self.fleet.url}/api/notes"))["notes"], notes("one", "two"))

        # Its bound and nginx's guard, each in the contract's words.
        status, _, said = self.status("/api/notes", b"x" * 1025)
        self.assertEqual((status, json.loads(said)["message"]), (413, "The body is over 1 KB."))
        for _ in range(6):
            status, headers, said = self.status("/api/notes", b"{}")
        self.assertEqual((status, json.loads(said)["error"]), (429, "rate_limited"))
        self.assertEqual((headers["RateLimit-Limit"], headers["Retry-After"]), ("1", "60"))
        self.assertEqual(self.status("/api/notes")[0], 200)  # another method of that path is not meant

        # Its page, at every path it has, under its own policy; and what a file's name says of how long it is kept.
        for path in ("/", "/notes/17", "/static/notes/", "/static/notes/index.html"):
            status, headers, page = self.status(path)
            told = (status, headers.get_content_type(), headers["Cache-Control"], headers["Content-Security-Policy"])
            self.assertEqual(told, (200, "text/html", "no-cache", "default-src 'self'"), path)
            self.assertIn("<title>Notes</title>", page)
        for name, kept in (("app.0123abcd.js", "public, max-age=31536000, immutable"), ("app-readable.js", "no-cache")):
            status, headers, _ = self.status(f"/static/notes/{name}")
            self.assertEqual((status, headers["Cache-Control"]), (200, kept))
        status, headers, _ = self.status("/static/notes/none.js")
        self.assertEqual((status, headers["Cache-Control"]), (404, None))

    def test_its_database_may_be_its_own(self):
        self.fleet.script("stop")
        self.fleet.environment["MODULE_DATABASES"] = "notes"
        self.fleet.script("start")  # makes and migrates it
        self.add("mine")
        self.assertEqual(json.loads(fetch(f"{self.fleet.url}/api/notes"))["notes"], notes("mine"))
        titles = "select title from notes"
        self.assertEqual(self.fleet.sql(titles, "plugfleet_module_notes"), [["mine"]])
        self.assertNotIn(["mine"], self.fleet.sql(titles))  # what was in the fleet's before stays there

        self.run_here("scripts/operate/backup")
        self.fleet.sql("delete from notes", "plugfleet_module_notes")
        said = self.run_here("scripts/operate/restore", "--yes")
        self.assertIn("plugfleet_module_notes_before_", said)
        self.assertEqual(self.fleet.sql(titles, "plugfleet_module_notes"), [["mine"]])
        self.add("after")
        self.assertEqual(json.loads(fetch(f"{self.fleet.url}/api/notes"))["notes"], notes("mine", "after"))


if __name__ == "__main__":
    unittest.main()
