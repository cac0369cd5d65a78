"""What every answer has around it: trace ids, CORS, security headers, compression."""

import gzip
import json
import re
import sys
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import KEY, Live, frame, layer, some_layers, some_trace

live = Live(__file__)
tearDownModule = live.stop

MADE = "^[0-9a-f]{32}$"
PARENT = "^00-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})$"

# A request for each kind of answer: a worker's, nginx's own, a preflight.
ANSWERS = {
    200: ("POST", "/api/rename-layers", frame(layer("1"))),
    204: ("OPTIONS", "/api/rename-layers", None),
    400: ("POST", "/api/rename-layers", b"{"),
    404: ("GET", "/nothing", None),
    405: ("GET", "/api/rename-layers", None),
    413: ("POST", "/api/rename-layers", bytes(21 * 2**20)),
    422: ("POST", "/api/rename-layers", {}),
}


class HttpCase(live.Case):
    settings = {"PLUGFLEET_OPENROUTER_API_KEY": KEY}

    def each_answer(self, **how):
        for status, (method, path, body) in ANSWERS.items():
            reply = live.ask(method, path, body, **how)
            self.assertEqual(reply.status, status, reply)
            yield reply


class TraceTest(HttpCase):
    def test_an_id_that_is_sent_comes_back_whatever_the_answer(self):
        for id_ in (some_trace(), "a", "A.b_c-9", "x" * 128):
            for reply in self.each_answer(headers={"x-trace-id": id_}):
                self.assertEqual(reply.headers.get_all("x-trace-id"), [id_])

    def test_an_id_that_is_malformed_is_replaced(self):
        for id_ in ("", " ", "a b", "x" * 129, "a/b", "é", '"', "a;b", "${jndi:x}", "<b>"):
            with self.subTest(id=id_):
                reply = live.rename(frame(layer("1")), headers={"x-trace-id": id_.encode()})
                self.assertRegex(reply.trace, MADE)

    def test_an_id_is_made_where_none_is_sent(self):
        made = [reply.trace for reply in self.each_answer()]
        for id_ in made:
            self.assertRegex(id_, MADE)
        self.assertEqual(len(set(made)), len(made))

    def test_it_is_sent_on_to_the_provider_and_stands_in_the_log(self):
        id_ = some_trace()
        live.rename(frame(*some_layers(3)), headers={"x-trace-id": id_})
        self.assertEqual([call["traceId"] for call in live.provider.calls()], [id_] * 3)
        self.assertEqual(live.log_of(id_)["status"], 200)

    def test_a_refusals_request_id_is_it(self):
        for reply in self.each_answer(headers={"x-trace-id": (id_ := some_trace())}):
            if reply.status >= 400:
                self.assertEqual(reply.json["requestId"], id_)

    def test_a_traceparent_is_continued(self):
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        for flags in ("00", "01"):
            live.provider.script()
            parent = f"00-{trace}-00f067aa0ba902b7-{flags}"
            reply = live.rename(frame(layer("1")), headers={"traceparent": parent})
            self.assertEqual(reply.trace, trace)
            (call,) = live.provider.calls()
            for sent in (reply.headers["traceparent"], call["traceparent"]):
                same, span, sent_flags = re.fullmatch(PARENT, sent).groups()
                self.assertEqual((same, sent_flags), (trace, flags))
                self.assertNotEqual(span, "00f067aa0ba902b7")

    def test_a_traceparent_is_made_where_none_or_a_malformed_one_is_sent(self):
        trace = "4bf92f3577b34da6a3ce929d0e0e4736"
        for parent in (None, "", "00", f"00-{trace}-0000000000000000-01", f"00-{'0' * 32}-00f067aa0ba902b7-01",
                       f"ff-{trace}-00f067aa0ba902b7-01", f"00-{trace.upper()}-00f067aa0ba902b7-01",
                       f"00-{trace}-00f067aa0ba902b7-01-more"):
            with self.subTest(parent=parent):
                reply = live.rename(frame(layer("1")), headers={"traceparent": parent})
                made = re.fullmatch(PARENT, reply.headers["traceparent"])
                self.assertNotEqual(made[1], trace)
                self.assertEqual(made[1], reply.trace)

    def test_an_id_of_ones_own_goes_before_a_traceparents(self):
        trace, id_ = "4bf92f3577b34da6a3ce929d0e0e4736", some_trace()
        headers = {"x-trace-id": id_, "traceparent": f"00-{trace}-00f067aa0ba902b7-01"}
        reply = live.rename(frame(layer("1")), headers=headers)
        self.assertEqual(reply.trace, id_)
        self.assertEqual(re.fullmatch(PARENT, reply.headers["traceparent"])[1], trace)


class CrossOriginTest(HttpCase):
    def test_any_origin_may_read_every_answer_and_no_credentials_go_along(self):
        for origin in ("null", "https://www.figma.com"):
            for reply in self.each_answer(headers={"Origin": origin}):
                self.assertEqual(reply.headers.get_all("Access-Control-Allow-Origin"), ["*"])
                self.assertIsNone(reply.headers["Access-Control-Allow-Credentials"])
                exposed = reply.headers["Access-Control-Expose-Headers"].split(", ")
                for name in ("x-trace-id", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset", "Retry-After"):
                    self.assertIn(name, exposed)

    def test_a_preflight_is_answered_for_any_path(self):
        asked = {"Origin": "null", "Access-Control-Request-Method": "POST",
                 "Access-Control-Request-Headers": "authorization,content-type"}
        for path in ("/api/rename-layers", "/api/jobs/1", "/nothing", "/"):
            for secure in (False, True):
                reply = live.ask("OPTIONS", path, headers=asked, secure=secure)
                self.assertEqual((reply.status, reply.body), (204, b""))
                allowed = [name.lower() for name in reply.headers["Access-Control-Allow-Headers"].split(", ")]
                for name in ("authorization", "content-type", "idempotency-key", "prefer", "x-trace-id"):
                    self.assertIn(name, allowed)
                methods = reply.headers["Access-Control-Allow-Methods"].split(", ")
                self.assertLessEqual({"GET", "POST", "DELETE"}, set(methods))
                self.assertGreater(int(reply.headers["Access-Control-Max-Age"]), 0)

    def test_only_a_preflight_says_what_is_allowed(self):
        reply = live.rename(frame(layer("1")))
        self.assertIsNone(reply.headers["Access-Control-Allow-Methods"])


class SecurityHeadersTest(HttpCase):
    def test_every_answer_has_them_once(self):
        wanted = {"X-Content-Type-Options": "nosniff", "X-Frame-Options": "DENY", "Referrer-Policy": "no-referrer",
                  "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'", "Server": "nginx"}
        for secure in (False, True):
            for reply in self.each_answer(secure=secure):
                for name, value in wanted.items():
                    self.assertEqual(reply.headers.get_all(name), [value])
                self.assertEqual("Strict-Transport-Security" in reply.headers, secure)

    def test_https_is_remembered_but_not_for_localhost(self):
        self.assertEqual(live.get("/nothing", secure=True).headers["Strict-Transport-Security"], "max-age=0")
        reply = live.get("/nothing", secure=True, headers={"Host": "plugfleet.example"})
        self.assertEqual(reply.headers["Strict-Transport-Security"], "max-age=31536000")


class CompressionTest(HttpCase):
    def asked(self, count, **headers):
        names = {f"1:{i}": f"Rectangle {i}" for i in range(count)}
        reply = live.rename(frame(*(layer(id_, name=name) for id_, name in names.items())),
                            headers={"Accept-Encoding": "gzip", **headers})
        self.assertEqual(reply.status, 200)
        return reply

    def test_a_large_answer_is_compressed(self):
        reply = self.asked(60)
        self.assertEqual(reply.headers["Content-Encoding"], "gzip")
        self.assertIn("Accept-Encoding", reply.headers["Vary"])
        text = gzip.decompress(reply.body)
        self.assertGreaterEqual(len(text), 1024)
        self.assertLess(len(reply.body), len(text))
        self.assertEqual(json.loads(text)["renamed"], 60)

    def test_an_answer_under_1024_bytes_is_not(self):
        sizes = []
        for count in range(16, 30):  # an answer of so many layers has about 1,024 bytes
            reply = self.asked(count)
            packed = reply.headers["Content-Encoding"] == "gzip"
            sizes.append(len(gzip.decompress(reply.body) if packed else reply.body))
            self.assertEqual(packed, sizes[-1] >= 1024, sizes)
        self.assertLess(min(sizes), 1024)
        self.assertGreaterEqual(max(sizes), 1024)

    def test_who_does_not_want_it_is_spared(self):
        for headers in ({"x-no-compression": "1"}, {"x-no-compression": "true"}, {"Accept-Encoding": "identity"}):
            with self.subTest(headers=headers):
                reply = self.asked(60, **headers)
                self.assertIsNone(reply.headers["Content-Encoding"])
                self.assertEqual(reply.json["renamed"], 60)

    def test_it_is_so_over_https_too(self):
        reply = live.rename(frame(*some_layers(60)), headers={"Accept-Encoding": "gzip"}, secure=True)
        self.assertEqual(json.loads(gzip.decompress(reply.body))["renamed"], 60)


if __name__ == "__main__":
    unittest.main()
