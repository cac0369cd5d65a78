"""Many requests at once, large ones, clients that leave, deadlines, and workers that are replaced meanwhile."""

import hashlib
import json
import os
import socket
import sys
import tempfile
import time
import unittest
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

for folder in ("support", "load"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / folder))

from bodies import largest_rename_body
from fastcgi import Peer
from live import KEY, PATIENCE, Live, at_once, frame, some_layers, some_trace
from measure import Load, memory
from servers import BUILD, TOOLS, wait_for
from traffic import Traffic, all_renamed, in_flight

live = Live(__file__, probe=True)
tearDownModule = live.stop

SANITIZED = BUILD.name != "release"  # such a process is large, and keeps what it frees
OPENAI = {"PLUGFLEET_AI_PROVIDER": "openai", "PLUGFLEET_OPENAI_API_KEY": KEY}
BODY = json.dumps(frame(*some_layers(1))).encode()
MIB = 2**20


def resident():
    return [memory(pid, "VmRSS") for pid in live.fleet.workers]


def raw_request(body, length=None):
    head = "POST /api/rename-layers HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    return f"{head}Content-Length: {length or len(body)}\r\n\r\n".encode() + body


def drained(why):
    """The pids of workers that have drained for this reason."""
    return {line["pid"] for line in live.fleet.log_lines(having='"draining"') if line["why"] == why}


class LoadCase(live.Case):
    def assert_back_to_idle(self, idle=None):
        """Nothing is in flight any more, and the memory that was taken since `idle` has gone back."""
        wait_for(lambda: in_flight(live.fleet) == 0, "requests stay in flight", PATIENCE)
        if idle and not SANITIZED:
            wait_for(lambda: max(resident()) < max(idle) + 24 * MIB, "the workers keep their memory", PATIENCE)

    def asked(self, calls):
        wait_for(lambda: live.provider.stats()["inFlight"] >= calls, f"the provider was not asked {calls} times", PATIENCE)


class CrowdTest(LoadCase):
    settings = {**OPENAI, "PLUGFLEET_AI_IN_FLIGHT_MAX": "1000"}

    def test_a_thousand_renames_in_flight_all_succeed_while_health_answers(self):
        live.provider.answer_after(3000)
        with tempfile.NamedTemporaryFile() as body:
            body.write(BODY)
            body.flush()
            url = f"{live.fleet.url}/api/rename-layers"
            load = Load(TOOLS, url, 1000, 1000, body.name, ["Content-Type: application/json"], '"renamed":1')
            self.addCleanup(load.stop)
            with Traffic(live.fleet, "/healthz", clients=1) as probes:
                figures = load.result()
        self.assertEqual(figures["statuses"], {"200": 1000})
        self.assertEqual(live.provider.stats()["maxInFlight"], 1000)
        self.assertEqual(probes.failures, [])
        self.assert_back_to_idle()

    def test_twenty_bodies_of_twenty_megabytes_succeed_and_their_memory_goes_back(self):
        body = largest_rename_body(50)
        self.assertGreater(len(body), 19.9 * MIB)
        idle = resident()
        live.provider.answer_after(200)
        replies = at_once(20, lambda _: live.rename(body))
        self.assertEqual([(reply.status, reply.json.get("renamed")) for reply in replies], [(200, 50)] * 20)
        self.assert_back_to_idle(idle)

    def test_clients_that_leave_while_the_provider_thinks_end_its_calls(self):
        live.provider.answer_after(60_000)
        idle = resident()
        cancelled = "select id from jobs where status = 'cancelled'"
        before = len(live.fleet.sql(cancelled))
        clients = []
        for _ in range(200):
            clients.append(socket.create_connection(("127.0.0.1", live.fleet.port)))
            clients[-1].sendall(raw_request(BODY))
        self.asked(200)
        for client in clients:
            client.close()
        wait_for(lambda: live.provider.stats()["aborted"] == 200, "calls were not ended", PATIENCE)
        self.assertEqual(live.provider.stats()["inFlight"], 0)
        self.assert_back_to_idle(idle)
        self.assertEqual(len(live.rows(cancelled, before + 200)), before + 200)
        live.provider.script()
        self.assertTrue(all_renamed(live.rename(BODY)))

    def test_clients_that_leave_within_their_body_leave_nothing(self):
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", live.fleet.port)) as client:
                client.sendall(raw_request(BODY * 100, 2 * MIB))
        for _ in range(20):
            trace = some_trace()
            with Peer(live.fleet.run / "worker.sock") as peer:
                peer.begin("POST", "/api/rename-layers", 2 * MIB, trace)
                peer.body(BODY)
            self.assertEqual(live.log_of(trace)["status"], 499)
        self.assert_back_to_idle()
        self.assertEqual(live.provider.stats()["calls"], 0)


class UploadTest(LoadCase):
    settings = OPENAI

    def put(self, body, **headers):
        return live.ask("PUT", "/probe/upload", body, headers={"Content-Type": "application/octet-stream", **headers})

    def test_a_worker_has_the_first_of_a_body_before_the_last_has_come(self):
        bytes_ = os.urandom(3 * MIB)

        def as_it_comes():
            yield bytes_[:MIB]
            wait_for(lambda: in_flight(live.fleet) == 1, "no worker has it", PATIENCE)
            yield bytes_[MIB:]

        whole = {"bytes": len(bytes_), "sha256": hashlib.sha256(bytes_).hexdigest()}
        for headers in ({}, {"Content-Length": str(len(bytes_))}):  # in chunks, and with its length said
            reply = self.put(as_it_comes(), **headers)
            self.assertEqual((reply.status, reply.json), (200, whole))

    def test_one_over_its_bound_is_refused_with_the_bound_in_words(self):
        for body in (bytes(3 * MIB + 1), iter([bytes(MIB)] * 4)):
            reply = self.put(body)
            self.assertEqual((reply.status, reply.json["message"]), (413, "The body is over 3 MB."))
        self.assert_back_to_idle()

    def test_clients_that_leave_within_one_leave_nothing(self):
        idle = resident()
        for _ in range(20):
            with socket.create_connection(("127.0.0.1", live.fleet.port)) as client:
                client.sendall(b"PUT /probe/upload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n" + bytes(MIB))
                wait_for(lambda: in_flight(live.fleet) > 0, "no worker has it", PATIENCE)
        self.assert_back_to_idle(idle)


class LimitsTest(LoadCase):
    settings = {
        **OPENAI, "PLUGFLEET_AI_IN_FLIGHT_MAX": "10", "PLUGFLEET_REQUESTS_IN_FLIGHT_MAX": "20",
        "PLUGFLEET_REQUEST_TIMEOUT": "5s",
    }

    def test_one_request_too_many_is_refused_at_once(self):
        live.provider.answer_after(1000)
        ended = {200: [], 503: []}

        def ask(_):
            reply = live.rename(BODY)
            ended[reply.status].append(time.monotonic())
            return reply

        replies = at_once(100, ask)
        served, refused = ended[200], ended[503]
        self.assertGreaterEqual(len(served), 20)
        self.assertLessEqual(len(served), 40)  # 20 in each worker
        self.assertEqual(len(served) + len(refused), 100)
        self.assertLess(max(refused), min(served))
        for reply in replies:
            if reply.status == 503:
                said = reply.json
                self.assertEqual((said["error"], said["requestId"]), ("unavailable", reply.trace))
                self.assertEqual(reply.headers["Retry-After"], str(said["retryAfter"]))
        self.assert_back_to_idle()

    def test_one_users_large_frame_does_not_hold_up_anothers_layer(self):
        live.provider.answer_after(30)  # 500 layers at 10 in flight: 50 turns at least
        ended = []

        def ask(layers):
            reply = live.rename(frame(*some_layers(layers)))
            ended.append(layers)
            return reply

        with ThreadPoolExecutor(10) as pool:
            large = [pool.submit(ask, 500) for _ in range(2)]
            wait_for(lambda: live.provider.stats()["calls"] >= 20, "the large frames did not begin", PATIENCE)
            small = [pool.submit(ask, 1) for _ in range(6)]
        self.assertEqual(ended, [1] * 6 + [500] * 2)
        self.assertEqual([future.result().json["renamed"] for future in small], [1] * 6)
        self.assertEqual([future.result().status for future in large], [200] * 2)

    def test_at_the_deadline_a_rename_answers_with_what_there_is(self):
        live.provider.script({"match": "Slow one", "fault": "hang"})
        layers = some_layers(4)
        layers[1]["currentName"] = layers[2]["currentName"] = "Slow one"
        reply = live.rename(frame(*layers))
        self.assertEqual(reply.status, 200, reply)
        names = [one["newName"] for one in reply.json["layers"]]
        self.assertEqual((names[1], names[2], reply.json["kept"]), ("Slow one", "Slow one", 2))
        self.assertFalse({names[0], names[3]} & {layer["currentName"] for layer in layers})
        self.assertLess(reply.json["durationMs"], 5000)
        wait_for(lambda: live.provider.stats()["inFlight"] == 0, "the calls were not given up", PATIENCE)
        self.assert_back_to_idle()

    def test_a_request_with_nothing_to_answer_with_is_answered_408(self):
        trace = some_trace()
        with Peer(live.fleet.run / "worker.sock") as peer:
            peer.begin("POST", "/api/rename-layers", 1000, trace)
            late = time.monotonic() + 6
            # A body that comes byte by byte and does not end in time.
            wait_for(lambda: peer.body(b" ") or time.monotonic() > late, "the deadline did not pass")
            peer.body(b"")
            status, body = peer.reply()
        self.assertEqual(status, 408)
        said = json.loads(body)
        self.assertEqual(set(said), {"error", "message", "requestId"})
        self.assertEqual((said["error"], said["requestId"]), ("request_timeout", trace))


class MaxRequestsTest(LoadCase):
    settings = {**OPENAI, "PLUGFLEET_MAX_REQUESTS": "50"}

    def test_workers_are_replaced_after_so_many_requests_and_none_fails(self):
        live.provider.answer_after(200)
        first = set(live.fleet.workers)
        with Traffic(live.fleet, "/api/rename-layers", BODY, clients=16, good=all_renamed) as renames:
            with Traffic(live.fleet, "/healthz", clients=4) as probes:
                wait_for(lambda: not first & set(live.fleet.workers), "the workers were not replaced", PATIENCE)
                wait_for(lambda: len(live.fleet.workers) == 2, "a worker is missing", PATIENCE)
                renames.wait_for_more(50)
        self.assertEqual((renames.failures, probes.failures), ([], []))
        self.assertLessEqual(first, drained("max_requests"))
        ends = [line for line in live.fleet.log_lines() if line["event"] in ("draining", "stopped") and line["pid"] in first]
        one, other = ends[0]["pid"], ends[-1]["pid"]
        self.assertEqual([line["pid"] for line in ends], [one, one, other, other])  # one after the other


@unittest.skipIf(SANITIZED, "a sanitizer's process is over 64 MiB from the start")
class MemoryLimitTest(LoadCase):
    settings = {**OPENAI, "PLUGFLEET_MEMORY_LIMIT": "64MiB"}

    def test_a_worker_over_its_memory_is_replaced_and_no_request_fails(self):
        live.provider.answer_after(2500)
        body = largest_rename_body(10)
        first = set(live.fleet.workers)
        replies = at_once(10, lambda _: live.rename(body))
        self.assertEqual([(reply.status, reply.json.get("renamed")) for reply in replies], [(200, 10)] * 10)
        gone = drained("memory")
        self.assertTrue(gone and gone <= first, (gone, first))
        wait_for(lambda: not gone & set(live.fleet.workers), "it did not end", PATIENCE)
        wait_for(lambda: len(live.fleet.workers) == 2, "it was not replaced", PATIENCE)
        self.assertTrue(all_renamed(live.rename(BODY)))


if __name__ == "__main__":
    unittest.main()
