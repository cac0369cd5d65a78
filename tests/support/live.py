"""What a live test file begins with: its fleet and fake provider, an HTTP client, and bodies to send.

    live = Live(__file__)
    tearDownModule = live.stop

    class SomethingTest(live.Case):
        settings = {"PLUGFLEET_...": "..."}     # the fleet has them before the class's first test

The fleet starts with the first class and is stopped and forgotten at the end, after a ctrl-C or a TERM too. Nothing
here knows which test ran before.
"""

import atexit
import base64
import http.client
import json
import os
import signal
import ssl
import subprocess
import sys
import unittest
import urllib.parse
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

sys.dont_write_bytecode = True

from bodies import png
from contract import Contract
from servers import ROOT, Fleet, Provider, fetch, wait_for

PATIENCE = 60  # seconds until a test gives up waiting: sanitizer builds are slow
EMAIL = "ada@example.com"
KEY = "sk-live-test-key-0123456789abcdef"


def interrupt(*_):
    for stop in (signal.SIGINT, signal.SIGTERM):
        signal.signal(stop, signal.SIG_IGN)  # a second ctrl-C must not break off the stopping
    raise KeyboardInterrupt


class Reply:
    def __init__(self, answer):
        self.status = answer.status
        self.headers = answer.headers
        self.body = answer.read()

    @property
    def json(self):
        return json.loads(self.body)

    @property
    def trace(self):
        return self.headers["x-trace-id"]

    def __repr__(self):
        return f"{self.status} {self.body[:300]!r}"


class Live:
    """A test file's fleet, with a fake provider that every protocol's settings can name."""

    def __init__(self, file, probe=False, inside=()):
        self.probe = probe  # does it have the module of tests/probe?
        self.inside = inside  # as Fleet's
        self.name = "test-" + Path(file).stem.removesuffix("_test")
        self.fleet = self.provider = self.contract = None
        self.settings = None
        live = self

        class Case(unittest.TestCase):
            settings = {}

            @classmethod
            def setUpClass(cls):
                live.use(cls.settings)

            def setUp(self):
                self.addCleanup(live.provider.script)
                live.provider.script()

        self.Case = Case

    def use(self, settings):
        """Has the fleet run with these settings; it starts now or, where they differ from before, restarts workers."""
        if self.provider is None:
            atexit.register(self.stop)
            for stop in (signal.SIGINT, signal.SIGTERM):
                signal.signal(stop, interrupt)
            self.provider = Provider()
        if settings == self.settings:
            return
        full = {f"PLUGFLEET_{what}_LIMIT_PER_MINUTE": "1000000" for what in ("RENAME", "EDIT")}
        full["PLUGFLEET_AI_HEDGE_PERCENT"] = "0"  # a test that counts calls wants no second one
        for protocol, path in (("OPENROUTER", "api/v1"), ("GEMINI", "v1beta"), ("OPENAI", "v1")):
            full[f"PLUGFLEET_{protocol}_BASE_URL"] = f"{self.provider.url}/{path}"
            full[f"PLUGFLEET_{protocol}_MODEL"] = f"{protocol.lower()}-model"
            full[f"PLUGFLEET_{protocol}_IMAGE_MODEL"] = f"{protocol.lower()}-image-model"
        full |= settings
        if self.fleet is None:
            self.fleet = Fleet(self.name, full, probe=self.probe, inside=self.inside).__enter__()
            self.contract = Contract(fetch(f"{self.fleet.url}/openapi.json"))
            self.trusted = ssl.create_default_context(cafile=self.fleet.folder / "tls/certificate.pem")
        else:
            self.fleet.change(full)
        self.settings = settings

    def stop(self):
        fleet, provider, self.fleet, self.provider = self.fleet, self.provider, None, None
        atexit.unregister(self.stop)
        try:
            if fleet:
                fleet.__exit__()
        finally:
            if provider:
                provider.__exit__()

    def ask(self, method, path, body=None, headers=None, secure=False, address="127.0.0.1"):
        """One request on a connection of its own. A body that is not bytes goes as JSON; an iterator goes chunked. The
        reply is as the fleet's /openapi.json says, or the test fails."""
        fields = {"Connection": "close"}
        if body is not None and not isinstance(body, bytes) and not hasattr(body, "__next__"):
            body = json.dumps(body).encode()
        if method == "POST":
            fields["Content-Type"] = "application/json"
        fields |= headers or {}
        fields = {name: value for name, value in fields.items() if value is not None}
        source = (address, 0)
        if secure:
            connection = http.client.HTTPSConnection(
                "localhost" if address == "127.0.0.1" else "127.0.0.1", self.fleet.https_port,
                timeout=PATIENCE, source_address=source, context=self.trusted,
            )
        else:
            connection = http.client.HTTPConnection(
                "127.0.0.1", self.fleet.port, timeout=PATIENCE, source_address=source
            )
        try:
            try:
                connection.request(method, path, body=body, headers=fields)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before the body's end: the answer is there all the same
            reply = Reply(connection.getresponse())
        finally:
            connection.close()
        self.contract.check(method, path, reply.status, reply.headers, reply.body)
        return reply

    def get(self, path, **how):
        return self.ask("GET", path, **how)

    def rename(self, body, **how):
        return self.ask("POST", "/api/rename-layers", body, **how)

    def edit(self, body, **how):
        return self.ask("POST", "/api/generate-edits", body, **how)

    def token(self, *words):
        """What scripts/token prints."""
        done = subprocess.run([ROOT / "scripts/token", *words], env=self.fleet.environment, cwd="/", timeout=PATIENCE,
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, check=True)
        return done.stdout.strip()

    def session(self, email=EMAIL):
        """The headers of a browser that has signed in with that address, asking from a page of ours."""
        link = urllib.parse.urlsplit(self.token("sign-in", email))
        reply = self.get(f"{link.path}?{link.query}", headers={"Sec-Fetch-Dest": "document"})
        assert reply.status == 303, reply
        return {"Cookie": reply.headers["Set-Cookie"].partition(";")[0], "Sec-Fetch-Site": "same-origin"}

    def log_of(self, trace, event="request"):
        """The workers' log line of that event for that request, once it is there."""
        return wait_for(
            lambda: next((line for line in self.fleet.log_lines(having=trace) if line["event"] == event), None),
            f"the log had no {event} of {trace}", PATIENCE,
        )

    def by_worker(self, ask):
        """{pid: replies} of ask(headers), sixteen at a time until every worker has answered one."""
        replies = {}

        def all_answered():
            for reply in at_once(16, lambda _: ask({"x-trace-id": some_trace()})):
                replies.setdefault(self.log_of(reply.trace)["pid"], []).append(reply)
            return set(replies) >= set(self.fleet.workers)

        wait_for(all_answered, "not every worker answered", PATIENCE)
        return replies

    def rows(self, query, count=1):
        """The rows of a query, once there are so many: they are written behind the answer."""

        def found():
            rows = self.fleet.sql(query)
            return rows if len(rows) >= count else None

        return wait_for(found, f"{query} gave no {count} rows", PATIENCE)


def at_once(count, ask):
    """ask(0) ... ask(count - 1) at the same time; their results in order."""
    with ThreadPoolExecutor(count) as pool:
        return list(pool.map(ask, range(count)))


def picture():
    """A small PNG that is like no other, in base64."""
    return base64.b64encode(png(6, 6, os.urandom(6 * 6 * 3))).decode()


def layer(id_, image=None, name="Rectangle 1", type_="RECTANGLE"):
    return {"id": id_, "imageBase64": image or picture(), "currentName": name, "type": type_}


def frame(*layers, **members):
    return {"userEmail": EMAIL, "layers": list(layers), **members}


def edit_layer(id_, type_="RECTANGLE", **members):
    place = {"x": 0, "y": 0, "width": 100, "height": 40}
    return {"id": id_, "name": f"Layer {id_}", "type": type_, **place, **members}


def edit_frame(*layers, **members):
    return {"userEmail": EMAIL, "frameName": "Card", "frameWidth": 320, "frameHeight": 200, "layers": list(layers),
            **members}


def some_layers(count):
    return [layer(f"1:{i}", name=f"Rectangle {i}") for i in range(count)]


def some_trace():
    return f"test-{uuid.uuid4()}"


def image_name(base64_text):
    """What the fake provider calls that image: tests/tools/image_name.h."""
    text = base64_text.encode()
    hash_ = 2166136261
    for byte in text[:512] + f"{len(text)}:{sum(text)}".encode():
        hash_ = (hash_ ^ byte) * 16777619 % 2**32
    return f"Layer {hash_:08x}"


# 16 x 16 pixels of red.
JPEG = (
    "/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYE"
    "pRUk//2wBDAQ4ODhMREyYVFSZPNS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wAARCAAQABADASIA"
    "AhEBAxEB/8QAHwAAAQUBAQEBAQEAAAAAAAAAAAECAwQFBgcICQoL/8QAtRAAAgEDAwIEAwUFBAQAAAF9AQIDAAQRBRIhMUEGE1FhByJxFDKBkaEII0"
    "KxwRVS0fAkM2JyggkKFhcYGRolJicoKSo0NTY3ODk6Q0RFRkdISUpTVFVWV1hZWmNkZWZnaGlqc3R1dnd4eXqDhIWGh4iJipKTlJWWl5iZmqKjpKWm"
    "p6ipqrKztLW2t7i5usLDxMXGx8jJytLT1NXW19jZ2uHi4+Tl5ufo6erx8vP09fb3+Pn6/8QAHwEAAwEBAQEBAQEBAQAAAAAAAAECAwQFBgcICQoL/8"
    "QAtREAAgECBAQDBAcFBAQAAQJ3AAECAxEEBSExBhJBUQdhcRMiMoEIFEKRobHBCSMzUvAVYnLRChYkNOEl8RcYGRomJygpKjU2Nzg5OkNERUZHSElK"
    "U1RVVldYWVpjZGVmZ2hpanN0dXZ3eHl6goOEhYaHiImKkpOUlZaXmJmaoqOkpaanqKmqsrO0tba3uLm6wsPExcbHyMnK0tPU1dbX2Nna4uPk5ebn6O"
    "nq8vP09fb3+Pn6/9oADAMBAAIRAxEAPwDDooorhPsD/9k="
)
WEBP = "UklGRh4AAABXRUJQVlA4TBEAAAAvD8ADAAdQjyIXpf+BiOh/AAA="
