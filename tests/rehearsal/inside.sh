# shellcheck shell=bash
# Sourced in the rehearsal's machine by the steps: what they do there and what they look at.
# shellcheck disable=SC2317
set -euo pipefail

certificate=/etc/plugfleet/tls/certificate.pem
site=https://plugfleet-test
sample=/usr/lib/plugfleet/modules/figma/sample

install_package() { # from what was downloaded: the machine has no network
  DEBIAN_FRONTEND=noninteractive apt-get -q -y --no-install-recommends -o Dir::Cache::archives=/opt/archives install \
    /opt/plugfleet.deb logrotate
}

request() {
  base64 -w0 $sample/button-primary.png | jq -R '{userEmail: "you@example.com",
    layers: [{id: "1", currentName: "Frame 1", type: "FRAME", imageBase64: .}]}'
}
post() { request | curl -sS --max-time 30 --cacert $certificate -H 'Content-Type: application/json' "$@" --data-binary @- $site/api/rename-layers; }
# A rename through TLS, its certificate verified.
renames() { [[ $(post | jq -r '.layers[0].newName') == 'Blue Pill Button' ]]; }
healthy() { [[ $(curl -s --max-time 5 http://127.0.0.1:8080/health | jq -r .status) == ok ]]; }

processes() { pgrep -u plugfleet -fc "$1" || true; } # pgrep -c says 0 by its status too
# One fleet and no more: each program as often as it is wanted, each below the one supervisord.
whole() {
  local main
  main=$(systemctl show -p MainPID --value plugfleet)
  [[ $main != 0 && $(processes '^[^ ]*/plugfleet-worker ') == 2 && $(processes '^[^ ]*/plugfleet-runner ') == 2 &&
    $(processes '^[^ ]*/plugfleet-keeper ') == 1 && $(processes '^plugfleet-holder ') == 1 && $(processes supervisord) == 1 &&
    $(pgrep -P "$main" | wc -l) == 6 ]] && healthy
}

until_true() { # SECONDS COMMAND...
  local deadline=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS < deadline)) || { echo "not true in time: $*" && systemctl status plugfleet nginx && return 1; }
    sleep 0.02
  done
}
# recovers COMMAND...: does that, and measures until a rename is answered, and until the fleet is whole.
recovers() {
  local begin served
  until_true 20 whole # a worker may still be connecting to what was killed before
  begin=$EPOCHREALTIME
  "$@"
  until_true 30 renames
  served=$EPOCHREALTIME
  sleep 0.3 # the process table may still be that of before
  until_true 60 whole
  awk -v a="$begin" -v b="$served" -v c="$EPOCHREALTIME" 'BEGIN {printf "= renames after %.2f s, whole after %.2f s\n", b - a, c - a}'
}

kill_one_worker() { kill -KILL "$(pgrep -u plugfleet -f '^[^ ]*/plugfleet-worker ' | head -n 1)"; }
kill_workers() { pkill -KILL -u plugfleet -f '^[^ ]*/plugfleet-worker '; }
kill_unit() { kill -KILL "$(systemctl show -p MainPID --value "$1")"; }

sql() { (cd / && runuser -u postgres -- psql --cluster 15/main -XAtq -d plugfleet -c "$1"); }
rows() { sql 'select count(*) from jobs'; }

# A job that is accepted is done, whatever happens meanwhile.
job_survives() {
  local id
  id=$(post -H 'Prefer: respond-async' | jq -r '.jobId // .id')
  [[ $id =~ ^[0-9a-f-]{36}$ ]] || { echo "no job: $id" && return 1; }
  "$@"
  job_is_done() { [[ $(curl -s --cacert "$certificate" "$site/api/jobs/$id" | jq -r .status) == completed ]]; }
  until_true 60 job_is_done
  until_true 60 whole
}

queued_job() { post -H 'Prefer: respond-async' | jq -r .jobId; }
# watch JOB [LAST]: its event stream to the end, after the event LAST where it was seen.
watch() { curl -sSN --max-time 120 --cacert $certificate ${2:+-H "Last-Event-ID: $2"} "$site/api/jobs/$1/stream"; }

# Our programs' pids. The holder of the workers' socket stays as long as supervisord does.
serving() { pgrep -u plugfleet -f '^[^ ]*/plugfleet-(worker|runner|keeper)' | sort; }

replaced_since() { [[ $(serving) != "$1" ]]; } # PIDS

# A package whose upgrade is killed in the midst of replacing processes.
interrupted_upgrade() { # VERSION
  local before
  before=$(serving)
  DEBIAN_FRONTEND=noninteractive dpkg -i "/opt/plugfleet-$1.deb" &
  until_true 90 test -e /var/lib/plugfleet/upgrading
  until_true 60 replaced_since "$before"
  pkill -KILL -f '^bash .*/operate/upgrade$'
  wait
  [[ -e /var/lib/plugfleet/upgrading ]]
}

secret_is_nowhere() {
  local key=sk-rehearsal-5d1f7e
  install -m 0600 <(echo "$key") /etc/plugfleet/secrets/OPENAI_API_KEY
  plugfleet setup >/dev/null
  grep -q OPENAI_API_KEY_FILE /run/plugfleet/conf/worker.env
  if { cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null && journalctl -q && systemctl show plugfleet && cat /var/log/plugfleet/*; } |
    grep -qF -- "$key"; then return 1; fi
  [[ $(find /var/lib/plugfleet /run/plugfleet /etc/plugfleet -xdev -type f -exec grep -lF -- "$key" {} +) == /etc/plugfleet/secrets/OPENAI_API_KEY ]]
  rm /etc/plugfleet/secrets/OPENAI_API_KEY
  plugfleet setup >/dev/null
}

redirects() {
  [[ $(curl -s -o /dev/null -w '%{http_code} %{redirect_url}' 'http://plugfleet-test/a?b') == '308 https://plugfleet-test/a?b' ]]
}

# What the world can reach: nginx on 80 and 443.
only_nginx_listens() {
  ss -Hltnp | awk '$4 !~ /^(127\.|\[::1\])/' | tee /dev/stderr |
    awk '{n++} $4 !~ /:(80|443)$/ || !/"nginx"/ {bad = 1} END {exit bad || n < 2}'
}

# A certbot that has itself asked through port 80, as Let's Encrypt does, and leaves a certificate like certbot's.
fake_certbot() {
  cat >/usr/local/bin/certbot <<'END'
#!/bin/bash
set -e
while (($#)); do case $1 in -w) root=$2 ;; -d) name=$2 ;; esac; shift; done
mkdir -p "$root/.well-known/acme-challenge" "/etc/letsencrypt/live/$name"
echo token >"$root/.well-known/acme-challenge/t"
[[ $(curl -s "http://$name/.well-known/acme-challenge/t") == token ]] || { echo "Challenge failed for domain $name" && exit 1; }
openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 90 -subj "/CN=certbots/" -addext "subjectAltName=DNS:$name" \
  -keyout "/etc/letsencrypt/live/$name/privkey.pem" -out "/etc/letsencrypt/live/$name/fullchain.pem" 2>/dev/null
END
  chmod 755 /usr/local/bin/certbot
}
served_subject() { openssl s_client -connect 127.0.0.1:443 -servername "$1" </dev/null 2>/dev/null | openssl x509 -noout -subject; }
certbot_is_used() {
  fake_certbot
  echo '127.0.0.1 fleet.example.org' >>/etc/hosts
  plugfleet setup --domain fleet.example.org --email you@example.org
  certbots_is_served() { [[ $(served_subject fleet.example.org) == *certbots* ]]; }
  until_true 10 certbots_is_served
  [[ -x /etc/letsencrypt/renewal-hooks/deploy/plugfleet ]] && /etc/letsencrypt/renewal-hooks/deploy/plugfleet
}
certbot_may_fail() {
  printf '#!/bin/sh\necho "DNS problem: NXDOMAIN"\nexit 1\n' >/usr/local/bin/certbot
  rm -f /etc/plugfleet/tls/*
  plugfleet setup --domain fleet.example.org | tee /tmp/said
  grep -q 'got no certificate' /tmp/said && [[ $(served_subject fleet.example.org) == *fleet.example.org* ]]
  rm /usr/local/bin/certbot /etc/plugfleet/tls/*
  plugfleet setup --self-signed --name plugfleet-test
}

# Whole, but frozen: the health timer's service finds it the third time, and restarts it.
freeze_is_found() {
  local before after
  before=$(systemctl show -p MainPID --value plugfleet)
  systemctl stop plugfleet-health.timer
  pkill -STOP -u plugfleet -f '^[^ ]*/plugfleet-worker '
  for _ in 1 2 3; do systemctl start plugfleet-health.service || true; done
  until_true 60 whole
  after=$(systemctl show -p MainPID --value plugfleet)
  systemctl start plugfleet-health.timer
  [[ $before != "$after" ]] && renames
}

rotates_logs() {
  logrotate -f /etc/logrotate.d/plugfleet
  renames
  until_true 5 test -s /var/log/plugfleet/worker.log
  whole
}
