"""What the benchmark of reports needs: many ended jobs, made in SQL, and an operator's token."""

import subprocess
import time
from pathlib import Path


def psql(run, sql):
    done = subprocess.run(
        ["psql", "-h", str(run / "postgresql"), "-U", "plugfleet", "-d", "plugfleet", "-XAtq", "-v", "ON_ERROR_STOP=1"],
        input=f"set statement_timeout = 0; {sql}", capture_output=True, text=True, timeout=900, check=False,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return done.stdout


def add_past_jobs(run, jobs, days):
    """Spread evenly over that many days up to now, of two types and 5,000 users, some of whom have many. The indexes are
    made anew afterwards, which is quicker."""
    psql(run, f"""
        create temp table indexes as select indexname as name, indexdef as sql from pg_indexes
         where tablename = 'jobs' and indexname ~ '^jobs_(by|newest)';
        do $$ declare i record; begin
          for i in table indexes loop execute 'drop index ' || i.name; end loop; end $$;
        insert into jobs (type, status, layer_count, payload, result, created_at, started_at, completed_at, duration_ms,
                          user_email, ai_calls, input_tokens, output_tokens, cost_usd)
        select case when n % 4 = 0 then 'generate-edits' else 'rename-layers' end,
               case when n % 50 = 0 then 'failed' when n % 97 = 0 then 'cancelled' else 'completed' end,
               n % 50, '{{"layers": [{{"id": "1:2", "currentName": "Rectangle 1", "type": "RECTANGLE"}}]}}',
               '{{"layers": [{{"id": "1:2", "newName": "Blue Button"}}]}}', at, at, at, exp(random() * 6 + 3)::int,
               'user' || floor(5000 * random() ^ 3)::int || '@example.com', 1, 1200, 80, 0.00042
          from (select n, greatest(since, now() - (now() - since) * n / {jobs}) as at
                  from generate_series(1, {jobs}) as n,
                       (select date_trunc('day', now(), 'UTC') - interval '{days - 1} days' as since) as s) as g;
        do $$ declare i record; begin
          for i in table indexes loop execute i.sql; end loop; end $$;
        analyze jobs;""")


def wait_until_counted(fleet, seconds=300):
    """Until the keeper has counted every job; in how many seconds."""
    begun = time.monotonic()
    while time.monotonic() < begun + seconds:
        if fleet.sql("select not exists (select from only jobs where recorded_at >= (select until from usage_counted))") \
                == [["t"]]:
            return time.monotonic() - begun
        time.sleep(0.5)
    raise RuntimeError(f"the jobs were not counted within {seconds} s")


def new_operator_token(fleet):
    script = Path(__file__).resolve().parents[2] / "scripts/token"
    done = subprocess.run([script, "create", "bench"], env=fleet.environment, capture_output=True, text=True, timeout=60,
                          check=True)
    return done.stdout.strip()
