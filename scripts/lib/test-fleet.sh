# shellcheck shell=bash
# Sourced after common.sh by what runs unit tests: a private fleet for those that want PostgreSQL or Redis. FLEET_DIR is its
# folder.
set -euo pipefail

# start_test_fleet LOG: starts it, and exports where its servers are. What went wrong is in LOG.
start_test_fleet() {
  read -r HTTPS_PORT HTTP_PORT <<<"$(PYTHONPATH=tests/support python3 -B -c 'from servers import free_ports; print(*free_ports(2))')"
  export HTTPS_PORT HTTP_PORT
  scripts/fleet start >"$1" 2>&1 || { cat -- "$1" && fail 'The private fleet of the unit tests did not start.'; }
  find_fleet
  export PLUGFLEET_TEST_DATABASE="host=$RUN/pgbouncer port=6432 dbname=plugfleet user=plugfleet"
  export PLUGFLEET_TEST_POSTGRES="host=$RUN/postgresql dbname=plugfleet user=plugfleet"
  export PLUGFLEET_TEST_REDIS=$RUN/redis/state.sock
  export PLUGFLEET_TEST_PAYLOADS=$RUN/redis/payloads.sock

  # Tests are runners and keepers themselves: nobody else takes their jobs.
  ctl stop 'runner:*' keeper >/dev/null

  # Some tests make databases of their own, and end the backends of others.
  psql -qh "$RUN/postgresql" -U postgres -c 'alter role plugfleet createdb' -c 'grant pg_signal_backend, pg_read_all_settings to plugfleet'
}

end_test_fleet() {
  scripts/fleet stop >/dev/null 2>&1 || true
  rm -rf -- "$FLEET_DIR"
}
