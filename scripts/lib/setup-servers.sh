# shellcheck shell=bash
# Sourced by scripts/operate/setup: Debian's servers with our configuration, each under its own unit, and ours. What runs
# and has not changed runs on; nginx is reloaded, our programs are replaced one by one. The current directory is RUN.
set -euo pipefail
: "${root:?}" "${cluster:?}" "${taken:?}" # setup-machine.sh's

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
  remember nginx pgbouncer postgresql@15-main
  for folder in "$root"/systemd/*.service.d; do
    if [[ $folder == */postgresql@* ]] && ! uses_cluster; then continue; fi
    mkdir -p "/etc/systemd/system/${folder##*/}"
    ln -sfn "$folder/plugfleet.conf" "/etc/systemd/system/${folder##*/}/plugfleet.conf"
  done
  systemctl daemon-reload
}

# mark FILE TEXT: puts the text before the first rule of a file of PostgreSQL's, once. The rest stays as it is, to the
# byte, and the file may be a link.
mark() {
  local file
  file=$(realpath -- "$1")
  [[ -e $file ]] || fail "PostgreSQL's $file is missing."
  {
    printf '# plugfleet begin\n%s\n# plugfleet end\n' "$2"
    sed '/^# plugfleet begin/,/^# plugfleet end/d' "$file"
  } >"$file.plugfleet"
  chown --reference="$file" "$file.plugfleet" && chmod --reference="$file" "$file.plugfleet"
  if cmp -s -- "$file" "$file.plugfleet"; then rm -- "$file.plugfleet"; else mv -- "$file.plugfleet" "$file"; fi
}

# larger NAME VALUE: the value, or what the cluster has without our file where that is more.
larger() {
  psql_as postgres postgres postgresql -v name="$1" -v ours="$2" -f - <<'END'
with theirs as (
  select coalesce((select setting from pg_file_settings
                    where name = :'name' and error is null and sourcefile !~ '/conf\.d/plugfleet\.conf$'
                    order by seqno desc limit 1),
                  (select boot_val from pg_settings where name = :'name')) as value),
both_values (value) as (select value from theirs union all select :'ours')
select value from both_values -- a number alone counts pages, or connections
  order by pg_size_bytes(regexp_replace(value, '^([0-9]+)$', '\1kB')) * case when value ~ '^[0-9]+$' then 8 else 1 end desc
  limit 1
END
}

# size_postgresql: conf.d/plugfleet.conf, and a restart where it takes one. Neither where the cluster has others'
# databases; a file of a time when it had none is brought up to date, and its owner is told about the restart.
size_postgresql() {
  local file=$cluster/conf.d/plugfleet.conf text name value
  if [[ $others_databases && ! -e $file ]]; then return; fi
  text=$(<conf/postgresql/plugfleet.conf)
  for name in max_connections shared_buffers; do
    value=$(sed -n "s/^$name = //p" <<<"$text")
    text=${text/"$name = $value"/"$name = $(larger "$name" "$value")"}
  done
  mkdir -p "${file%/*}"
  printf '%s\n' "$text" >"$file"
  chmod 0644 "$file"
  psql_as postgres postgres postgresql -c 'select pg_reload_conf()' >/dev/null
  sleep 0.5 # a reload is not waited for
  [[ $(psql_as postgres postgres postgresql -c 'select count(*) from pg_settings where pending_restart') != 0 ]] || return 0
  if [[ $others_databases ]]; then
    say "  PostgreSQL has other databases ($others_databases): it is not restarted for its new sizes. When it suits them: systemctl restart postgresql@15-main"
    return
  fi
  say '  PostgreSQL starts anew for its new sizes'
  systemctl restart postgresql@15-main || unit_failed postgresql@15-main
  until_true 90 psql_as postgres postgres postgresql -c 'select 1' || unit_failed postgresql@15-main
}

start_postgresql() {
  if ! uses_cluster; then return; fi
  if [[ ! -e $cluster/postgresql.conf ]]; then
    pg_createcluster 15 main -- --data-checksums >/dev/null || fail 'The PostgreSQL cluster 15/main could not be made.'
    configure # it may have another port than 5432
  fi
  start_unit postgresql@15-main
  until_true 90 psql_as postgres postgres postgresql -c 'select 1' || unit_failed postgresql@15-main
  check_postgresql # it may not have run before
  end_if_wrong
  if ! grep -qsx database "$taken"; then echo database >>"$taken"; fi
  # Only PgBouncer's user may be the database user plugfleet.
  mark "$(cluster_setting hba_file "$cluster/pg_hba.conf")" 'local all plugfleet peer map=plugfleet'
  mark "$(cluster_setting ident_file "$cluster/pg_ident.conf")" 'plugfleet plugfleet-pgbouncer plugfleet'
  psql_as postgres postgres postgresql -c 'select pg_reload_conf()' >/dev/null
  size_postgresql
}

start_redis() {
  local name action
  for name in state payloads; do
    action=start
    if has_changed "redis/$name.conf"; then action=restart; fi
    start_unit "redis-server@plugfleet-$name" "$action"
  done
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

nginx_listens() { [[ $(ss -Hltn "sport = :$HTTPS_PORT") && $(ss -Hltn "sport = :$HTTP_PORT") ]]; }
start_nginx() {
  nginx -t -q -e stderr -c /var/lib/plugfleet/conf/nginx/nginx.conf || fail 'nginx refuses its configuration.'
  systemctl -q enable nginx 2>/dev/null || true
  if pgrep -f '^nginx: master process .* -c /var/lib/plugfleet/' >/dev/null; then
    reload_nginx systemctl reload nginx || unit_failed nginx
  else
    start_unit nginx restart # it may run with Debian's own configuration
    # It tries for 2.5 s where a connection of another program has one of its ports.
    until_true 5 nginx_listens || give_up "nginx cannot listen on port 80, $HTTPS_PORT or $HTTP_PORT." nginx-error.log
  fi
}

start_timers() {
  local timer
  for timer in health backup; do start_unit "plugfleet-$timer.timer"; done
}

public_url() {
  local host=$PUBLIC_NAME
  if [[ $host == *:* ]]; then host="[$host]"; fi
  if [[ $HTTPS_PORT != 443 ]]; then host+=:$HTTPS_PORT; fi
  echo "https://$host"
}
answers_healthz() {
  curl -sf --noproxy '*' --max-time 5 -k --connect-to "::127.0.0.1:$HTTPS_PORT" "$(public_url)/healthz"
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
  # The names under which certificate_is_right looks are those of tls/.
  mkdir -p "$RUN/conf/tls-new"
  ln -sfn "$live/privkey.pem" "$RUN/conf/tls-new/key.pem"
  ln -sfn "$live/fullchain.pem" "$RUN/conf/tls-new/certificate.pem"
  if ! certificate_is_right "$RUN/conf/tls-new" "$PUBLIC_NAME"; then
    say "certbot's certificate in $live is not right for $PUBLIC_NAME (its time, its names or its key): certbot certificates"
    return
  fi
  keep_others_certificate
  mv -T -- "$RUN/conf/tls-new/key.pem" /etc/plugfleet/tls/key.pem
  mv -T -- "$RUN/conf/tls-new/certificate.pem" /etc/plugfleet/tls/certificate.pem
  rmdir "$RUN/conf/tls-new"
  systemctl reload nginx
}
