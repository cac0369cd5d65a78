"""fleet_status.py: what is told to be wrong, what a process and a pool are shown with. What is found is made up here; the live
tests have a fleet looked at (tests/live/script_test.py)."""

import sys
import unittest
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "scripts/lib"))

from fleet_status import age, put_together, shown

NOW = 1_000_000


def program(name, group=None, **other):
    return {"name": name, "group": group or name.rpartition("_")[0] or name, "state": "RUNNING", "pid": 7, "ageSeconds": 100, "memoryMB": 4,
            "restarts": 0, "user": "plugfleet", "holds": False} | other


def cell(pool, slot=0, pid=7, alive=True, **values):
    return {"pool": pool, "slot": slot, "pid": pid, "alive": alive, "values": {"plugfleet_ready": 1} | values,
            "quantiles": {"plugfleet_request_seconds": {"p95": 1.26}}}


def pool(name, kind="workers", **other):
    return {"name": name, "kind": kind, "min": 1, "max": 4, "socket": f"unix:///run/plugfleet/{name}.sock", "modules": "figma",
            "limits": {"MEMORY_LIMIT": "1GiB"}} | other


def look(**found):
    return put_together({"dir": "/fleet", "https": "https://localhost:1", "http": "http://localhost:2"}, **({
        "programs": [], "metrics": [], "pools": [pool("worker", min=0), pool("runner", "runners", min=0)], "health": {"status": "ok", "checks": {}},
        "servers": {"postgresql": "answers"}, "products": {}, "breakers": {}, "scaling": "", "now": NOW} | found))


class WrongTest(unittest.TestCase):
    def test_nothing_is(self):
        found = look(programs=[program("worker_00"), program("keeper")],
                     metrics=[cell("worker"), cell("keeper", **{'plugfleet_keeper_last_turn_seconds{duty="reap"}': NOW - 1.5})])
        self.assertEqual(found["wrong"], [])
        self.assertEqual(found["keeper"], {"slowestDutySeconds": 1})

    def test_each_thing_is_told_in_a_sentence(self):
        for sentence, change in {
            "worker_00 is BACKOFF": {"programs": [program("worker_00", state="BACKOFF", pid=0)]},
            "worker_00 is draining, or not ready": {"programs": [program("worker_00")], "metrics": [cell("worker", plugfleet_ready=0)]},
            "the pool pages has 0 processes, and 1 at the least": {"pools": [pool("pages")]},
            "/health does not answer": {"health": None},
            "/health says: {'redis': 'down'}": {"health": {"status": "bad", "checks": {"redis": "down"}}},
            "pgbouncer does not answer": {"servers": {"pgbouncer": None}},
            "the AI provider openai fails: it is asked again in 5 s": {"breakers": {"openai": 5}},
            "2 process(es) have a key of openai that is refused or out of quota": {
                "metrics": [cell("worker", slot, **{'plugfleet_ai_keys_resting{provider="openai"}': 1}) for slot in (0, 1)]},
            "runner_00 has not asked for jobs for 16 s": {
                "programs": [program("runner_00")], "metrics": [cell("runner", **{'plugfleet_runner_last_poll_seconds{slot="0"}': NOW - 16})]},
            "keeper: reap has never gone well": {
                "programs": [program("keeper", ageSeconds=151)],
                "metrics": [cell("keeper", **{'plugfleet_keeper_last_turn_seconds{duty="reap"}': 0})]},
            "keeper: reap went well 151 s ago for the last time": {
                "metrics": [cell("keeper", **{'plugfleet_keeper_last_turn_seconds{duty="reap"}': NOW - 151})]},
        }.items():
            with self.subTest(sentence):
                self.assertEqual(look(**change)["wrong"], [sentence])

    def test_a_worker_that_has_just_begun_or_a_runner_at_work_is_not(self):
        young = look(programs=[program("worker_00", ageSeconds=3)], metrics=[cell("worker", plugfleet_ready=0)])
        busy = look(programs=[program("runner_00")],
                    metrics=[cell("runner", **{'plugfleet_runner_last_poll_seconds{slot="0"}': NOW - 99, "plugfleet_runner_running": 1})])
        self.assertEqual((young["wrong"], busy["wrong"]), ([], []))

    def test_what_comes_or_goes_and_a_keeper_that_has_just_begun_are_not(self):
        for change in (
            {"programs": [program("worker_00", state="STARTING", pid=0, ageSeconds=0)]},
            {"programs": [program("worker_00", state="STOPPING", pid=0, ageSeconds=0)]},
            {"programs": [program("keeper", ageSeconds=149)],
             "metrics": [cell("keeper", **{'plugfleet_keeper_last_turn_seconds{duty="reap"}': 0})]},
        ):
            with self.subTest(change):
                self.assertEqual(look(**change)["wrong"], [])


class ShownTest(unittest.TestCase):
    def test_a_process_says_what_it_did_only_where_the_cells_are_its_own(self):
        own = {'plugfleet_requests_total{route="/a"}': 3, 'plugfleet_requests_total{route="/b"}': 4, "plugfleet_in_flight": 2}
        first, second = look(programs=[program("worker_00"), program("worker_01", pid=8)],
                             metrics=[cell("worker", 0, **own), cell("worker", 1, pid=9, **own)])["processes"]
        self.assertEqual((first["requests"], first["inFlight"], first["ready"], first["pool"], first["user"]), (7, 2, True, "worker", "plugfleet"))
        self.assertNotIn("requests", second)

    def test_a_pool_has_its_size_and_why(self):
        found = look(programs=[program("worker_00"), program("worker_05", holds=True)],
                     scaling="worker 1 of 1-4 (one fewer would have done, 3 s ago); runner 2 of 2-10")
        worker, runner = found["pools"]
        self.assertEqual((worker["running"], worker["scaling"], runner["scaling"]), (1, "one fewer would have done, 3 s ago", ""))
        text = shown(found)
        self.assertNotIn("worker_05", text)
        for line in (r"worker      1 of 0-4    plugfleet  figma            one fewer", "  /run/plugfleet/worker.sock  MEMORY_LIMIT=1GiB"):
            self.assertIn(line, text)
        self.assertLessEqual(max(map(len, text.splitlines())), 100)

    def test_what_is_wrong_comes_first(self):
        self.assertTrue(shown(look(health=None)).startswith("WRONG: /health does not answer\nLogs: /fleet/log\n\nPlugfleet in /fleet:"))

    def test_the_queue_is_told_where_something_waits(self):
        waits = {'plugfleet_jobs_ready{kind="a"}': 2, 'plugfleet_jobs_oldest_seconds{kind="a"}': 9, 'plugfleet_jobs_ready{kind="b"}': 0}
        self.assertIn("ended; a: 2 ready, the oldest for 9 s, 0 processing\n", shown(look(metrics=[cell("keeper", **waits)])) + "\n")
        self.assertIn("ended; none waits", shown(look()))

    def test_what_operators_have_to_do_with_is_told_in_a_line_each(self):
        self.assertIn("plugins          2 published, 1 blocked", shown(look(products={"plugins": "2 published, 1 blocked"})))
        self.assertNotIn("plugins", shown(look()))

    def test_ages(self):
        self.assertEqual([age(seconds) for seconds in (119, 120, 7199, 7200, 172_799, 172_800)], ["119s", "2m", "119m", "2h", "47h", "2d"])


if __name__ == "__main__":
    unittest.main()
