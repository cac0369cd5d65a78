"""For tests of jobs: putting them in, watching them, runners of a test's own, and what must hold of every job at the
end. The jobs' kinds are those of tests/probe."""

import contextlib
import http.client
import json
import os
import signal
import subprocess
import uuid
from concurrent.futures import ThreadPoolExecutor

from live import PATIENCE, Live
from servers import BUILD, wait_for

TERMINAL = ("completed", "failed", "cancelled")


class Event:
    def __init__(self, number, name, data):
        self.number, self.name, self.data = number, name, json.loads(data)

    def __repr__(self):
        return f"{self.number} {self.name} {self.data}"


class Stream:
    """An event stream as a browser's EventSource reads it: iterate over its events; at its end the loop ends.

    `last_seen` goes as Last-Event-ID. `status` is the answer's; without 200 there are no events.
    """

    def __init__(self, live, job, last_seen=None, headers=None):
        self.connection = http.client.HTTPConnection("127.0.0.1", live.fleet.port, timeout=PATIENCE)
        seen = {} if last_seen is None else {"Last-Event-ID": str(last_seen)}
        self.connection.request("GET", f"/api/jobs/{job}/stream", headers={**seen, **(headers or {})})
        self.answer = self.connection.getresponse()
        self.status, self.headers = self.answer.status, self.answer.headers
        live.contract.check("GET", f"/api/jobs/{job}/stream", self.status, self.headers, None)
        self.comments, self.retry_ms = 0, None

    def __iter__(self):
        fields = {}
        for line in self.answer:
            line = line.decode().rstrip("\n")
            name, _, value = line.partition(":")
            if not line:
                if "data" in fields:
                    yield Event(int(fields.get("id", 0)), fields["event"], fields["data"])
                fields = {}
            elif not name:
                self.comments += 1
            elif name == "retry":
                self.retry_ms = int(value)
            else:
                fields[name] = value.removeprefix(" ")

    def close(self):
        self.connection.close()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        self.close()


class Runner:
    """A plugfleet-runner beside the fleet's own, for the probe jobs of its lane ("sleep@LANE"), in a `with` block.

    Settings are the process's (JOB_LEASE); `environment` is what else it starts with (LD_PRELOAD).
    """

    def __init__(self, fleet, lane, environment=None, **settings):
        given = {"PROBE_LANE": f"@{lane}", "RUN_DIR": "", **settings}
        words = [f"PLUGFLEET_{name}={value}" for name, value in given.items()]
        words += [f"{name}={value}" for name, value in (environment or {}).items()]
        self.process = subprocess.Popen(
            ["bash", "-c", 'set -a; . "$0"; exec env "$@"', fleet.run / "conf/runner.env", *words,
             BUILD / "bin/plugfleet-runner", "--settings", fleet.run / "data/plugfleet.conf"],
            env={"PATH": os.environ["PATH"]}, cwd=fleet.run, stdin=subprocess.DEVNULL, start_new_session=True,
        )
        self.pid = self.process.pid

    def signal(self, number):
        os.kill(self.pid, number)

    def kill(self):
        self.process.kill()
        self.process.wait()

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        if self.process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                self.signal(signal.SIGCONT)
            self.process.terminate()
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.kill()


class JobsLive(Live):
    """A Live with the probe module, whose database notes every ending of a job: no job may have two."""

    WATCH = """
        create table test_endings (job_id uuid not null, status text not null);
        create index on test_endings (job_id);
        create function note_ending() returns trigger language plpgsql as $$
        begin insert into test_endings values (new.id, new.status); return null; end $$;
        create trigger note_ending after insert or update on jobs for each row execute function note_ending();
    """

    def __init__(self, file):
        super().__init__(file, probe=True)

    def use(self, settings):
        fresh = self.fleet is None
        super().use(settings)
        if fresh:
            self.fleet.sql(self.WATCH)

    def add(self, kind, user=None, headers=None, **fields):
        """The id of a new job of kind probe.KIND; with `count`, how many were added."""
        reply = self.ask("POST", "/probe/jobs", {"kind": kind, "userEmail": user or some_user(), **fields},
                         headers=headers)
        if reply.status != 202:
            raise RuntimeError(f"no {kind} was added: {reply}")
        return reply.json.get("jobId") or reply.json["count"]

    def add_rename(self, body, **headers):
        return self.rename(body, headers={"Prefer": "respond-async", **headers})

    def job(self, id_, **how):
        reply = self.get(f"/api/jobs/{id_}", **how)
        if reply.status != 200:
            raise RuntimeError(f"job {id_}: {reply}")
        return reply.json

    def wait_for_status(self, id_, *statuses, seconds=PATIENCE):
        def there():
            job = self.job(id_)
            return job if job["status"] in statuses else None

        return wait_for(there, f"job {id_} was not {' or '.join(statuses)}", seconds)

    def wait_for_end(self, id_, seconds=PATIENCE):
        return self.wait_for_status(id_, *TERMINAL, seconds=seconds)

    def wait_for_ends(self, user, count, seconds=PATIENCE):
        """Until so many jobs of the user have ended; {status: how many}."""
        ended = f"select status, count(*) from only jobs where user_email = '{user}' group by 1"

        def all_ended():
            statuses = {status: int(n) for status, n in self.fleet.sql(ended)}
            return statuses if sum(statuses.values()) >= count else None

        return wait_for(all_ended, f"{count} jobs of {user} did not end", seconds)

    def runner_of(self, id_):
        """Whoever has the job now, by name; None while nobody has."""
        rows = self.fleet.sql(f"select runner from live_jobs where id = '{id_}' and status = 'processing'")
        return rows[0][0] if rows else None

    def row(self, id_):
        """The whole row of an ended job, as text."""
        return self.fleet.sql(f"select j::text from only jobs j where id = '{id_}'")

    def assert_ended_once(self, case, where):
        """Each job of that SQL condition has ended, once, and is one row, with a result only where it completed."""
        left = self.fleet.sql(f"select id, type, status from live_jobs where {where} limit 5")
        case.assertEqual(left, [], "these have not ended")
        wrong = self.fleet.sql(f"""
            select id, min(status), count(*) from jobs where {where} group by id
            having count(*) <> 1 or bool_or(status <> 'completed' and result is not null)
                or (select count(*) from test_endings where job_id = id) <> 1 limit 5""")
        case.assertEqual(wrong, [], "these did not end once, with one result")


def some_user():
    return f"{uuid.uuid4().hex[:12]}@example.com"


def together(scenarios):
    """Starts all of them at once, {name: function}; {name: future}."""
    pool = ThreadPoolExecutor(len(scenarios))
    futures = {name: pool.submit(scenario) for name, scenario in scenarios.items()}
    pool.shutdown(wait=False)
    return futures
