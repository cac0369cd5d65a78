"""What the fleet depends on dies, hangs, is stopped and comes back, under requests: workers, nginx, PostgreSQL,
PgBouncer, both Redis, the AI provider."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
import unittest
import uuid
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from live import KEY, PATIENCE, Live, at_once, frame, some_layers
from processes import processes_under
from servers import wait_for
from traffic import Traffic, all_renamed, counters, in_flight, numbers

live = Live(__file__)
tearDownModule = live.stop

OPENAI = {"PLUGFLEET_AI_PROVIDER": "openai", "PLUGFLEET_OPENAI_API_KEY": KEY, "PLUGFLEET_BREAKER_OPEN_FOR": "500ms"}
WORKERS = ["worker:worker_00", "worker:worker_01"]
BODY = frame(*some_layers(1))


def kill(pid, how=signal.SIGKILL):
    os.kill(pid, how)


def replaced(program, old):
    """Waits until supervisord has another process of the program running; its pid."""

    def new():
        pid = live.fleet.pid(program)
        return pid if pid != old else None

    return wait_for(new, f"{program} did not come back", PATIENCE)


def kill_workers():
    """All of them at once; the pids of those that follow, once they run."""
    old = {slot: live.fleet.pid(slot) for slot in WORKERS}
    for pid in old.values():
        kill(pid)
    return {replaced(slot, pid) for slot, pid in old.items()}


def start(*programs):
    live.fleet.ctl("start", *programs)


def health():
    reply = live.get("/health")
    return reply.status, reply.json["checks"]


def fallbacks():
    return numbers(live.fleet).get("plugfleet_limit_fallbacks_total", 0)


def wait_until_well():
    wait_for(lambda: health()[0] == 200, "the fleet is not well again", PATIENCE)


class FailureCase(live.Case):
    settings = OPENAI

    def setUp(self):
        super().setUp()
        if not all(live.fleet.pid(slot) for slot in WORKERS):  # a test that failed may have left them so
            start("all")

    def renamed(self, count=1, **how):
        """The job ids of that many renames at once, each of which must succeed whole."""
        replies = at_once(count, lambda _: live.rename(BODY, **how))
        for reply in replies:
            self.assertTrue(all_renamed(reply), reply)
        return [reply.json["jobId"] for reply in replies]

    def assert_recorded(self, jobs):
        ids = ",".join(f"'{job}'" for job in jobs)
        rows = live.rows(f"select id, status from jobs where id in ({ids})", len(jobs))
        self.assertEqual({status for _, status in rows}, {"completed"})


class WorkersTest(FailureCase):
    def assert_grown(self, before):
        after = counters(live.fleet)
        self.assertEqual([name for name, value in before.items() if after.get(name, -1) < value], [])
        return after

    def test_killing_workers_in_turn_costs_no_get_and_no_count(self):
        with Traffic(live.fleet, "/healthz") as traffic:
            seen = counters(live.fleet)
            for slot in WORKERS:
                traffic.wait_for_more(1000)
                old = live.fleet.pid(slot)
                kill(old)
                seen = self.assert_grown(seen)
                replaced(slot, old)
                seen = self.assert_grown(seen)
            traffic.wait_for_more(1000)
        self.assertEqual(traffic.failures, [])
        self.assertGreaterEqual(counters(live.fleet)["plugfleet_requests_total"], traffic.answered)
        wait_for(lambda: in_flight(live.fleet) == 0, "requests stayed in flight")

    def test_killing_every_worker_at_once_only_makes_gets_wait(self):
        with Traffic(live.fleet, "/healthz") as traffic:
            traffic.wait_for_more(100)
            kill_workers()
            traffic.wait_for_more(100)
        self.assertEqual(traffic.failures, [])

    def test_calls_of_a_killed_worker_do_not_stay_in_flight(self):
        live.provider.answer_after(60_000)
        clients = threading.Thread(target=at_once, args=(20, lambda _: live.rename(BODY)))
        clients.start()
        wait_for(lambda: live.provider.stats()["inFlight"] == 20, "the provider was not asked")
        kill_workers()
        clients.join(PATIENCE)
        self.assertEqual(in_flight(live.fleet), 0)

    def test_no_log_holds_the_query_of_a_request_whose_worker_died(self):
        live.provider.answer_after(60_000)
        path = "/api/rename-layers?access_token=a-token-in-a-query"
        client = threading.Thread(target=at_once, args=(1, lambda _: live.ask("POST", path, json.dumps(BODY).encode())))
        client.start()
        wait_for(lambda: live.provider.stats()["inFlight"] == 1, "the provider was not asked")
        kill_workers()
        client.join(PATIENCE)

        def told():
            return [line for line in live.fleet.log_lines("nginx-access.log")
                    if (line["path"], line["upstreamStatus"], line["headerSeconds"]) == ("/api/rename-layers", "502", "-")]

        wait_for(told, "nginx did not say that the worker died", PATIENCE)
        for file in (live.fleet.folder / "log").iterdir():
            self.assertNotIn("a-token-in-a-query", file.read_text(encoding="utf-8", errors="replace"), file)

    def test_restarting_workers_costs_no_rename(self):
        live.provider.answer_after(200)
        with Traffic(live.fleet, "/api/rename-layers", json.dumps(BODY).encode(), clients=16, good=all_renamed) as traffic:
            traffic.wait_for_more(50)
            old = {live.fleet.pid(slot) for slot in WORKERS}
            at_once(2, lambda slot: live.fleet.ctl("restart", WORKERS[slot]))
            self.assertFalse(old & {live.fleet.pid(slot) for slot in WORKERS})
            traffic.wait_for_more(50)
        self.assertEqual(traffic.failures, [])

    def test_a_worker_told_to_stop_answers_what_it_has(self):
        live.provider.answer_after(2000)
        old = {slot: live.fleet.pid(slot) for slot in WORKERS}
        replies = []
        clients = threading.Thread(target=lambda: replies.extend(at_once(40, lambda _: live.rename(BODY))))
        clients.start()
        wait_for(lambda: live.provider.stats()["inFlight"] == 40, "the provider was not asked")
        for pid in old.values():
            kill(pid, signal.SIGQUIT)  # scripts/lib/slots.sh says both, and either may come first
            kill(pid, signal.SIGTERM)
        clients.join(PATIENCE)
        self.assertEqual([reply.status for reply in replies], [200] * 40)
        self.assertEqual({reply.json["kept"] for reply in replies}, {0})
        for slot, pid in old.items():
            replaced(slot, pid)
        drained = [line for line in live.fleet.log_lines(having='"draining"') if line["pid"] in old.values()]
        self.assertEqual({line["why"] for line in drained}, {"signal"})
        self.assertEqual(sum(line["inFlight"] for line in drained), 40)
        self.assert_recorded([reply.json["jobId"] for reply in replies])


class StartTest(FailureCase):
    def test_a_worker_whose_database_lacks_a_migration_says_which_and_does_not_serve(self):
        log = live.fleet.folder / "log/worker_00.out"
        live.fleet.sql("update schema_migrations set component = 'hidden' where component = 'core'")
        try:
            live.fleet.ctl("restart", WORKERS[0])
            wait_for(lambda: "the database lacks core 0001_" in log.read_text(encoding="utf-8"), "it did not say", PATIENCE)
            self.assertIsNone(live.fleet.pid(WORKERS[0]))
            self.assertEqual(live.get("/healthz").status, 200)  # the other one's answer
        finally:
            live.fleet.sql("update schema_migrations set component = 'core' where component = 'hidden'")
        wait_for(lambda: live.fleet.ctl("start", WORKERS[0]) and live.fleet.pid(WORKERS[0]), "it did not start", PATIENCE)

    def test_workers_start_and_serve_without_a_database(self):
        self.addCleanup(start, "postgresql")
        live.fleet.ctl("stop", "postgresql")
        new = kill_workers()
        jobs = self.renamed(3)
        self.assertEqual(health()[1]["database"], "down")

        def warned():
            return {line["pid"] for line in live.fleet.log_lines(having='"database_down_at_start"')}

        wait_for(lambda: new <= warned(), "a worker did not start", PATIENCE)
        start("postgresql")
        self.assert_recorded(jobs)


class NginxTest(FailureCase):
    def test_a_killed_nginx_comes_back_and_what_was_in_flight_is_answered(self):
        live.provider.answer_after(2000)
        master = live.fleet.pid("nginx")
        old = [process.pid for process in processes_under([master])]
        replies = []
        client = threading.Thread(target=lambda: replies.append(live.rename(BODY)))
        client.start()
        wait_for(lambda: live.provider.stats()["inFlight"] == 1, "the provider was not asked")
        kill(master)
        replaced("nginx", master)
        self.assertEqual(live.get("/healthz").status, 200)
        client.join(PATIENCE)
        self.assertEqual(replies[0].status, 200)
        alive = lambda: [pid for pid in old if Path(f"/proc/{pid}/exe").exists()]
        wait_for(lambda: not alive(), "workers of the nginx that was killed live on", PATIENCE)


class DatabaseTest(FailureCase):
    def test_renames_outlive_postgresql_and_their_rows_come_later(self):
        agent = {"User-Agent": f"outage {uuid.uuid4()}"}
        self.addCleanup(start, "postgresql")
        live.fleet.ctl("stop", "postgresql")
        jobs = self.renamed(20, headers=agent)
        status, checks = health()
        self.assertEqual((status, checks["database"], checks["redis"]), (503, "down", "ok"))
        start("postgresql")
        self.assert_recorded(jobs)
        calls = f"select endpoint from api_calls where user_agent = '{agent['User-Agent']}'"
        self.assertEqual(live.rows(calls, 20), [["POST /api/rename-layers"]] * 20)
        wait_until_well()

    def read_only(self, on):
        """For sessions from now on: those that PgBouncer has are ended, as an operator or a failover would."""
        end = "select count(pg_terminate_backend(pid)) from pg_stat_activity where usename = 'plugfleet'"
        setting = "set default_transaction_read_only = on" if on else "reset default_transaction_read_only"
        command = ["psql", "-XAtqh", live.fleet.run / "postgresql", "-U", "postgres", "-d", "postgres"]
        statements = f"alter database plugfleet {setting};" + (end if on else "")
        subprocess.run([*command, "-c", statements], check=True, capture_output=True, timeout=PATIENCE)

    def test_renames_outlive_a_read_only_postgresql_and_their_rows_come_later(self):
        agent = {"User-Agent": f"read only {uuid.uuid4()}"}
        self.addCleanup(self.read_only, False)
        self.read_only(True)
        wait_for(lambda: health() == (503, {**health()[1], "database": "read-only"}), "/health does not say it", PATIENCE)
        jobs = self.renamed(40, headers=agent)
        refused = live.rename(BODY, headers={"Prefer": "respond-async"})
        self.assertEqual((refused.status, refused.json["error"]), (503, "unavailable"), refused)
        self.assertGreater(int(refused.headers["Retry-After"]), 0)
        self.read_only(False)  # and nothing else: sessions that are read-only still go by themselves
        self.assert_recorded(jobs)
        calls = f"select endpoint from api_calls where user_agent = '{agent['User-Agent']}'"
        self.assertEqual(len(live.rows(calls, 40)), 40)
        wait_until_well()

    def test_what_cannot_start_for_long_comes_back_once_it_can(self):
        data, away = live.fleet.run / "pgdata", live.fleet.run / "pgdata.away"
        log = live.fleet.run / "data/log/supervisord.log"
        self.addCleanup(lambda: away.exists() and away.rename(data))
        before = log.read_text().count("exited: postgresql")
        data.rename(away)
        kill(live.fleet.pid("postgresql"), signal.SIGINT)
        # By itself supervisord gives a program up after four starts.
        wait_for(lambda: log.read_text().count("exited: postgresql") >= before + 6, "it was given up", 60)
        away.rename(data)
        wait_until_well()

    def test_renames_outlive_a_killed_pgbouncer(self):
        jobs = self.renamed(5)
        old = live.fleet.pid("pgbouncer")
        kill(old)
        jobs += self.renamed(20)  # while it is gone
        replaced("pgbouncer", old)
        jobs += self.renamed(5)
        self.assert_recorded(jobs)
        wait_until_well()


class RedisTest(FailureCase):
    def setUp(self):
        super().setUp()
        # Without Redis a process goes by what it knew last: the breaker of a test before is to be closed in all of them.
        wait_for(lambda: all(map(all_renamed, at_once(20, lambda _: live.rename(BODY)))), "the breaker stays open", PATIENCE)

    def test_without_redis_limits_hold_in_each_process(self):
        before = fallbacks()
        self.addCleanup(start, "redis-state")
        live.fleet.ctl("stop", "redis-state")
        reply = live.rename(BODY)
        self.assertTrue(all_renamed(reply), reply)
        self.assertLess(int(reply.headers["RateLimit-Remaining"]), int(reply.headers["RateLimit-Limit"]))
        self.renamed(10)
        self.assertGreaterEqual(fallbacks(), before + 11)
        status, checks = health()
        self.assertEqual((status, checks["redis"], checks["payloads"]), (503, "down", "ok"))
        start("redis-state")
        wait_until_well()

    def test_renames_need_no_payload_redis(self):
        self.addCleanup(start, "redis-payloads")
        live.fleet.ctl("stop", "redis-payloads")
        self.renamed(3)
        status, checks = health()
        self.assertEqual((status, checks["redis"], checks["payloads"]), (503, "ok", "down"))
        start("redis-payloads")
        wait_until_well()

    def test_renames_need_neither_redis_nor_postgresql(self):
        gone = ["postgresql", "redis-state", "redis-payloads"]
        self.addCleanup(start, *gone)
        live.fleet.ctl("stop", *gone)
        jobs = self.renamed(10)
        status, checks = health()
        self.assertEqual(status, 503)
        self.assertEqual([checks[name] for name in ("server", "database", "redis", "payloads")], ["ok"] + ["down"] * 3)
        start(*gone)
        self.assert_recorded(jobs)
        wait_until_well()

    def test_what_hangs_holds_no_rename_up(self):
        programs = ["redis-state", "redis-payloads", "pgbouncer"]
        pids = [live.fleet.pid(program) for program in programs]
        try:
            for pid in pids:
                kill(pid, signal.SIGSTOP)
            begun = time.monotonic()
            jobs = self.renamed(20)
            self.assertLess(time.monotonic() - begun, 10)  # several times what two timeouts of Redis take
            status, checks = health()
            self.assertEqual((status, checks["database"], checks["redis"], checks["payloads"]), (503,) + ("down",) * 3)
        finally:
            for pid in pids:
                kill(pid, signal.SIGCONT)
        self.assert_recorded(jobs)
        wait_until_well()


class ProviderTest(FailureCase):
    def test_without_the_provider_every_layer_keeps_its_name(self):
        body = frame(*some_layers(3))
        live.provider.stop()
        try:
            for _ in range(5):
                reply = live.rename(body)
                self.assertEqual(reply.status, 200, reply)
                self.assertEqual((reply.json["renamed"], reply.json["kept"]), (0, 3))
                names = [one["newName"] for one in reply.json["layers"]]
                self.assertEqual(names, [one["currentName"] for one in body["layers"]])
        finally:
            live.provider.start()
        wait_for(lambda: live.rename(body).json["renamed"] == 3, "it is not asked again", PATIENCE)
        wait_until_well()


if __name__ == "__main__":
    unittest.main()
