# shellcheck shell=bash
# Sourced by scripts/operate/setup: Debian's servers with our configuration, each under its own unit, and ours. What runs
# and has not changed runs on; nginx is reloaded, our programs are replaced one by one. The current directory is RUN.
set -euo pipefail
: "${root:?}"

cluster=/etc/postgresql/15/main

# has_changed PATTERN: whether a filled-in file did (`changed` is fleet-prepare.sh's).
# shellcheck disable=SC2154
has_changed() { [[ " ${changed[*]} " == *conf/$1* ]]; }

# unit_failed UNIT: ends, with what the unit said last.
unit_failed() {
  printf '%s does not start. Its last words:\n' "$1" >&2
  journalctl -q -n 15 -o cat -u "$1" 2>/dev/null | sed 's/^/  /' >&2
  exit 1
}
# start_unit UNIT [restart]: started and at boot.
start_unit() {
  systemctl -q enable "$1" 2>/dev/null || true
  systemctl "${2:-start}" "$1" || unit_failed "$1"
}

take_over_units() {
  local folder
  for folder in "$root"/systemd/*.service.d; do
    mkdir -p "/etc/systemd/system/${folder##*/}"
    ln -sfn "$folder/plugfleet.conf" "/etc/systemd/system/${folder##*/}/plugfleet.conf"
  done
  systemctl daemon-reload
}

# mark FILE TEXT: puts the text before the first rule of a file of PostgreSQL's, once.
mark() {
  local new
  new=$(printf '# plugfleet begin\n%s\n# plugfleet end\n' "$2" && sed '/^# plugfleet begin/,/^# plugfleet end/d' "$1")
  [[ $new == "$(<"$1")" ]] && return
  printf '%s\n' "$new" >"$1.plugfleet"
  chown --reference="$1" "$1.plugfleet" && chmod --reference="$1" "$1.plugfleet"
  mv -- "$1.plugfleet" "$1"
}

start_postgresql() {
  if [[ ! -e $cluster/postgresql.conf ]]; then
    pg_createcluster 15 main -- --data-checksums >/dev/null || fail 'The PostgreSQL cluster 15/main could not be made.'
  fi
  install -m 0644 conf/postgresql/plugfleet.conf "$cluster/conf.d/plugfleet.conf"
  # Only PgBouncer's user may be the database user plugfleet.
  mark "$cluster/pg_hba.conf" 'local all plugfleet peer map=plugfleet'
  mark "$cluster/pg_ident.conf" 'plugfleet plugfleet-pgbouncer plugfleet'
  start_unit postgresql@15-main
  until_true 90 psql_as postgres postgres postgresql -c 'select 1' || unit_failed postgresql@15-main
  psql_as postgres postgres postgresql -c 'select pg_reload_conf()' >/dev/null
  sleep 0.5 # a reload is not waited for
  if [[ $(psql_as postgres postgres postgresql -c 'select count(*) from pg_settings where pending_restart') != 0 ]]; then
    say '  PostgreSQL starts anew for its new sizes'
    systemctl restart postgresql@15-main
    until_true 90 psql_as postgres postgres postgresql -c 'select 1' || unit_failed postgresql@15-main
  fi
}

start_redis() {
  local name action
  for name in state payloads; do
    action=start
    if has_changed "redis/$name.conf"; then action=restart; fi
    start_unit "redis-server@plugfleet-$name" "$action"
  done
  # Debian's own instance is nobody's here, unless somebody uses it.
  if [[ $(redis-cli dbsize 2>/dev/null) == 0 ]]; then systemctl -q disable --now redis-server.service 2>/dev/null || true; fi
}

start_pgbouncer() {
  local action=start
  if has_changed pgbouncer/ || [[ $(systemctl show -p User --value pgbouncer) != "$(ps -o user:32= -p "$(systemctl show -p MainPID --value pgbouncer)" 2>/dev/null)" ]]; then
    action=restart
  fi
  start_unit pgbouncer "$action"
  until_true 15 psql_as plugfleet plugfleet pgbouncer -c 'select 1' || unit_failed pgbouncer
}

start_programs() {
  systemctl -q disable --now supervisor.service 2>/dev/null || true # Debian's own, which has nothing to do
  if ! systemctl -q is-active plugfleet; then
    start_unit plugfleet
  elif has_changed supervisord/; then
    say '  Process counts changed: our programs stop and start, which takes a moment'
    start_unit plugfleet restart
  elif [[ ${changed[*]} == *.env* || ! -e conf/programs-started || $(find /etc/plugfleet/{plugfleet.conf,secrets} -newer conf/programs-started 2>/dev/null) ]]; then
    refresh_secrets
    "$root/scripts/operate/restart" || fail 'The others serve on with what they were started with.'
  fi
  touch conf/programs-started
}

start_nginx() {
  nginx -t -q -e stderr -c /var/lib/plugfleet/conf/nginx/nginx.conf || fail 'nginx refuses its configuration.'
  systemctl -q enable nginx 2>/dev/null || true
  if pgrep -f '^nginx: master process .* -c /var/lib/plugfleet/' >/dev/null; then
    reload_nginx systemctl reload nginx || unit_failed nginx
  else
    start_unit nginx restart # it may run with Debian's own configuration
  fi
}

start_timers() {
  local timer
  for timer in health backup; do start_unit "plugfleet-$timer.timer"; done
}

answers_healthz() {
  curl -sf --noproxy '*' --max-time 5 -k --resolve "$PUBLIC_NAME:443:127.0.0.1" "https://$PUBLIC_NAME/healthz"
}

# A certificate of certbot's: links to it take the place of the one that signs itself. certbot.timer renews it.
get_certificate() {
  local live=/etc/letsencrypt/live/$PUBLIC_NAME contact=(--register-unsafely-without-email) log
  if [[ ${EMAIL:-} ]]; then contact=(--email "$EMAIL"); fi
  if ! command -v certbot >/dev/null; then
    say 'certbot is not installed: the certificate signs itself. apt-get install certbot, then plugfleet setup again.'
    return
  fi
  mkdir -p /etc/letsencrypt/renewal-hooks/deploy
  ln -sfn "$root/scripts/certificate-renewed" /etc/letsencrypt/renewal-hooks/deploy/plugfleet
  if ! log=$(certbot certonly --non-interactive --agree-tos "${contact[@]}" --webroot -w /var/lib/plugfleet/acme \
    -d "$PUBLIC_NAME" --keep-until-expiring 2>&1); then
    say "certbot got no certificate for $PUBLIC_NAME, so the one in use signs itself. Does the name lead here, port 80 included? It said:"
    tail -n 5 <<<"$log" | sed 's/^/  /'
    return
  fi
  ln -sfn "$live/privkey.pem" /etc/plugfleet/tls/key.pem
  ln -sfn "$live/fullchain.pem" /etc/plugfleet/tls/certificate.pem
  systemctl reload nginx
}
