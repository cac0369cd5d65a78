# shellcheck shell=bash
# Sourced after common.sh and find_fleet: asking PostgreSQL and PgBouncer of this fleet, whoever's they are, and what is
# made in the database before our programs start.
set -euo pipefail
: "${root:?}"

pg_bin=/usr/lib/postgresql/15/bin

# as_postgres COMMAND...: as the user that PostgreSQL trusts with everything: its own, on an installed fleet.
as_postgres() {
  if [[ $root == /usr/lib/plugfleet ]] && ((EUID == 0)); then env -C / runuser -u postgres -- "$@"; else "$@"; fi
}

# postgres_tool NAME ARGUMENTS...: one of PostgreSQL's own programs, by its superuser.
postgres_tool() { as_postgres "$pg_bin/$1" -U postgres -h "$RUN/postgresql" -p "${POSTGRES_PORT:-5432}" -w "${@:2}"; }

# cluster_setting NAME DEFAULT: as Debian's cluster 15/main has it, which is an installed fleet's. It need not run.
cluster_setting() { pg_conftool -s 15 main show "$1" 2>/dev/null || echo "$2"; }

# psql_as USER DATABASE postgresql|pgbouncer ARGUMENTS...
psql_as() {
  local port=${POSTGRES_PORT:-5432} run=()
  if [[ $3 == pgbouncer ]]; then port=6432; fi
  if [[ $1 == postgres ]]; then run=(as_postgres); fi
  PGCONNECT_TIMEOUT=3 "${run[@]}" "$pg_bin/psql" -U "$1" -d "$2" -h "$RUN/$3" -p "$port" -wXAtq -v ON_ERROR_STOP=1 "${@:4}"
}

# module_databases: a line for each module that has a database of its own (MODULE_DATABASES in fleet.conf): its name.
module_databases() {
  local module
  for module in ${MODULE_DATABASES:-}; do echo "plugfleet_module_$module"; done
}

# make_role: the role and the databases, where they are not there yet, and the settings of their sessions, which are
# nobody else's. Those of another host are its own matter.
make_role() {
  local name
  if [[ ${DATABASE_HOST:-} ]]; then return; fi
  psql_as postgres postgres postgresql >/dev/null <<'END'
select 'create role plugfleet login' where not exists (select from pg_roles where rolname = 'plugfleet') \gexec
alter role plugfleet set statement_timeout = '30s';
-- A transaction left open pins old rows of the jobs table.
alter role plugfleet set idle_in_transaction_session_timeout = '60s';
alter role plugfleet set work_mem = '8MB';
alter role plugfleet set maintenance_work_mem = '64MB';
alter role plugfleet set random_page_cost = 1.1;
-- Compiling a query costs more than these short ones take.
alter role plugfleet set jit = off;
alter role plugfleet set wal_compression = on;
-- No value of a statement goes into the log.
alter role plugfleet set log_min_duration_statement = '500ms';
alter role plugfleet set log_min_error_statement = panic;
alter role plugfleet set log_parameter_max_length = 0;
END
  for name in plugfleet $(module_databases); do
    psql_as postgres postgres postgresql -v name="$name" >/dev/null <<'END'
select format('create database %I owner plugfleet template template0 encoding %L locale %L', :'name', 'UTF8', 'C.UTF-8')
  where not exists (select from pg_database where datname = :'name') \gexec
alter database :"name" set timezone = 'UTC';
END
  done
}

# migrate: brings the schema up to date with the release in RUN/build. The current directory is RUN.
migrate() {
  (
    set -a
    # shellcheck source=/dev/null
    source conf/worker.env
    # shellcheck disable=SC2086
    exec ${installed:+runuser -u plugfleet --} build/bin/plugfleet-migrate --settings data/plugfleet.conf
  ) >data/log/migrate.log 2>&1 || give_up 'The database could not be migrated.' migrate.log
}

# known_migrations: "core 0001_create_jobs", as schema_migrations has them, of the files that the programs would apply.
known_migrations() {
  local file migrations=$root/migrations sources=$root/modules
  if [[ $root == /usr/lib/plugfleet ]]; then migrations=$BUILD/migrations sources=$BUILD/sources; fi
  for file in "$migrations"/*.sql; do echo "core $(basename "$file" .sql)"; done
  for file in "$sources"/*/migrations/*.sql; do
    if [[ -e $file ]]; then echo "$(basename "$(dirname "$(dirname "$file")")") $(basename "$file" .sql)"; fi
  done
}
