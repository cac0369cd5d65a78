"""Requests that are wrong: each is told what is wrong, in the contract's shape, and costs nothing at the provider."""

import json
import random
import socket
import struct
import subprocess
import sys
import unittest
import zlib
from base64 import b64encode
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from bodies import png
from live import (
    EMAIL, KEY, PATIENCE, Live, at_once, edit_frame, edit_layer, frame, layer, picture, some_layers,
)

live = Live(__file__)
tearDownModule = live.stop

MEGABYTE = 2**20
LIMIT = 20 * MEGABYTE
CODES = {
    400: "invalid_request", 403: "forbidden", 404: "not_found", 405: "method_not_allowed", 413: "payload_too_large",
    414: "invalid_request", 415: "unsupported_media_type", 422: "unprocessable", 431: "invalid_request",
}


class RefusalCase(live.Case):
    settings = {"PLUGFLEET_OPENROUTER_API_KEY": KEY}

    def tearDown(self):
        self.assertEqual(live.provider.stats()["calls"], 0, "a call went to the provider")

    def assert_refused(self, reply, status, saying="", allow=None):
        self.assertEqual(reply.status, status, reply)
        self.assertEqual(reply.headers["Content-Type"], "application/json")
        said = reply.json
        self.assertLessEqual(set(said), {"error", "message", "requestId", "details"}, said)
        self.assertEqual(said["error"], CODES[status])
        self.assertIn(saying, said["message"])
        self.assertGreater(len(said["message"]), 10)
        self.assertEqual(said["requestId"], reply.trace)
        self.assertEqual(reply.headers["Access-Control-Allow-Origin"], "*")
        self.assertEqual(reply.headers["Allow"], allow)
        for one in said.get("details", ()):
            self.assertEqual(set(one), {"field", "message"})
        return said

    def assert_malformed(self, text, saying=""):
        said = self.assert_refused(live.rename(text if isinstance(text, bytes) else text.encode()), 400, saying)
        self.assertNotIn("details", said)

    def assert_unprocessable(self, body, field, saying=""):
        """The body is wrong in this one field, and the answer says so."""
        said = self.assert_refused(live.rename(body), 422, field)
        self.assertEqual([one["field"] for one in said["details"]], [field], said)
        self.assertIn(saying, said["details"][0]["message"])


class MalformedTest(RefusalCase):
    def test_what_is_no_json_is_refused(self):
        whole = json.dumps(frame(*some_layers(2)))
        for text in ("", " ", "{", "null", "7", '"text"', "undefined", "{'a': 1}", whole[:-1], whole[:-40], whole + "}",
                     whole + whole, "[1,]", '{"a":1,}', '{"a" 1}', '{"a":01}', '{"a":+1}', '{"a":NaN}', '{"a":tru}',
                     '{"a":"\x01"}', '{"a":"\\x"}', '{"a":"\\u12"}', '{"\\q":1}', '{"a":1e}', "<xml/>",
                     "\ufeff" + whole + "x"):
            with self.subTest(text=text[:20] + "..." + text[-20:]):
                self.assert_malformed(text)

    def test_bytes_that_are_no_utf8_are_refused(self):
        for broken in (b"\xff", b"\xc3(", b"\xe2\x82", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc0\xaf"):
            with self.subTest(broken=broken):
                self.assert_malformed(b'{"userEmail":"a@b' + broken + b'","layers":[]}')

    def test_a_member_that_stands_twice_is_refused_by_name(self):
        self.assert_malformed('{"userEmail":"a@b","layers":[],"userEmail":"c@d"}', '"userEmail" stands twice')
        one = json.dumps(layer("1"))
        self.assert_malformed(f'{{"userEmail":"a@b","layers":[{one[:-1]},"id":"2"}}]}}', '"id" stands twice')
        self.assert_malformed(f'{{"userEmail":"a@b","layers":[{one[:-1]},"\\u0069d":"2"}}]}}', '"id" stands twice')

    def test_a_body_nested_too_deeply_is_refused(self):
        for depth in (40, 10_000, 1_000_000):
            with self.subTest(depth=depth):
                self.assert_malformed('{"a":' + "[" * depth + "]" * depth + "}")

    def test_a_body_of_too_many_values_is_refused(self):
        self.assert_malformed('{"a":[' + "0," * 200_000 + "0]}", "too many values")

    def test_an_empty_body_is_refused(self):
        self.assert_refused(live.rename(b""), 400)
        self.assert_refused(live.rename(None), 400)

    def test_a_list_is_no_rename(self):
        self.assert_refused(live.rename([]), 422, "must be a JSON object")


class FieldsTest(RefusalCase):
    def test_missing_fields_are_each_named(self):
        said = self.assert_refused(live.rename({}), 422, "userEmail")
        self.assertEqual([one["field"] for one in said["details"]], ["userEmail", "layers"])
        said = self.assert_refused(live.rename(frame({})), 422, "layers[0].id")
        self.assertEqual([one["field"] for one in said["details"]],
                         [f"layers[0].{name}" for name in ("id", "imageBase64", "currentName", "type")])

    def test_a_wrong_type_is_named_whatever_it_is(self):
        for wrong in (7, 1.5, True, None, [], {}):
            for name in ("id", "imageBase64", "currentName", "type"):
                with self.subTest(field=name, wrong=wrong):
                    self.assert_unprocessable(frame(*some_layers(2), {**layer("3"), name: wrong}), f"layers[2].{name}")
        for wrong in (7, None, [], {}):
            self.assert_unprocessable(frame(layer("1"), userEmail=wrong), "userEmail")
        for wrong in (7, [], {}, False):
            self.assert_unprocessable(frame(layer("1"), userId=wrong), "userId")
        for wrong in (7, None, "text", {}, {"0": layer("1")}):
            self.assert_unprocessable({"userEmail": EMAIL, "layers": wrong}, "layers")
        for wrong in (7, None, "text", []):
            self.assert_unprocessable(frame(wrong), "layers[0]")

    def test_texts_of_a_wrong_length_are_named(self):
        for name, most in (("id", 255), ("currentName", 1000), ("type", 64)):
            with self.subTest(field=name):
                body = frame({**layer("1"), name: "ü" * (most + 1)})
                self.assert_unprocessable(body, f"layers[0].{name}", str(most))
        for name in ("id", "imageBase64", "type"):
            self.assert_unprocessable(frame({**layer("1"), name: ""}), f"layers[0].{name}")
        self.assert_unprocessable(frame(layer("1"), userId=""), "userId")
        self.assert_unprocessable(frame(layer("1"), userId="x" * 256), "userId")

    def test_an_address_is_one_to_255_characters_with_an_at(self):
        for wrong in ("", "ada", "a" * 250 + "@b.com"):
            with self.subTest(wrong=wrong):
                self.assert_unprocessable(frame(layer("1"), userEmail=wrong), "userEmail")

    def test_none_and_501_layers_are_refused(self):
        self.assert_unprocessable(frame(), "layers", "1 to 500")
        self.assert_unprocessable(frame(*some_layers(501)), "layers", "not 501")

    def test_an_id_that_stands_twice_is_refused_with_both_places(self):
        layers = some_layers(9)
        layers[7]["id"] = layers[2]["id"]
        self.assert_unprocessable(frame(*layers), "layers[7].id", "layers[2].id")

    def test_a_text_with_a_nul_or_half_of_a_character_is_named(self):
        for odd in ("\0", "\ud83d", "\ude00"):
            with self.subTest(odd=odd):
                self.assert_unprocessable(frame(layer("1"), userEmail="a@b" + odd), "userEmail", "NUL or half")
                self.assert_unprocessable(frame(layer("1"), userId=odd), "userId", "NUL or half")
                for name in ("id", "imageBase64", "type"):
                    body = frame({**layer("1"), name: odd + "1:2"})
                    self.assert_unprocessable(body, f"layers[0].{name}", "NUL or half")

    def test_a_number_no_machine_can_hold_is_named(self):
        for number in ("18446744073709551616", "1e400", "-1E+400", "1" + 500 * "0"):
            for name in ("frameWidth", "layers[0].opacity", "layers[0].id"):
                body = json.dumps(edit_frame(edit_layer("1", opacity=0.5)))
                wanted = {"frameWidth": '"frameWidth": 320', "layers[0].opacity": '"opacity": 0.5',
                          "layers[0].id": '"id": "1"'}[name]
                body = body.replace(wanted, f"{wanted.partition(':')[0]}: {number}")
                with self.subTest(number=number[:30], field=name):
                    said = self.assert_refused(live.edit(body.encode()), 422, name)
                    self.assertEqual([one["field"] for one in said["details"]], [name])

    def test_a_layer_that_is_no_image_is_named(self):
        gif = b64encode(b"GIF89a" + bytes(60)).decode()
        svg = b64encode(b"<svg xmlns='http://www.w3.org/2000/svg'></svg>").decode()
        pdf = b64encode(b"%PDF-1.7" + bytes(60)).decode()
        for wrong in (gif, svg, pdf, b64encode(b"x").decode(), b64encode(png(2, 2, bytes(12))[:7]).decode()):
            with self.subTest(wrong=wrong[:20]):
                body = frame(layer("1"), layer("2", wrong))
                self.assert_unprocessable(body, "layers[1].imageBase64", "PNG, JPEG or WebP")

    def test_what_is_not_base64_is_named(self):
        good = picture()
        for wrong in ("not base64!", good[:-4] + "!!!!", good + "=", good[:30] + " " + good[30:],
                      good[:30] + "\n" + good[30:], good[:40] + '"' + good[40:], good[:40] + "\\" + good[40:],
                      good.replace("A", "-", 1), "data:image/png," + good, "data:image/png;base64", "data:", "=",
                      "https://example.com/image.png", "ü" + good):
            with self.subTest(wrong=wrong[:20]):
                self.assert_unprocessable(frame(layer("1", wrong)), "layers[0].imageBase64", "is not base64")

    def test_an_image_that_declares_too_many_pixels_is_refused_unopened(self):
        def bomb(width, height):
            head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
            whole = png(1, 1, bytes(3))
            return b64encode(whole[:16] + head + struct.pack(">I", zlib.crc32(b"IHDR" + head)) + whole[33:]).decode()

        for width, height in ((50_000, 50_000), (1, 20_000), (4097, 4096), (2**31 - 1, 2**31 - 1)):
            with self.subTest(width=width, height=height):
                self.assert_unprocessable(frame(layer("1", bomb(width, height))), "layers[0].imageBase64",
                                          f"{width} x {height}")

    def test_everything_that_is_wrong_is_listed_up_to_a_bound(self):
        said = self.assert_refused(live.rename(frame(*({} for _ in range(400)))), 422, "and")
        self.assertLessEqual(len(said["details"]), 20)
        self.assertLess(len(json.dumps(said)), 4000)

    def test_what_a_client_sent_is_not_sent_back_at_length(self):
        said = self.assert_refused(live.rename(frame(layer("1", "x" * 100_000 + "!"))), 422)
        self.assertNotIn("xxxx", json.dumps(said))


class HttpTest(RefusalCase):
    def test_a_wrong_method_is_told_which_are_right(self):
        for method in ("GET", "PUT", "PATCH", "DELETE"):
            with self.subTest(method=method):
                self.assert_refused(live.ask(method, "/api/rename-layers"), 405, "POST", allow="POST")
        self.assert_refused(live.ask("POST", "/healthz", {}), 405, "GET", allow="GET")

    def test_a_method_nobody_knows_is_refused(self):
        for method in ("BREW", "TRACE", "CONNECT", "PROPFIND"):
            with self.subTest(method=method):
                reply = live.ask(method, "/api/rename-layers")
                self.assertIn(reply.status, (400, 405), reply)
                self.assertEqual(reply.json["error"], CODES[reply.status])

    def test_an_unknown_path_is_not_found(self):
        for path in ("/api", "/api/rename-layer", "/api/rename-layers/1", "/nothing?a=b", "/%00", "/api/%2e%2e/x",
                     "/static/", "/static/figma/../../etc/passwd", "/static/x/%2e%2e%2f%2e%2e%2fconf", "/_error",
                     "/plugins/", "/plugins/x/1.0.0/a.js", "/plugins/x/../../etc/passwd", "/files/marketplace/tmp/x",
                     "/.git/config", "/API/RENAME-LAYERS"):
            with self.subTest(path=path):
                reply = live.ask("POST", path, {})
                self.assertIn(reply.status, (400, 404) if "%" in path else (404,), reply)
                self.assert_refused(reply, reply.status)
        self.assert_refused(live.get("/nothing", secure=True), 404)

    def test_another_content_type_is_refused(self):
        body = json.dumps(frame(layer("1"))).encode()
        for kind in ("text/plain", "text/json", "multipart/form-data; boundary=x", "application/jsonx", "json", "",
                     None, "application/x-www-form-urlencoded", "application/json, text/plain"):
            with self.subTest(kind=kind):
                self.assert_refused(live.rename(body, headers={"Content-Type": kind}), 415, "application/json")

    def test_a_body_may_have_20_megabytes_and_not_a_byte_more(self):
        text = json.dumps(frame()).encode()
        self.assert_refused(live.rename(text + b" " * (LIMIT - len(text))), 422)
        self.assert_refused(live.rename(text + b" " * (LIMIT + 1 - len(text))), 413, "20 MB")
        self.assert_refused(live.rename(text + b" " * LIMIT, secure=True), 413, "20 MB")

    def test_a_body_in_chunks_may_have_no_more_either(self):
        pieces = (b" " * MEGABYTE for _ in range(22))
        self.assert_refused(live.rename(pieces), 413, "20 MB")

    def test_a_body_over_the_limit_is_refused_over_http2_too(self):
        done = subprocess.run(
            ["curl", "-sS", "--http2", "--noproxy", "*", "--cacert", live.fleet.folder / "tls/certificate.pem",
             "-H", "Content-Type: application/json", "--data-binary", "@-", "-o", "-",
             "-w", "\n%{http_code} %{http_version}",
             f"https://localhost:{live.fleet.https_port}/api/rename-layers"],
            input=b" " * (LIMIT + 1), capture_output=True, timeout=PATIENCE, check=False,
        )
        body, _, status = done.stdout.decode().rpartition("\n")
        self.assertEqual(status, "413 2", done)
        self.assertEqual(json.loads(body)["error"], "payload_too_large")

    def test_a_head_of_a_get_route_has_its_status_and_no_body(self):
        for path, status in (("/healthz", 200), ("/nothing", 404), ("/api/rename-layers", 405)):
            reply = live.ask("HEAD", path)
            self.assertEqual((reply.status, reply.body), (status, b""), path)
            self.assertTrue(reply.trace)

    def test_a_long_address_is_refused(self):
        self.assert_refused(live.get("/" + "a" * 40_000), 414, "too long")
        self.assert_refused(live.get("/?q=" + "a" * 40_000), 414, "too long")

    def test_large_headers_are_refused(self):
        self.assert_refused(live.get("/healthz", headers={"x-large": "a" * 40_000}), 431, "too large")
        self.assert_refused(live.get("/healthz", headers={f"x-{i}": "a" * 9000 for i in range(9)}), 431, "too large")

    def test_headers_are_refused_or_reach_a_worker_whole_however_nginx_passes_them_on(self):
        query = "/healthz?q=" + "a" * 15_000
        self.assert_refused(live.get(query, headers={f"x-{i}": "a" * 15_000 for i in range(3)}), 414, "too long")
        # The most that nginx takes: an address that stands twice in FastCGI's parameters, and headers that grow there.
        seen = set()
        for address, status in (("/healthz?" + "a" * 12_000, 200), ("/" + "a" * 12_000, 404)):
            for size in (0, 12, 16, 20, 30):
                seen.add(live.get(address, headers={f"x-{i:03}": "a" * size for i in range(990)}).status)
            self.assertEqual(live.get(address, headers={"x": "a" * 12_000, "y": "a" * 12_000}).status, status)
        self.assertEqual(seen, {200, 404, 431})

    def test_over_http2_headers_reach_a_worker_whole_or_nginx_ends_the_stream(self):
        seen = set()
        for others in (0, 80, 160, 200):
            done = subprocess.run(
                ["curl", "-sk", "-o/dev/null", "-w%{http_code}", "--http2", *("-H", f"y: {'a' * 100}") * others,
                 f"https://127.0.0.1:{live.fleet.https_port}/healthz?{'a' * 19_000}"],
                capture_output=True, text=True, timeout=PATIENCE, check=False)
            seen.add(done.stdout)
        self.assertEqual(seen, {"200", "000"})

    def test_plain_http_on_the_https_port_is_told_so(self):
        answer = self.spoken(b"GET /healthz HTTP/1.1\r\nHost: localhost\r\n\r\n", live.fleet.https_port)
        self.assertTrue(answer.startswith("HTTP/1.1 400 "), answer)
        self.assertIn('"invalid_request"', answer)

    def test_what_is_no_http_is_refused(self):
        post = b"POST /api/rename-layers HTTP/1.1\r\nHost: x\r\n"
        for text in (b"HELLO\r\n\r\n", b"GET\r\n\r\n", b"GET /healthz HTTP/1.1\r\n\r\n", b"\x16\x03\x01\0\0\r\n\r\n",
                     post + b"Content-Length: -1\r\n\r\n",
                     post + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
                     post + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
                     post + b"Transfer-Encoding: gzip\r\n\r\n",
                     post + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n"):
            with self.subTest(text=text):
                head, _, body = self.spoken(text).partition("\r\n\r\n")
                self.assertRegex(head, "^HTTP/1.1 (400|501) ")
                self.assertEqual(json.loads(body)["error"], "invalid_request")

    def spoken(self, text, port=None):
        with socket.create_connection(("127.0.0.1", port or live.fleet.port), timeout=PATIENCE) as connection:
            connection.sendall(text)
            connection.shutdown(socket.SHUT_WR)
            pieces = []
            while piece := connection.recv(65536):
                pieces.append(piece)
        return b"".join(pieces).decode()

    def test_many_bad_requests_at_once_are_all_answered_and_harm_nobody(self):
        kinds = [(400, b"{"), (422, json.dumps(frame()).encode()), (422, json.dumps(frame(layer("1", "!"))).encode()),
                 (400, b"[" * 50_000), (413, b" " * (LIMIT + 1)), (422, json.dumps(frame(*some_layers(501))).encode())]
        wanted = [random.choice(kinds) for _ in range(300)]
        replies = at_once(30, lambda i: [live.rename(body) for _, body in wanted[i::30]])
        for i, many in enumerate(replies):
            for reply, (status, _) in zip(many, wanted[i::30]):
                self.assert_refused(reply, status)
        self.assertEqual(live.get("/health").status, 200)


if __name__ == "__main__":
    unittest.main()
