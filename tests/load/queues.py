"""What the benchmarks of jobs and streams need: a queue as one would write it at first, to be measured against, and
clients of event streams."""

import json
import re
import socket
import subprocess
import tempfile
import time


CLAIM_AND_END = """
    update naive_queue set status = 'processing' where id = (
        select id from naive_queue where status = 'queued' order by id limit 1 for update skip locked)
        returning id \\gset
    update naive_queue set status = 'completed', result = '{}', ended_at = now() where id = :id;
""".replace("\n        ", " ")


def make_naive_queue(run, jobs=0):
    """One table where a job is claimed, and ended, by an update of its own; with so many that are queued."""
    make = f"""
        drop table if exists naive_queue;
        create table naive_queue (id bigserial primary key, status text not null default 'queued', payload jsonb,
                                  result jsonb, created_at timestamptz default now(), ended_at timestamptz);
        create index on naive_queue (id) where status = 'queued';
        insert into naive_queue (payload) select '{{}}' from generate_series(1, {jobs});
        analyze naive_queue;"""
    psql = ["psql", "-h", run / "postgresql", "-U", "plugfleet", "-d", "plugfleet", "-Xqc", make]
    subprocess.run(psql, check=True, capture_output=True, timeout=60)


def pgbench(sql, *words):
    """Transactions a second."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql") as script:
        script.write(sql)
        script.flush()
        done = subprocess.run(
            ["/usr/lib/postgresql/15/bin/pgbench", "-n", "-j", "1", "-f", script.name, "-U", "plugfleet", *words,
             "plugfleet"],
            check=True, capture_output=True, text=True, timeout=300,
        )
    return float(re.search(r"tps = ([\d.]+)", done.stdout).group(1))


def drain_naive_queue(run, jobs, clients=8):
    """Jobs a second through the naive queue: pgbench on the fleet's PostgreSQL, without PgBouncer or a handler."""
    make_naive_queue(run, jobs)
    return pgbench(CLAIM_AND_END, "-M", "prepared", "-c", str(clients), "-t", str(jobs // clients),
                   "-h", str(run / "postgresql"))


def use_naive_queue(run, jobs, rate):
    """Enqueues jobs, claims and ends them, so many a second: pgbench through PgBouncer, as a program would."""
    make_naive_queue(run)
    enqueue = "insert into naive_queue (payload) values ('{}');"
    pgbench(enqueue + CLAIM_AND_END, "-M", "extended", "-t", str(jobs), "-R", str(rate),
            "-h", str(run / "pgbouncer"), "-p", "6432")


def wait_until_empty(run, seconds=120):
    """Until no job is queued or processing. Looks twice a second over one connection, so as to cost nothing."""
    psql = ["psql", "-h", run / "postgresql", "-U", "plugfleet", "-d", "plugfleet", "-XAtq"]
    deadline = time.monotonic() + seconds
    with subprocess.Popen(psql, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1) as session:
        while time.monotonic() < deadline:
            session.stdin.write("select exists (select from live_jobs);\n")
            if session.stdout.readline() == "f\n":
                return
            time.sleep(0.5)
    raise RuntimeError(f"jobs did not end within {seconds} s")


class StreamLoad:
    """The `stream_load` tool: that many clients of one stream, while a `with` block runs."""

    def __init__(self, tools, url, streams):
        command = [f"{tools}/stream_load", "--url", url, "--streams", str(streams)]
        self.process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)

    def next_event(self):
        """When all clients had the next event that all of them had: {"event", "firstS", "p50S", "p99S", "lastS"}."""
        line = self.process.stdout.readline()
        if not line:
            raise RuntimeError(f"stream_load ended with status {self.process.wait()}")
        return json.loads(line)

    def wait(self):
        """Until every stream has ended; raises where not all were told the same."""
        self.process.communicate(timeout=60)
        if self.process.returncode:
            raise RuntimeError(f"stream_load ended with status {self.process.returncode}")

    def __enter__(self):
        return self

    def __exit__(self, *failure):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        self.process.stdout.close()


def publish(run, job, number):
    """Tells of an event of the job as a runner does (core/jobs/job_events.h); the moment it was told."""
    told = json.dumps({"status": "processing", "number": number, "progress": number % 100, "message": "half of it"})
    words = [b"PUBLISH", f"job:{job}".encode(), told.encode()]
    with socket.socket(socket.AF_UNIX) as redis:
        redis.connect(str(run / "redis/state.sock"))
        when = time.monotonic()
        redis.sendall(b"*3\r\n" + b"".join(b"$%d\r\n%s\r\n" % (len(word), word) for word in words))
        redis.recv(64)
    return when
