"""Three hosts (support/hosts.py) with one database, as docs/operating.md, Several hosts, has them: one is cut off under
load, both Redis masters are killed, the replica falls behind, three keepers see at once what is due. Wants root."""

import concurrent.futures
import json
import os
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))

from hosts import CONF, COUNT, Hosts, address
from jobs import JobsLive, Stream, some_user
from live import PATIENCE, frame, some_layers
from servers import BUILD, ROOT, Fleet, wait_for
from traffic import Traffic

LAG_MAX_S = 15
PG = "/usr/lib/postgresql/15/bin"

live = JobsLive(__file__)
hosts, fleets = None, {}


def setUpModule():
    global hosts
    if os.geteuid() != 0:
        raise unittest.SkipTest("only root can make hosts of network namespaces")
    hosts = Hosts()
    unittest.addModuleCleanup(hosts.close)
    unittest.addModuleCleanup(stop_fleets)
    live.use(settings(1))
    fleets[1] = live.fleet
    make_primary()
    with concurrent.futures.ThreadPoolExecutor() as pool:
        list(pool.map(start_fleet, range(2, COUNT + 1)))
    make_replica(2)


def stop_fleets():
    with concurrent.futures.ThreadPoolExecutor() as pool:
        ends = [pool.submit(live.stop), *(pool.submit(fleets[host].__exit__) for host in fleets if host != 1)]
    for each in ends:
        each.result()


def settings(host):
    return {**hosts.settings(host), "WORKERS": "1", "RUNNERS": "1", "PLUGFLEET_AI_PROVIDER": "offline",
            "PLUGFLEET_REPLICA_LAG_MAX": f"{LAG_MAX_S}s", "PLUGFLEET_RUNNER_JOBS": "8"}


def start_fleet(host):
    shared = {name: value for name, value in live.fleet.environment.items() if name.startswith("PLUGFLEET_")}
    fleet = Fleet(f"test-hosts{host}", {**shared, **settings(host)}, probe=True, inside=hosts.inside(host))
    fleet.__enter__()
    fleets[host] = fleet


def make_primary():
    fleet = fleets[1]
    subprocess.run(["psql", "-h", fleet.run / "postgresql", "-U", "postgres", "-XqtA", "-v", "ON_ERROR_STOP=1",
                    "-f", CONF / "postgresql.sql"], check=True, timeout=30)
    with open(fleet.run / "pgdata/pg_hba.conf", "a", encoding="utf-8") as rules:
        rules.write((CONF / "pg_hba.conf").read_text(encoding="utf-8"))
    fleet.ctl("restart", "postgresql")
    wait_for(lambda: live.get("/healthz").status == 200 and answers(fleet), "the database did not come back", PATIENCE)


def make_replica(host):
    """PostgreSQL of that host becomes a copy of the primary, and follows it."""
    fleet = fleets[host]
    data = (fleet.run / "pgdata").resolve()
    fleet.ctl("stop", "postgresql")
    copy = (f"rm -rf '{data}'/* && exec {PG}/pg_basebackup -h {address(1)} -U plugfleet_replica -D '{data}' -R"
            " --create-slot --slot=replica -X stream -c fast")
    subprocess.run([*hosts.inside(host), "runuser", "-u", "postgres", "--", "bash", "-c", copy], check=True, timeout=60,
                   cwd="/", stderr=subprocess.DEVNULL)
    fleet.ctl("start", "postgresql")
    wait_for(lambda: answers(fleet) and fleet.sql("select pg_is_in_recovery()") == [["t"]], "no replica", PATIENCE)


def answers(fleet):
    try:
        return fleet.sql("select 1")
    except RuntimeError:
        return None


def numbers(host, pool):
    """{name: value} of a pool that has one process there."""
    cells = subprocess.run([BUILD / "bin/plugfleet-metrics", fleets[host].run / "metrics"], capture_output=True,
                           check=True, timeout=30)
    return next(one["values"] for one in json.loads(cells.stdout) if one["pool"] == pool)


def served_by(host):
    """Requests that this host's worker has answered."""
    return sum(n for name, n in numbers(host, "worker").items() if name.startswith("plugfleet_requests_total"))


def last_turn(host, duty):
    return numbers(host, "keeper")[f'plugfleet_keeper_last_turn_seconds{{duty="{duty}"}}']


def events(host, log, event):
    return [line for line in fleets[host].log_lines(log, having=event) if line["event"] == event]


def runners_of(user):
    """The hosts whose runner has jobs of that user now."""
    having = live.fleet.sql(
        f"select distinct runner from live_jobs where user_email = '{user}' and status = 'processing'")
    return {host for host in fleets if any(f":{fleets[host].pid('runner:runner_00')}:" in row[0] for row in having)}


class LostHostTest(unittest.TestCase):
    def test_a_host_that_is_cut_off_costs_nobody_an_answer_and_its_jobs_end_elsewhere_once(self):
        user = some_user()
        self.addCleanup(hosts.join_again, 3)
        with Traffic(live.fleet, "/healthz", clients=4) as load:
            wait_for(lambda: all(served_by(host) for host in fleets), "not every host answers requests", PATIENCE)
            live.add("once", user=user, count=40, ms=2000, steps=4)
            wait_for(lambda: 3 in runners_of(user), "the third host's runner has no job", PATIENCE)
            hosts.cut_off(3)
            cut = time.monotonic()
            self.assertEqual(live.wait_for_ends(user, 40), {"completed": 40})  # longer than nginx takes to notice
            print(f"cut off: the jobs had ended elsewhere after {time.monotonic() - cut:.0f} s, "
                  f"{len(load.failures)} of {load.answered} GETs had failed")
            live.assert_ended_once(self, f"user_email = '{user}'")
            meanwhile = list(load.failures)
            load.wait_for_more(300)
            self.assertEqual(load.failures, meanwhile, "with the host known to be gone")
            hosts.join_again(3)
            before = served_by(3)
            wait_for(lambda: served_by(3) > before + 20, "the host that is back gets no requests", PATIENCE)
        again, added = some_user(), 0

        def third_has_jobs():  # it may take a while to reach the database again
            nonlocal added
            having = runners_of(again)
            if not having:
                added += live.add("sleep", user=again, count=60, ms=500)
            return 3 in having

        wait_for(third_has_jobs, "the runner that is back gets no jobs", PATIENCE)
        self.assertEqual(live.wait_for_ends(again, added), {"completed": added})
        live.assert_ended_once(self, f"user_email in ('{user}', '{again}')")


class RedisTest(unittest.TestCase):
    def test_a_redis_master_that_dies_is_replaced_and_no_accepted_job_is_lost(self):
        for name in ("state", "payloads"):
            wait_for(lambda: hosts.has_replicas(name, COUNT - 1), f"the replicas of {name} do not follow", PATIENCE)
        accepted, refused, over = [], [], threading.Event()

        def add_renames():
            while not over.wait(0.02):
                reply = live.rename(frame(*some_layers(2)), headers={"Prefer": "respond-async"})
                if reply.status == 202:
                    accepted.append(reply.json["jobId"])
                else:
                    refused.append(reply)

        adding = threading.Thread(target=add_renames)
        adding.start()
        try:
            wait_for(lambda: len(accepted) >= 20, "no jobs are taken", PATIENCE)
            watched = self.enterContext(Stream(live, live.add("sleep", ms=20_000, steps=40)))
            old = {name: hosts.master(name) for name in ("state", "payloads")}
            for name, host in old.items():
                hosts.kill(name, host)
            killed = time.monotonic()
            wait_for(lambda: all(hosts.master(name) not in (None, host) for name, host in old.items()),
                     "no new master was elected", PATIENCE)
            elected = time.monotonic() - killed
            more = len(accepted) + 20
            wait_for(lambda: len(accepted) >= more, "no jobs are taken with the new master", PATIENCE)
            recovered = time.monotonic() - killed
        finally:
            over.set()
            adding.join()
        print(f"new masters after {elected:.1f} s; jobs taken again after {recovered:.1f} s, {len(refused)} refused")
        self.assertEqual({reply.status for reply in refused} - {503}, set(), refused[:3])
        for id_ in accepted:
            self.assertEqual(live.wait_for_end(id_)["status"], "completed", id_)
        live.assert_ended_once(self, f"id in ({', '.join(repr(id_) for id_ in accepted)})")
        self.assertEqual([event.name for event in watched][-1], "completed", "of a stream open all the while")
        self.everything_is_well_with_the_new_masters()
        for name, host in old.items():
            hosts.start(name, host)
        for name, host in old.items():
            wait_for(lambda: hosts.ask(name, host, "role")[:1] == ["slave"], "the old master follows nobody", PATIENCE)

    def everything_is_well_with_the_new_masters(self):
        """Health, asked until each host's worker has answered, limits and a new stream."""
        before = {host: served_by(host) for host in fleets}

        def healthy():
            return live.get("/health").status == 200 and all(served_by(host) > before[host] + 2 for host in fleets)

        wait_for(healthy, "health does not recover", PATIENCE)
        master = hosts.master("state")
        live.rename(frame(*some_layers(1)))
        limits = hosts.ask("state", master, "keys", "plugfleet:limit:*")
        self.assertTrue(limits, "no limit is counted")
        job = live.add("sleep", ms=500, steps=5)
        with Stream(live, job) as stream:
            names = [event.name for event in stream]
        self.assertIn("progress", names)


class ReplicaTest(unittest.TestCase):
    def test_reports_are_the_replicas_and_never_older_than_the_bound_when_it_lags(self):
        words = [ROOT / "scripts/token", "create", "hosts"]
        made = subprocess.run(words, env=live.fleet.environment, cwd="/", capture_output=True, text=True, check=True,
                              timeout=60)
        head = {"Authorization": f"Bearer {made.stdout.strip()}"}

        def reported(user):
            reply = live.get("/api/analytics?days=1", headers=head)
            self.assertEqual(reply.status, 200, reply)
            return next((one["total_jobs"] for one in reply.json["topUsers"] if one["user_email"] == user), 0)

        def many_jobs(user):  # so many that he is among the top users
            live.add("noop", user=user, count=400)
            live.wait_for_ends(user, 400)
            return time.monotonic()

        def replica_asked():
            return fleets[2].sql(
                "select 1 from pg_stat_activity where usename = 'plugfleet' and query like '%dailyTrend%'")

        user, later = some_user(), some_user()
        many_jobs(user)
        wait_for(lambda: reported(user) == 400, "the report lacks jobs", PATIENCE)
        wait_for(lambda: reported(user) == 400 and replica_asked(), "the replica is not asked", PATIENCE)
        self.addCleanup(self.replay, "resume")
        self.replay("pause")
        ended = many_jobs(later)
        wait_for(lambda: reported(later) == 400, "reports stay as the replica has them", 2 * LAG_MAX_S + PATIENCE)
        print(f"replica paused: what had happened was reported after {time.monotonic() - ended:.1f} s")
        self.assertEqual(fleets[2].sql(f"select count(*) from only jobs where user_email = '{later}'"), [["0"]])
        self.assertTrue(any(events(host, "worker.log", "replica_passed_over") for host in fleets))
        self.replay("resume")
        used = len(self.used_again())
        wait_for(lambda: reported(later) == 400 and len(self.used_again()) > used, "the replica is not used again",
                 PATIENCE)

    @staticmethod
    def used_again():
        return [event for host in fleets for event in events(host, "worker.log", "replica_used_again")]

    @staticmethod
    def replay(verb):
        subprocess.run(["psql", "-h", fleets[2].run / "postgresql", "-U", "postgres", "-XAtqc",
                        f"select pg_wal_replay_{verb}()"], check=True, timeout=30, stdout=subprocess.DEVNULL)


class KeepersTest(unittest.TestCase):
    HOLD = """
        create function hold() returns trigger language plpgsql as
          $$ begin perform pg_advisory_xact_lock_shared(42); return new; end $$;
        create trigger hold before update on cron_runs for each row when (new.last_time > old.last_time)
          execute function hold();
    """
    WAITING = "select 1 from pg_stat_activity where wait_event_type = 'Lock' and query like 'update cron_runs%'"

    def test_of_three_keepers_that_see_at_once_that_something_is_due_one_does_it(self):
        duty = "aggregate_daily_stats"

        def ran():
            return [line for host in fleets for line in events(host, "keeper.log", "cron_ran") if line["name"] == duty]

        before = len(ran())
        live.fleet.sql(self.HOLD)
        self.addCleanup(live.fleet.sql, "drop function hold cascade")
        session = ["psql", "-h", live.fleet.run / "postgresql", "-U", "plugfleet", "-XAtq"]
        with subprocess.Popen(session, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as holder:
            holder.stdin.write("select pg_advisory_lock(42), 'held';\n")
            holder.stdin.flush()
            self.assertIn("held", holder.stdout.readline())
            live.fleet.sql(f"update cron_runs set last_time = now() - interval '2 days' where name = '{duty}'")
            wait_for(lambda: len(live.fleet.sql(self.WAITING)) == COUNT, "not every keeper came to do it", PATIENCE)
            let_go = time.time()
            holder.stdin.close()
        wait_for(lambda: all(last_turn(host, f"cron {duty}") > let_go for host in fleets),
                 "a keeper's turn did not end", PATIENCE)
        self.assertEqual(len(ran()) - before, 1)
