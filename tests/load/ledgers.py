"""Transfers of credits by the wallet's function, and the same sums moved by two plain UPDATEs, both by pgbench in a fleet's
PostgreSQL: teams 1 to 1,000 have wallets, and accounts 1 to 2,000 of `plain` belong to nobody."""

import re
import subprocess
import tempfile
from pathlib import Path

PGBENCH = "/usr/lib/postgresql/15/bin/pgbench"
TEAM = "('00000000-0000-0000-0000-' || lpad(({team})::text, 12, '0'))::uuid"
# One round trip each, and one commit.
LEDGER = f"\\set team random(1, :teams)\nselect wallet_grant({TEAM.format(team=':team')}, 1, 'a bench');\n"
PLAIN = """\\set team random(1, :teams)
begin \\; update plain set balance = balance - 1 where id = :team \\; update plain set balance = balance + 1 where id = :team + 1000 \\; commit;
"""


def make_ledgers(fleet):
    fleet.sql(f"select wallet_grant({TEAM.format(team='n')}, 1, 'a bench') from generate_series(1, 1000) n order by n")
    fleet.sql("create table plain (id integer primary key, balance bigint not null default 1000000000 check (balance >= 0))")
    fleet.sql("insert into plain select generate_series(1, 2000)")
    fleet.sql("analyze")


def transfers(fleet, script, teams, seconds, clients=8):
    """Transfers a second, of so many clients at once."""
    with tempfile.NamedTemporaryFile("w", suffix=".sql", prefix="plugfleet-bench-") as file:
        file.write(script)
        file.flush()
        words = [PGBENCH, "-n", "-h", fleet.run / "postgresql", "-U", "plugfleet", "-f", Path(file.name), "-D", f"teams={teams}",
                 "-c", str(clients), "-T", str(seconds), "plugfleet"]
        said = subprocess.run(words, capture_output=True, text=True, timeout=60 + seconds, check=True).stdout
    if not re.search(r"failed transactions: 0 ", said):
        raise RuntimeError(said)
    return float(re.search(r"tps = ([\d.]+)", said)[1])
