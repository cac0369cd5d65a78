"""What every answer has around it (trace ids, CORS, security headers, gzip), and what operators see of it all."""

import gzip
import json
import re
import socket
import sys
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from bodies import bearer
from live import KEY, PATIENCE, Live, frame, layer, picture, some_layers, some_trace
from servers import wait_for

live = Live(__file__)
tearDownModule = live.stop

SECRET = "a live test's secret of more than 32 bytes"
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
    settings = {"PLUGFLEET_OPENROUTER_API_KEY": KEY, "PLUGFLEET_JWT_ALG": "HS256", "PLUGFLEET_JWT_SECRET": SECRET,
                "PLUGFLEET_JWT_ISSUER": "issuer", "PLUGFLEET_JWT_AUDIENCE": "audience"}

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


class HealthTest(HttpCase):
    def test_healthz_answers_and_that_is_all(self):
        for secure in (False, True):
            reply = live.get("/healthz", secure=secure)
            self.assertEqual((reply.status, reply.json), (200, {"status": "ok"}))

    def test_one_look_at_the_dependencies_serves_all_who_ask_for_health_within_200_ms(self):
        def pings():
            stats = live.fleet.redis("info", "commandstats", which="payloads")
            return int(re.search(r"cmdstat_ping:calls=(\d+)", stats)[1])

        self.assertEqual(live.get("/health").status, 200)
        before, begun = pings(), time.monotonic()
        with ThreadPoolExecutor(20) as pool:
            self.assertEqual({reply.status for reply in pool.map(lambda _: live.get("/health"), range(400))}, {200})
        looks = 2 * ((time.monotonic() - begun) / 0.2 + 2)  # of two workers
        self.assertLessEqual(pings() - before, looks)

    def test_health_tells_of_every_dependency(self):
        reply = live.get("/health")
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(set(reply.json), {"status", "checks", "memory", "uptime"})
        self.assertEqual(reply.json["status"], "ok")
        self.assertEqual(reply.json["checks"],
                         dict.fromkeys(("server", "database", "redis", "payloads", "provider"), "ok"))
        memory = reply.json["memory"]
        self.assertEqual(set(memory), {"rssMB", "limitMB"})
        self.assertTrue(0 < memory["rssMB"] < memory["limitMB"] == 1024, memory)
        self.assertGreaterEqual(reply.json["uptime"], 0)

    def test_only_operators_may_ask_however_the_path_is_written(self):
        for path in ("/health", "/healthz", "/metrics", "/metrics?x=1", "/%68ealth", "//health", "/health/",
                     "/./metrics", "/api/../health", "/health%2f", "/HEALTH", "/health%20", "/health;x", "/health/x",
                     "/healthz%00"):
            for headers in ({}, {"X-Forwarded-For": "127.0.0.1"}, {"X-Real-IP": "127.0.0.1", "Host": "127.0.0.1"}):
                with self.subTest(path=path, headers=headers):
                    reply = live.get(path, headers=headers, address="127.0.0.2")
                    self.assertIn(reply.status, (400, 403, 404), reply)
                    self.assertEqual(reply.json["requestId"], reply.trace)
        reply = live.get("/metrics", address="127.0.0.2", secure=True)
        self.assertEqual((reply.status, reply.json["error"]), (403, "forbidden"))

    def test_operators_requests_are_not_limited_and_leave_no_row(self):
        agent = some_trace()
        for path in ("/health", "/healthz", "/metrics"):
            reply = live.get(path, headers={"User-Agent": agent})
            self.assertIsNone(reply.headers["RateLimit-Limit"])
        live.rename(frame(layer("1")), headers={"User-Agent": agent})
        self.assertEqual(live.rows(f"select endpoint from api_calls where user_agent = '{agent}'"),
                         [["POST /api/rename-layers"]])


SAMPLE = re.compile(r'([a-z_]+)(?:\{((?:[a-z_]+="[^"]*",?)+)\})? (-?[0-9.e+]+)')


class HalfCloseTest(HttpCase):
    """A client that closes its side once its request is sent: see docs/operating.md, Watching."""

    def half_closed(self, method, path, body=b"", before=lambda: None, **fields):
        """All that comes once the client has closed its side; `before` is called between the request and that."""
        fields = {"Host": "localhost", "Connection": "close", "Content-Type": "application/json",
                  "Content-Length": len(body), **fields}
        head = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in fields.items())
        with socket.create_connection(("127.0.0.1", live.fleet.port), timeout=PATIENCE) as client:
            client.sendall(f"{method} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
            before()
            client.shutdown(socket.SHUT_WR)
            pieces = []
            while piece := client.recv(65536):
                pieces.append(piece)
        return b"".join(pieces).decode()

    def wait_for_call(self):
        wait_for(lambda: live.provider.stats()["inFlight"] == 1, "no call was out", PATIENCE)

    def test_a_request_that_waits_is_cancelled_and_not_answered(self):
        live.provider.answer_after(60_000)
        trace, body = some_trace(), json.dumps(frame(layer("1"))).encode()
        self.assertEqual(self.half_closed("POST", "/api/rename-layers", body, self.wait_for_call, x_trace_id=trace), "")
        wait_for(lambda: live.provider.stats()["aborted"] == 1, "the call was not ended", PATIENCE)
        self.assertEqual(live.log_of(trace)["status"], 499)

    def test_a_quick_answer_comes_whole_or_not_at_all_and_nginxs_own_comes(self):
        for _ in range(50):
            answer = self.half_closed("GET", "/healthz")
            if answer:
                self.assertTrue(answer.startswith("HTTP/1.1 200 "), answer)
                self.assertEqual(json.loads(answer.partition("\r\n\r\n")[2]), {"status": "ok"})
            answer = self.half_closed("OPTIONS", "/api/rename-layers")
            self.assertTrue(answer.startswith("HTTP/1.1 204 "), answer)

    def test_a_job_that_was_made_stands_and_is_found_by_its_key(self):
        live.provider.answer_after(1000)
        body, key = json.dumps(frame(layer("1"))).encode(), some_trace()
        self.assertEqual(
            self.half_closed("POST", "/api/rename-layers", body, self.wait_for_call, Idempotency_Key=key), "")
        again = live.rename(body, headers={"Idempotency-Key": key})
        self.assertEqual((again.status, again.json["renamed"]), (200, 1), again)
        self.assertEqual(live.provider.stats()["calls"], 1)


class MetricsTest(HttpCase):
    RENAMES = ("plugfleet_requests_total", (("route", "POST /api/rename-layers"),))
    UNKNOWN = ("plugfleet_requests_total", (("route", "none"),))

    def metrics(self, reply=None):
        """{(name, labels): value}, after checking that the text is as Prometheus wants it."""
        reply = reply or live.get("/metrics")
        self.assertEqual(reply.headers["Content-Type"], "text/plain; version=0.0.4; charset=utf-8")
        text = reply.body.decode()
        self.assertTrue(text.endswith("\n"))
        kinds, values, helped = {}, {}, None
        for line in text.splitlines():
            if line.startswith("# HELP "):
                helped = line.split(" ")[2]
                self.assertRegex(line, r"^# HELP \S+ [A-Z1][^\n]+\.$")
                continue
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split(" ")
                self.assertNotIn(name, kinds)
                self.assertEqual(helped, name, "a metric without help")
                kinds[name] = kind
                continue
            name, labels, value = SAMPLE.fullmatch(line).groups()
            family = re.sub("_(bucket|sum|count)$", "", name)
            self.assertEqual(list(kinds)[-1], family if kinds.get(family) == "histogram" else name)
            key = (name, tuple(re.findall(r'([a-z_]+)="([^"]*)"', labels or "")))
            self.assertNotIn(key, values)
            values[key] = float(value)
        self.assertEqual(set(kinds.values()), {"counter", "gauge", "histogram"})
        return values

    def test_they_are_prometheus_text_with_whole_histograms(self):
        live.rename(frame(layer("1")))
        values = self.metrics()
        route = ("route", "POST /api/rename-layers")
        buckets = [(dict(labels)["le"], value) for (name, labels), value in values.items()
                   if name == "plugfleet_request_seconds_bucket" and route in labels]
        bounds = [float(bound) for bound, _ in buckets]
        counts = [value for _, value in buckets]
        self.assertEqual((bounds, counts), (sorted(bounds), sorted(counts)))
        self.assertEqual(bounds[-1], float("inf"))
        self.assertEqual(counts[-1], values["plugfleet_request_seconds_count", (route,)])
        self.assertGreater(values["plugfleet_request_seconds_sum", (route,)], 0)

    def test_they_add_up_over_both_workers_whichever_is_asked(self):
        before = self.metrics()
        renamed = live.by_worker(lambda headers: live.rename(frame(layer("1")), headers=headers))
        sent = sum(map(len, renamed.values()))
        unknown = live.by_worker(lambda headers: live.get("/nothing", headers=headers))
        lost = sum(map(len, unknown.values()))

        def more():  # a request is counted just after its answer
            now = self.metrics()
            return [now[key] - before[key] for key in (self.RENAMES, self.UNKNOWN)]

        wait_for(lambda: more() == [sent, lost], f"not {sent} and {lost} requests were counted", PATIENCE)
        asked = live.by_worker(lambda headers: live.get("/metrics", headers=headers))
        self.assertEqual({self.metrics(reply)[self.RENAMES] for many in asked.values() for reply in many},
                         {before[self.RENAMES] + sent})
        self.assertEqual(self.metrics()["plugfleet_errors_total", self.RENAMES[1]],
                         before["plugfleet_errors_total", self.RENAMES[1]])

    def test_what_is_written_to_the_database_is_counted(self):
        live.rename(frame(layer("1")))
        # A job with a key came by the queue, whose rows are not these.
        for table, those in (("jobs", "where idempotency_key is null"), ("api_calls", "")):
            key = ("plugfleet_rows_written_total", (("table", table),))

            def all_are_counted():
                ((rows,),) = live.fleet.sql(f"select count(*) from {table} {those}")
                return self.metrics()[key] == int(rows) > 0

            wait_for(all_are_counted, f"the rows of {table} were not counted", PATIENCE)

    def test_they_come_as_json_too(self):
        live.rename(frame(layer("1")))
        reply = live.get("/metrics", headers={"Accept": "application/json"})
        self.assertEqual(reply.headers["Content-Type"], "application/json")
        self.assertEqual(set(reply.json), {"requests", "errors", "latency"})
        latency = reply.json["latency"]
        self.assertEqual(list(latency), ["p50", "p95", "p99"])
        self.assertTrue(0 < latency["p50"] <= latency["p95"] <= latency["p99"], latency)
        total = sum(value for (name, _), value in self.metrics().items() if name == "plugfleet_requests_total")
        self.assertAlmostEqual(reply.json["requests"], total, delta=2)


class LogTest(HttpCase):
    def test_a_request_is_one_line_that_tells_what_it_took(self):
        live.provider.answer_after(30)
        body = json.dumps(frame(*some_layers(2))).encode()
        token = bearer(SECRET, {"sub": "user-42", "iss": "issuer", "aud": "audience"})
        reply = live.rename(body, headers={"Authorization": f"Bearer {token}", "x-trace-id": some_trace()})
        self.assertEqual(reply.status, 200, reply)
        line = live.log_of(reply.trace)
        wanted = {"level": "info", "event": "request", "trace": reply.trace, "route": "POST /api/rename-layers",
                  "method": "POST", "status": 200, "bytesIn": len(body), "bytesOut": len(reply.body), "user": "user-42",
                  "address": "127.0.0.1"}
        self.assertEqual({name: line[name] for name in wanted}, wanted)
        self.assertEqual(set(line), {*wanted, "time", "pid", "ms", "upstreamMs"})
        self.assertGreaterEqual(line["ms"], 30)
        self.assertGreaterEqual(line["upstreamMs"], 2 * 30)
        self.assertRegex(line["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$")

    def test_every_request_has_its_line_and_no_more_than_one(self):
        traces = {}
        for status, (method, path, body) in ANSWERS.items():
            traces[some_trace()] = status
            live.ask(method, path, body, headers={"x-trace-id": list(traces)[-1]})

        def lines():  # nginx logs what no worker saw; it writes once a second
            found = [line for name in ("worker.log", "nginx-access.log") for line in live.fleet.log_lines(name)
                     if line.get("trace") in traces and line.get("event", "request") == "request"]
            return found if len(found) >= len(traces) else None

        found = wait_for(lines, "lines were missing", PATIENCE)
        self.assertEqual({line["trace"]: line["status"] for line in found}, traces)
        self.assertEqual(len(lines()), len(traces))

    def test_no_log_holds_an_image_a_key_a_token_or_a_body(self):
        token = bearer(SECRET, {"sub": "user-43", "iss": "issuer", "aud": "audience"})
        images = [picture() for _ in range(6)]
        secrets = [KEY, SECRET, token, token.split(".")[2], "A Layer's Own Name", "somebody@example.com",
                   *(image[at : at + 40] for image in images for at in range(0, len(image) - 40, 20))]
        layers = [layer(f"1:{i}", image, "A Layer's Own Name") for i, image in enumerate(images)]
        good = frame(*layers, userEmail="somebody@example.com")
        echo = f"Incorrect key {KEY}: invalid image_url data:image/png;base64,{images[0]} of {token}"
        live.provider.script({"times": 2, "status": 401, "text": echo}, {"times": 1, "fault": "reset"},
                             {"times": 1, "body": json.dumps(good)},
                             {"times": 1, "fault": "error_in_200", "text": echo})
        last = some_trace()
        for body, headers in ((good, {}), ({**good, "userEmail": 7}, {}), (json.dumps(good).encode()[:-1], {}),
                              (frame(*layers, layers[0]), {}), (good, {"Authorization": f"Bearer {token}"}),
                              (good, {"Authorization": f"Bearer {token}x"}), (good, {"Content-Type": "text/plain"}),
                              (json.dumps(good).encode() + b" " * 20 * 2**20, {}), (good, {"x-trace-id": last})):
            live.rename(body, headers=headers)
        live.get(f"/nothing?token={token}&key={KEY}", headers={"Authorization": f"Bearer {token}"})
        live.log_of(last)
        wait_for(lambda: [line for line in live.fleet.log_lines("nginx-access.log") if line["status"] == 413],
                 "nginx did not log the large body", PATIENCE)
        for file in (live.fleet.folder / "log").iterdir():
            text = file.read_text(encoding="utf-8", errors="replace")
            for secret in secrets:
                if secret in text:
                    at = text.index(secret)
                    self.fail(f"{file.name} holds {secret!r}: ...{text[max(0, at - 200) : at + 60]}...")


if __name__ == "__main__":
    unittest.main()
