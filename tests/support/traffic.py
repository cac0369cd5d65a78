"""For tests of a fleet that is being broken: requests that go on meanwhile, and the numbers it keeps of itself."""

import http.client
import re
import threading
from urllib.parse import urlsplit

from live import Reply
from servers import fetch, wait_for


def is_ok(reply):
    return reply.status == 200


def all_renamed(reply):
    return reply.status == 200 and reply.json["kept"] == 0


PAUSE = 0.005  # of a client between two requests: the fleet shares its cores with us


class Traffic:
    """Clients that send one request again and again, each on its own kept-alive connection, while a `with` block runs.

    good(reply) says whether an answer is as it should be; one that is not, or none at all, is in `failures`.
    """

    def __init__(self, fleet, path, body=None, clients=8, good=is_ok, headers=None):
        self.address, self.path, self.body, self.good = urlsplit(fleet.url).netloc, path, body, good
        self.headers = {**({"Content-Type": "application/json"} if body else {}), **(headers or {})}
        self.answered, self.failures = 0, []
        self.lock, self.over = threading.Lock(), threading.Event()
        self.threads = [threading.Thread(target=self.go_on) for _ in range(clients)]

    def go_on(self):
        connection = http.client.HTTPConnection(self.address, timeout=60)
        while not self.over.wait(PAUSE):
            failure = self.send(connection)
            with self.lock:
                self.answered += 1
                if failure:
                    self.failures.append(failure)
        connection.close()

    def send(self, connection):
        try:
            connection.request("POST" if self.body else "GET", self.path, self.body, self.headers)
            reply = Reply(connection.getresponse())
            return None if self.good(reply) else repr(reply)
        except (OSError, http.client.HTTPException) as failure:
            connection.close()
            return repr(failure)

    def wait_for_more(self, requests):
        enough = self.answered + requests
        wait_for(lambda: self.answered >= enough, f"{requests} more requests were not answered", 60)

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *failure):
        self.over.set()
        for thread in self.threads:
            thread.join()


def numbers(fleet):
    """What /metrics tells, each name summed over its labels."""
    sums = {}
    for line in fetch(f"{fleet.url}/metrics").splitlines():
        if found := re.match(r"([a-z_]+)(?:\{.*\})? ([\d.]+)$", line):
            sums[found[1]] = sums.get(found[1], 0) + float(found[2])
    return sums


def counters(fleet):
    return {name: value for name, value in numbers(fleet).items() if name.endswith(("_total", "_count", "_sum"))}


def in_flight(fleet):
    """Requests being served and calls out at the AI provider, but for the request that asks."""
    now = numbers(fleet)
    return now["plugfleet_in_flight"] - 1 + now.get("plugfleet_ai_in_flight", 0)
