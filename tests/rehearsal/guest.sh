# shellcheck shell=bash
# Sourced in the rehearsal's machine after inside.sh: what others have there, and that it stays theirs.
# shellcheck disable=SC2317,SC2154
set -Eeuo pipefail
trap 'echo "This failed: $BASH_COMMAND" >&2' ERR

theirs() { (cd / && runuser -u postgres -- psql --cluster "15/$1" -XAtq -v ON_ERROR_STOP=1 "${@:2}"); } # CLUSTER ARGUMENTS...

# A program of supervisor's, which is a client of Redis; data in Redis; Debian's page in nginx; a PostgreSQL cluster on 5432
# with a database plugfleet of their own, and a database in 15/main, which listens on 5433.
others_move_in() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o Dir::Cache::archives=/opt/archives install \
    nginx postgresql-15 pgbouncer redis-server supervisor logrotate
  systemctl start redis-server supervisor nginx pgbouncer
  pg_conftool 15 main set port 5433
  systemctl restart postgresql@15-main
  pg_createcluster 15 theirs -p 5432 -- --data-checksums
  systemctl enable --now postgresql@15-theirs
  for each in theirs main; do until_true 30 theirs $each -c 'select 1'; done
  theirs theirs -c 'create role plugfleet login' -c 'create database plugfleet owner plugfleet'
  theirs theirs -d plugfleet -c 'create table orders as select g, md5(g::text) from generate_series(1, 1000) g'
  theirs main -c 'create role crm login' -c 'create database crm owner crm' -c 'create database plugfleet_crm owner crm'
  theirs main -d crm -c 'create table customers as select g, md5(g::text) from generate_series(1, 1000) g'
  printf '[program:theirs]\ncommand=/usr/bin/redis-cli -n 1 blpop forever 0\n' >/etc/supervisor/conf.d/theirs.conf
  redis-cli -n 1 set theirs precious
  redis-cli config rewrite >/dev/null 2>&1 || true
  supervisorctl update
  until_true 20 pgrep -f 'blpop forever'
  printf '\n# the last line of theirs has no end' >>/etc/postgresql/15/main/pg_hba.conf
  find /etc -name '*plugfleet*' | (! grep .)
  what_is_theirs >/opt/theirs
  note_processes
}

without_our_marks() { sed '/^# plugfleet begin/,/^# plugfleet end/d' "$1"; }
# All that must never change: files, data, the settings of their sessions, units.
what_is_theirs() {
  local file
  find /etc/nginx /etc/redis /etc/supervisor /etc/pgbouncer /etc/postgresql /etc/postgresql-common /var/www -type f \
    ! -path '*/conf.d/plugfleet.conf' ! -name pg_hba.conf ! -name pg_ident.conf -exec sha256sum {} + | sort
  for file in /etc/postgresql/15/*/pg_{hba,ident}.conf; do
    echo "$file $(without_our_marks "$file" | sha256sum)"
    stat -c '%U %G %a' "$file"
  done
  for each in theirs:plugfleet theirs:postgres main:crm main:plugfleet_crm main:postgres; do
    (cd / && runuser -u postgres -- pg_dump --cluster "15/${each%:*}" "${each#*:}") | grep -v '^\\\(un\)\?restrict ' | sha256sum
    theirs "${each%:*}" -d "${each#*:}" -c "select name, setting from pg_settings order by 1"
  done
  theirs theirs -c 'select datname from pg_database order by 1' -c 'select rolname, rolconfig from pg_roles order by 1'
  theirs main -c "select rolname, rolconfig from pg_roles where rolname <> 'plugfleet' order by 1"
  redis-cli -n 1 get theirs
  redis-cli config get '*' | paste - - | grep -v '^\(port\|save\) ' | sort
  systemctl is-enabled redis-server supervisor postgresql@15-theirs
  systemctl is-active redis-server supervisor postgresql@15-theirs postgresql@15-main
  curl -sI http://127.0.0.1:6379 -o /dev/null || true
}
# Processes that nobody but their owner may stop.
their_processes() {
  systemctl show -p MainPID redis-server supervisor postgresql@15-theirs
  head -n 1 /var/lib/postgresql/15/*/postmaster.pid
  pgrep -f 'blpop forever'
}
note_processes() { their_processes >/opt/their-processes; }
others_are_untouched() {
  what_is_theirs | diff /opt/theirs - && their_processes | diff /opt/their-processes -
}

# refuses SENTENCE PREPARE UNDO: setup says it, and does nothing; what PREPARE did is undone.
refuses() {
  local result=0
  eval "$2"
  find /etc /var/lib /run -xdev ! -path '/run/systemd/*' -newermt now >/dev/null
  changes_of_setup() { find /etc/systemd/system /etc/nginx /var/lib/plugfleet /etc/plugfleet /etc/postgresql -printf '%p %m %l %T@\n' | sort; }
  changes_of_setup >/tmp/before
  if plugfleet setup --self-signed >/tmp/said 2>&1; then result=1; fi
  changes_of_setup | diff /tmp/before - || result=1
  eval "$3"
  cat /tmp/said
  grep -F -- "$1" /tmp/said && return "$result"
}
lists_and_does_nothing() {
  changes_of_setup() { find /etc /var/lib/plugfleet /run/lock -printf '%p %m %l %T@\n' | sort; }
  changes_of_setup >/tmp/before
  plugfleet setup --self-signed --dry-run | tee /tmp/said
  changes_of_setup | diff /tmp/before -
  grep -F 'takes nginx.service, now active' /tmp/said && grep -F 'port 5433' /tmp/said && grep -F 'other databases: crm, plugfleet_crm' /tmp/said
}
# What belongs to nobody stops for nobody: setup never ran.
removal_before_setup_stops_nothing() {
  local before
  before=$(systemctl show -p MainPID nginx pgbouncer)
  if plugfleet stop; then return 1; fi
  DEBIAN_FRONTEND=noninteractive apt-get -q -y purge plugfleet
  [[ $before == "$(systemctl show -p MainPID nginx pgbouncer)" ]]
  install_package
}

serves_ipv6() {
  if [[ ! -e /proc/net/if_inet6 ]]; then echo '= this kernel has no IPv6' && return; fi
  [[ $(curl -sk -o /dev/null -w '%{http_code}' --resolve "plugfleet-test:443:[::1]" "$site/healthz") == 200 ]]
  [[ $(curl -s -o /dev/null -w '%{http_code}' -g 'http://[::1]/x') == 308 ]]
}
serves_debians_page() { [[ $(curl -s http://127.0.0.1/) == *'Welcome to nginx!'* ]]; }

restores() {
  local said before
  plugfleet backup
  before=$(rows)
  said=$(plugfleet restore --yes | tee /dev/stderr | tail -n 1)
  [[ $(rows) == "$before" ]]
  until_true 60 whole
  [[ $(theirs main -c "select count(*) from pg_database where datname like 'plugfleet_before%'") == 1 ]]
  bash -c "${said#*when all is well: }"
  [[ $(theirs main -c "select count(*) from pg_database where datname like 'plugfleet_before%'") == 0 ]]
  plugfleet restore --yes # one that is there as the package is purged
}

is_given_back() {
  DEBIAN_FRONTEND=noninteractive apt-get -q -y remove plugfleet
  [[ $(pgrep -u plugfleet | wc -l) == 0 && ! -e /usr/bin/plugfleet && ! -e /etc/systemd/system/nginx.service.d ]]
  [[ -d /var/lib/plugfleet/redis-state && -e /etc/plugfleet/fleet.conf && $(rows) -gt 0 ]]
  systemctl is-active nginx pgbouncer && systemctl is-enabled nginx pgbouncer && serves_debians_page
  systemctl --failed --no-legend | (! grep .)
}

# An edited prompt, and one that was removed, outlive upgrades that nobody can be asked in.
edits_prompts() {
  local name
  name=$(find /etc/plugfleet/prompts -name '*.txt' | sort | head -n 1)
  echo 'Mine.' >>"$name"
  DEBIAN_FRONTEND=noninteractive dpkg -i /opt/plugfleet.deb
  tail -n 1 "$name" | grep -x 'Mine.'
  [[ $(dpkg-query -W -f '${db:Status-Status}' plugfleet) == installed ]]
}
data_stay() {
  [[ $(DEBIAN_FRONTEND=noninteractive apt-get -q -y purge plugfleet 2>&1 | tee /dev/stderr) == *'its data stay'* && $(rows) -gt 0 ]]
  grep -rqx 'Mine.' /etc/plugfleet/prompts
  install_package
}
nothing_is_left() {
  PLUGFLEET_PURGE=yes DEBIAN_FRONTEND=noninteractive apt-get -q -y purge plugfleet 2>&1 | tee /tmp/said
  grep -F 'Plugfleet and its data are gone.' /tmp/said # apt's own lines end in CR LF
  find / /run -xdev \( -path /etc/fail2ban -o -path /opt -o -path /tmp -o -path /var/log/journal \) -prune -o -name '*plugfleet*' -print | (! grep .)
  [[ $(theirs main -c "select count(*) from pg_database where datname like 'plugfleet%'") == 1 ]] # theirs
  [[ ! $(theirs main -c "select 1 from pg_roles where rolname = 'plugfleet'") ]]
  [[ ! $(getent passwd plugfleet plugfleet-pgbouncer) ]]
  systemctl --failed --no-legend | (! grep .)
  [[ ! $(systemctl list-unit-files '*plugfleet*' --no-legend) ]] # by its status there is none
  (! grep -r plugfleet /etc/postgresql)
  serves_debians_page
}
# Where nobody else has a database, the cluster gets our sizes, and keeps what it has more of.
alone_it_is_sized() {
  theirs main -c 'drop database crm' -c 'drop database plugfleet_crm'
  install_package
  plugfleet setup --self-signed
  [[ $(theirs main -c 'show max_connections') == 100 && $(theirs main -c 'show autovacuum_naptime') == 15s ]]
  [[ $(theirs main -c 'show idle_in_transaction_session_timeout') == 0 ]]
  renames
  # Debconf's answer, given beforehand.
  echo plugfleet plugfleet/purge boolean true | debconf-set-selections
  DEBIAN_FRONTEND=noninteractive apt-get -q -y purge plugfleet 2>&1 | tee /dev/stderr | grep -F 'and its data are gone'
  [[ $(theirs main -c 'show autovacuum_naptime') == 1min ]]
}

# A fleet that is stopped says how to start it.
tells_how_to_start() {
  local said
  plugfleet stop
  said=$(plugfleet status) || [[ $? == 3 ]]
  [[ $said == 'Plugfleet is not running; start it with: plugfleet start' ]] || { echo "$said" && return 1; }
  bash -c "${said#*with: }"
  until_true 60 whole
}
watches_before_the_first_night() {
  [[ ! $(find /var/lib/plugfleet/backups -name '*.tar') ]]
  /usr/lib/plugfleet/scripts/health-check | tee /dev/stderr | grep -F 'there is none yet'
}
takes_another_name() {
  echo '127.0.0.1 other-name' >>/etc/hosts
  plugfleet setup --self-signed --name other-name | tee /dev/stderr | grep -Fx 'Plugfleet is up: https://other-name'
  curl -sf -o /dev/null --cacert "$certificate" https://other-name/healthz
  rm /etc/plugfleet/tls/key.pem
  plugfleet setup --self-signed --name plugfleet-test
  curl -sf -o /dev/null --cacert "$certificate" "$site/healthz"
}

# What a loss of power leaves: zeros at the end of Redis' log, PostgreSQL's pid file, of a process that is another by now, or
# empty. The services start by themselves, and say what they mended.
starts_after_loss_of_power() {
  local log=/var/lib/plugfleet/redis-state/appendonlydir pid=/var/lib/postgresql/15/main/postmaster.pid content
  for content in "$$" ''; do
    systemctl stop plugfleet redis-server@plugfleet-state postgresql@15-main
    head -c 4096 /dev/zero >>"$(find $log -name '*.incr.aof')"
    printf '%s' "${content:+$content$'\n'}" >$pid
    chown postgres: $pid && chmod 0600 $pid
    systemctl start redis-server@plugfleet-state postgresql@15-main plugfleet
    until_true 60 whole
    renames
  done
  journalctl -q -o cat -u redis-server@plugfleet-state | grep -F 'was cut off'
  journalctl -q -o cat -u postgresql@15-main | grep -F "which is not PostgreSQL's"
  journalctl -q -o cat -u postgresql@15-main | grep -F 'was empty: it was removed'
}
