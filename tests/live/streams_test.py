"""Event streams through what goes wrong: a rolling restart under a whole team, workers that are killed, more streams
than a client may have, a link that is cut. Where root runs them, in a network with a second host for clients."""

import contextlib
import http.client
import os
import signal
import socket
import subprocess
import sys
import threading
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from bodies import bearer
from hosts import Network, address
from jobs import JobsLive, Stream, some_user
from live import PATIENCE, at_once
from servers import ROOT, wait_for
from traffic import numbers

live = JobsLive(__file__)
network = None


def setUpModule():
    global network
    unittest.addModuleCleanup(live.stop)
    if os.geteuid() == 0:
        network = Network(2)
        unittest.addModuleCleanup(network.close)


SECRET = "a live test's secret of more than 32 bytes"
CLAIMS = {"iss": "issuer", "aud": "audience"}
TEAM, PER_CLIENT = 45, 20
LONG_MS = 600_000
# As an operator has them who sets none; servers.py lifts them.
DEFAULT_LIMITS = {
    **{f"{kind}_{zone}": "" for kind in ("RATE", "BURST") for zone in ("GENERAL", "RENAME", "EDIT")},
    "PLUGFLEET_REQUESTS_PER_MINUTE": "600",
}


def user(name):
    return {"Authorization": f"Bearer {bearer(SECRET, {'sub': name, **CLAIMS})}"}


class Follower:
    """A client as an EventSource is one, with one stream at a time that a thread reads."""

    def __init__(self, job, who):
        self.job, self.who, self.last_seen, self.stream = job, who, None, None
        self.told, self.ended = [], threading.Event()
        self.connect()

    def connect(self):
        """Opens the stream, or resumes it where it was."""
        self.close()
        self.told, self.ended = [], threading.Event()
        self.stream = Stream(live, self.job, self.last_seen, self.who)
        self.reader = threading.Thread(target=self.read)
        self.reader.start()
        if self.last_seen is None:
            wait_for(lambda: self.told, "nothing was told", PATIENCE)
            self.last_seen = self.told[0].number

    def read(self):
        with contextlib.suppress(OSError, http.client.HTTPException):  # a worker's death, or our close()
            for event in self.stream:
                self.told.append(event)
        self.ended.set()

    def close(self):
        if self.stream:
            with contextlib.suppress(OSError):
                self.stream.connection.sock.shutdown(socket.SHUT_RDWR)
            self.reader.join()
            self.stream.close()


class StreamsCase(live.Case):
    settings = {
        "PLUGFLEET_JWT_ALG": "HS256", "PLUGFLEET_JWT_SECRET": SECRET, "PLUGFLEET_JWT_ISSUER": CLAIMS["iss"],
        "PLUGFLEET_JWT_AUDIENCE": CLAIMS["aud"], "PLUGFLEET_STREAMS_PER_CLIENT": str(PER_CLIENT), "HTTPS_ADDRESS": "0.0.0.0", **DEFAULT_LIMITS,
    }

    def setUp(self):
        super().setUp()
        self.stack = self.enterContext(contextlib.ExitStack())

    def job(self):
        id_ = live.add("sleep", some_user(), ms=LONG_MS, steps=1)
        live.wait_for_status(id_, "processing")
        self.stack.callback(live.ask, "DELETE", f"/api/jobs/{id_}")
        return id_

    def follow(self, job, who):
        follower = Follower(job, who)
        self.stack.callback(follower.close)
        return follower

    def resume(self, followers):
        """All at once, as they do when their worker has gone; the statuses they are answered with."""
        at_once(len(followers), lambda i: followers[i].connect())
        return {follower.stream.status for follower in followers}

    def wait_for_open(self, count, within=PATIENCE):
        wait_for(lambda: numbers(live.fleet)["plugfleet_streams"] == count, f"there were never {count} streams", within)


class RestartTest(StreamsCase):
    def test_a_team_behind_one_address_keeps_its_streams_through_a_rolling_restart(self):
        job = self.job()
        team = [self.follow(job, user(f"member-{number}")) for number in range(TEAM)]
        before = live.fleet.workers
        done = subprocess.run([ROOT / "scripts/plugfleet", "restart", "workers"], env=live.fleet.environment, cwd="/",
                              stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=300, check=False)
        self.assertEqual(done.returncode, 0, done)
        self.assertFalse(set(before) & set(live.fleet.workers))
        for member in team:
            self.assertTrue(member.ended.wait(PATIENCE), "a stream outlived its worker")
            self.assertEqual(len(member.told), 1, "the job's end was told")
        self.assertEqual(self.resume(team), {200})
        self.wait_for_open(TEAM)

    def test_who_is_known_is_limited_as_a_user_and_told_so_on_every_route(self):
        job, who = self.job(), user("counted")
        left = []
        for method, path in (("GET", "/api/prompts"), ("GET", f"/api/jobs/{job}"), ("DELETE", "/api/jobs/7"),
                             ("GET", f"/api/jobs/{job}/stream")):
            with self.subTest(path):
                if path.endswith("stream"):
                    headers = self.follow(job, who).stream.headers
                else:
                    headers = live.ask(method, path, headers=who).headers
                self.assertEqual(headers["RateLimit-Limit"], "600")
                self.assertTrue(0 < int(headers["RateLimit-Reset"]) <= 60)
                left.append(int(headers["RateLimit-Remaining"]))
        self.assertEqual(left, [599, 598, 597, 596])


class KilledTest(StreamsCase):
    def kill(self, *workers):
        for pid in workers:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: len(live.fleet.workers) == 2 and not set(workers) & set(live.fleet.workers),
                 "the workers did not come back", PATIENCE)

    def test_all_streams_of_a_user_resume_when_the_workers_are_killed(self):
        job = self.job()
        streams = [self.follow(job, user("killed")) for _ in range(15)]
        self.kill(*live.fleet.workers)
        self.assert_all_resume(streams)

    def test_the_places_of_a_killed_worker_go_before_those_of_one_that_lives(self):
        job = self.job()
        streams = [self.follow(job, user("half-killed")) for _ in range(15)]
        self.kill(live.fleet.workers[-1])
        self.assert_all_resume(streams)

    def assert_all_resume(self, streams):
        def ended():
            return [follower for follower in streams if follower.ended.is_set()]

        wait_for(lambda: numbers(live.fleet)["plugfleet_streams"] + len(ended()) == len(streams),
                 "the clients of a killed worker did not notice", PATIENCE)
        gone = ended()
        self.assertEqual(self.resume(gone), {200} if gone else set())
        self.wait_for_open(len(streams))
        self.assertEqual(ended(), [])


class DisplacedTest(StreamsCase):
    def test_the_newest_stream_ends_the_oldest_which_is_told_to_come_back_later(self):
        job, who = self.job(), user("many")
        streams = [self.follow(job, who) for _ in range(PER_CLIENT + 1)]
        self.assertTrue(streams[0].ended.wait(PATIENCE))
        self.assertEqual([event.name for event in streams[0].told], ["snapshot", "displaced"])
        self.assertEqual(streams[0].stream.retry_ms, 30_000)
        self.wait_for_open(PER_CLIENT)
        self.assertEqual(self.resume(streams[:1]), {200})
        self.assertTrue(streams[1].ended.wait(PATIENCE))
        self.assertEqual([follower.ended.is_set() for follower in streams[2:]], [False] * (PER_CLIENT - 1))


class CutTest(StreamsCase):
    def test_a_link_that_is_cut_without_a_word_is_noticed_within_two_minutes(self):
        if network is None:
            self.skipTest("only root can make the network that a link is cut in")
        url = f"https://{address(1)}:{live.fleet.https_port}/api/jobs/{self.job()}/stream"
        for _ in range(5):
            client = subprocess.Popen([*network.inside(2), "curl", "-skN", url], stdout=subprocess.DEVNULL)
            self.stack.callback(client.wait)
            self.stack.callback(client.kill)
        self.wait_for_open(5)
        network.cut_off(2)
        self.stack.callback(network.join_again, 2)
        self.wait_for_open(0, within=120)


if __name__ == "__main__":
    unittest.main()
